//! The dispatcher: begins releases when they may begin, listens to their workers, and stops everything when it must.

use crate::context::Context;
use crate::context::Message;
use crate::context::ReleaseRun;
use crate::context::Session;
use crate::lifecycle;
use crate::phases::HelmChart;
use crate::run::owner::Owner;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use pilothouse_core::{
    Event, EventKind, Fate, OnReleaseFailure, Order, Payload, Phase, ReleaseKey, ReleaseOutcome, RunOutcome, Schedule,
    SetPolicy, StopReason, Wait, undo_order,
};
use pilothouse_kube::LeaseLock;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// How often what has happened goes to the cluster while nothing waits for that.
const LAZILY: Duration = Duration::from_secs(1);

/// What the dispatcher works on.
pub(crate) struct Dispatch<'a> {
    pub(crate) charts: &'a [Box<dyn HelmChart>],
    /// What each release is handed; a worker has it while it works.
    pub(crate) releases: Vec<Option<Handed>>,
    pub(crate) waits: Vec<Vec<Wait>>,
    pub(crate) concurrency: usize,
    pub(crate) policy: SetPolicy,
    pub(crate) on_release_failure: OnReleaseFailure,
    /// What each release needs, whatever is to be done with it.
    pub(crate) needs: Vec<Vec<usize>>,
    pub(crate) session: &'a Session,
    /// The stack's lock, if there is one.
    pub(crate) lock: Option<&'a LeaseLock>,
}

type Worker<'a> = BoxFuture<'a, (usize, Handed, WorkerEnd)>;

/// What a release is handed, and what is remembered of it.
type Handed = (Context, ReleaseRun);

/// What a worker has to say at its end.
enum WorkerEnd {
    /// A release has come to its end.
    Release(ReleaseOutcome),
    /// A release that had ended well was taken back; `None` when it stays after all.
    TakenBack(Option<ReleaseOutcome>),
}

/// Carries the releases through their lifecycles. Gives how each ended, in the order of the stack.
pub(crate) async fn dispatch<F: FnMut(&Event)>(
    mut work: Dispatch<'_>,
    owner: &mut Owner<F>,
    messages: &mut UnboundedReceiver<Message>,
) -> RunOutcome {
    let mut schedule = Schedule::new(std::mem::take(&mut work.waits), work.concurrency);
    let mut outcomes: Vec<Option<ReleaseOutcome>> = vec![None; work.charts.len()];
    let mut workers: FuturesUnordered<Worker<'_>> = FuturesUnordered::new();
    // Releases that could have been taken back and were not.
    let mut stays = vec![false; work.charts.len()];
    // What has happened so far is there already, or goes with the first intent.
    let mut lazily = tokio::time::interval_at(tokio::time::Instant::now() + LAZILY, LAZILY);
    lazily.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        if owner.stopped().is_some() {
            schedule.stop();
        }
        work.enforce(owner.stopped());
        for order in schedule.orders() {
            match order {
                Order::Start(node) => workers.extend(work.worker(node)),
                Order::Blocked { node, by } => outcomes[node] = Some(work.blocked(node, by, &outcomes, owner)),
                Order::Cancelled(node) => outcomes[node] = Some(work.cancelled(node, owner)),
            }
        }
        if schedule.is_done() && workers.is_empty() {
            match work.next_to_take_back(owner.stopped(), &outcomes, &stays).await {
                Some((node, because_of)) => workers.extend(work.take_back(node, because_of)),
                None => break,
            }
        }
        let user_stops = !matches!(
            owner.stopped(),
            Some(StopReason::User | StopReason::LockLost { .. } | StopReason::JournalFailed { .. })
        );
        tokio::select! {
            biased;
            why = work.is_lost(), if !matches!(owner.stopped(), Some(StopReason::LockLost { .. })) => {
                owner.stop(StopReason::LockLost { why });
            }
            Some(message) = messages.recv() => work.take(message, owner, &mut schedule),
            written = owner.written() => match written {
                Ok(up_to) => owner.is_written(up_to),
                Err(reason) => owner.stop(reason),
            },
            () = work.session.cancel.cancelled(), if user_stops => owner.stop(StopReason::User),
            _ = lazily.tick() => owner.publish_lazily(),
            Some((node, handed, ended)) = workers.next() => {
                work.releases[node] = Some(handed);
                // What it said last comes before anything that follows from its end.
                while let Ok(message) = messages.try_recv() {
                    work.take(message, owner, &mut schedule);
                }
                let outcome = match ended {
                    WorkerEnd::Release(outcome) => outcome,
                    WorkerEnd::TakenBack(outcome) => {
                        stays[node] = true;
                        outcomes[node] = outcome.or(outcomes[node].take());
                        continue;
                    }
                };
                let well = ended_well(&outcome);
                if !well && work.policy == SetPolicy::FailFast {
                    owner.stop(StopReason::FailFast { release: work.key(node) });
                }
                schedule.ended(node, well);
                outcomes[node] = Some(outcome);
            }
        }
    }
    while let Ok(message) = messages.try_recv() {
        owner.take(message);
    }
    let keys = (0..work.charts.len()).map(|node| work.key(node));
    let releases = keys.zip(outcomes).filter_map(|(key, outcome)| Some((key, outcome?))).collect();
    RunOutcome { releases, stopped: owner.stopped().cloned() }
}

