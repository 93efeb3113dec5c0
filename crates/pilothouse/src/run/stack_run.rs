//! A run over several releases.

use crate::actions;
use crate::context::Context;
use crate::context::Ledger;
use crate::context::Message;
use crate::context::Planned;
use crate::context::ReleaseRun;
use crate::context::Session;
use crate::context::StepAnswer;
use crate::context::Taken;
use crate::context::millis;
use crate::context::side_by_side;
use crate::lifecycle;
use crate::observe;
use crate::phases::HelmChart;
use crate::phases::steps_of;
use crate::plan;
use crate::render::steps_seen;
use crate::run::checks;
use crate::run::config::{Answer, RunConfig, StateConfig};
use crate::run::dispatch;
use crate::run::dispatch::{Dispatch, not_started};
use crate::run::error::RunError;
use crate::run::foresee;
use crate::run::listening::listening;
use crate::run::lock::{self, LookBeforeLock};
use crate::run::open;
use crate::run::open::{Opened, Reads};
use crate::run::owner::Owner;
use crate::span;
use futures::FutureExt;
use pilothouse_core::{
    Class, Event, EventKind, Finding, GraphNode, GraphProblem, HelmAction, Phase, Plan, PlannedAction, PlannedRelease,
    ReleaseGraph, ReleaseKey, ReleaseOutcome, ReleasePlan, RunKind, RunOutcome, StopReason, Wait, code,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::Instrument;

/// Runs only the validate phase of each release, and all of them, whatever becomes of one.
///
/// `on_event` sees every event in order, from the task that awaits this.
pub async fn validate(
    config: &RunConfig,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    on_event: impl FnMut(&Event),
) -> RunOutcome {
    let begun = Instant::now();
    let (to, mut messages) = unbounded_channel();
    let mut owner = Owner::new(on_event);
    owner.happened(started(config, session, RunKind::Validate, charts, &vec![Vec::new(); charts.len()]));
    let mut contexts = contexts(charts, session, &to);
    let work = charts.iter().zip(&mut contexts).map(|(chart, ctx)| {
        async move { (ctx.release(), lifecycle::validate_release(chart.as_ref(), ctx).await) }.boxed()
    });
    let work = side_by_side(work, config.concurrency);
    let releases = listening(work, &mut owner, &mut messages).await;
    let outcome = RunOutcome { releases, stopped: None };
    owner.happened(finished(&outcome, begun));
    outcome
}

/// Carries releases through their lifecycles: each begins the moment the releases it waits for are done, at most
/// [`RunConfig::concurrency`] at once. Releases that are destroyed go the other way through the graph.
///
/// Before the first is begun, the graph and the charts, files and values of all are checked: when one is wrong, nothing is
/// changed at all. (A template may fail because a needed release has not brought its kinds yet: that is looked at when its
/// turn has come.) Then the stack's lock is taken, and what an earlier run has left unfinished is continued. Otherwise each release is
/// asked [what it knows before](HelmChart::look_ahead), and when one is refused nothing is changed either, unless
/// [`RunConfig::despite_refusals`] says otherwise. Everything that
/// changes the cluster is written down before it begins and when it has ended.
///
/// `on_event` sees every event in order, from the task that awaits this. When the returned future is dropped, everything
/// it has started is killed; the next run continues.
///
/// # Errors
/// When the run cannot begin: the lock is another run's, or the journal cannot be read or written.
pub async fn run(
    config: &RunConfig,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    on_event: impl FnMut(&Event),
) -> Result<RunOutcome, RunError> {
    let begun = Instant::now();
    let (to, mut messages) = unbounded_channel();
    let mut owner = Owner::new(on_event);
    session.begin_run();
    let graph = match ReleaseGraph::new(charts.iter().map(|chart| GraphNode::from(chart.chart_info()))) {
        Ok(graph) => graph,
        Err(problems) => return Ok(wrong_graph(&problems, charts)),
    };
    let waits = graph.waits();
    owner.happened(started(config, session, config.kind, charts, &waits));
    let mut contexts = contexts(charts, session, &to);
    let mut runs = Vec::with_capacity(charts.len());
    for (chart, ctx) in charts.iter().zip(&mut contexts) {
        let (steps, stack) = (steps_of(chart.as_ref()), (!ctx.info().dry_run).then(|| config.stack.clone()));
        ctx.see_steps(steps_seen(&steps, chart.lifecycle_version()).await);
        runs.push(ReleaseRun { stack, steps, ..ReleaseRun::default() });
    }
    let stands_on: Vec<Vec<usize>> = (0..charts.len()).map(|node| graph.stands_on(node)).collect();
    let wants_the_last = config.state.as_ref().is_some_and(StateConfig::wants_the_last);
    // A run that goes on with an interrupted one looks at each release by itself.
    if !wants_the_last {
        let survey = async {
            let surveyed = observe::take_survey(session, &contexts, &stands_on).await;
            actions::refresh_deploy_records(&contexts, &surveyed).await;
            surveyed
        };
        let survey = Box::pin(survey.instrument(span::part("survey")));
        let surveyed = listening(survey, &mut owner, &mut messages).await;
        for (run, surveyed) in runs.iter_mut().zip(surveyed) {
            run.settled = surveyed.map(|surveyed| surveyed.settled);
        }
    }
    // What changes nothing needs no lock, and leaves no trace.
    let idle = |(ctx, run): (&Context, &ReleaseRun)| {
        ctx.info().dry_run || ctx.info().action == HelmAction::Skip || run.settled.is_some()
    };
    let state = config.state.as_ref().filter(|_| !contexts.iter().zip(&runs).all(idle));
    let look = async {
        match state {
            Some(state) => lock::look_before_lock(&config.stack, state, session).await,
            None => LookBeforeLock::default(),
        }
    };
    let checks = checks::wrong_input(charts, &contexts, &mut runs, &stands_on, config.concurrency);
    let checks = async { tokio::join!(checks, look) };
    let (mut findings, looked) =
        listening(Box::pin(checks.instrument(span::part("checks"))), &mut owner, &mut messages).await;
    if let Some(plan) = config.plan.as_ref().filter(|_| findings.iter().all(Vec::is_empty)) {
        let brings = plan::brings(&graph, &contexts, &runs, &stands_on, config.concurrency);
        listening(Box::pin(brings), &mut owner, &mut messages).await;
        plan::foresee_taken(plan, &stands_on, &contexts, &mut runs).await;
        let outdated = Box::pin(outdated(config, plan, &contexts, &runs, &stands_on));
        findings = listening(outdated, &mut owner, &mut messages).await;
    }
    if let Some(outcome) = not_begun(&contexts, findings, "the input of another release is wrong", &mut owner) {
        owner.happened(finished(&outcome, begun));
        return Ok(outcome);
    }
    let opened = match state {
        Some(state) => {
            let looking = async {
                // For a plan each is looked at by itself.
                let looked_at = contexts.iter().zip(&runs).filter(|one| config.plan.is_none() && !idle(*one));
                observe::prefetch(&looked_at.map(|(ctx, _)| ctx).collect::<Vec<_>>()).await;
            };
            let opened = open::open(config, state, session, Reads { looked, looking }, &mut owner, &to, &mut messages);
            Some(opened.instrument(span::part("lock and journal")).await?)
        }
        None => None,
    };
    let mut refused = None;
    if let Some(opened) = &opened {
        let answers = config.state.as_ref().map(|state| state.answers.as_slice()).unwrap_or_default();
        for (ctx, run) in contexts.iter_mut().zip(&mut runs) {
            let mut ledger = Ledger::new(opened.earlier(ctx.info()), answers_for(answers, &ctx.release()));
            if ctx.info().believes_state {
                ledger.believe_outputs();
            }
            let under_lock = opened.under_lock(&ctx.release());
            run.join(config.id, ledger, under_lock, opened.digest_key().clone());
            if run.is_under_way() {
                ctx.go_on_with_deploy();
            }
        }
        if opened.others_were_at_work() {
            for (ctx, run) in contexts.iter().zip(&mut runs) {
                run.settled = None;
                ctx.forget_observation().await;
            }
        }
        // What was found before the lock is no reason to change anything under it.
        session.reads.forget_drifted();
        // Compared once more: the lock keeps away runs of this stack, and nobody else.
        if let Some(plan) = &config.plan {
            let outdated = Box::pin(outdated(config, plan, &contexts, &runs, &stands_on));
            let findings = listening(outdated, &mut owner, &mut messages).await;
            refused = not_begun(&contexts, findings, "the plan does not hold for another release", &mut owner);
        }
    }
    if let Some(plan) = &config.plan {
        for (ctx, run) in contexts.iter().zip(&mut runs) {
            // In its turn it is rendered for what is served then, and compared with what is there.
            ctx.expect_kinds(Arc::default()).await;
            ctx.expect_taken(Taken::default()).await;
            let key = plan.key.as_ref().unwrap_or(&run.digest_key).clone();
            let release = plan.releases.iter().find(|planned| planned.release == ctx.release()).cloned();
            run.planned = release.map(|release| Arc::new(Planned { release, key }));
        }
    }
    // What was begun by an interrupted run is brought to its end, whatever is found of others.
    let goes_on = config.despite_refusals || runs.iter().any(ReleaseRun::is_continued);
    if refused.is_none() && !goes_on {
        let foreseen = foresee::foreseen(charts, &contexts, &mut runs, &waits, config.concurrency);
        let foreseen = Box::pin(foreseen.instrument(span::part("look ahead")));
        let findings = listening(foreseen, &mut owner, &mut messages).await;
        refused = not_begun(&contexts, findings, "another release is refused", &mut owner);
    }
    if let Some(outcome) = refused {
        owner.happened(finished(&outcome, begun));
        // They share the lock, which is given back once nobody does.
        drop(runs);
        open::close(opened, owner).await;
        return Ok(outcome);
    }
    let work = Dispatch {
        charts,
        releases: contexts.into_iter().zip(runs).map(Some).collect(),
        waits,
        concurrency: config.concurrency,
        policy: config.failure_policy,
        on_release_failure: config.on_release_failure,
        needs: (0..graph.len()).map(|node| graph.needs(node).iter().map(|need| need.on).collect()).collect(),
        session,
        lock: opened.as_ref().map(Opened::lock),
    };
    let outcome = dispatch::dispatch(work, &mut owner, &mut messages).instrument(span::part("releases")).await;
    owner.happened(finished(&outcome, begun));
    open::close(opened, owner).instrument(span::part("end")).await;
    Ok(outcome)
}

/// Why the plan does not hold any more, for each release. What is in the plan and not in the run is told of the first.
async fn outdated(
    config: &RunConfig,
    plan: &Plan,
    contexts: &[Context],
    runs: &[ReleaseRun],
    stands_on: &[Vec<usize>],
) -> Vec<Vec<Finding>> {
    for ctx in contexts {
        ctx.forget_observation().await;
    }
    let is_left_out = |ctx: &Context| {
        let is_refused = |one: &ReleasePlan| one.release == ctx.release() && one.does == PlannedAction::Refuse;
        // It tells itself why, in its turn.
        config.despite_refusals && plan.releases.iter().any(is_refused)
    };
    let findings = contexts.iter().zip(runs).zip(stands_on).map(|((ctx, run), stands_on)| {
        let is_left_out = is_left_out(ctx);
        let earlier: Vec<_> = stands_on.iter().map(|&on| contexts[on].release()).collect();
        async move { if is_left_out { Vec::new() } else { plan::outdated_findings(ctx, run, plan, &earlier).await } }
            .boxed()
    });
    let mut findings = side_by_side(findings, config.concurrency).await;
    let finding = |subject: String, message: String| Finding::new(Class::Unsafe, code::PLAN_OUTDATED, subject, message);
    let mut missing = Vec::new();
    if plan.stack != config.stack {
        missing.push(finding(config.stack.clone(), format!("the plan is about the stack {}", plan.stack)));
    }
    for planned in &plan.releases {
        if !contexts.iter().any(|ctx| ctx.release() == planned.release) {
            let message = "the plan has it, and the stack has not any more".to_owned();
            missing.push(finding(planned.release.to_string(), message));
        }
    }
    if let Some(first) = findings.first_mut() {
        first.extend(missing);
    }
    findings
}

/// A context for each release, which says what it has to say to the owner of the run.
fn contexts(charts: &[Box<dyn HelmChart>], session: &Arc<Session>, to: &UnboundedSender<Message>) -> Vec<Context> {
    charts.iter().map(|chart| Context::new(session.clone(), chart.chart_info(), to.clone())).collect()
}

fn finished(outcome: &RunOutcome, begun: Instant) -> EventKind {
    EventKind::RunFinished { verdict: outcome.verdict(), elapsed_ms: millis(begun.elapsed()) }
}

/// What the user says of steps of this release.
fn answers_for(answers: &[Answer], release: &ReleaseKey) -> Vec<StepAnswer> {
    answers.iter().filter(|answer| answer.release == *release).map(|answer| answer.step.clone()).collect()
}

fn started(
    config: &RunConfig,
    session: &Session,
    kind: RunKind,
    charts: &[Box<dyn HelmChart>],
    waits: &[Vec<Wait>],
) -> EventKind {
    let key = |node: usize| charts[node].chart_info().key();
    let releases = charts.iter().zip(waits).map(|(chart, waits)| PlannedRelease {
        release: chart.chart_info().key(),
        action: chart.chart_info().action,
        waits_for: waits.iter().map(|wait| key(wait.on)).collect(),
    });
    EventKind::RunStarted {
        run: config.id,
        stack: config.stack.clone(),
        kind,
        holder: config.state.as_ref().map(|state| state.holder.clone()),
        cluster: session.cluster_context().cloned(),
        stack_file: config.stack_file.as_ref().map(|file| file.display().to_string()),
        concurrency: config.concurrency.max(1),
        releases: releases.collect(),
    }
}

/// The outcome of a run that is not begun: something speaks against a release, or the user stopped it.
fn not_begun<F: FnMut(&Event)>(
    contexts: &[Context],
    findings: Vec<Vec<Finding>>,
    why_not_the_others: &str,
    owner: &mut Owner<F>,
) -> Option<RunOutcome> {
    if contexts.iter().any(|ctx| ctx.cancel().is_cancelled()) {
        let phase = Phase::CheckPrerequisites;
        let releases = contexts.iter().map(|ctx| (ctx.release(), ReleaseOutcome::Interrupted { phase })).collect();
        return Some(RunOutcome { releases, stopped: Some(StopReason::User) });
    }
    if findings.iter().all(Vec::is_empty) {
        return None;
    }
    let releases = contexts.iter().zip(findings).map(|(ctx, findings)| {
        let release = ctx.release();
        if findings.is_empty() {
            return (release.clone(), not_started(release, why_not_the_others.to_owned(), None, owner));
        }
        let mut outcome = ReleaseOutcome::Refused { findings };
        ctx.emitter().redact_outcome(&mut outcome);
        owner.happened(EventKind::ReleaseFinished {
            release: release.clone(),
            outcome: outcome.clone(),
            elapsed_ms: 0,
        });
        (release, outcome)
    });
    Some(RunOutcome { releases: releases.collect(), stopped: None })
}

/// The outcome of a run whose releases do not fit together.
fn wrong_graph(problems: &[GraphProblem], charts: &[Box<dyn HelmChart>]) -> RunOutcome {
    let finding =
        |problem: &GraphProblem| Finding::new(Class::BadInput, code::GRAPH_INVALID, "the graph of releases", problem);
    let findings: Vec<Finding> = problems.iter().map(finding).collect();
    let releases =
        charts.iter().map(|chart| (chart.chart_info().key(), ReleaseOutcome::Refused { findings: findings.clone() }));
    RunOutcome { releases: releases.collect(), stopped: None }
}
