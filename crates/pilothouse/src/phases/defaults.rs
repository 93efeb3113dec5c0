//! What the phases do unless a chart overrides them. An override can call these too.

use crate::actions::crds;
use crate::actions::helm_run;
use crate::actions::helm_watch::while_helm_runs;
use crate::actions::objects;
use crate::actions::orphaned_hooks;
use crate::context::events::millis;
use crate::context::ledger::{StepVerdict, upgrade_is_done};
use crate::context::observed::NamespaceState;
use crate::context::preflight_report::Foresight;
use crate::context::release_context::Context;
use crate::context::step::{Step, StepDescription, Steps, given};
use crate::diagnose::wait_ready;
use crate::error::PhaseError;
use crate::kept_digest::Given;
use crate::observe;
use crate::observe::release_storage;
use crate::observe::release_storage::NotServed;
use crate::phases::chart::HelmChart;
use crate::phases::chart::steps_of;
use crate::preflight::adoption::Adopting;
use crate::preflight::backup::save;
use crate::preflight::crds::chart_crds;
use crate::preflight::deploy;
use crate::preflight::rollback_target;
use crate::preflight::uncertain_steps;
use crate::render;
use crate::render::objects::rendered_objects;
use crate::render::wanted;
use pilothouse_core::{
    Class, Decision, DriftPolicy, EventKind, Finding, HelmAction, HelmCommand, ObjectRef, Payload, Phase, RUN_LABEL,
    RevisionStatus, code,
};
use pilothouse_helm::{UpgradeRequest, Values};
use pilothouse_kube::{Conflict, ownership_conflicts};
use tokio::time::Instant;

/// Everything that can be known before anything is changed: files, chart, version, values and rendering; the state of
/// the release and of its namespace; who owns every object; data that would be lost; and what each step says.
pub async fn check_prerequisites<C: HelmChart + ?Sized>(chart: &C, ctx: &Context, payload: &Payload) -> Vec<Finding> {
    ctx.doing("checking chart, values and cluster");
    let foresight = match ctx.foreseen().await {
        Some(foresight) => foresight,
        None => chart.look_ahead(ctx, payload).await,
    };
    let mut findings = tell(ctx, foresight);
    let mut scratch = payload.clone();
    if findings.is_empty()
        && let Err(error) = run_steps(chart, Phase::CheckPrerequisites, ctx, &mut scratch).await
        && !error.is_interrupted()
    {
        let subject = error.step().unwrap_or("check").to_owned();
        let message = ctx.redactor().redact(&error.chain()[1..].join(": "));
        findings.push(Finding::new(Class::Blocked, code::CHECK_FAILED, subject, message));
    }
    findings
}

/// Says what is no reason to refuse, and gives the reasons.
pub(crate) fn tell(ctx: &Context, foresight: Foresight) -> Vec<Finding> {
    for warning in foresight.warnings {
        ctx.warn(warning);
    }
    for line in foresight.not_checked {
        ctx.say(format!("not checked: {line}"));
    }
    foresight.findings
}

/// As [`check_prerequisites`], without running the user's steps of that phase: nothing but reading.
pub async fn look_ahead<C: HelmChart + ?Sized>(chart: &C, ctx: &Context, payload: &Payload) -> Foresight {
    let steps = steps_of(chart);
    let mut findings = wanted::input_findings(&steps, ctx).await;
    if !findings.is_empty() {
        return findings.into();
    }
    let observed = observe::observed(ctx).await;
    findings.extend(observed.findings(ctx.info()));
    match ctx.info().action {
        HelmAction::Skip => {}
        HelmAction::Deploy => {
            let prepared = render::wanted(ctx, payload).await;
            let objects = rendered_objects(&prepared.rendering.docs());
            let (conflicts, crds) =
                tokio::join!(ownership(&steps, ctx, &objects), chart_crds::findings(ctx, &prepared));
            findings.extend(conflicts);
            findings.extend(crds);
        }
        HelmAction::Destroy => {}
    }
    let mut foresight = Foresight::default();
    // Into a namespace that is going, or over what cannot be read, nothing can be asked for.
    let is_blocked = findings.iter().any(|finding| finding.class == Class::Blocked);
    if (!is_blocked || ctx.info().action == HelmAction::Destroy) && !is_deployed_before(ctx, payload).await {
        let mut ahead = deploy::findings(&steps, ctx, payload, &observe::decision(ctx).await).await;
        // Whose an object is has to be settled first.
        let is_foreign = |subject: &str| {
            findings.iter().any(|found| found.code == code::OWNERSHIP_CONFLICT && found.subject == subject)
        };
        ahead.findings.retain(|one| !is_foreign(&one.subject));
        foresight = ahead;
    }
    findings.extend(rollback_target::findings(ctx).await);
    for step in steps.all() {
        findings.extend(step.check(ctx).await);
    }
    findings.extend(uncertain_steps::findings(&steps, ctx, payload).await);
    foresight.findings.splice(0..0, findings);
    foresight
}

