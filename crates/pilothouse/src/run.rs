//! A run over several releases: one owner of its state, which numbers and stamps every event.

use crate::chart::HelmChart;
use crate::context::Context;
use crate::lifecycle::{self, millis};
use crate::prepare;
use crate::session::Session;
use futures::StreamExt;
use jiff::Timestamp;
use pilothouse_core::{
    Event, EventKind, Finding, HelmAction, Payload, Phase, PlannedRelease, ReleaseOutcome, RunId, RunKind, RunOutcome,
    code,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// How many charts are fetched and rendered side by side before the first release begins.
const SIDE_BY_SIDE: usize = 4;

/// Runs only the validate phase of each release, and all of them, whatever becomes of one.
pub async fn validate(
    stack: &str,
    id: RunId,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    on_event: impl FnMut(&Event),
) -> RunOutcome {
    owned(stack, id, charts, on_event, |events| async move {
        let mut releases = Vec::with_capacity(charts.len());
        for chart in charts {
            let ctx = Context::new(session.clone(), chart.chart_info(), events.clone());
            releases.push((ctx.release(), lifecycle::validate_only(chart.as_ref(), &ctx).await));
        }
        RunOutcome { releases, stopped: None }
    })
    .await
}

/// Carries the releases through their lifecycles, in this order. Before the first is begun, the charts, files and
/// values of all are checked: when one is wrong, nothing is changed at all (but for a template that fails where an earlier
/// release brings kinds: that is known when its turn has come). The first release that does not end well
/// ends the run, since later ones may stand on it.
///
/// `on_event` sees every event in order, from the task that awaits this.
pub async fn run(
    stack: &str,
    id: RunId,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    on_event: impl FnMut(&Event),
) -> RunOutcome {
    owned(stack, id, charts, on_event, |events| releases(charts, session, events)).await
}

/// Does the work of a run while numbering, stamping and handing out its events.
async fn owned<W: Future<Output = RunOutcome>>(
    stack: &str,
    id: RunId,
    charts: &[Box<dyn HelmChart>],
    mut on_event: impl FnMut(&Event),
    work: impl FnOnce(UnboundedSender<EventKind>) -> W,
) -> RunOutcome {
    let begun = Instant::now();
    let (to, mut events) = unbounded_channel();
    let mut seq = 0;
    let mut stamp = |kind: EventKind| {
        seq += 1;
        on_event(&Event { seq, at: Timestamp::now(), kind });
    };
    stamp(EventKind::RunStarted {
        run: id,
        stack: stack.to_owned(),
        kind: RunKind::Apply,
        holder: None,
        concurrency: 1,
        releases: charts
            .iter()
            .map(|chart| PlannedRelease {
                release: chart.chart_info().key(),
                action: chart.chart_info().action,
                waits_for: Vec::new(),
            })
            .collect(),
    });
    let work = work(to);
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            biased;
            Some(kind) = events.recv() => stamp(kind),
            outcome = &mut work => break outcome,
        }
    };
    while let Ok(kind) = events.try_recv() {
        stamp(kind);
    }
    stamp(EventKind::RunFinished { verdict: outcome.verdict(), elapsed_ms: millis(begun.elapsed()) });
    outcome
}

async fn releases(
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    events: UnboundedSender<EventKind>,
) -> RunOutcome {
    let contexts: Vec<Context> =
        charts.iter().map(|chart| Context::new(session.clone(), chart.chart_info(), events.clone())).collect();
    if let Some(outcome) = wrong_input(charts, &contexts, &events).await {
        return outcome;
    }
    let mut releases = Vec::with_capacity(charts.len());
    let mut stopped_by = None;
    for (chart, ctx) in charts.iter().zip(&contexts) {
        let key = chart.chart_info().key();
        let outcome = match &stopped_by {
            Some(reason) => not_started(ctx, String::clone(reason), &events),
            None => chart.run(ctx, &mut Payload::default()).await,
        };
        if stopped_by.is_none() {
            stopped_by = stops(&key, &outcome);
        }
        releases.push((key, outcome));
    }
    RunOutcome { releases, stopped: None }
}

/// Checks charts, files and values of all releases; gives the run's outcome if something is wrong with any.
async fn wrong_input(
    charts: &[Box<dyn HelmChart>],
    contexts: &[Context],
    events: &UnboundedSender<EventKind>,
) -> Option<RunOutcome> {
    let checks = charts.iter().zip(contexts).map(|(chart, ctx)| async move {
        match chart.chart_info().action {
            HelmAction::Skip => Vec::new(),
            HelmAction::Deploy | HelmAction::Destroy => prepare::input_findings(chart.as_ref(), ctx).await,
        }
    });
    let mut findings: Vec<Vec<Finding>> = futures::stream::iter(checks).buffered(SIDE_BY_SIDE).collect().await;
    let mut kinds_will_come = false;
    for ((chart, ctx), findings) in charts.iter().zip(contexts).zip(&mut findings) {
        if kinds_will_come {
            // The template may ask for just these kinds; it is rendered again when its turn has come.
            findings.retain(|finding| finding.code != code::CHART_TEMPLATE_FAILED);
        }
        kinds_will_come |=
            chart.chart_info().action == HelmAction::Deploy && ctx.prepared(&Payload::default()).await.brings_kinds();
    }
    if contexts.iter().any(|ctx| ctx.cancel().is_cancelled()) {
        let phase = Phase::CheckPrerequisites;
        let interrupted = contexts.iter().map(|ctx| (ctx.release(), ReleaseOutcome::Interrupted { phase }));
        return Some(RunOutcome { releases: interrupted.collect(), stopped: None });
    }
    if findings.iter().all(Vec::is_empty) {
        return None;
    }
    let releases = charts.iter().zip(contexts).zip(findings);
    let releases = releases.map(|((chart, ctx), findings)| {
        let key = chart.chart_info().key();
        let outcome = if findings.is_empty() {
            not_started(ctx, "the input of another release is wrong".to_owned(), events)
        } else {
            let mut outcome = ReleaseOutcome::Refused { findings };
            ctx.emitter().redact_outcome(&mut outcome);
            let finished = EventKind::ReleaseFinished { release: key.clone(), outcome: outcome.clone(), elapsed_ms: 0 };
            let _ = events.send(finished);
            outcome
        };
        (key, outcome)
    });
    Some(RunOutcome { releases: releases.collect(), stopped: None })
}

fn not_started(ctx: &Context, reason: String, events: &UnboundedSender<EventKind>) -> ReleaseOutcome {
    let outcome = ReleaseOutcome::NotStarted { reason, blocked_by: None };
    let finished = EventKind::ReleaseFinished { release: ctx.release(), outcome: outcome.clone(), elapsed_ms: 0 };
    let _ = events.send(finished);
    outcome
}

/// Why no further release is begun after this one, if so.
fn stops(key: &pilothouse_core::ReleaseKey, outcome: &ReleaseOutcome) -> Option<String> {
    match outcome {
        ReleaseOutcome::Done { .. } | ReleaseOutcome::Skipped { .. } | ReleaseOutcome::NotStarted { .. } => None,
        ReleaseOutcome::Interrupted { .. } => Some("the run was interrupted".to_owned()),
        ReleaseOutcome::Failed(_) => Some(format!("{key} failed")),
        ReleaseOutcome::Refused { .. } => Some(format!("{key} was refused")),
    }
}
