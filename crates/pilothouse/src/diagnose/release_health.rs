//! Why releases are not healthy, at any time and without a run.

use crate::context::Context;
use crate::context::Session;
use crate::context::side_by_side;
use crate::diagnose::failure;
use crate::diagnose::wait_ready;
use crate::diagnose::wait_ready::Unready;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Standing;
use futures::FutureExt;
use jiff::Timestamp;
use pilothouse_core::{
    Cause, ChartInfo, ObjectRef, ObjectStatus, Readiness, ReleaseKey, RevisionMeta, RevisionStatus, code,
};
use pilothouse_kube::Subject;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

/// Releases looked at side by side.
const SIDE_BY_SIDE: usize = 8;
/// How long gathering may take for one release.
const DEADLINE: Duration = Duration::from_secs(30);

/// What an operation may take beyond its time.
const MARGIN: Duration = Duration::from_secs(60);
/// What helm says to whoever finds a release pending.
const LOCKED: &str = "another operation (install/upgrade/rollback) is in progress";

/// How healthy a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It is deployed and every object of it is ready.
    Healthy,
    /// Something is on its way, and nothing speaks against it.
    InProgress,
    /// Something is wrong.
    Wrong,
    /// There is no such release.
    NotInstalled,
    /// That cannot be told.
    Unreadable,
}

/// How a release stands and why.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// The release.
    pub release: ReleaseKey,
    /// How healthy it is.
    pub state: Health,
    /// Its newest revision; `None` when it is not installed.
    pub revision: Option<RevisionMeta>,
    /// Name and version of the chart of that revision.
    pub chart: Option<String>,
    /// What helm says of that revision, when it is not deployed.
    pub description: Option<String>,
    /// How many objects its manifest has.
    pub objects: usize,
    /// How many of them are ready.
    pub ready: usize,
    /// Those that are not, with their reasons; also hooks of a revision that is not deployed.
    pub not_ready: Vec<(ObjectRef, ObjectStatus)>,
    /// Why, the decisive causes first.
    pub causes: Vec<Cause>,
    /// What could not be looked at, so that nothing is known of it.
    pub not_looked_at: Vec<String>,
    /// Why all this cannot be told, if so.
    pub error: Option<String>,
}

/// Looks at releases as they stand in the cluster and says what is wrong with each, and why. Changes nothing.
pub async fn diagnose(session: &Arc<Session>, releases: &[ChartInfo]) -> Vec<Diagnosis> {
    let (events, _nobody) = unbounded_channel();
    let contexts: Vec<Context> =
        releases.iter().map(|info| Context::new(session.clone(), info, events.clone())).collect();
    each_of(&contexts).await
}

async fn each_of(contexts: &[Context]) -> Vec<Diagnosis> {
    let mut standings = observe::standings(contexts).await;
    let unlisted = doubt(contexts, &mut standings).await;
    let each = contexts.iter().zip(standings).map(|(ctx, standing)| one(ctx, standing, &unlisted).boxed());
    side_by_side(each, SIDE_BY_SIDE).await
}

/// What is ready only until a container of it ends again is not ready. Gives the namespaces whose pods could not be listed, each with a
/// warning.
async fn doubt(
    contexts: &[Context],
    standings: &mut [Result<Option<Standing>, PhaseError>],
) -> HashMap<String, String> {
    let Some(first) = contexts.first() else { return HashMap::new() };
    let of_all = standings.iter_mut().filter_map(|standing| standing.as_mut().ok()?.as_mut());
    let mut ready: HashMap<ObjectRef, Vec<&mut ObjectStatus>> = HashMap::new();
    for (object, status) in of_all.flat_map(|standing| &mut standing.objects).filter(|(_, status)| status.is_ready()) {
        ready.entry(object.clone()).or_default().push(status);
    }
    let objects: Vec<ObjectRef> = ready.keys().cloned().collect();
    let restarted = pilothouse_kube::restarted_lately(first.cluster(), &objects).await;
    let unlisted = restarted.warnings().map(|(namespace, text)| (namespace.to_owned(), text)).collect();
    for (object, doubted) in restarted.found {
        for status in ready.get_mut(&object).into_iter().flatten() {
            **status = doubted.clone();
        }
    }
    unlisted
}

/// The warnings about the namespaces in which the release has what runs pods.
fn not_looked_at(ctx: &Context, standing: &Standing, unlisted: &HashMap<String, String>) -> Vec<String> {
    let objects =
        standing.objects.iter().map(|(object, _)| object).filter(|object| pilothouse_health::runs_pods(object));
    let namespaces: BTreeSet<&str> = objects.filter_map(|object| object.namespace.as_deref()).collect();
    let warnings = namespaces.into_iter().filter_map(|namespace| unlisted.get(namespace));
    warnings.map(|text| ctx.redactor().redact(text)).collect()
}