/// Runs the steps of a phase in order, up to the first that fails.
///
/// # Errors
/// [`PhaseError::Step`], or [`PhaseError::Interrupted`] when the run was stopped before a step.
pub async fn run_steps<C: HelmChart + ?Sized>(
    chart: &C,
    phase: Phase,
    ctx: &Context,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    let mut failed = Vec::new();
    for (index, step) in steps_of(chart).of(phase).iter().enumerate() {
        if ctx.cancel().is_cancelled() && phase != Phase::OnDeployFailure {
            return Err(PhaseError::Interrupted);
        }
        match run_step(ctx, phase, index, step.as_ref(), payload).await {
            Ok(()) => {}
            // They only look, and one more that fails is worth knowing.
            Err(error @ PhaseError::Step { .. }) if ctx.is_thorough() && !error.is_interrupted() => failed.push(error),
            Err(error) => return Err(error),
        }
    }
    match failed.pop() {
        None => Ok(()),
        Some(only) if failed.is_empty() => Err(only),
        Some(last) => {
            failed.push(last);
            Err(PhaseError::Steps(failed))
        }
    }
}

/// Runs one step with its events, unless an earlier run has done it.
async fn run_step(
    ctx: &Context,
    phase: Phase,
    index: usize,
    step: &dyn Step,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    let StepDescription { text: description, repeatable, adopts, point_of_no_return, every_run, .. } = step.describe();
    let (release, given) = (ctx.release(), given(ctx, step).await);
    if ctx.runs_only_every_run() && !every_run {
        return Ok(());
    }
    if ctx.attempts().has_done(phase, index, given.digest()) {
        ctx.emitter().emit(EventKind::StepSkipped { release, phase, index, description });
        return Ok(());
    }
    match ctx.step_verdict(phase, index, &given, repeatable) {
        StepVerdict::Run => ctx.done_again(phase),
        StepVerdict::Done { output } => {
            for (key, value) in output {
                payload.put_value(key, value);
            }
            if !adopts.is_empty() {
                ctx.note_adoption();
            }
            ctx.emitter().emit(EventKind::StepSkipped { release, phase, index, description });
            return Ok(());
        }
        StepVerdict::Uncertain { run, since, ended } => {
            return Err(PhaseError::Uncertain(uncertain_steps::uncertain(
                ctx,
                phase,
                index,
                &description,
                (run, since, ended),
            )));
        }
    }
    if point_of_no_return {
        ctx.point_of_no_return(&description).await?;
    }
    let started = EventKind::StepStarted {
        release: release.clone(),
        phase,
        index,
        description: description.clone(),
        repeatable,
        digest: given.digest().to_owned(),
    };
    ctx.emitter().ask(started).await?;
    let begun = std::time::Instant::now();
    let before = payload.clone();
    let result = step.run(ctx, payload).await;
    // A step that was told to end while it worked may have done its work or not: that it ended says nothing.
    let known = repeatable || !result.as_ref().is_err_and(PhaseError::is_interrupted);
    let finished = EventKind::StepFinished {
        release,
        phase,
        index,
        error: result.as_ref().err().map(|error| ctx.redactor().redact(&error.chain().join(": "))),
        output: uncertain_steps::output(phase, &before, payload, ctx.redactor()),
        elapsed_ms: millis(begun.elapsed()),
    };
    if known {
        ctx.emitter().emit(finished);
    }
    if result.is_ok() {
        ctx.attempts().note_step(phase, index, given.digest(), repeatable);
    }
    result.map_err(|source| match source {
        // That is the run's end, not the step's.
        PhaseError::Stopped(reason) => PhaseError::Stopped(reason),
        PhaseError::Uncertain(finding) => PhaseError::Uncertain(finding),
        source => PhaseError::Step { step: description, source: Box::new(source) },
    })
}

