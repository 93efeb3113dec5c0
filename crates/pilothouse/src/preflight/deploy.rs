//! A look ahead: what a deploy is going to do to each object, and the reasons against it.

#[cfg(test)]
#[path = "deploy_tests.rs"]
mod tests;

use crate::context::Context;
use crate::context::Foresight;
use crate::context::Steps;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::preview_deploy;
use crate::preflight::adoption::Adopting;
use crate::preflight::applied;
use crate::preflight::backup::save;
use crate::preflight::changes::refusals::gate;
use crate::preflight::changes::refused;
use crate::preflight::cluster::checks::look_around;
use crate::preflight::left_by_hooks;
use crate::preflight::looked_up;
use crate::preflight::losses::consent::Consent;
use crate::preflight::not_there;
use crate::preflight::own_kinds;
use crate::preflight::unserved;
use crate::render;
use pilothouse_core::{Change, Class, CrdFacts, Decision, Finding, ObjectRef, Phase, ReleaseHistory, code};
use serde_json::Value;

/// Reasons against deploying the release. The server is asked what becomes of each object. Then, for those
/// that change: rights, quotas, room on nodes, webhooks, pull secrets, APIs that go (`look_around`); what would be lost, and what
/// consent allows (`gate`); custom resources of the chart's own kinds; what a backup cannot save. `seen` are objects as they were read
/// a moment ago, `changing` the definitions that steps change first. What the server has answered is kept. Changes nothing.
pub(crate) async fn deploy_findings(
    steps: &Steps,
    ctx: &Context,
    wanted: &Wanted,
    decision: &Decision,
    seen: &[(ObjectRef, Option<Value>)],
    changing: &[CrdFacts],
) -> Foresight {
    let change = match decision {
        Decision::Change(change) => change,
        Decision::Keep { .. } | Decision::Refuse { .. } | Decision::Finish { .. } => return Foresight::default(),
    };
    let history = match observe::history_for_look(ctx).await {
        Ok(history) => history,
        Err(error) => return unreadable(ctx, &error).into(),
    };
    let begins_with_uninstall = match change {
        Change::Install | Change::Upgrade { .. } => false,
        Change::Reinstall(_) => true,
        Change::Uninstall => return uninstall_alone(ctx, &history, steps, wanted, change).await,
    };
    if render::values_are_missing(ctx.info(), &wanted.payload) {
        let later = Foresight::not_checked(
            "what becomes of its objects",
            "that is looked at in the run, once the values that come from a step are known",
        );
        return if begins_with_uninstall {
            uninstall_alone(ctx, &history, steps, wanted, change).await.and(later)
        } else {
            later
        };
    }
    let looked = async {
        let preview = preview_deploy(ctx, wanted, change, &history, seen, changing).await?;
        Ok::<_, PhaseError>((preview, Adopting::of(steps, ctx).await?))
    };
    match looked.await {
        Ok((preview, adopting)) => {
            let (compared, manifests) = (&preview.compared, preview.manifests.expose());
            let around = look_around(ctx, compared, manifests).await;
            let deleted = adopting.deleted();
            let mut findings = gate(ctx, &history, wanted, compared, deleted, change, adopting.consent()).await;
            findings.extend(own_kinds::findings(compared, manifests, &adopting));
            findings.extend(refused::definitions(ctx, &preview.definitions));
            let (refused, not_checked) = refused::hooks(ctx, &preview.hooks, compared);
            findings.extend(refused);
            let mut later = Foresight { not_checked, ..Foresight::default() };
            let mut missing: Vec<Finding> = Vec::new();
            // An upgrade deletes only once its first hooks have run.
            let gone = if begins_with_uninstall { compared.as_slice() } else { &[] };
            if begins_with_uninstall {
                match left_by_hooks::findings(ctx, &history, &preview.docs).await {
                    Ok(left) => findings.extend(left),
                    Err(error) => findings.extend(unreadable(ctx, &error)),
                }
                later = later.and(looked_up::findings(ctx, wanted).await);
                later = later.and(uninstall_hooks(ctx, &history).await);
            }
            let [first_event, _] = observe::events_of_deploy(matches!(change, Change::Upgrade { .. }));
            missing.extend(not_there::findings(ctx, (&preview, first_event), gone, &findings));
            missing.extend(not_there::hook_findings(ctx, (&preview.docs, &preview.by_steps), &preview.hooks, gone));
            // Steps of pre_exec may bring it: then it is looked at once they have run, and before an uninstall.
            let (gone, missing): (Vec<_>, Vec<_>) = missing.into_iter().partition(|one| one.class == Class::Unsafe);
            findings.extend(gone);
            if ctx.phase() == Phase::CheckPrerequisites && !steps.of(Phase::PreExec).is_empty() {
                let unless = |one: &Finding| format!("{one}, unless a step of pre_exec brings it");
                later.not_checked.extend(missing.iter().map(unless));
            } else {
                findings.extend(missing);
            }
            findings.append(&mut later.findings);
            let mut warnings = applied::shared_with_chart(steps, ctx.info(), &preview.docs).await;
            warnings.extend(save::announced(ctx, &history, wanted, compared, change, adopting.consent()).await);
            let gone = unserved::foresee(ctx, steps, wanted, change, adopting.consent()).await;
            let preview = Some(Box::new(preview));
            Foresight { findings, warnings, preview, ..later }.and(gone).and(around)
        }
        Err(error) => unreadable(ctx, &error).into(),
    }
}

fn unreadable(ctx: &Context, error: &PhaseError) -> Vec<Finding> {
    vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(error))]
}

/// What speaks against the uninstall, where what follows it is none of this release's, or not known yet.
async fn uninstall_alone(
    ctx: &Context,
    history: &ReleaseHistory,
    steps: &Steps,
    wanted: &Wanted,
    change: &Change,
) -> Foresight {
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return vec![finding].into(),
    };
    let findings = gate(ctx, history, wanted, &[], &[], change, &consent).await;
    let warnings = save::announced(ctx, history, wanted, &[], change, &consent).await.into_iter().collect();
    let gone = unserved::foresee(ctx, steps, wanted, change, &consent).await;
    Foresight { findings, warnings, ..Foresight::default() }.and(gone).and(uninstall_hooks(ctx, history).await)
}

/// What speaks against the hooks that helm runs with the uninstall.
async fn uninstall_hooks(ctx: &Context, history: &ReleaseHistory) -> Foresight {
    match observe::preview_uninstall_hooks(ctx, history).await {
        Ok((docs, hooks)) => {
            let (mut findings, not_checked) = refused::hooks(ctx, &hooks, &[]);
            let missing = not_there::hook_findings(ctx, (&docs, &[]), &hooks, &[]);
            // Of a kind that is not served any more, Helm's record can be freed with consent: that is told by itself.
            findings.extend(missing.into_iter().filter(|one| one.code != code::API_NOT_SERVED));
            Foresight { findings, not_checked, ..Foresight::default() }
        }
        Err(error) => unreadable(ctx, &error).into(),
    }
}
