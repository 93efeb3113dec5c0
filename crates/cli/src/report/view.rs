//! What a run looks like right now: its progress, and what is said of it that no progress keeps. Time is passed in.

use crate::report::causes::one_line;
use crate::terminal::text::{duration, next_attempt};
use jiff::Timestamp;
use pilothouse_core::{
    Event, EventKind, HelmProgress, Holder, Note, Phase, PhaseState, PlannedRelease, ReleaseKey, ReleaseProgress,
    ReleaseStanding, ReleaseWay, RunId, RunProgress,
};

/// A run as its events so far tell it. Events about releases that are not part of the run change nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct View {
    run: Option<Run>,
}

#[derive(Debug, Clone)]
struct Run {
    /// Its first releases are those of `rows`, in the same order.
    progress: RunProgress,
    rows: Vec<Row>,
    /// Who holds the lock, while it is waited for, and since when.
    lock: Option<(Option<Holder>, Timestamp)>,
    continued: Option<Continued>,
}

/// What a run has taken over from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continued {
    /// The earlier run.
    pub(crate) from: RunId,
    /// The releases of this run that were done.
    pub(crate) done: Vec<ReleaseKey>,
    /// The releases of this run that were begun and not done.
    pub(crate) begun: Vec<ReleaseKey>,
}

/// What there is to show of a release beside its progress.
#[derive(Debug, Clone)]
struct Row {
    name: String,
    /// The places of the releases it waits for.
    waits_for: Vec<usize>,
    said: Said,
}

/// What is said of a release right now.
#[derive(Debug, Default, Clone)]
struct Said {
    healing: Option<String>,
    /// Why what is waited for does not work, as far as that is known.
    cause: Option<String>,
    doing: String,
}

/// One release that is shown.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    run: &'a Run,
    row: &'a Row,
    progress: &'a ReleaseProgress,
}

/// How releases stand, in the order in which they are counted.
const WORDS: [&str; 10] = [
    "done",
    "unchanged",
    "running",
    "waiting",
    "blocked",
    "not started",
    "interrupted",
    "failed",
    "refused",
    "skipped",
];

/// The word for how a release stands.
fn word(standing: ReleaseStanding) -> &'static str {
    match standing {
        ReleaseStanding::Waiting => "waiting",
        ReleaseStanding::Running { .. } => "running",
        ReleaseStanding::Blocked => "blocked",
        ReleaseStanding::Ended(way) => match way {
            ReleaseWay::Done => "done",
            ReleaseWay::Unchanged => "unchanged",
            ReleaseWay::Skipped => "skipped",
            ReleaseWay::Refused => "refused",
            ReleaseWay::Failed | ReleaseWay::Undone => "failed",
            ReleaseWay::Interrupted => "interrupted",
            ReleaseWay::NotStarted => "not started",
        },
    }
}

/// The mark of a phase on the screen; the guide has the legend.
fn sign(state: PhaseState) -> char {
    match state {
        PhaseState::ToCome => '.',
        PhaseState::Running => '>',
        PhaseState::Done => '=',
        PhaseState::Failed => 'x',
        PhaseState::Resumed => '-',
    }
}

impl View {
    /// Adds what an event tells.
    pub(crate) fn see(&mut self, event: &Event) {
        match (&event.kind, &mut self.run) {
            (EventKind::RunStarted { releases, .. }, run) => {
                *run = RunProgress::begin(event).map(|progress| Run::planned(progress, releases));
            }
            (_, Some(run)) => run.see(event),
            (_, None) => {}
        }
    }

    /// What was taken over from an earlier run, if this one continues it.
    pub(crate) fn continued(&self) -> Option<&Continued> {
        self.run.as_ref()?.continued.as_ref()
    }