impl<'a> Dispatch<'a> {
    fn key(&self, node: usize) -> ReleaseKey {
        self.charts[node].chart_info().key()
    }

    /// Begins a release, unless it is being worked on.
    fn worker(&mut self, node: usize) -> Option<Worker<'a>> {
        let (chart, (mut ctx, mut run)) = (&self.charts[node], self.releases[node].take()?);
        Some(Box::pin(async move {
            let outcome = lifecycle::run_release(chart.as_ref(), &mut ctx, &mut run, &mut Payload::default()).await;
            ctx.forget_reads();
            ctx.compress_renderings().await;
            (node, (ctx, run), WorkerEnd::Release(outcome))
        }))
    }

    /// Takes a release back, unless it is being worked on.
    fn take_back(&mut self, node: usize, because_of: ReleaseKey) -> Option<Worker<'a>> {
        let (chart, (mut ctx, mut run)) = (&self.charts[node], self.releases[node].take()?);
        Some(Box::pin(async move {
            let outcome = lifecycle::take_release_back(chart.chart_info(), &mut ctx, &mut run, because_of).await;
            (node, (ctx, run), WorkerEnd::TakenBack(outcome))
        }))
    }

    /// The release to be taken back next, and the failed one for which that is done. Nothing once the run has to stop.
    async fn next_to_take_back(
        &self,
        stopped: Option<&StopReason>,
        outcomes: &[Option<ReleaseOutcome>],
        stays: &[bool],
    ) -> Option<(usize, ReleaseKey)> {
        let goes_on = matches!(stopped, None | Some(StopReason::FailFast { .. }));
        if self.on_release_failure == OnReleaseFailure::Leave || !goes_on {
            return None;
        }
        let mut fates = Vec::with_capacity(outcomes.len());
        for (node, outcome) in outcomes.iter().enumerate() {
            let fate = match (outcome, &self.releases[node]) {
                (Some(outcome), Some((ctx, run))) => {
                    lifecycle::fate_of_release(self.charts[node].chart_info(), ctx, run, outcome).await
                }
                (None, _) | (_, None) => Fate::Stays,
            };
            fates.push(if fate == Fate::Undoable && stays[node] { Fate::Stays } else { fate });
        }
        let &(node, cause) = undo_order(&self.needs, &fates).first()?;
        // The first cause is told, not the chain that leads to it.
        let because_of = match &outcomes[cause] {
            Some(ReleaseOutcome::Undone { because_of, .. }) => because_of.clone(),
            _ => self.key(cause),
        };
        Some((node, because_of))
    }

    fn take<F: FnMut(&Event)>(&self, message: Message, owner: &mut Owner<F>, schedule: &mut Schedule) {
        if let Message::Happened(EventKind::PhaseFinished { release, phase: Phase::Exec, ok: true, .. }) = &message
            && let Some(node) = self.charts.iter().position(|chart| chart.chart_info().key() == *release)
        {
            schedule.deployed(node);
        }
        owner.take(message);
    }

    /// Stops what has to be stopped: without the lock nothing may go on, not even what was begun under it.
    fn enforce(&self, stopped: Option<&StopReason>) {
        match stopped {
            None | Some(StopReason::FailFast { .. } | StopReason::User) => {}
            Some(StopReason::JournalFailed { .. }) => self.session.cancel.cancel(),
            Some(StopReason::LockLost { .. }) => {
                self.session.cancel.cancel();
                self.session.terminate.cancel();
                self.session.lost.cancel();
            }
        }
    }

    async fn is_lost(&self) -> String {
        match self.lock {
            Some(lock) => {
                lock.lost().cancelled().await;
                lock.why_lost().unwrap_or_default()
            }
            None => std::future::pending().await,
        }
    }

    fn blocked<F: FnMut(&Event)>(
        &self,
        node: usize,
        by: usize,
        outcomes: &[Option<ReleaseOutcome>],
        owner: &mut Owner<F>,
    ) -> ReleaseOutcome {
        // The first cause is told, not the chain that leads to it.
        let cause = match &outcomes[by] {
            Some(ReleaseOutcome::NotStarted { blocked_by: None, .. }) => return self.cancelled(node, owner),
            Some(ReleaseOutcome::NotStarted { blocked_by: Some(cause), .. }) => cause.clone(),
            _ => self.key(by),
        };
        let how = outcomes
            .iter()
            .zip(0..)
            .find_map(|(outcome, node)| (self.key(node) == cause).then(|| outcome.as_ref().map_or("did not end", how)));
        let reason = format!("it needs {cause}, which {}", how.unwrap_or("did not end well"));
        not_started(self.key(node), reason, Some(cause), owner)
    }

    fn cancelled<F: FnMut(&Event)>(&self, node: usize, owner: &mut Owner<F>) -> ReleaseOutcome {
        let reason = owner.stopped().map_or_else(|| "the run was stopped".to_owned(), ToString::to_string);
        not_started(self.key(node), reason, None, owner)
    }
}

