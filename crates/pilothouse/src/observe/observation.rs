//! Looking at a release: what the cluster holds of it, as far as the decision depends on it.

use crate::context::Context;
use crate::context::NamespaceState;
use crate::context::Observed;
use crate::context::PlainInputs;
use crate::context::Prefetched;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe::decision::{decided, has_same_input, missing};
use crate::observe::deploy_records;
use crate::observe::drift;
use crate::observe::dry_run::compare::Scope;
use crate::observe::failed_deploy;
use crate::observe::other_tools;
use crate::observe::release_storage;
use crate::observe::rendered_diff;
use crate::render;
use pilothouse_core::{
    Change, ChartInfo, Decision, HelmAction, MadeUp, Missing, ObjectRef, Observation, Payload, Phase, RecordSeen,
    ReleaseHistory, Rendered, determine, lenient_version,
};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::ClusterError;
use serde_json::Value;
use std::sync::Arc;

/// Reads what matters for the decision about this release, side by side, and no more than that.
async fn observe(ctx: &Context, wanted: &Wanted) -> Observed {
    let wanted_version = wanted.chart.as_ref().and_then(|chart| lenient_version(&chart.metadata.version));
    let release = ctx.release();
    let ahead = ctx.session().reads.take_prefetched(&release);
    let (history, namespace, record) = tokio::join!(
        async {
            match ahead.history {
                Some(read) => release_storage::by_payload_too(ctx, read).await,
                None => release_storage::release_history(ctx).await,
            }
        },
        async {
            match ahead.namespace {
                Some(read) => read,
                None => namespace_state(ctx, &release.namespace).await,
            }
        },
        async {
            match ahead.record {
                Some(read) => Ok(read),
                None => record_of(ctx).await,
            }
        },
    );
    // A record that is there and cannot be read may say that steps are still to be run.
    let (record, unread) = match record {
        Ok(record) => (record, None),
        Err(why) => (RecordSeen::NotLooked, Some(why)),
    };
    let history = history.map_err(|error| ctx.error_text(&error));
    let history = match ctx.session().foreseen_failed(&release) {
        Some((revision, _)) => history.map(|history| history.with_failed(revision)),
        None => history,
    };
    let mut seen = Observation {
        wanted_version,
        breaking_version: ctx.info().last_breaking_version_requiring_restart.clone(),
        record,
        // A pending revision is healed before the first phase, or left; one that is being uninstalled cannot be marked.
        pending: ctx.session().removal_over(&release),
        ..Observation::of(unread.map_or(history, Err))
    };
    let (mut deployed, mut inputs) = (None, None);
    if let Some(newest) = seen.known_history().newest() {
        match other_tools::still_managed_by(ctx, newest).await {
            Ok(foreign) => seen.foreign = foreign,
            Err(error) => seen.history = Err(ctx.error_text(&error)),
        }
    }
    if needs_record(ctx.info()) {
        read_deployed(ctx, &mut seen, &mut deployed).await;
        let version = deployed.as_ref().map(ReleaseRecord::chart_version);
        if let Some(version) = version.filter(|version| lenient_version(version).is_none()) {
            seen.history = Err(format!("the deployed chart has the version `{version}`, which is not one"));
        }
    }
    if ctx.info().action == HelmAction::Deploy {
        match failed_deploy::unfinished_install_hook(ctx, seen.known_history()).await {
            Ok(hook) => seen.install_hook = hook,
            Err(error) => seen.history = Err(ctx.error_text(&error)),
        }
        inputs = look_at_input(ctx, &mut seen, &mut deployed, wanted).await;
        // What this very run has begun it goes on with, whatever it has left.
        if !ctx.is_under_way() {
            seen.failed_applied = failed_deploy::has_applied(ctx, &seen).await;
        }
    }
    let state = determine(&seen);
    let decision = decided(ctx, &seen, &state).await;
    Observed { seen, namespace, inputs, state, decision }
}

