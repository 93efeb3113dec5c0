//! Whether a failed deploy could be rolled back as its policy asks: found out before anything is changed.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::unserved::is_rewritten;
use pilothouse_core::{
    Change, Class, Decision, Finding, HelmAction, ObjectRef, ReleaseHistory, Remedy, RevisionMeta, RevisionStatus,
    code, object_ref,
};

/// Why an upgrade that fails could not be rolled back although it would have to be. Says what a first install that fails
/// comes to.
///
/// The revision to go back to must be there, readable, and kept by Helm until then; every kind in it must still be served.
/// Read-only.
pub(crate) async fn rollback_findings(ctx: &Context, run: &ReleaseRun) -> Vec<Finding> {
    let info = ctx.info();
    let observed = observe::observed(ctx).await;
    let (_, decision) = observe::baseline(ctx, run).await;
    let policy = observe::failure_policy_for(&info.on_failure, &decision);
    if info.action != HelmAction::Deploy || policy.then != Remedy::Rollback {
        return Vec::new();
    }
    let target = match decision {
        Decision::Change(Change::Upgrade { last_good: Some(revision) }) => revision,
        Decision::Change(Change::Install | Change::Reinstall(_) | Change::Upgrade { last_good: None }) => {
            ctx.say("there is no revision to roll back to: if this fails, it is left as it is");
            return Vec::new();
        }
        Decision::Change(Change::Uninstall)
        | Decision::Keep { .. }
        | Decision::Refuse { .. }
        | Decision::Finish { .. } => return Vec::new(),
    };
    let history = observed.known_history();
    let impossible = |why: String| {
        let message = format!("an upgrade that fails could not be rolled back to revision {target}: {why}");
        vec![Finding::new(Class::Blocked, code::ROLLBACK_IMPOSSIBLE, ctx.release(), message)]
    };
    if !is_kept(history, target, info.max_history, policy.tries()) {
        return impossible(format!("helm would delete it first, since max_history is {}", info.max_history));
    }
    let Some(meta) = history.get(target) else {
        return impossible("its record is not there".to_owned());
    };
    match unserved(ctx, meta).await {
        Ok(Target::Gone) => impossible("its record is not there".to_owned()),
        Ok(Target::Unserved(objects)) if objects.is_empty() => Vec::new(),
        // It is what helm upgrades over: by then its record was written anew.
        Ok(Target::Unserved(objects)) if is_base(history, target) && is_rewritten(ctx, meta, &objects).await => {
            Vec::new()
        }
        Ok(Target::Unserved(objects)) => {
            let kinds: Vec<String> = objects.iter().map(ToString::to_string).collect();
            impossible(format!("the cluster does not serve the kind of {}", kinds.join(", ")))
        }
        Err(error @ (PhaseError::Record(_) | PhaseError::Yaml { .. })) => {
            impossible(format!("its record is damaged: {}", ctx.error_text(&error)))
        }
        Err(error) => {
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))]
        }
    }
}

fn is_base(history: &ReleaseHistory, revision: u32) -> bool {
    history.upgrade_base().is_some_and(|base| base.revision == revision)
}

/// What was found of the revision to go back to.
enum Target {
    Gone,
    /// It is there; these of its objects are of kinds that are not served any more.
    Unserved(Vec<ObjectRef>),
}

async fn unserved(ctx: &Context, meta: &RevisionMeta) -> Result<Target, PhaseError> {
    let Some(record) = observe::read_record(ctx, meta).await? else { return Ok(Target::Gone) };
    let objects = observe::manifest_objects(&record)?.iter().filter_map(object_ref).collect();
    let open = observe::without_kind(ctx, objects).await?.into_iter().map(|(object, _)| object).collect();
    Ok(Target::Unserved(open))
}

/// Whether Helm still has a revision after so many failed upgrades. Before it writes a revision it deletes the oldest ones
/// down to one less than `max_history` (0 means all are kept), but never the one that is deployed.
fn is_kept(history: &ReleaseHistory, target: u32, max_history: u32, upgrades: u32) -> bool {
    let is_deployed = history.get(target).is_some_and(|meta| meta.status == RevisionStatus::Deployed);
    let newer = u32::try_from(history.after(target).len()).unwrap_or(u32::MAX);
    max_history == 0 || is_deployed || newer.saturating_add(upgrades) < max_history
}

#[cfg(test)]
#[path = "rollback_target_tests.rs"]
mod tests;
