//! Installs and upgrades.

use crate::actions::crds;
use crate::actions::helm_run;
use crate::actions::helm_watch::while_helm_runs;
use crate::actions::objects;
use crate::actions::orphaned_hooks;
use crate::actions::rewrite_record::rewrite_record;
use crate::context::Context;
use crate::context::DeployedBefore;
use crate::context::Recorded;
use crate::context::ReleaseRun;
use crate::context::Remembered;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::kept_digest::Given;
use crate::observe;
use crate::preflight;
use crate::render;
use crate::text;
use pilothouse_core::{
    Change, DriftPolicy, HelmCommand, ObjectRef, RUN_LABEL, ReleaseHistory, RevisionMeta, RevisionStatus, Staying,
};
use pilothouse_helm::{UpgradeRequest, Values};
use std::sync::Arc;
use std::time::Instant;

/// Carries out a change that ends in an install or an upgrade of what is `given`. On a first deploy the fields of adopted objects still belong to whoever
/// made them, and helm 4, which applies server-side, has to take them over; helm 3 does so in any case.
///
/// # Errors
/// [`PhaseError::Refused`] when something would be lost; otherwise what failed.
pub(crate) async fn deploy(
    ctx: &Context,
    run: &mut ReleaseRun,
    wanted: &Arc<Wanted>,
    given: &Given,
    change: &Change,
) -> Result<String, PhaseError> {
    let (chart, payload) = (wanted.chart()?, &wanted.payload);
    let observed = observe::observed(ctx).await;
    let history = observed.known_history();
    if let Some(newest) = history.newest()
        && run.ledger.base(newest).is_some()
    {
        run.attempts.note_written(newest.revision, newest.run);
    }
    orphaned_hooks::clear_earlier(ctx, run, history).await?;
    let permit = preflight::permit_deploy(ctx, wanted, matches!(change, Change::Upgrade { .. })).await?;
    let wanted = &permit.deed().wanted.clone();
    let stays = stays_after(ctx, &run.stays, &permit.deed().stays, wanted).await;
    let is_first = !matches!(change, Change::Upgrade { last_good: Some(_) });
    let values = Values::of(ctx.info(), payload)?;
    let request = UpgradeRequest {
        skip_schema_validation: ctx.info().skip_schema_validation,
        create_namespace: ctx.info().create_namespace,
        max_history: ctx.info().max_history,
        force: ctx.info().force_upgrade,
        force_conflicts: (is_first && run.attempts.has_adopted())
            || corrects_drift(ctx, permit.deed().upgraded.as_ref().unwrap_or(history)).await?,
        labels: run.id.map(|id| (RUN_LABEL.to_owned(), id.to_string())).into_iter().collect(),
        ..UpgradeRequest::new(ctx.release(), chart.path.clone(), values, run.remaining(ctx))
    };
    ctx.doing(format!("helm upgrade --install {} {}", chart.metadata.name, chart.metadata.version));
    let (command, before) = (HelmCommand::Upgrade, history.newest_revision());
    run.attempts.note_written(before.saturating_add(1), run.id);
    // All of it is one intent: the definitions before and the restart after are of no use without helm's run.
    let stop = ctx.terminate().child_token();
    let helm = helm_run::begin(ctx, run, command, given.digest(), request.timeout, before).await?;
    let done = async {
        // Helm 3 makes a missing namespace after it has looked whose the chart's objects are (`pkg/action/install.go`), and then
        // fails on its own.
        if is_first
            && request.create_namespace
            && ctx.helm().version().major < 4
            && render::has_own_namespace(ctx, wanted)
        {
            objects::make_namespace(ctx).await?;
        }
        let brought = crds::bring(ctx, &permit).await?;
        run.served = ctx.session().target().await.ok();
        run.rendered_last = match &run.served {
            Some(served) => render::with_own_kinds(ctx, wanted, served).await,
            None => None,
        };
        preflight::refuse_unless_as_seen(ctx, &permit.deed().goes).await?;
        rewrite_record(ctx, permit.deed().rewriting.as_ref()).await?;
        while_helm_runs(ctx, run, wanted, &stop, ctx.helm().upgrade_install(&request, &stop)).await?;
        run.stays = stays;
        let recorded = is_recorded(ctx, run, before).await?;
        run.attempts.note_deployed(given.digest(), before, run.id);
        if wanted.defines_kinds_in_templates() || (wanted.defines_kinds() && brought == 0) {
            // Later releases are rendered for what the cluster serves now. What was brought from `crds/` is known; steps, hooks and others
            // may have brought it too.
            ctx.cluster().discovery(true).await?;
        }
        restart_if_asked(ctx, change, Some(recorded)).await?;
        Ok::<usize, PhaseError>(brought)
    };
    let done = done.await;
    let brought = helm.ended(ctx, done)?;
    let crds = match brought {
        0 => String::new(),
        1 => ", 1 CRD applied".to_owned(),
        n => format!(", {n} CRDs applied"),
    };
    Ok(format!("{} {} {}{crds}", text::changed(change), chart.metadata.name, chart.metadata.version))
}

/// Does what is left of a change that an earlier run or attempt has carried out with helm, and says what that was.
///
/// # Errors
/// What failed.
pub(crate) async fn finish_deployed(
    ctx: &Context,
    run: &mut ReleaseRun,
    wanted: &Wanted,
    change: &Change,
    done: DeployedBefore,
) -> Result<String, PhaseError> {
    run.note_deployed_before(&done);
    if wanted.defines_kinds() {
        ctx.cluster().discovery(true).await?;
    }
    if !done.to_the_end {
        restart_if_asked(ctx, change, None).await?;
    }
    Ok(done.summary)
}