    /// Whether there is something to show: the run has begun, and has not ended.
    pub(crate) fn is_live(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.progress.verdict.is_none())
    }

    /// The run, in eight characters; empty before it begins.
    pub(crate) fn run(&self) -> String {
        self.run.as_ref().map(|run| run.progress.run.short()).unwrap_or_default()
    }

    /// Wall-clock milliseconds since the run began.
    pub(crate) fn elapsed_ms(&self, now: Timestamp) -> u64 {
        self.run.as_ref().map_or(0, |run| millis_between(run.progress.started_at, now))
    }

    /// How many releases stand how, in words; only what there is.
    pub(crate) fn counts(&self) -> Vec<(usize, &'static str)> {
        let standing: Vec<&str> = self.shown().map(|shown| word(shown.progress.standing)).collect();
        let count = |word: &&str| standing.iter().filter(|known| *known == word).count();
        WORDS.iter().map(|word| (count(word), *word)).filter(|(count, _)| *count > 0).collect()
    }

    /// What holds the whole run up, or ends it.
    pub(crate) fn notice(&self, now: Timestamp) -> Option<String> {
        let run = self.run.as_ref()?;
        if let Some(reason) = &run.progress.stopped {
            return Some(format!("stopping: {reason}"));
        }
        if let Some((holder, since)) = &run.lock {
            let waited = duration(millis_between(*since, now));
            let holder = holder.as_ref().map_or_else(|| "somebody unknown".to_owned(), ToString::to_string);
            return Some(format!("waiting {waited} for the lock held by {holder}"));
        }
        (!self.has_begun()).then(|| "checking charts and values".to_owned())
    }

    /// The releases that run, the one that was begun first at the front.
    pub(crate) fn running(&self) -> Vec<(Shown<'_>, Timestamp)> {
        let since = |shown: Shown<'_>| match shown.progress.standing {
            ReleaseStanding::Running { since } => Some(since),
            ReleaseStanding::Waiting | ReleaseStanding::Blocked | ReleaseStanding::Ended(_) => None,
        };
        let mut running: Vec<_> = self.shown().filter_map(|shown| Some((shown, since(shown)?))).collect();
        running.sort_by_key(|(_, since)| *since);
        running
    }

    /// The releases that are still to be begun, once any was.
    pub(crate) fn waiting(&self) -> Vec<Shown<'_>> {
        let waits = |shown: &Shown<'_>| shown.progress.standing == ReleaseStanding::Waiting;
        if self.has_begun() { self.shown().filter(waits).collect() } else { Vec::new() }
    }

    /// The names of all releases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.run.iter().flat_map(|run| &run.rows).map(|row| row.name.as_str())
    }

    /// Whether any release was begun, or is known never to be.
    fn has_begun(&self) -> bool {
        self.shown().any(|shown| shown.progress.standing != ReleaseStanding::Waiting)
    }

    fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        self.run.iter().flat_map(Run::shown)
    }
}

impl Run {
    fn planned(progress: RunProgress, releases: &[PlannedRelease]) -> Self {
        let place_of = |on: &ReleaseKey| releases.iter().position(|other| other.release == *on);
        let row = |planned: &PlannedRelease| Row {
            name: planned.release.to_string(),
            waits_for: planned.waits_for.iter().filter_map(place_of).collect(),
            said: Said::default(),
        };
        Self { progress, rows: releases.iter().map(row).collect(), lock: None, continued: None }
    }

    fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        let both = self.rows.iter().zip(&self.progress.releases);
        both.map(|(row, progress)| Shown { run: self, row, progress })
    }

    fn see(&mut self, event: &Event) {
        self.progress.see(event);
        match &event.kind {
            EventKind::LockWaiting { holder, .. } => {
                let since = self.lock.as_ref().map_or(event.at, |(_, since)| *since);
                self.lock = Some((holder.clone(), since));
            }
            EventKind::LockTaken { .. } => self.lock = None,
            EventKind::RunResumed { from, .. } => self.continued = Some(self.resumed(*from)),
            EventKind::ReleaseStarted { release, .. }
            | EventKind::ReleaseFinished { release, .. }
            | EventKind::PhaseStarted { release, .. }
            | EventKind::PhaseFinished { release, .. } => self.said(release, |said| *said = Said::default()),
            EventKind::StepStarted { release, .. }
            | EventKind::StepFinished { release, .. }
            | EventKind::HelmStarted { release, .. }
            | EventKind::HelmFinished { release, .. } => self.said(release, |said| said.doing.clear()),
            EventKind::HealStarted { release, what, .. } => {
                self.said(release, |said| said.healing = Some(what.clone()));
            }
            EventKind::HealFinished { release, .. } => self.said(release, |said| said.healing = None),
            EventKind::Retrying { release, attempt, of, wait_ms, .. } => self.said(release, |said| {
                *said = Said { doing: next_attempt(*attempt, *of, *wait_ms), ..Said::default() };
            }),
            EventKind::Said { release, note: Note::Doing, text, .. } => {
                self.said(release, |said| said.doing.clone_from(text));
            }
            EventKind::CauseFound { release, cause, .. } => {
                self.said(release, |said| said.cause = Some(one_line(cause)));
            }
            EventKind::RunStarted { .. }
            | EventKind::RunStopping { .. }
            | EventKind::RunFinished { .. }
            | EventKind::Said { note: Note::Info | Note::Warning, .. }
            | EventKind::AdoptionStarted { .. }
            | EventKind::BackupStarted { .. }
            | EventKind::PointOfNoReturn { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::Checked { .. }
            | EventKind::DriftFound { .. } => {}
        }
    }

    /// What the progress has just taken over. Nothing of it was begun by this run.
    fn resumed(&self, from: RunId) -> Continued {
        let taken: Vec<&ReleaseProgress> =
            self.shown().map(|shown| shown.progress).filter(|progress| !progress.phases.is_empty()).collect();
        let was_done =
            |progress: &ReleaseProgress| progress.ending.as_ref().is_some_and(|ending| ending.way == ReleaseWay::Done);
        let keys = |done: bool| {
            taken
                .iter()
                .filter(|progress| was_done(progress) == done)
                .map(|progress| progress.release.clone())
                .collect()
        };
        Continued { from, done: keys(true), begun: keys(false) }
    }

    fn said(&mut self, release: &ReleaseKey, change: impl FnOnce(&mut Said)) {
        let both = self.rows.iter_mut().zip(&self.progress.releases);
        if let Some((row, _)) = both.into_iter().find(|(_, progress)| progress.release == *release) {
            change(&mut row.said);
        }
    }
}

impl Shown<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.row.name
    }

    /// The phases' marks, in their order.
    pub(crate) fn signs(&self) -> String {
        Phase::ALL.iter().map(|phase| sign(self.progress.phase_state(*phase))).collect()
    }

    /// What it is doing, or waiting for, right now.
    pub(crate) fn reason(&self, now: Timestamp) -> String {
        match self.progress.standing {
            ReleaseStanding::Running { .. } => self.does(now),
            ReleaseStanding::Waiting => self.waits(),
            standing => word(standing).to_owned(),
        }
    }

    fn does(&self, now: Timestamp) -> String {
        let Said { healing, cause, doing } = &self.row.said;
        let helm =
            |helm: &HelmProgress| format!("helm {}, {}", helm.command, duration(millis_between(helm.started_at, now)));
        let mut parts = Vec::new();
        parts.extend(healing.as_ref().map(|what| format!("healing: {what}")));
        parts.extend(self.progress.running_step().map(|step| step.description.clone()));
        parts.extend(self.progress.running_helm().map(helm));
        parts.extend(cause.clone().or_else(|| Some(doing.clone()).filter(|doing| !doing.is_empty())));
        let phase = self.progress.running_phase().map_or("between phases", |progress| progress.phase.name());
        if parts.is_empty() { phase.to_owned() } else { format!("{phase}: {}", parts.join(": ")) }
    }

    fn waits(&self) -> String {
        if self.run.progress.stopped.is_some() {
            return "is not begun any more".to_owned();
        }
        let all: Vec<Shown<'_>> = self.run.shown().collect();
        let unmet: Vec<&Shown<'_>> =
            self.row.waits_for.iter().filter_map(|&on| all.get(on)).filter(|on| !on.ended_well()).collect();
        let Some(first) = unmet.first() else { return "waits for its turn".to_owned() };
        let stands = match (first.progress.standing, first.progress.running_phase()) {
            (ReleaseStanding::Running { .. }, Some(progress)) => format!("in {}", progress.phase),
            (standing, _) => word(standing).to_owned(),
        };
        let more = if unmet.len() > 1 { format!(" and {} more", unmet.len() - 1) } else { String::new() };
        format!("waits for {} ({stands}){more}", first.row.name)
    }

    fn ended_well(&self) -> bool {
        let well = [ReleaseWay::Done, ReleaseWay::Unchanged, ReleaseWay::Skipped];
        matches!(self.progress.standing, ReleaseStanding::Ended(way) if well.contains(&way))
    }
}

/// Milliseconds from one time to a later one; none when a clock was set back.
pub(crate) fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
}