/// Installs, upgrades, reinstalls or uninstalls, as the observed state asks for. Returns what it did.
///
/// Writes: the chart's definitions by policy, then whatever helm writes. Not repeatable by itself: helm makes a new
/// revision each time. Cancelled in helm's run, helm marks the release failed, so that the next run can go on.
///
/// # Errors
/// What failed.
pub async fn exec<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    payload: &mut Payload,
) -> Result<String, PhaseError> {
    let decision = observe::decision(ctx).await;
    look_with_payload(chart, ctx, payload, &decision).await?;
    match decision {
        Decision::Nothing { why } | Decision::Validate { why } | Decision::Steps { why } => Ok(why),
        Decision::Compare { .. } | Decision::Look => {
            Err(PhaseError::State("what is deployed could not be compared with what is wanted".to_owned()))
        }
        Decision::Stop { state } => {
            Err(PhaseError::State(format!("the release is in a state to be left alone: {state:?}")))
        }
        Decision::Unlock { revision, .. } => {
            Err(PhaseError::State(format!("revision {revision} is pending and was not marked failed")))
        }
        Decision::Install => deploy(ctx, payload, "installed", true).await,
        Decision::Upgrade { last_good } => deploy(ctx, payload, "upgraded", last_good.is_none()).await,
        Decision::FinishUninstallThenInstall => {
            objects::uninstall(ctx).await?;
            deploy(ctx, payload, "finished the uninstall and installed", true).await
        }
        Decision::Reinstall { deployed, .. } => {
            objects::uninstall(ctx).await?;
            deploy(ctx, payload, &format!("uninstalled {deployed} and installed"), true).await
        }
        Decision::Uninstall => {
            objects::uninstall(ctx).await?;
            Ok("uninstalled".to_owned())
        }
    }
}

/// What could not be looked at ahead, since values come from earlier phases, is looked at now that they are known.
async fn look_with_payload<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    payload: &Payload,
    decision: &Decision,
) -> Result<(), PhaseError> {
    if wanted::payload_values(ctx.info(), payload).is_empty() || is_deployed_before(ctx, payload).await {
        return Ok(());
    }
    let findings = tell(ctx, deploy::findings(&steps_of(chart), ctx, payload, decision).await);
    if findings.is_empty() { Ok(()) } else { Err(PhaseError::Refused(findings)) }
}

