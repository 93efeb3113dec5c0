//! What a deploy must not do unless the user consents: lose data, or go on to where helm certainly fails.

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::observe;
use crate::preflight::backup::save;
use crate::preflight::changes::definitions;
use crate::preflight::changes::deleted;
use crate::preflight::changes::deletions;
use crate::preflight::changes::hooks;
use crate::preflight::changes::immutable;
use crate::preflight::changes::made_again;
use crate::preflight::changes::reclaimed;
use crate::preflight::changes::regenerated;
use crate::preflight::changes::scaled_down;
use crate::preflight::losses::consent::Consent;
use crate::preflight::losses::data_loss::DATA_KINDS;
use pilothouse_core::{Change, Class, Finding, ObjectRef, ReleaseHistory, code};
use semver::Version;

/// Reasons against what is going to be done: what it would lose, unless consent names the object; and what helm would fail on.
/// `history` are the release's revisions, `deleted` is what a step deletes before helm runs. Changes nothing.
pub(crate) async fn gate(
    ctx: &Context,
    history: &ReleaseHistory,
    wanted: &Wanted,
    compared: &[Compared],
    deleted: &[ObjectRef],
    change: &Change,
    consent: &Consent,
) -> Vec<Finding> {
    let (is_upgrade, is_reinstall) = match change {
        Change::Install => (false, false),
        Change::Upgrade { .. } => (true, false),
        Change::Reinstall(_) => (false, true),
        Change::Uninstall => {
            return deletions::uninstall_findings(ctx, history, wanted, compared, change, consent).await;
        }
    };
    // What a step deletes is created anew; whether it may be deleted is that step's to say.
    let (by_step, open): (Vec<&Compared>, Vec<&Compared>) =
        compared.iter().partition(|one| deleted.iter().any(|object| object.same_object(&one.object)));
    let open: Vec<Compared> = open.into_iter().cloned().collect();
    // What an uninstall deletes is looked at by itself.
    let mut findings = if is_reinstall {
        let mut findings = deletions::uninstall_findings(ctx, history, wanted, compared, change, consent).await;
        findings.extend(regenerated::by_reinstall(ctx, history, wanted, compared, consent).await);
        findings.extend(by_overwriting(ctx, &open, consent).await);
        findings
    } else {
        let mut findings = losses(ctx, wanted, &open, consent).await;
        findings.extend(deleted::renamed_sets(&by_step, compared, consent));
        findings.extend(regenerated::findings(ctx, wanted, compared, consent, is_upgrade).await);
        findings
    };
    findings.extend(immutable::findings(&open, consent, ctx.info()));
    if is_upgrade {
        findings.extend(downgrade_of(ctx).await);
        findings.extend(made_again::findings(ctx, history, &open, consent).await);
    }
    if save::is_wanted(ctx) {
        findings.extend(save::findings(ctx, &save::of_compared(ctx, &open, consent).await).await);
    }
    // Of what goes, the uninstall has told some already.
    each_once(findings)
}

/// Findings without those that were told before in the same words: one object may have several of one code.
fn each_once(findings: Vec<Finding>) -> Vec<Finding> {
    let mut told: Vec<Finding> = Vec::with_capacity(findings.len());
    for one in findings {
        if !told.contains(&one) {
            told.push(one);
        }
    }
    told
}

/// What an install or upgrade would lose and consent does not name.
pub(crate) async fn losses(ctx: &Context, wanted: &Wanted, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = by_overwriting(ctx, compared, consent).await;
    findings.extend(deleted::findings(ctx, wanted, compared, consent).await);
    findings.extend(hooks::findings(ctx, compared, consent).await);
    findings
}

/// What a rollback would lose and consent does not name.
pub(crate) async fn by_rollback(
    ctx: &Context,
    compared: &[Compared],
    adopted: &[ObjectRef],
    consent: &Consent,
) -> Vec<Finding> {
    let mut findings = by_overwriting(ctx, compared, consent).await;
    findings.extend(deleted::by_rollback(ctx, compared, adopted, consent).await);
    findings.extend(hooks::findings(ctx, compared, consent).await);
    findings
}

/// What would be lost in objects that are changed, and consent does not name.
pub(crate) async fn by_overwriting(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let mut findings = unreadable(compared);
    findings.extend(definitions::findings(ctx, compared, consent).await);
    findings.extend(scaled_down::findings(ctx, compared, consent).await);
    findings.extend(reclaimed::findings(ctx, compared, consent).await);
    findings
}

/// What may hold data and could not be looked at.
fn unreadable(compared: &[Compared]) -> Vec<Finding> {
    let finding = |one: &Compared| match &one.outcome {
        Outcome::Unreadable { .. } if one.by_hook.is_some() => None,
        Outcome::Unreadable { why } if DATA_KINDS.contains(&one.object.kind.as_str()) => {
            Some(Finding::new(Class::Blocked, code::UNREADABLE, &one.object, why))
        }
        Outcome::Unreadable { .. } | Outcome::Change(_) | Outcome::NoNamespace { .. } | Outcome::NotServed { .. } => {
            None
        }
    };
    compared.iter().filter_map(finding).collect()
}

async fn downgrade_of(ctx: &Context) -> Option<Finding> {
    let observed = observe::observed(ctx).await;
    let deployed = observed.seen.deployed_version.as_ref()?;
    let breaking = ctx.info().last_breaking_version_requiring_restart.as_ref()?;
    let message = downgrade(deployed, breaking, observed.seen.wanted_version.as_ref()?)?;
    Some(Finding::new(Class::Unsafe, code::DOWNGRADE_BREAKING, ctx.release(), message))
}

/// Why a version must not follow the deployed one, if a breaking version lies between them backwards.
fn downgrade(deployed: &Version, breaking: &Version, wanted: &Version) -> Option<String> {
    (deployed >= breaking && breaking > wanted).then(|| {
        format!(
            "{wanted} would take the place of {deployed}, and {breaking} between them is a breaking version: uninstall the release first"
        )
    })
}
