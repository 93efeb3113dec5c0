//! What the phases do unless a chart overrides them. An override can call these too.

use crate::actions;
use crate::actions::deploy;
use crate::actions::is_deployed_before;
use crate::context::Context;
use crate::context::Foresight;
use crate::context::NamespaceState;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::context::StepVerdict;
use crate::context::Steps;
use crate::context::millis;
use crate::diagnose;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::NotServed;
use crate::phases::chart::HelmChart;
use crate::phases::chart::steps_of;
use crate::preflight;
use crate::preflight::Adopting;
use crate::preflight::gate;
use crate::render;
use crate::render::rendered_objects;
use pilothouse_core::{
    Change, Class, Decision, EventKind, Finding, HelmAction, ObjectRef, Payload, Phase, ReinstallReason,
    RevisionStatus, code,
};
use pilothouse_kube::{Conflict, ownership_conflicts};
use tokio::time::Instant;

/// Everything that can be known before anything is changed: files, chart, version, values and rendering; the state of
/// the release and of its namespace; who owns every object; data that would be lost; and what each step says.
pub async fn check_prerequisites<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &Payload,
) -> Vec<Finding> {
    ctx.doing("checking chart, values and cluster");
    let foresight = match run.foreseen.take() {
        Some(seen) => seen.foresight,
        None => chart.look_ahead(ctx, run, payload).await,
    };
    let mut findings = tell(ctx, foresight);
    let mut scratch = payload.clone();
    if findings.is_empty()
        && let Err(error) = run_steps(chart, Phase::CheckPrerequisites, ctx, run, &mut scratch).await
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
pub async fn look_ahead<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &Payload,
) -> Foresight {
    let steps = steps_of(chart);
    let mut findings = render::input_findings(&steps, ctx).await;
    if !findings.is_empty() {
        return findings.into();
    }
    let observed = observe::observed(ctx).await;
    findings.extend(observed.findings(ctx.info()));
    let mut prepared = None;
    match ctx.info().action {
        HelmAction::Skip => {}
        HelmAction::Deploy => {
            let wanted = render::wanted(ctx, payload).await;
            let objects = rendered_objects(&wanted.rendering.docs());
            let (conflicts, crds) =
                tokio::join!(ownership(&steps, ctx, &objects), preflight::chart_crd_findings(ctx, &wanted));
            findings.extend(conflicts);
            findings.extend(crds);
            prepared = Some(wanted);
        }
        HelmAction::Destroy => {}
    }
    let mut foresight = Foresight::default();
    // Into a namespace that is going, or over what cannot be read, nothing can be asked for.
    let is_blocked = findings.iter().any(|finding| finding.class == Class::Blocked);
    if (!is_blocked || ctx.info().action == HelmAction::Destroy) && !is_deployed_before(ctx, run, payload).await {
        let mut ahead = preflight::deploy_findings(&steps, ctx, payload, &observe::decision(ctx).await).await;
        // Whose an object is has to be settled first.
        let is_foreign = |subject: &str| {
            findings.iter().any(|found| found.code == code::OWNERSHIP_CONFLICT && found.subject == subject)
        };
        ahead.findings.retain(|one| !is_foreign(&one.subject));
        if let Some(wanted) = prepared {
            ahead.warnings.splice(0..0, wanted.warnings.iter().cloned());
        }
        foresight = ahead;
    }
    findings.extend(preflight::rollback_findings(ctx, run).await);
    for step in steps.all() {
        findings.extend(step.check(ctx).await);
    }
    findings.extend(preflight::uncertain_step_findings(&steps, ctx, run, payload).await);
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
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    let mut failed = Vec::new();
    for (index, step) in steps_of(chart).of(phase).iter().enumerate() {
        if ctx.cancel().is_cancelled() && phase != Phase::OnDeployFailure {
            return Err(PhaseError::Interrupted);
        }
        match run_step(ctx, run, phase, index, step.as_ref(), payload).await {
            Ok(()) => {}
            // They only look, and one more that fails is worth knowing.
            Err(error @ PhaseError::Step { .. }) if run.thorough && !error.is_interrupted() => failed.push(error),
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
    run: &mut ReleaseRun,
    phase: Phase,
    index: usize,
    step: &dyn Step,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    let StepDescription {
        text: description, repeatable, adopts, adopts_unowned, point_of_no_return, every_run, ..
    } = step.describe();
    let description = ctx.redactor().clean(&description).into_string();
    let (release, given) = (ctx.release(), run.given(step).await);
    if run.only_every_run && !every_run {
        return Ok(());
    }
    if run.attempts.has_done(phase, index, given.digest()) {
        ctx.emitter().emit(EventKind::StepSkipped { release, phase, index, description });
        return Ok(());
    }
    match run.step_verdict(phase, index, &given, repeatable) {
        StepVerdict::Run => run.done_again(phase),
        StepVerdict::Done { output } => {
            for (key, value) in output {
                payload.put_value(key, value);
            }
            if adopts_unowned || !adopts.is_empty() {
                run.attempts.note_adopted(&adopts);
            }
            ctx.emitter().emit(EventKind::StepSkipped { release, phase, index, description });
            return Ok(());
        }
        StepVerdict::Untrusted { run: earlier } => {
            return Err(PhaseError::Uncertain(preflight::untrusted(ctx, phase, index, &description, earlier)));
        }
        StepVerdict::Uncertain { run: earlier, since, ended } => {
            return Err(PhaseError::Uncertain(preflight::uncertain_step(
                ctx,
                phase,
                index,
                &description,
                (earlier, since, ended),
            )));
        }
    }
    if point_of_no_return {
        run.point_of_no_return(ctx, &description).await?;
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
    let result = step.run(ctx, run, payload).await;
    // A step that was told to end while it worked may have done its work or not: that it ended says nothing.
    let known = repeatable || !result.as_ref().is_err_and(PhaseError::is_interrupted);
    let finished = EventKind::StepFinished {
        release,
        phase,
        index,
        error: result.as_ref().err().map(|error| ctx.redactor().redact(&error.chain().join(": "))),
        output: preflight::step_output(phase, &before, payload, ctx.redactor()),
        elapsed_ms: millis(begun.elapsed()),
    };
    if known {
        ctx.emitter().emit(finished);
    }
    if result.is_ok() {
        run.attempts.note_step(phase, index, given.digest(), repeatable);
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
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> Result<String, PhaseError> {
    let has_changed = ctx.info().action == HelmAction::Deploy && render::refresh(ctx).await;
    if has_changed {
        observe::observe_with(ctx, payload).await;
    }
    let decision = observe::decision(ctx).await;
    look_again(chart, ctx, run, payload, &decision, has_changed).await?;
    match decision {
        Decision::Keep { why } | Decision::Finish { why, .. } => Ok(why),
        Decision::Refuse { state } => Err(PhaseError::State(observe::why_refused(ctx.info(), &state).message)),
        Decision::Change(Change::Install) => deploy(ctx, run, payload, "installed", true).await,
        Decision::Change(Change::Upgrade { last_good }) => {
            deploy(ctx, run, payload, "upgraded", last_good.is_none()).await
        }
        Decision::Change(Change::Reinstall(reason)) => {
            // Another attempt may come to this without having been looked at as a reinstall.
            let (wanted, change) = (render::wanted(ctx, payload).await, Change::Reinstall(reason.clone()));
            PhaseError::refuse_for(gate(ctx, &wanted, &[], &[], &change).await)?;
            actions::uninstall(ctx, run).await?;
            let verb = match reason {
                ReinstallReason::HalfDone => "uninstalled what was left and installed".to_owned(),
                ReinstallReason::Breaking { deployed, .. } => format!("uninstalled {deployed} and installed"),
            };
            deploy(ctx, run, payload, &verb, true).await
        }
        Decision::Change(Change::Uninstall) => {
            actions::uninstall(ctx, run).await?;
            Ok("uninstalled".to_owned())
        }
    }
}

/// What could not be looked at ahead, since values come from earlier phases, is looked at now that they are known; and what has
/// changed since.
async fn look_again<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &Payload,
    decision: &Decision,
    has_changed: bool,
) -> Result<(), PhaseError> {
    let was_complete = render::payload_values(ctx.info(), payload).is_empty() && !has_changed;
    if was_complete || is_deployed_before(ctx, run, payload).await {
        return Ok(());
    }
    let findings = tell(ctx, preflight::deploy_findings(&steps_of(chart), ctx, payload, decision).await);
    if findings.is_empty() { Ok(()) } else { Err(PhaseError::Refused(findings)) }
}

/// The release is deployed and every object of it is ready, then the steps. When it was destroyed, only the steps: `exec`
/// has waited until its objects were gone.
///
/// # Errors
/// The objects that are not, with their reasons; or the step that failed.
pub async fn validate<C: HelmChart + ?Sized>(
    chart: &C,
    ctx: &Context,
    run: &mut ReleaseRun,
    payload: &mut Payload,
) -> Result<(), PhaseError> {
    if ctx.info().action == HelmAction::Deploy && !run.only_every_run {
        let record = observe::newest_record(ctx).await?;
        let record = record.ok_or_else(|| PhaseError::State("the release is not installed".to_owned()))?;
        if record.info.status != RevisionStatus::Deployed {
            return Err(PhaseError::State(format!("its newest revision {} is {}", record.version, record.info.status)));
        }
        let objects = if ctx.info().wait { observe::objects_of_record(ctx, &record).await? } else { Vec::new() };
        let deadline = Instant::now() + run.remaining(ctx);
        if let Err(not_ready) = diagnose::wait_ready(ctx, &mut run.causes, &objects, deadline).await {
            if !run.thorough || not_ready.is_interrupted() {
                return Err(not_ready);
            }
            return Err(match run_steps(chart, Phase::Validate, ctx, run, payload).await {
                Ok(()) => not_ready,
                Err(error) if error.is_interrupted() => error,
                Err(PhaseError::Steps(errors)) => PhaseError::Steps(std::iter::once(not_ready).chain(errors).collect()),
                Err(error) => PhaseError::Steps(vec![not_ready, error]),
            });
        }
    }
    run_steps(chart, Phase::Validate, ctx, run, payload).await
}

/// All objects that belong to someone else, but those a step is going to adopt or delete before helm runs. What is in
/// the manifest of the deployed revision is the release's, whatever its labels say: helm does not look at them either.
async fn ownership(steps: &Steps, ctx: &Context, objects: &[ObjectRef]) -> Vec<Finding> {
    let unreadable = |error: &PhaseError| {
        vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), error.chain().join(": "))]
    };
    let objects = match observe::complete_objects(ctx, objects.to_vec(), NotServed::Skip).await {
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
    let own = match observe::release_objects(ctx).await {
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
