//! What the phases do unless a chart overrides them. An override can call these too.

use crate::actions;
use crate::context::Context;
use crate::context::Foresight;
use crate::context::ObjectsRead;
use crate::context::ReleaseRun;
use crate::context::Wanted;
use crate::diagnose;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::ManifestObjects;
use crate::phases::chart::HelmChart;
pub use crate::phases::run_steps::run_steps;
use crate::preflight;
use crate::render;
use crate::render::rendered_objects;
use crate::text;
use pilothouse_core::{Change, Class, Decision, Finding, HelmAction, Payload, Phase, RevisionStatus, code};
use pilothouse_kube::Beforehand;
use std::sync::Arc;
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
        && let Err(error) = run_steps(Phase::CheckPrerequisites, ctx, run, &mut scratch).await
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

/// What is wrong with what is wanted and how the cluster stands to it, as far as reading tells: nothing is changed, and none of the
/// user's steps is run. What each step says of itself is asked for.
pub async fn look_ahead(ctx: &Context, run: &mut ReleaseRun, payload: &Payload) -> Foresight {
    let steps = run.steps.clone();
    // An uninstall needs no chart.
    let mut wanted = match ctx.info().action {
        HelmAction::Deploy => render::make_wanted(ctx, payload).await,
        HelmAction::Destroy | HelmAction::Skip => Arc::default(),
    };
    let mut findings =
        if run.input_checked { wanted.findings.clone() } else { render::input_findings(&steps, ctx, &wanted).await };
    if !findings.is_empty() {
        return findings.into();
    }
    let observed = observe::observed(ctx).await;
    run.note_base(observed.known_history());
    if ctx.info().action == HelmAction::Deploy {
        // Which revision it is going to be is known by now.
        wanted = render::make_wanted(ctx, payload).await;
        if !wanted.findings.is_empty() {
            return wanted.findings.clone().into();
        }
    }
    let decision = &observed.decision;
    findings.extend(preflight::state_findings(ctx.info(), &observed));
    let (mut seen, mut not_checked) = (Vec::new(), Vec::new());
    let applied = preflight::look_at_applied(&steps, ctx, decision).await;
    let of_steps = applied.findings;
    if ctx.info().action == HelmAction::Deploy {
        let objects = rendered_objects(&wanted.rendering.docs());
        let (conflicts, definitions) = tokio::join!(
            preflight::ownership_findings(&steps, ctx, &objects, decision, &mut seen),
            preflight::look_at_definitions(ctx, &wanted)
        );
        seen.extend(definitions.seen);
        findings.extend(conflicts);
        findings.extend(definitions.findings);
        not_checked = definitions.not_checked;
    }
    not_checked.extend(applied.not_checked);
    let mut foresight = Foresight::default();
    // Into a namespace that is going, or over what cannot be read, nothing can be asked for.
    let is_blocked = findings.iter().any(|finding| finding.class == Class::Blocked);
    let deployed = render::earlier_deploy(ctx, run, &wanted, observed.known_history().newest()).await;
    let deployed = deployed.and_then(|(_, deployed)| deployed);
    if let Some(deployed) = &deployed {
        run.note_deployed_before(deployed);
    }
    if (!is_blocked || ctx.info().action == HelmAction::Destroy) && deployed.is_none() {
        let mut ahead = preflight::deploy_findings(&steps, ctx, &wanted, decision, &seen, &applied.kinds).await;
        // Whose an object is has to be settled first.
        let is_foreign = |subject: &str| {
            findings.iter().any(|found| found.code == code::OWNERSHIP_CONFLICT && found.subject == subject)
        };
        ahead.findings.retain(|one| !is_foreign(&one.subject));
        ahead.warnings.splice(0..0, wanted.warnings.iter().cloned());
        foresight = ahead;
    }
    findings.extend(preflight::planned_findings(ctx, run, &wanted, decision).await);
    findings.extend(preflight::rollback_findings(ctx, run).await);
    findings.extend(of_steps);
    for step in steps.all() {
        findings.extend(step.check(ctx).await);
    }
    findings.extend(preflight::uncertain_step_findings(ctx, run, &wanted, decision).await);
    foresight.findings.splice(0..0, findings);
    foresight.not_checked.append(&mut not_checked);
    foresight
}

