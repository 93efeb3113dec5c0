//! A look ahead: what a deploy is going to do to each object, and the reasons against it.

#[cfg(test)]
#[path = "deploy_tests.rs"]
mod tests;

use crate::context::Context;
use crate::context::Foresight;
use crate::context::Steps;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe::preview_deploy;
use crate::preflight::adoption::Adopting;
use crate::preflight::backup::save;
use crate::preflight::changes::refusals::gate;
use crate::preflight::cluster::checks::look_around;
use crate::preflight::losses::consent::Consent;
use crate::preflight::not_there;
use crate::preflight::own_kinds;
use crate::render;
use pilothouse_core::{Change, Class, Decision, Finding, ObjectRef, Phase, code};
use serde_json::Value;

/// Reasons against deploying the release. The server is asked what becomes of each object. Then, for those
/// that change: rights, quotas, room on nodes, webhooks, pull secrets, APIs that go (`look_around`); what would be lost, and what
/// consent allows (`gate`); custom resources of the chart's own kinds; what a backup cannot save. `seen` are objects as they were read
/// a moment ago. What the server has answered is kept. Changes nothing.
pub(crate) async fn deploy_findings(
    steps: &Steps,
    ctx: &Context,
    wanted: &Wanted,
    decision: &Decision,
    seen: &[(ObjectRef, Option<Value>)],
) -> Foresight {
    let change = match decision {
        Decision::Change(change) => change,
        Decision::Keep { .. } | Decision::Refuse { .. } | Decision::Finish { .. } => return Foresight::default(),
    };
    let begins_with_uninstall = match change {
        Change::Install | Change::Upgrade { .. } => false,
        Change::Reinstall(_) => true,
        Change::Uninstall => return uninstall_alone(ctx, wanted, change).await,
    };
    if render::values_are_missing(ctx.info(), &wanted.payload) {
        let later = Foresight::not_checked(
            "what becomes of its objects",
            "that is looked at in the run, once the values that come from a step are known",
        );
        return if begins_with_uninstall { uninstall_alone(ctx, wanted, change).await.and(later) } else { later };
    }
    let looked = async {
        let preview = preview_deploy(ctx, wanted, change, seen).await?;
        Ok::<_, PhaseError>((preview, Adopting::of(steps, ctx).await?))
    };
    match looked.await {
        Ok((preview, adopting)) => {
            let (compared, manifests) = (&preview.compared, preview.manifests.expose());
            let around = look_around(ctx, compared, manifests).await;
            let mut findings = gate(ctx, wanted, compared, adopting.deleted(), change, adopting.consent()).await;
            findings.extend(own_kinds::findings(compared, manifests, &adopting));
            let mut later = Foresight::default();
            let missing = not_there::findings(ctx, wanted, compared, &findings);
            // Steps of pre_exec may bring it: then it is looked at before the uninstall, once they have run, or by helm.
            if ctx.phase() == Phase::CheckPrerequisites && !steps.of(Phase::PreExec).is_empty() {
                later.not_checked =
                    missing.iter().map(|one| format!("{one}, unless a step of pre_exec brings it")).collect();
            } else {
                findings.extend(missing);
            }
            let warnings =
                save::announced(ctx, wanted, compared, change, adopting.consent()).await.into_iter().collect();
            let preview = Some(Box::new(preview));
            Foresight { findings, warnings, preview, ..later }.and(around)
        }
        Err(error) => {
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))].into()
        }
    }
}

/// What speaks against the uninstall, where what follows it is none of this release's, or not known yet.
async fn uninstall_alone(ctx: &Context, wanted: &Wanted, change: &Change) -> Foresight {
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return vec![finding].into(),
    };
    let findings = gate(ctx, wanted, &[], &[], change, &consent).await;
    let warnings = save::announced(ctx, wanted, &[], change, &consent).await.into_iter().collect();
    Foresight { findings, warnings, ..Foresight::default() }
}