async fn one(
    ctx: &Context,
    standing: Result<Option<Standing>, PhaseError>,
    unlisted: &HashMap<String, String>,
) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        release: ctx.release(),
        state: Health::NotInstalled,
        revision: None,
        chart: None,
        description: None,
        objects: 0,
        ready: 0,
        not_ready: Vec::new(),
        causes: Vec::new(),
        not_looked_at: Vec::new(),
        error: None,
    };
    if let Ok(Some(standing)) = &standing {
        diagnosis.not_looked_at = not_looked_at(ctx, standing, unlisted);
    }
    let filled = match standing {
        Ok(None) => Ok(()),
        Ok(Some(standing)) => fill(ctx, &mut diagnosis, standing).await,
        Err(error) => Err(error),
    };
    if let Err(error) = filled {
        diagnosis.state = Health::Unreadable;
        diagnosis.error = Some(ctx.redactor().redact(&error.chain().join(": ")));
    }
    for cause in &mut diagnosis.causes {
        ctx.emitter().redact_cause(cause);
    }
    diagnosis
}

async fn fill(ctx: &Context, diagnosis: &mut Diagnosis, standing: Standing) -> Result<(), PhaseError> {
    let Standing { newest, chart, record, objects: mut unready } = standing;
    diagnosis.revision = Some(newest);
    if chart.is_none() {
        return Ok(());
    }
    diagnosis.chart = chart;
    if let Some(record) = &record {
        diagnosis.description = Some(ctx.redactor().redact(&record.info.description));
    }
    let objects: Vec<ObjectRef> = unready.iter().map(|(object, _)| object.clone()).collect();
    diagnosis.objects = objects.len();
    unready.retain(|(_, status)| !status.is_ready());
    diagnosis.ready = diagnosis.objects - unready.len();
    if let Some(record) = &record {
        // helm may not have come as far as its objects; what it has begun with are the hooks.
        unready.retain(|(_, status)| status.readiness != Readiness::NotFound);
        unready.extend(observe::unready_hooks(ctx, record).await?);
    }
    let found = wait_ready::causes_of(ctx, Subject::of_release(&unready), None, Instant::now() + DEADLINE).await;
    diagnosis.causes = found.into_iter().flat_map(|(_, causes)| causes).collect();
    let stale = diagnosis.revision.as_ref().is_some_and(|newest| is_stale(newest, ctx.timeout(), Timestamp::now()));
    if let Some(record) = record {
        // Helm's own words for a release that stays pending.
        let text = if stale { LOCKED.to_owned() } else { record.info.description };
        let said = failure::of_helm(ctx, text, objects, Instant::now() + DEADLINE).await;
        diagnosis.causes.extend(said.into_iter().filter(|cause| cause.code != code::UNKNOWN));
    }
    diagnosis.causes.sort_by_key(failure::weight);
    diagnosis.state = health(diagnosis.revision.as_ref(), &unready, &diagnosis.causes);
    for (_, status) in &mut unready {
        status.message = ctx.redactor().redact(&status.message);
    }
    diagnosis.not_ready = unready;
    Ok(())
}

/// Whether a revision has been pending for longer than any operation takes.
fn is_stale(newest: &RevisionMeta, timeout: Duration, now: Timestamp) -> bool {
    let age = newest.written_at.and_then(|written| Duration::try_from(now.duration_since(written)).ok());
    newest.status.is_pending() && age.is_some_and(|age| age > timeout + MARGIN)
}