/// What the cluster held when the release's turn came, or after it was last uninstalled here.
pub(crate) async fn observed(ctx: &Context) -> Arc<Observed> {
    if let Some(observed) = ctx.cache().await.observed.clone() {
        return observed;
    }
    match ctx.info().action {
        HelmAction::Deploy => observe_for(ctx, &*render::wanted(ctx).await).await,
        HelmAction::Destroy | HelmAction::Skip => observe_for(ctx, &Wanted::default()).await,
    }
}

/// The same, looked at anew for what is wanted by now.
pub(crate) async fn observe_for(ctx: &Context, wanted: &Wanted) -> Arc<Observed> {
    let observed = Arc::new(observe(ctx, wanted).await);
    ctx.cache().await.observed = Some(observed.clone());
    ctx.expect_revision(upgrade_expected(&observed)).await;
    observed
}

/// What `exec` deploys and how that is observed, once the steps before it have run: both anew where the chart or a values file was
/// changed, which is told. What a plan has shown is rendered with what the cluster serves and holds by now, to be compared with it.
///
/// # Errors
/// When the cluster does not say what it serves, or helm cannot render it any more.
pub(crate) async fn wanted_for_exec(
    ctx: &Context,
    is_planned: bool,
    payload: &Payload,
) -> Result<(Arc<Wanted>, Arc<Observed>, bool), PhaseError> {
    if ctx.info().action != HelmAction::Deploy {
        return Ok((Arc::default(), observed(ctx).await, false));
    }
    let (renewed, has_changed) = render::renew_wanted(ctx, payload).await;
    let observed = if has_changed { observe_for(ctx, &renewed).await } else { observed(ctx).await };
    if is_planned {
        // What the steps have made may be looked up, and kinds may be among it, of which nobody else tells.
        ctx.cluster().discovery(true).await?;
    }
    // Which revision it is going to be is known by now.
    let mut wanted = render::make_wanted(ctx, payload).await;
    if is_planned {
        wanted = render::look_up_again(ctx, &wanted).await?;
    }
    Ok((wanted, observed, has_changed))
}

/// The revision that an upgrade is going to make; `None` where it is an install. Helm counts on from the newest, whatever became of
/// it, and an install begins anew for its templates (`prepareUpgrade` and `RunWithContext` in its `pkg/action`).
fn upgrade_expected(observed: &Observed) -> Option<u32> {
    let newest = observed.known_history().newest_revision();
    match observed.decision {
        Decision::Change(Change::Install | Change::Reinstall(_) | Change::Uninstall) => None,
        Decision::Change(Change::Upgrade { .. })
        | Decision::Keep { .. }
        | Decision::Refuse { .. }
        | Decision::Finish { .. } => (newest > 0).then_some(newest + 1),
    }
}

/// What is around a release, read before Helm's records are known.
pub(crate) async fn read_around(ctx: &Context) -> Prefetched {
    let namespace = ctx.release().namespace;
    let (namespace, record) = tokio::join!(namespace_state(ctx, &namespace), record_of(ctx));
    Prefetched { namespace: Some(namespace), record: record.ok(), ..Prefetched::default() }
}

/// Whether what was observed still holds as far as Helm's records tell: they are those that were seen. `read` is how they were read
/// just now, if they were.
pub(crate) async fn is_as_observed(ctx: &Context, read: Option<&ReleaseHistory>) -> bool {
    let Some(observed) = ctx.cache().await.observed.clone() else { return false };
    match read {
        Some(read) => observed.seen.history.as_ref() == Ok(read),
        None => release_storage::release_history(ctx).await.is_ok_and(|read| observed.seen.history == Ok(read)),
    }
}

/// Helm's records for a look: those that were observed before the first phase, and after it they are read anew, since steps may have
/// made a revision. Who acts reads them once more just before.
///
/// # Errors
/// When they cannot be read.
pub(crate) async fn history_for_look(ctx: &Context) -> Result<ReleaseHistory, PhaseError> {
    if ctx.phase() == Phase::CheckPrerequisites {
        return Ok(observed(ctx).await.known_history().clone());
    }
    release_storage::release_history(ctx).await
}