/// `first` says that no revision was ever deployed. The fields of objects that were adopted then still belong to whoever
/// made them, and helm 4, which applies server-side, has to take them over; helm 3 does so in any case.
async fn deploy(ctx: &Context, payload: &Payload, verb: &str, first: bool) -> Result<String, PhaseError> {
    let prepared = render::wanted(ctx, payload).await;
    let chart = prepared.chart()?;
    let given = uncertain_steps::of_deploy(ctx, chart, payload).await;
    if let Some(done) = done_before(ctx, &given).await {
        if prepared.brings_kinds() {
            ctx.cluster().discovery(true).await?;
        }
        if !done.to_the_end {
            restart_if_asked(ctx, verb).await?;
        }
        return Ok(done.summary);
    }
    let observed = observe::observed(ctx).await;
    if let (Some(base), Some(newest)) = (ctx.earlier_base(observed.newest()), observed.newest()) {
        ctx.continue_from(base);
        ctx.attempts().note_written(newest.revision, newest.run);
    }
    let values = Values::of(ctx.info(), payload)?;
    let request = UpgradeRequest {
        create_namespace: ctx.info().create_namespace,
        max_history: ctx.info().max_history,
        force: ctx.info().force_upgrade,
        force_conflicts: (first && ctx.has_adopted()) || corrects_drift(ctx).await?,
        labels: ctx.run().map(|run| (RUN_LABEL.to_owned(), run.to_string())).into_iter().collect(),
        ..UpgradeRequest::new(ctx.release(), chart.path.clone(), values, ctx.remaining())
    };
    save::before_helm(ctx, payload, verb == "upgraded").await?;
    orphaned_hooks::clear_earlier(ctx).await?;
    ctx.doing(format!("helm upgrade --install {} {}", chart.metadata.name, chart.metadata.version));
    ctx.attempts().note_written(observed.newest_revision().saturating_add(1), ctx.run());
    // All of it is one intent: the definitions before and the restart after are of no use without helm's run.
    let stop = ctx.terminate().child_token();
    let run = async {
        let brought = crds::bring(ctx, &prepared).await?;
        while_helm_runs(ctx, &prepared, &stop, ctx.helm().upgrade_install(&request, &stop)).await?;
        is_recorded(ctx, observed.newest_revision()).await?;
        ctx.attempts().note_deployed(given.digest(), observed.newest_revision(), ctx.run());
        if prepared.brings_kinds() {
            // Later releases are rendered for what the cluster serves now.
            ctx.cluster().discovery(true).await?;
        }
        restart_if_asked(ctx, verb).await?;
        Ok::<usize, PhaseError>(brought)
    };
    let brought =
        helm_run::run_helm(ctx, HelmCommand::Upgrade, given.digest().to_owned(), request.timeout, run).await?;
    let crds = match brought {
        0 => String::new(),
        1 => ", 1 CRD applied".to_owned(),
        n => format!(", {n} CRDs applied"),
    };
    Ok(format!("{verb} {} {}{crds}", chart.metadata.name, chart.metadata.version))
}

/// Whether fields that others have written are to be taken back. Helm 4 can do so only over a revision that was applied
/// server-side; helm 3 does it in any case.
async fn corrects_drift(ctx: &Context) -> Result<bool, PhaseError> {
    if ctx.info().drift != DriftPolicy::Correct || ctx.helm().version().major < 4 {
        return Ok(false);
    }
    let deployed = release_storage::newest_good_record(ctx).await?;
    Ok(deployed.is_some_and(|record| record.apply_method.as_deref() == Some("ssa")))
}

/// Helm may end well although it could not write that it did (`pkg/action/install.go` calls it a tricky case): then the
/// revision stays pending, and what follows must not be built on it.
async fn is_recorded(ctx: &Context, before: u32) -> Result<(), PhaseError> {
    let revisions = release_storage::revisions(ctx).await?;
    let why = match revisions.iter().max_by_key(|meta| meta.revision) {
        None => "no revision is recorded".to_owned(),
        Some(newest) if newest.revision <= before => format!("the newest revision is still {}", newest.revision),
        Some(newest) if newest.status != RevisionStatus::Deployed => {
            format!("revision {} is recorded as {}", newest.revision, newest.status)
        }
        Some(_) => return Ok(()),
    };
    Err(PhaseError::State(format!("helm has ended well, but {why}: the next run looks what became of it")))
}

/// What was deployed before, and whether all of `exec` was done then.
struct DoneBefore {
    summary: String,
    to_the_end: bool,
}

/// What an earlier run or attempt has deployed, if helm's records prove that it did so to the end with the same input.
async fn done_before(ctx: &Context, given: &Given) -> Option<DoneBefore> {
    let observed = observe::observed(ctx).await;
    if let Some((revision, executed)) = ctx.attempts().has_deployed(given.digest(), observed.newest()) {
        let to_the_end = executed.is_some();
        let summary = executed.unwrap_or_else(|| format!("an earlier attempt had deployed revision {revision}"));
        return Some(DoneBefore { summary, to_the_end });
    }
    let helm = ctx.earlier_helm()?;
    let revision = upgrade_is_done(&helm, given, observed.newest())?;
    if ctx.has_ended_well_before() {
        ctx.continue_from(revision);
    } else {
        ctx.continue_from(ctx.earlier_base(observed.newest()).unwrap_or(helm.revision_before));
        ctx.attempts().note_written(revision, Some(helm.run));
    }
    let summary = format!("run {} had deployed revision {revision}", helm.run.short());
    Some(DoneBefore { summary, to_the_end: ctx.earlier_exec_ended_well() })
}

