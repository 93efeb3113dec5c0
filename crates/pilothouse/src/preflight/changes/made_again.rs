//! Claims that an upgrade would make again, empty.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use pilothouse_core::{Class, Finding, ObjectChange, ReleaseHistory, code};

/// Claims of the revision that was deployed well and that are gone: helm would make them again, and nobody would see that their data
/// is lost. Consent to the claim says that it is known.
pub(super) async fn findings(
    ctx: &Context,
    history: &ReleaseHistory,
    compared: &[Compared],
    consent: &Consent,
) -> Vec<Finding> {
    let is_new = |one: &&Compared| {
        one.object.kind == "PersistentVolumeClaim" && one.outcome == Outcome::Change(ObjectChange::Create)
    };
    let new: Vec<&Compared> = compared.iter().filter(is_new).filter(|one| !consent.names(&one.object)).collect();
    let (Some(good), base) = (history.last_deployed(), history.upgrade_base()) else { return Vec::new() };
    // What a revision that failed has, it may never have made.
    if new.is_empty() || Some(good) != base {
        return Vec::new();
    }
    let deployed = match observe::objects_of(ctx, base).await {
        Ok(deployed) => deployed,
        Err(error) => {
            return vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))];
        }
    };
    let was_there = |one: &&&Compared| deployed.iter().any(|object| object.same_object(&one.object));
    let finding = |one: &&Compared| {
        let message = format!(
            "revision {} has it and it is gone: made again it would be empty, and what was on it would not be missed",
            good.revision
        );
        Finding::new(Class::Unsafe, code::DATA_ATTACHED, &one.object, message)
    };
    new.iter().filter(was_there).map(finding).collect()
}