/// Which objects of an install or upgrade are worth asking about, before anything of the release was begun.
pub(crate) async fn scope(ctx: &Context, is_upgrade: bool) -> Scope {
    let is_absent = matches!(observed(ctx).await.namespace, NamespaceState::Absent);
    // Later the namespace may have come.
    let is_first_look = ctx.phase() == Phase::CheckPrerequisites;
    if is_absent && is_first_look && !is_upgrade { Scope::Elsewhere } else { Scope::All }
}

/// What is wanted, and as much of what is there as the decision depends on. Gives what is wanted, as digests.
async fn look_at_input(
    ctx: &Context,
    seen: &mut Observation,
    deployed: &mut Option<ReleaseRecord>,
    wanted: &Wanted,
) -> Option<PlainInputs> {
    let (Some(chart), Ok(target)) = (&wanted.chart, wanted.target()) else { return None };
    let Wanted { uses, steps, payload, .. } = wanted;
    let inputs = render::wanted_inputs(ctx, steps, chart, uses, payload, target).await;
    seen.must_render = uses.must_render().is_some();
    if let (Some(inputs), RecordSeen::Some(record)) = (&inputs, &seen.record) {
        let now = inputs.as_in(record, steps);
        // What is remembered of it may be of an earlier form.
        seen.must_render |= !now.proven;
        seen.inputs = Some(now.inputs);
    }
    if missing(ctx.info(), seen) == Some(Missing::Comparison) {
        if inputs.is_none() {
            // Without the values that come from steps, what it renders to says nothing.
            seen.rendered = Some(Rendered::Differs);
        } else {
            compare(ctx, seen, deployed, wanted).await;
        }
    }
    if missing(ctx.info(), seen) == Some(Missing::LiveObjects) {
        seen.live = drift::look(ctx, seen).await;
    }
    inputs
}

/// Compares what is wanted with what is deployed, as both are rendered.
async fn compare(ctx: &Context, seen: &mut Observation, deployed: &mut Option<ReleaseRecord>, wanted: &Wanted) {
    read_deployed(ctx, seen, deployed).await;
    let Some(deployed) = deployed else { return };
    let compared = if has_same_input(seen) {
        rendered_diff::rendered_with_same_input(ctx, wanted, deployed, made_up(&seen.record)).await
    } else {
        rendered_diff::compare_rendering(ctx, wanted, deployed).await
    };
    match compared {
        Ok(rendered) => seen.rendered = Some(rendered),
        Err(error) => seen.history = Err(ctx.error_text(&error)),
    }
}

/// What is remembered of what the templates had made up.
fn made_up(record: &RecordSeen) -> &[MadeUp] {
    match record {
        RecordSeen::Some(record) => &record.made_up,
        RecordSeen::None | RecordSeen::NotLooked | RecordSeen::Unreadable(_) => &[],
    }
}

/// Reads the record that helm compares an upgrade with, unless that was done.
async fn read_deployed(ctx: &Context, seen: &mut Observation, deployed: &mut Option<ReleaseRecord>) {
    let Some(last) = seen.known_history().upgrade_base() else { return };
    if deployed.is_some() {
        return;
    }
    match release_storage::read_record(ctx, last).await {
        Ok(Some(record)) => {
            seen.deployed_version = lenient_version(record.chart_version());
            *deployed = Some(record);
        }
        Ok(None) => seen.history = Err("helm's record vanished while it was read".to_owned()),
        Err(error) => seen.history = Err(ctx.error_text(&error)),
    }
}