/// Installs, upgrades, reinstalls or uninstalls, as the observed state asks for. Returns what it did.
///
/// Writes: the chart's definitions by policy, then whatever helm writes. Not repeatable by itself: helm makes a new
/// revision each time. Cancelled in helm's run, helm marks the release failed, so that the next run can go on.
///
/// # Errors
/// What failed.
pub async fn exec(ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<String, PhaseError> {
    let (wanted, observed, has_changed) = observe::wanted_for_exec(ctx, run.planned.is_some(), payload).await?;
    run.note_base(observed.known_history());
    let decision = observed.decision.clone();
    PhaseError::refuse_for(preflight::planned_findings(ctx, run, &wanted, &decision).await)?;
    // Steps have run since it was looked ahead, and an earlier attempt may have deployed it.
    let given = render::earlier_deploy(ctx, run, &wanted, observed.known_history().newest()).await;
    let (given, deployed) = given.unzip();
    let deployed = deployed.flatten();
    if deployed.is_none() || matches!(decision, Decision::Change(Change::Reinstall(_))) {
        look_again_if_input_changed(ctx, run, &wanted, &decision, has_changed).await?;
    }
    match decision {
        Decision::Keep { why } if ctx.info().action == HelmAction::Destroy => {
            actions::wait_for_what_is_left(ctx, run).await?;
            Ok(why)
        }
        Decision::Keep { why } | Decision::Finish { why, .. } => Ok(why),
        Decision::Refuse { state } => Err(PhaseError::State(preflight::why_refused(ctx.info(), &state).message)),
        Decision::Change(Change::Uninstall) => {
            actions::uninstall(ctx, run).await?;
            Ok(text::changed(&Change::Uninstall))
        }
        Decision::Change(change) => {
            // Nothing is uninstalled for what could not be installed then.
            let given = given.ok_or_else(|| PhaseError::Refused(wanted.findings.clone()))?;
            if let Change::Reinstall(_) = &change {
                actions::uninstall(ctx, run).await?;
            } else if let Some(deployed) = deployed {
                return actions::finish_deployed(ctx, run, &wanted, &change, deployed).await;
            }
            actions::deploy(ctx, run, &wanted, &given, &change).await
        }
    }
}

/// Looks again where what was found ahead does not count by now: values have come from earlier phases, files have changed, or it is
/// uninstalled first. Otherwise it does not look.
async fn look_again_if_input_changed(
    ctx: &Context,
    run: &ReleaseRun,
    wanted: &Wanted,
    decision: &Decision,
    has_changed: bool,
) -> Result<(), PhaseError> {
    let was_complete = render::payload_values(ctx.info(), &wanted.payload).is_empty() && !has_changed;
    // What the cluster refuses after the uninstall is refused too late: steps have run, and another attempt may come to this without
    // having been looked at as a reinstall.
    let is_reinstall = matches!(decision, Decision::Change(Change::Reinstall(_)));
    if was_complete && !is_reinstall {
        return Ok(());
    }
    let foresight = preflight::deploy_findings(&run.steps, ctx, wanted, decision, &[], &[]).await;
    let findings = if was_complete { foresight.findings } else { tell(ctx, foresight) };
    if findings.is_empty() { Ok(()) } else { Err(PhaseError::Refused(findings)) }
}

/// The release is deployed and every object of it is ready, then the steps. When it was destroyed, only the steps: `exec`
/// has waited until its objects were gone.
///
/// # Errors
/// The objects that are not, with their reasons; or the step that failed.
pub async fn validate(ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
    if ctx.info().action == HelmAction::Deploy && !run.only_every_run {
        let not_installed = || PhaseError::State("the release is not installed".to_owned());
        let known = run.recorded_just_now();
        let (newest, record) = match known.clone() {
            Some(newest) => {
                let record = observe::read_record(ctx, &newest).await?;
                (newest, record)
            }
            None => observe::newest(ctx).await?.ok_or_else(not_installed)?,
        };
        let record = record.ok_or_else(not_installed)?;
        if newest.status != RevisionStatus::Deployed {
            return Err(PhaseError::State(format!("its newest revision {} is {}", newest.revision, newest.status)));
        }
        if known.is_none() {
            run.note_recorded(&newest);
        }
        let looked = run.looked.take().filter(|looked| looked.is_of(&newest));
        let (ManifestObjects { objects, leaving }, seen) = match looked {
            _ if !ctx.info().wait => (ManifestObjects::default(), None),
            Some(ObjectsRead { objects, leaving, seen, .. }) => (ManifestObjects { objects, leaving }, Some(seen)),
            None => (observe::objects_of_record(ctx, &record).await?, None),
        };
        let before = Beforehand { seen, ttl_jobs: leaving, since: None };
        let deadline = Instant::now() + run.remaining(ctx);
        if let Err(not_ready) = diagnose::wait_ready(ctx, &mut run.causes, &objects, before, deadline).await {
            if !run.thorough || not_ready.is_interrupted() {
                return Err(not_ready);
            }
            return Err(match run_steps(Phase::Validate, ctx, run, payload).await {
                Ok(()) => not_ready,
                Err(error) if error.is_interrupted() => error,
                Err(PhaseError::Steps(errors)) => PhaseError::Steps(std::iter::once(not_ready).chain(errors).collect()),
                Err(error) => PhaseError::Steps(vec![not_ready, error]),
            });
        }
    }
    run_steps(Phase::Validate, ctx, run, payload).await
}