/// Whether helm has done before what `exec` would do, so that it is not run again.
async fn is_deployed_before(ctx: &Context, payload: &Payload) -> bool {
    if ctx.info().action != HelmAction::Deploy {
        return false;
    }
    let prepared = render::wanted(ctx, payload).await;
    let Some(chart) = &prepared.chart else { return false };
    done_before(ctx, &uncertain_steps::of_deploy(ctx, chart, payload).await).await.is_some()
}

/// Restarts the workloads after an upgrade, where the user wants it.
async fn restart_if_asked(ctx: &Context, verb: &str) -> Result<(), PhaseError> {
    if !ctx.info().recreate_pods || verb != "upgraded" {
        return Ok(());
    }
    let workloads = |object: &ObjectRef| matches!(object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
    let objects: Vec<ObjectRef> = release_storage::objects(ctx).await?.into_iter().filter(workloads).collect();
    objects::restart(ctx, &objects).await
}

/// The release is deployed and every object of it is ready, then the steps. When it was destroyed, only the steps: `exec`
/// has waited until its objects were gone.
///
/// # Errors
/// The objects that are not, with their reasons; or the step that failed.
pub async fn validate<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    if ctx.info().action == HelmAction::Deploy && !ctx.runs_only_every_run() {
        let record = release_storage::newest_record(ctx).await?;
        let record = record.ok_or_else(|| PhaseError::State("the release is not installed".to_owned()))?;
        if record.info.status != RevisionStatus::Deployed {
            return Err(PhaseError::State(format!("its newest revision {} is {}", record.version, record.info.status)));
        }
        let objects = if ctx.info().wait { release_storage::objects_of(ctx, &record).await? } else { Vec::new() };
        let deadline = Instant::now() + ctx.remaining();
        if let Err(not_ready) = wait_ready::wait_ready(ctx, &objects, deadline).await {
            if !ctx.is_thorough() || not_ready.is_interrupted() {
                return Err(not_ready);
            }
            return Err(match run_steps(chart, Phase::Validate, ctx, payload).await {
                Ok(()) => not_ready,
                Err(error) if error.is_interrupted() => error,
                Err(PhaseError::Steps(errors)) => PhaseError::Steps(std::iter::once(not_ready).chain(errors).collect()),
                Err(error) => PhaseError::Steps(vec![not_ready, error]),
            });
        }
    }
    run_steps(chart, Phase::Validate, ctx, payload).await
}

/// All objects that belong to someone else, but those a step is going to adopt or delete before helm runs. What is in
/// the manifest of the deployed revision is the release's, whatever its labels say: helm does not look at them either.
async fn ownership(steps: &Steps, ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    let unreadable = |error: &PhaseError| {
        vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), error.chain().join(": "))]
    };
    let objects = match release_storage::complete(ctx, objects.to_vec(), NotServed::Skip).await {
        Ok(objects) => objects,
        Err(error) => return unreadable(&error),
    };
    // In a namespace that is not there is nothing that could be somebody else's.
    let absent = matches!(observe::observed(ctx).await.namespace, NamespaceState::Absent);
    let namespace = ctx.release().namespace;
    let elsewhere = |object: &ObjectRef| !absent || object.namespace.as_ref() != Some(&namespace);
    let objects: Vec<ObjectRef> = objects.into_iter().filter(elsewhere).collect();
    let conflicts = match ownership_conflicts(ctx.cluster(), &objects, &ctx.release()).await {
        Ok(conflicts) => conflicts,
        Err(error) => return unreadable(&error.into()),
    };
    if conflicts.is_empty() {
        return Vec::new();
    }
    let own = match release_storage::objects(ctx).await {
        Ok(own) => own,
        Err(error) => return unreadable(&error),
    };
    let adopting = match Adopting::of(steps, ctx).await {
        Ok(adopting) => adopting,
        Err(error) => return unreadable(&error),
    };
    let is_open = |conflict: &Conflict| {
        let is_own = own.iter().any(|object| object.same_object(&conflict.object));
        !is_own
            && !adopting.names(&conflict.object)
            && adopting.refusal(&conflict.object, &conflict.ownership).is_some()
    };
    let open = conflicts.into_iter().filter(is_open);
    open.map(|conflict| Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, &conflict.object, conflict.ownership))
        .collect()
}