/// What is remembered of the release's last deploy.
async fn record_of(ctx: &Context) -> Result<RecordSeen, String> {
    if let Some(record) = ctx.session().reads.take_remembered(&ctx.release()) {
        return Ok(record);
    }
    match deploy_records::read_deploy_record(ctx.cluster(), &ctx.release(), ctx.session().state_key()).await {
        Ok(found) => Ok(deploy_records::seen(found)),
        // Whoever may not read Secrets here has no record, and compares.
        Err(error @ ClusterError::Forbidden { .. }) => Ok(RecordSeen::Unreadable(ctx.error_text(&error))),
        Err(error) => Err(ctx.error_text(&error)),
    }
}

/// Whether the decision depends on what is in the record: a breaking version to compare, or objects to be deleted.
fn needs_record(info: &ChartInfo) -> bool {
    info.action == HelmAction::Destroy || info.last_breaking_version_requiring_restart.is_some()
}

async fn namespace_state(ctx: &Context, name: &str) -> NamespaceState {
    let object = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    match ctx.cluster().get(&object).await {
        Ok(found) => state_of_namespace(found.as_ref()),
        // Whoever may not read namespaces may well deploy into one; helm does not need to either.
        Err(ClusterError::Forbidden { .. }) => NamespaceState::Active,
        Err(error) => NamespaceState::Unreadable(ctx.error_text(&error)),
    }
}

/// How a namespace stands that was looked for.
pub(crate) fn state_of_namespace(found: Option<&Value>) -> NamespaceState {
    match found {
        None => NamespaceState::Absent,
        Some(namespace) if is_terminating(namespace) => NamespaceState::Terminating,
        Some(_) => NamespaceState::Active,
    }
}

fn is_terminating(namespace: &Value) -> bool {
    namespace.pointer("/metadata/deletionTimestamp").is_some()
        || namespace.pointer("/status/phase").and_then(Value::as_str) == Some("Terminating")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::observe::decision;
    use crate::test_world::{World, over, release};
    use pilothouse_core::{ChartRef, ReleaseState, RevisionStatus};
    use pilothouse_testkit::{FakeCluster, FakeHelm, fixture_chart, release_secret};

    const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    /// Somebody else has deployed a release, so that it has to be compared with what is wanted.
    fn of_somebody_else() -> (Arc<FakeCluster>, World) {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(release_secret(&release(), 1, RevisionStatus::Deployed, "1.0.0", MANIFEST));
        let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
        let world = over(cluster.clone(), helm, HelmDriver::Secret, |info| {
            info.chart = ChartRef::path(fixture_chart("config"));
        });
        (cluster, world)
    }

    fn refuse_version(cluster: &FakeCluster) {
        cluster.refuse("version", || ClusterError::Forbidden {
            verb: "get".to_owned(),
            what: "version".to_owned(),
            message: "no".to_owned(),
        });
    }

    #[tokio::test]
    async fn what_was_compared_is_decided() {
        let (_, world) = of_somebody_else();
        assert_eq!(decision(&world.ctx).await, Decision::Change(Change::Upgrade { last_good: Some(1) }));
        assert_eq!(observed(&world.ctx).await.seen.rendered, Some(Rendered::Differs));
    }

    /// Nobody is asked further, and nothing is done on a guess.
    #[tokio::test]
    async fn what_could_not_be_compared_is_refused() {
        let (cluster, world) = of_somebody_else();
        refuse_version(&cluster);
        let decided = decision(&world.ctx).await;
        assert!(
            matches!(decided, Decision::Refuse { state: ReleaseState::Unmanaged { compared: None, .. } }),
            "{decided:?}"
        );
        let findings = crate::preflight::state_findings(world.ctx.info(), &*observed(&world.ctx).await);
        let findings: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(findings.contains(&"what is deployed could not be compared with what is wanted"), "{findings:?}");
    }

    /// A deploy that was begun goes on to its end.
    #[tokio::test]
    async fn what_was_begun_needs_no_comparison() {
        let (cluster, mut world) = of_somebody_else();
        refuse_version(&cluster);
        world.ctx.go_on_with_deploy();
        assert_eq!(decision(&world.ctx).await, Decision::Change(Change::Upgrade { last_good: Some(1) }));
    }
}