/// A release that is not begun.
pub(crate) fn not_started<F: FnMut(&Event)>(
    release: ReleaseKey,
    reason: String,
    blocked_by: Option<ReleaseKey>,
    owner: &mut Owner<F>,
) -> ReleaseOutcome {
    let outcome = ReleaseOutcome::NotStarted { reason, blocked_by };
    owner.happened(EventKind::ReleaseFinished { release, outcome: outcome.clone(), elapsed_ms: 0 });
    outcome
}

fn ended_well(outcome: &ReleaseOutcome) -> bool {
    match outcome {
        ReleaseOutcome::Done { .. } | ReleaseOutcome::Unchanged { .. } | ReleaseOutcome::Skipped { .. } => true,
        ReleaseOutcome::Refused { .. }
        | ReleaseOutcome::Failed(_)
        | ReleaseOutcome::Undone { .. }
        | ReleaseOutcome::Interrupted { .. }
        | ReleaseOutcome::NotStarted { .. } => false,
    }
}

fn how(outcome: &ReleaseOutcome) -> &'static str {
    match outcome {
        ReleaseOutcome::Done { .. } => "was done",
        ReleaseOutcome::Unchanged { .. } => "was unchanged",
        ReleaseOutcome::Skipped { .. } => "was skipped",
        ReleaseOutcome::Refused { .. } => "was refused",
        ReleaseOutcome::Failed(_) => "failed",
        ReleaseOutcome::Undone { .. } => "was taken back",
        ReleaseOutcome::Interrupted { .. } => "was interrupted",
        ReleaseOutcome::NotStarted { .. } => "was not started",
    }
}
