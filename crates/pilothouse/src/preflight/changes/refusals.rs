//! What a deploy must not do unless the user consents: lose data, or go on to where helm certainly fails.

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;

use crate::actions::objects;
use crate::context::release_context::Context;
use crate::observe;
use crate::observe::dry_run::compared::{Compared, Outcome};
use crate::preflight::backup::save;
use crate::preflight::changes::definitions;
use crate::preflight::changes::deleted;
use crate::preflight::changes::immutable;
use crate::preflight::changes::regenerated;
use crate::preflight::data_loss::Consent;
use pilothouse_core::{Class, Decision, Finding, code, lenient_version};
use semver::Version;

/// The kinds on which data hangs: of these it has to be known what becomes of them.
const DATA_KINDS: [&str; 5] =
    ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "StatefulSet"];

/// Why what is going to be done must not be done: what it would lose, unless consent names the object; and what helm would fail
/// on. Changes nothing.
pub(crate) async fn gate(ctx: &Context, compared: &[Compared], decision: &Decision) -> Vec<Finding> {
    let is_upgrade = match decision {
        Decision::Install => false,
        Decision::Upgrade { .. } => true,
        Decision::Uninstall => return objects::uninstall_findings(ctx).await,
        Decision::Reinstall { .. } | Decision::FinishUninstallThenInstall => {
            let mut findings = objects::uninstall_findings(ctx).await;
            match Consent::of(ctx).await {
                Ok(consent) => findings.extend(regenerated::by_reinstall(ctx, &consent).await),
                Err(finding) => findings.push(finding),
            }
            return findings;
        }
        Decision::Nothing { .. }
        | Decision::Stop { .. }
        | Decision::Unlock { .. }
        | Decision::Compare { .. }
        | Decision::Look
        | Decision::Validate { .. }
        | Decision::Steps { .. } => return Vec::new(),
    };
    let consent = match Consent::of(ctx).await {
        Ok(consent) => consent,
        Err(finding) => return vec![finding],
    };
    let mut findings = unreadable(compared);
    findings.extend(deleted::findings(ctx, compared, &consent).await);
    findings.extend(definitions::findings(compared, &consent));
    findings.extend(immutable::findings(compared, &consent, &ctx.release()));
    if is_upgrade {
        findings.extend(downgrade_of(ctx).await);
    }
    findings.extend(regenerated::findings(ctx, compared, &consent, is_upgrade).await);
    findings.extend(save::findings(ctx, &save::of_compared(compared, &consent)).await);
    findings
}

/// What may hold data and could not be looked at.
fn unreadable(compared: &[Compared]) -> Vec<Finding> {
    let finding = |one: &Compared| match &one.outcome {
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
    let deployed = observed.deployed.as_ref().and_then(|record| lenient_version(record.chart_version()))?;
    let breaking = ctx.info().last_breaking_version_requiring_restart.as_ref()?;
    let message = downgrade(&deployed, breaking, observed.wanted_version.as_ref()?)?;
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