/// Decides by the newest revision, the objects that are not ready, and what is known of why.
fn health(newest: Option<&RevisionMeta>, unready: &Unready, causes: &[Cause]) -> Health {
    let Some(newest) = newest else { return Health::NotInstalled };
    let broken = |(_, status): &(ObjectRef, ObjectStatus)| match status.readiness {
        Readiness::Failed | Readiness::NotFound | Readiness::Unknown => true,
        Readiness::Current | Readiness::InProgress | Readiness::Terminating => false,
    };
    // Nothing has failed where something is waited for.
    let known = causes.iter().any(|cause| ![code::UNKNOWN, code::WAITING].contains(&cause.code.as_str()));
    let under_way = match newest.status {
        RevisionStatus::Deployed => false,
        RevisionStatus::PendingInstall
        | RevisionStatus::PendingUpgrade
        | RevisionStatus::PendingRollback
        | RevisionStatus::Uninstalling => true,
        RevisionStatus::Uninstalled => return Health::NotInstalled,
        RevisionStatus::Failed | RevisionStatus::Superseded | RevisionStatus::Unknown => return Health::Wrong,
    };
    if known || unready.iter().any(broken) {
        Health::Wrong
    } else if under_way || !unready.is_empty() {
        Health::InProgress
    } else {
        Health::Healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::{comes_and_goes, fake};
    use pilothouse_core::Certainty;
    use rstest::rstest;

    /// Between two of its ends a program is ready, and not healthy.
    #[tokio::test]
    async fn a_program_that_comes_and_goes_is_not_healthy() {
        let world = fake(&comes_and_goes(), HelmDriver::Secret);
        let told = each_of(&[world.ctx]).await;
        let codes: Vec<&str> = told[0].causes.iter().map(|cause| cause.code.as_str()).collect();
        assert_eq!((told[0].state, codes), (Health::Wrong, vec!["CRASH_LOOP"]));
        assert!(told[0].causes.iter().all(|cause| cause.certainty == Certainty::Passing), "{:?}", told[0].causes);
    }

    /// A look that fails says nothing against what was seen to be ready, and that it failed is told.
    #[tokio::test]
    async fn pods_that_cannot_be_listed_make_nothing_wrong() {
        let cluster = comes_and_goes();
        cluster.failures.fail_each("list Pod");
        let world = fake(&cluster, HelmDriver::Secret);
        let told = each_of(&[world.ctx]).await;
        assert_eq!((told[0].state, &told[0].not_ready), (Health::Healthy, &Vec::new()));
        let [warning] = told[0].not_looked_at.as_slice() else { panic!("{:?}", told[0].not_looked_at) };
        assert!(warning.starts_with("the pods of namespace default could not be listed: "), "{warning}");
        assert!(warning.ends_with("; whether programs come and go is not known"), "{warning}");
    }

    fn meta(status: RevisionStatus) -> RevisionMeta {
        RevisionMeta::new(&ReleaseKey::new("web", "podinfo"), 1, status)
    }

    #[rstest]
    #[case::all_well(RevisionStatus::Deployed, None, None, Health::Healthy)]
    #[case::starting(RevisionStatus::Deployed, Some(Readiness::InProgress), None, Health::InProgress)]
    #[case::not_understood(
        RevisionStatus::Deployed,
        Some(Readiness::InProgress),
        Some(code::UNKNOWN),
        Health::InProgress
    )]
    #[case::understood(RevisionStatus::Deployed, Some(Readiness::InProgress), Some("CRASH_LOOP"), Health::Wrong)]
    #[case::waits(RevisionStatus::Deployed, Some(Readiness::InProgress), Some(code::WAITING), Health::InProgress)]
    #[case::gone(RevisionStatus::Deployed, Some(Readiness::NotFound), None, Health::Wrong)]
    #[case::failed_object(RevisionStatus::Deployed, Some(Readiness::Failed), None, Health::Wrong)]
    #[case::unreadable_object(RevisionStatus::Deployed, Some(Readiness::Unknown), None, Health::Wrong)]
    #[case::helm_at_work(RevisionStatus::PendingUpgrade, None, None, Health::InProgress)]
    #[case::helm_at_work_in_vain(
        RevisionStatus::PendingInstall,
        Some(Readiness::InProgress),
        Some("CRASH_LOOP"),
        Health::Wrong
    )]
    #[case::failed_revision(RevisionStatus::Failed, None, None, Health::Wrong)]
    #[case::history_kept(RevisionStatus::Uninstalled, None, None, Health::NotInstalled)]
    fn how_healthy(
        #[case] status: RevisionStatus,
        #[case] object: Option<Readiness>,
        #[case] cause: Option<&str>,
        #[case] expected: Health,
    ) {
        let web = ObjectRef::parse("Deployment/web/podinfo").unwrap();
        let status_of = |readiness| ObjectStatus::new(readiness, "as it is");
        let unready: Unready = object.map(|readiness| (web.clone(), status_of(readiness))).into_iter().collect();
        let cause = cause.map(|code| Cause {
            code: code.to_owned(),
            certainty: Certainty::Passing,
            ..Cause::unknown(web.clone(), status_of(Readiness::InProgress))
        });
        assert_eq!(health(Some(&meta(status)), &unready, cause.as_slice()), expected);
    }

    #[rstest]
    #[case(RevisionStatus::PendingUpgrade, 100, false)]
    #[case(RevisionStatus::PendingUpgrade, 161, true)]
    #[case(RevisionStatus::Failed, 161, false)]
    fn a_pending_revision_grows_stale(#[case] status: RevisionStatus, #[case] age: i64, #[case] expected: bool) {
        let written_at = Some(Timestamp::UNIX_EPOCH);
        let now = Timestamp::from_second(age).unwrap();
        assert_eq!(is_stale(&RevisionMeta { written_at, ..meta(status) }, Duration::from_secs(100), now), expected);
    }

    #[test]
    fn a_release_that_is_not_there_is_not_installed() {
        assert_eq!(health(None, &Vec::new(), &[]), Health::NotInstalled);
    }
}
