//! A look ahead: what a deploy is going to do to each object, and the reasons against it.

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
use crate::preflight::own_kinds;
use crate::render;
use pilothouse_core::{Change, Class, Decision, Finding, ObjectRef, code};
use serde_json::Value;

/// Reasons against a reinstall, looked at once more before its uninstall is begun.
///
/// # Errors
/// [`PhaseError::Refused`] with them.
pub(crate) async fn refuse_reinstall(ctx: &Context, wanted: &Wanted, change: &Change) -> Result<(), PhaseError> {
    let consent = Consent::needed(ctx).await?;
    PhaseError::refuse_for(gate(ctx, wanted, &[], &[], change, &consent).await)
}

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
    let is_upgrade = match change {
        Change::Install => false,
        Change::Upgrade { .. } => true,
        Change::Reinstall(_) | Change::Uninstall => {
            let consent = match Consent::of(ctx).await {
                Ok(consent) => consent,
                Err(finding) => return vec![finding].into(),
            };
            let findings = gate(ctx, wanted, &[], &[], change, &consent).await;
            let warnings = save::announced(ctx, wanted, &[], change, &consent).await.into_iter().collect();
            return Foresight { findings, warnings, ..Foresight::default() };
        }
    };
    if render::values_are_missing(ctx.info(), &wanted.payload) {
        return Foresight::not_checked(
            "what becomes of its objects",
            "that is looked at in the run, once the values that come from a step are known",
        );
    }
    let looked = async {
        let preview = preview_deploy(ctx, wanted, is_upgrade, seen).await?;
        Ok::<_, PhaseError>((preview, Adopting::of(steps, ctx).await?))
    };
    match looked.await {
        Ok((preview, adopting)) => {
            let (compared, manifests) = (&preview.compared, preview.manifests.expose());
            let around = look_around(ctx, compared, manifests).await;
            let mut findings = gate(ctx, wanted, compared, adopting.deleted(), change, adopting.consent()).await;
            findings.extend(own_kinds::findings(compared, manifests, &adopting));
            let warnings =
                save::announced(ctx, wanted, compared, change, adopting.consent()).await.into_iter().collect();
            let preview = Some(Box::new(preview));
            Foresight { findings, warnings, preview, ..Foresight::default() }.and(around)
        }
        Err(error) => {
            vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))].into()
        }
    }
}
