//! Objects of the revision that helm goes over, of a kind that the cluster does not serve in their version: helm builds every object of
//! a stored manifest first, and can neither upgrade nor uninstall the release while one cannot be built.

use crate::context::Context;
use crate::context::Foresight;
use crate::context::Steps;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Unserved;
use crate::preflight::losses::consent::Consent;
use crate::render;
use pilothouse_core::{
    Change, Class, CrdFacts, CrdPolicy, Finding, ObjectRef, Phase, ReleaseHistory, RevisionMeta, code, crd_facts,
};
use pilothouse_helm::ReleaseRecord;

/// A revision whose record is written anew before helm goes over it, and the objects for which that is.
#[derive(Debug, Clone)]
pub(crate) struct Rewriting {
    pub(crate) revision: RevisionMeta,
    pub(crate) objects: Vec<Unserved>,
}

impl Rewriting {
    /// What is written: `without Policy web/a; PodDisruptionBudget web/b as policy/v1`.
    pub(crate) fn in_words(&self) -> String {
        let words = |one: &Unserved| match &one.served_as {
            Some(version) => format!("{} as {version}", one.object),
            None => format!("without {}", one.object),
        };
        self.objects.iter().map(words).collect::<Vec<_>>().join(", ")
    }

    /// Why each of the objects is in the way, where no consent names it.
    fn findings(&self, consent: &Consent) -> Vec<Finding> {
        let finding = |one: &Unserved| {
            let version = one.object.api_version.as_deref().unwrap_or_default();
            let instead = match &one.served_as {
                Some(served) => {
                    format!("with consent it stands in Helm's record as {served}, which the cluster serves")
                }
                None => "with consent it is taken out of Helm's record: there can be no such object".to_owned(),
            };
            let message = format!(
                "revision {} has it, and the cluster does not serve {version} of its kind any more, so that helm can neither upgrade nor uninstall the release: {instead}",
                self.revision.revision
            );
            Finding::new(Class::Unsafe, code::API_NOT_SERVED, &one.object, message)
        };
        self.objects.iter().filter(|one| !consent.names_unserved(&one.object)).map(finding).collect()
    }
}

/// What has to be written anew before helm uninstalls the newest of these revisions, with its record.
///
/// # Errors
/// [`PhaseError::Refused`] where no consent names it; or what cannot be read.
pub(crate) async fn permit_over_uninstalled(
    ctx: &Context,
    history: &ReleaseHistory,
    newest: Option<&ReleaseRecord>,
    consent: &Consent,
) -> Result<Option<Rewriting>, PhaseError> {
    let (Some(revision), Some(record)) = (history.newest(), newest) else { return Ok(None) };
    permitted(rewriting_of(ctx, revision, record, true).await?, consent)
}

/// What has to be written anew before helm upgrades over these revisions to what is wanted.
///
/// # Errors
/// As for [`permit_over_uninstalled`].
pub(crate) async fn permit_over_upgraded(
    ctx: &Context,
    history: &ReleaseHistory,
    wanted: &Wanted,
    consent: &Consent,
) -> Result<Option<Rewriting>, PhaseError> {
    permitted(over_upgraded(ctx, history, wanted).await?, consent)
}

fn permitted(rewriting: Option<Rewriting>, consent: &Consent) -> Result<Option<Rewriting>, PhaseError> {
    PhaseError::refuse_for(rewriting.iter().flat_map(|rewriting| rewriting.findings(consent)).collect())?;
    Ok(rewriting)
}