/// What stays once this is deployed. An uninstall before may have left something that is part of the release again. Told before helm runs:
/// nothing of it may speak against what has ended well.
async fn stays_after(ctx: &Context, before: &[Staying], left: &[Staying], wanted: &Wanted) -> Vec<Staying> {
    let mut stays = before.to_vec();
    if !stays.is_empty() {
        let own = render::rendered_objects(&wanted.rendering.docs());
        let own = observe::complete_objects(ctx, own, observe::NotServed::Skip).await.unwrap_or_else(|error| {
            let why = ctx.error_text(&error);
            ctx.warn(format!("which of what the uninstall has left is part of the release again is not known: {why}"));
            Vec::new()
        });
        let again = || own.iter().chain(left.iter().map(|one| &one.object));
        stays.retain(|one| !again().any(|own| own.same_object(&one.object)));
    }
    stays.extend_from_slice(left);
    stays
}

/// Whether fields that others have written are to be taken back. Helm 4 can do so only over a revision that was applied
/// server-side; helm 3 does it in any case.
async fn corrects_drift(ctx: &Context, history: &ReleaseHistory) -> Result<bool, PhaseError> {
    if ctx.info().drift != DriftPolicy::Correct || ctx.helm().version().major < 4 {
        return Ok(false);
    }
    let deployed = observe::read_record_of(ctx, history.upgrade_base()).await?;
    Ok(deployed.is_some_and(|record| record.apply_method.as_deref() == Some("ssa")))
}

/// Helm may end well although it could not write that it did (`pkg/action/install.go` calls it a tricky case): then the
/// revision stays pending, and what follows must not be built on it. Gives the revision.
async fn is_recorded(ctx: &Context, run: &mut ReleaseRun, before: u32) -> Result<RevisionMeta, PhaseError> {
    // One read, where all is as it mostly is. A newer revision is found by the next run, if not by `validate`.
    if let Ok(Some((Some(next), record))) = observe::read_revision(ctx, before.saturating_add(1)).await
        && next.status.and_in_payload(record.info.status) == RevisionStatus::Deployed
    {
        run.recorded = Some(Recorded { revision: next.clone(), at: Instant::now(), remembered: Remembered::Nothing });
        return Ok(next);
    }
    let why = match observe::release_history(ctx).await?.newest() {
        None => "no revision is recorded".to_owned(),
        Some(newest) if newest.revision <= before => format!("the newest revision is still {}", newest.revision),
        Some(newest) if newest.status != RevisionStatus::Deployed => {
            format!("revision {} is recorded as {}", newest.revision, newest.status)
        }
        Some(newest) => return Ok(newest.clone()),
    };
    Err(PhaseError::State(format!("helm reported success, but {why}: the next run checks what became of the release")))
}

/// Restarts the workloads after an upgrade, where the user wants it; `newest` is the revision, if it was just read.
async fn restart_if_asked(ctx: &Context, change: &Change, newest: Option<RevisionMeta>) -> Result<(), PhaseError> {
    if !ctx.info().recreate_pods || !matches!(change, Change::Upgrade { .. }) {
        return Ok(());
    }
    let workloads = |object: &ObjectRef| matches!(object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
    let newest = match newest {
        Some(newest) => Some(newest),
        None => observe::release_history(ctx).await?.newest().cloned(),
    };
    let objects = observe::objects_of(ctx, newest.as_ref()).await?;
    let objects: Vec<ObjectRef> = objects.into_iter().filter(workloads).collect();
    objects::restart(ctx, &objects).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Rendering;
    use crate::helm::HelmDriver;
    use crate::test_world;
    use pilothouse_core::Stays;
    use pilothouse_kube::ClusterError;
    use pilothouse_testkit::FakeCluster;
    use rstest::rstest;

    fn staying(name: &str) -> Staying {
        let object = ObjectRef::parse(&format!("ConfigMap/{name}")).unwrap();
        let object = ObjectRef { api_version: Some("v1".to_owned()), namespace: Some("default".to_owned()), ..object };
        Staying { object, because: Stays::EarlierRevision }
    }

    /// What an uninstall before has left, whether the cluster says what it serves, and what is told in the end: the chart has `again`.
    #[rstest]
    #[case::nothing_to_ask_for(&[], false, &["kept"], 0)]
    #[case::part_of_it_again(&["again", "old"], true, &["old", "kept"], 0)]
    #[case::kept_anyway(&["kept", "old"], true, &["old", "kept"], 0)]
    #[case::not_known(&["again", "old"], false, &["again", "old", "kept"], 1)]
    #[tokio::test]
    async fn what_stays(
        #[case] before: &[&str],
        #[case] answers: bool,
        #[case] told: &[&str],
        #[case] warnings: usize,
    ) {
        let cluster = Arc::new(FakeCluster::default());
        if !answers {
            cluster.refuse("discovery", || ClusterError::Unauthorized { message: "no".to_owned() });
        }
        let mut world = test_world::fake(&cluster, HelmDriver::Secret);
        let chart = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: again}\n";
        let wanted = Wanted { rendering: Rendering::new(chart).unwrap(), ..Wanted::default() };
        let before: Vec<Staying> = before.iter().copied().map(staying).collect();
        let stays = stays_after(&world.ctx, &before, &[staying("kept")], &wanted).await;
        let names: Vec<&str> = stays.iter().map(|one| one.object.name.as_str()).collect();
        assert_eq!(names, told);
        let warned = world.told().iter().filter(|event| event.to_string().contains("is not known")).count();
        assert_eq!((warned, before.is_empty() && !cluster.failures.calls().is_empty()), (warnings, false));
    }
}