/// What is in the way of a change, and is told before it. What a step may bring before helm runs is not known yet.
pub(crate) async fn foresee(
    ctx: &Context,
    steps: &Steps,
    wanted: &Wanted,
    change: &Change,
    consent: &Consent,
) -> Foresight {
    let looked = async {
        // The permit reads it once more.
        let observed = observe::observed(ctx).await;
        match change {
            Change::Install => Ok(None),
            Change::Upgrade { .. } => over_upgraded(ctx, observed.known_history(), wanted).await,
            Change::Reinstall(_) | Change::Uninstall => rewriting(ctx, observed.known_history().newest(), true).await,
        }
    };
    let rewriting = match looked.await {
        Ok(Some(rewriting)) => rewriting,
        Ok(None) => return Foresight { warnings: consent.of_no_kind(&[]), ..Foresight::default() },
        Err(error) => {
            return vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), ctx.error_text(&error))].into();
        }
    };
    let findings = rewriting.findings(consent);
    if !findings.is_empty() && ctx.phase() == Phase::CheckPrerequisites && !steps.of(Phase::PreExec).is_empty() {
        let not_checked = findings.iter().map(|one| format!("{one}, unless a step of pre_exec brings its definition"));
        return Foresight { not_checked: not_checked.collect(), ..Foresight::default() };
    }
    let stored: Vec<ObjectRef> = rewriting.objects.iter().map(|one| one.object.clone()).collect();
    let mut warnings = consent.of_no_kind(&stored);
    let number = rewriting.revision.revision;
    let told = format!("Helm's record of revision {number} is written anew first: {}", rewriting.in_words());
    if findings.is_empty() {
        warnings.push(told);
    }
    Foresight { findings, warnings, ..Foresight::default() }
}

/// Whether consent covers all that is in the way of going back to a revision over which helm upgrades first.
pub(crate) async fn is_rewritten(ctx: &Context, revision: &RevisionMeta, objects: &[ObjectRef]) -> bool {
    let Ok(consent) = Consent::of(ctx).await else { return false };
    match rewriting(ctx, Some(revision), false).await {
        Ok(Some(rewriting)) => rewriting.findings(&consent).is_empty() && objects.len() <= rewriting.objects.len(),
        Ok(None) | Err(_) => false,
    }
}

/// What is wanted too is none of this: that its kind is not served is told of the new manifest, or it comes before helm runs.
async fn over_upgraded(
    ctx: &Context,
    history: &ReleaseHistory,
    wanted: &Wanted,
) -> Result<Option<Rewriting>, PhaseError> {
    let Some(mut rewriting) = rewriting(ctx, history.upgrade_base(), false).await? else { return Ok(None) };
    let mut wanted_kinds = render::rendered_objects(&wanted.rendering.docs());
    wanted_kinds.retain(|object| object.api_version.is_some());
    let brought: Vec<CrdFacts> = match ctx.info().crds {
        CrdPolicy::Skip => Vec::new(),
        CrdPolicy::Create | CrdPolicy::Upgrade => {
            render::chart_definitions(wanted).iter().filter_map(crd_facts).collect()
        }
    };
    rewriting.objects.retain(|one| {
        let is_kind = |other: &ObjectRef| other.kind == one.object.kind && other.api_version == one.object.api_version;
        !wanted_kinds.iter().any(is_kind) && !brought.iter().any(|facts| facts.serves(&one.object))
    });
    Ok((!rewriting.objects.is_empty()).then_some(rewriting))
}

async fn rewriting(
    ctx: &Context,
    revision: Option<&RevisionMeta>,
    uninstalls: bool,
) -> Result<Option<Rewriting>, PhaseError> {
    let Some(revision) = revision else { return Ok(None) };
    let Some(record) = observe::read_record(ctx, revision).await? else { return Ok(None) };
    rewriting_of(ctx, revision, &record, uninstalls).await
}

async fn rewriting_of(
    ctx: &Context,
    revision: &RevisionMeta,
    record: &ReleaseRecord,
    uninstalls: bool,
) -> Result<Option<Rewriting>, PhaseError> {
    let objects = observe::unserved(ctx, record, uninstalls).await?;
    Ok((!objects.is_empty()).then(|| Rewriting { revision: revision.clone(), objects }))
}
