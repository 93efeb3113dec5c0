//! What a run looks like right now: a fold of its events. Time is passed in.

use crate::report::causes::one_line;
use crate::terminal::text::{duration, next_attempt};
use jiff::Timestamp;
use pilothouse_core::{
    Event, EventKind, HelmCommand, Note, Phase, PlannedRelease, ReleaseKey, ReleaseOutcome, ReleaseProgress,
    ReleaseWay, RunId, StopReason,
};

/// A run as its events so far tell it. Events about releases that are not part of the run change nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct View {
    run: Option<RunId>,
    started_at: Option<Timestamp>,
    releases: Vec<Row>,
    /// Whether any release was begun, or is known never to be.
    begun: bool,
    /// Who holds the lock, while it is waited for, and since when.
    lock: Option<(String, Timestamp)>,
    stopping: Option<StopReason>,
    continued: Option<Continued>,
    finished: bool,
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

/// One release.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) release: ReleaseKey,
    pub(crate) name: String,
    pub(crate) standing: Standing,
    marks: [Mark; Phase::ALL.len()],
    /// The places of the releases it waits for.
    waits_for: Vec<usize>,
    now: Now,
}

/// What a release does right now.
#[derive(Debug, Default, Clone)]
struct Now {
    phase: Option<Phase>,
    /// Whether the phase has done anything itself, or only found things done by an earlier run.
    has_acted: bool,
    step: Option<String>,
    helm: Option<(HelmCommand, Timestamp)>,
    healing: Option<String>,
    /// Why what is waited for does not work, as far as that is known.
    cause: Option<String>,
    doing: String,
}

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    Running {
        since: Timestamp,
    },
    Done,
    Unchanged,
    Skipped,
    Refused,
    Failed,
    Interrupted,
    /// Not begun, since another one did not end well.
    Blocked,
    /// Not begun for another reason.
    NotStarted,
}

impl Standing {
    /// The words in the order in which they are counted.
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

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running { .. } => "running",
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Blocked => "blocked",
            Self::NotStarted => "not started",
        }
    }

    fn ended_well(self) -> bool {
        matches!(self, Self::Done | Self::Unchanged | Self::Skipped)
    }
}

impl From<&ReleaseOutcome> for Standing {
    fn from(outcome: &ReleaseOutcome) -> Self {
        match outcome {
            ReleaseOutcome::Done { .. } => Self::Done,
            ReleaseOutcome::Unchanged { .. } => Self::Unchanged,
            ReleaseOutcome::Skipped { .. } => Self::Skipped,
            ReleaseOutcome::Refused { .. } => Self::Refused,
            ReleaseOutcome::Failed(_) | ReleaseOutcome::Undone { .. } => Self::Failed,
            ReleaseOutcome::Interrupted { .. } => Self::Interrupted,
            ReleaseOutcome::NotStarted { blocked_by: Some(_), .. } => Self::Blocked,
            ReleaseOutcome::NotStarted { blocked_by: None, .. } => Self::NotStarted,
        }
    }
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mark {
    #[default]
    ToCome,
    Running,
    Done,
    Failed,
    /// Done by an earlier run, and not repeated.
    Resumed,
}

impl Mark {
    /// The mark on the screen; the guide has the legend.
    pub(crate) fn sign(self) -> char {
        match self {
            Self::ToCome => '.',
            Self::Running => '>',
            Self::Done => '=',
            Self::Failed => 'x',
            Self::Resumed => '-',
        }
    }
}

impl View {
    /// Adds what an event tells.
    pub(crate) fn see(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::RunStarted { run, releases, .. } => {
                *self = Self {
                    run: Some(*run),
                    started_at: Some(at),
                    releases: releases.iter().map(|planned| Row::planned(planned, releases)).collect(),
                    ..Self::default()
                };
            }
            EventKind::LockWaiting { holder, .. } => {
                let since = self.lock.as_ref().map_or(at, |(_, since)| *since);
                let holder = holder.as_ref().map_or_else(|| "somebody unknown".to_owned(), ToString::to_string);
                self.lock = Some((holder, since));
            }
            EventKind::LockTaken { .. } => self.lock = None,
            EventKind::RunResumed { from, releases } => self.resume(*from, releases),
            EventKind::RunStopping { reason } => self.stopping = Some(reason.clone()),
            EventKind::RunFinished { .. } => self.finished = true,
            EventKind::ReleaseStarted { release, .. } => {
                self.begun = true;
                self.change(release, |row| {
                    row.standing = Standing::Running { since: at };
                    row.now = Now::default();
                });
            }
            EventKind::ReleaseFinished { release, outcome, .. } => {
                self.begun = true;
                self.change(release, |row| {
                    row.standing = outcome.into();
                    row.now = Now::default();
                });
            }
            EventKind::PhaseStarted { release, phase } => self.change(release, |row| row.begin(*phase)),
            EventKind::PhaseFinished { release, phase, ok, .. } => self.change(release, |row| row.end(*phase, *ok)),
            EventKind::StepStarted { release, phase, description, .. } => self.change(release, |row| {
                row.acts(*phase);
                row.now.step = Some(description.clone());
                row.now.doing.clear();
            }),
            EventKind::StepFinished { release, .. } => self.change(release, |row| {
                row.now.step = None;
                row.now.doing.clear();
            }),
            EventKind::HelmStarted { release, phase, command, .. } => self.change(release, |row| {
                row.acts(*phase);
                row.now.helm = Some((*command, at));
                row.now.doing.clear();
            }),
            EventKind::HelmFinished { release, .. } => self.change(release, |row| {
                row.now.helm = None;
                row.now.doing.clear();
            }),
            EventKind::HealStarted { release, what, .. } => {
                self.change(release, |row| row.now.healing = Some(what.clone()));
            }
            EventKind::HealFinished { release, .. } => self.change(release, |row| row.now.healing = None),
            EventKind::Retrying { release, attempt, of, wait_ms, phase } => self.change(release, |row| {
                row.again(*phase);
                row.now.doing = next_attempt(*attempt, *of, *wait_ms);
            }),
            EventKind::Said { release, note: Note::Doing, text, .. } => {
                self.change(release, |row| row.now.doing.clone_from(text));
            }
            EventKind::CauseFound { release, cause, .. } => {
                self.change(release, |row| row.now.cause = Some(one_line(cause)));
            }
            EventKind::Said { note: Note::Info | Note::Warning, .. }
            | EventKind::AdoptionStarted { .. }
            | EventKind::BackupStarted { .. }
            | EventKind::PointOfNoReturn { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::Checked { .. }
            | EventKind::DriftFound { .. } => {}
        }
    }

    /// Whether the run has ended: nothing is shown any more.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// The run, in eight characters; empty before it begins.
    pub(crate) fn run(&self) -> String {
        self.run.map(|run| run.short()).unwrap_or_default()
    }

    /// Wall-clock milliseconds since the run began.
    pub(crate) fn elapsed_ms(&self, now: Timestamp) -> u64 {
        self.started_at.map_or(0, |at| millis_between(at, now))
    }

    /// What was taken over from an earlier run, if this one continues it.
    pub(crate) fn continued(&self) -> Option<&Continued> {
        self.continued.as_ref()
    }

    /// How many releases stand how, in words; only what there is.
    pub(crate) fn counts(&self) -> Vec<(usize, &'static str)> {
        let count = |word: &&str| self.releases.iter().filter(|row| row.standing.word() == *word).count();
        Standing::WORDS.iter().map(|word| (count(word), *word)).filter(|(count, _)| *count > 0).collect()
    }

    /// What holds the whole run up, or ends it.
    pub(crate) fn notice(&self, now: Timestamp) -> Option<String> {
        if let Some(reason) = &self.stopping {
            return Some(format!("stopping: {reason}"));
        }
        if let Some((holder, since)) = &self.lock {
            let waited = duration(millis_between(*since, now));
            return Some(format!("waiting {waited} for the lock held by {holder}"));
        }
        (self.run.is_some() && !self.begun).then(|| "checking charts and values".to_owned())
    }

    /// The releases that run, the one that was begun first at the front.
    pub(crate) fn running(&self) -> Vec<(&Row, Timestamp)> {
        let mut running: Vec<_> = self
            .releases
            .iter()
            .filter_map(|row| match row.standing {
                Standing::Running { since } => Some((row, since)),
                _ => None,
            })
            .collect();
        running.sort_by_key(|(_, since)| *since);
        running
    }

    /// The releases that are still to be begun, once any was.
    pub(crate) fn waiting(&self) -> Vec<&Row> {
        let shown = if self.begun { self.releases.as_slice() } else { &[] };
        shown.iter().filter(|row| row.standing == Standing::Waiting).collect()
    }

    /// The names of all releases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.releases.iter().map(|row| row.name.as_str())
    }

    /// What a release is doing, or waiting for, right now.
    pub(crate) fn reason(&self, row: &Row, now: Timestamp) -> String {
        match row.standing {
            Standing::Running { .. } => row.now.words(now),
            Standing::Waiting => self.waits(row),
            _ => row.standing.word().to_owned(),
        }
    }

    fn waits(&self, row: &Row) -> String {
        if self.stopping.is_some() {
            return "is not begun any more".to_owned();
        }
        let unmet: Vec<&Row> =
            row.waits_for.iter().map(|&on| &self.releases[on]).filter(|on| !on.standing.ended_well()).collect();
        let Some(first) = unmet.first() else { return "waits for its turn".to_owned() };
        let stands = match (first.standing, first.now.phase) {
            (Standing::Running { .. }, Some(phase)) => format!("in {phase}"),
            (standing, _) => standing.word().to_owned(),
        };
        let more = if unmet.len() > 1 { format!(" and {} more", unmet.len() - 1) } else { String::new() };
        format!("waits for {} ({stands}){more}", first.name)
    }

    fn resume(&mut self, from: RunId, earlier: &[ReleaseProgress]) {
        let mut continued = Continued { from, done: Vec::new(), begun: Vec::new() };
        for progress in earlier {
            let was_done = progress.ending.as_ref().is_some_and(|ending| ending.way == ReleaseWay::Done);
            self.change(&progress.release, |row| {
                for phase in progress.phases.iter().filter(|phase| phase.ended.is_some_and(|ended| ended.ok)) {
                    row.marks[place(phase.phase)] = Mark::Resumed;
                }
                if was_done {
                    continued.done.push(row.release.clone());
                } else if !progress.phases.is_empty() {
                    continued.begun.push(row.release.clone());
                }
            });
        }
        self.continued = Some(continued);
    }

    fn change(&mut self, release: &ReleaseKey, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.releases.iter_mut().find(|row| row.release == *release) {
            change(row);
        }
    }
}

impl Row {
    fn planned(planned: &PlannedRelease, all: &[PlannedRelease]) -> Self {
        let place_of = |on: &ReleaseKey| all.iter().position(|other| other.release == *on);
        Self {
            release: planned.release.clone(),
            name: planned.release.to_string(),
            standing: Standing::Waiting,
            marks: [Mark::default(); Phase::ALL.len()],
            waits_for: planned.waits_for.iter().filter_map(place_of).collect(),
            now: Now::default(),
        }
    }

    /// The phases' marks, in their order.
    pub(crate) fn signs(&self) -> String {
        self.marks.iter().map(|mark| mark.sign()).collect()
    }

    fn begin(&mut self, phase: Phase) {
        let was_done = self.marks[place(phase)] == Mark::Resumed;
        self.marks[place(phase)] = Mark::Running;
        // Phases that only read are done again in any case.
        self.now = Now { phase: Some(phase), has_acted: !(was_done && phase.may_change_cluster()), ..Now::default() };
    }

    fn end(&mut self, phase: Phase, ok: bool) {
        let acted = self.now.has_acted;
        // What was put in order after a failure has done its work.
        let well = ok || phase == Phase::OnDeployFailure;
        self.marks[place(phase)] = match (well, acted) {
            (true, true) => Mark::Done,
            (true, false) => Mark::Resumed,
            (false, _) => Mark::Failed,
        };
        self.now = Now::default();
    }

    /// What was done from this phase on is done again.
    fn again(&mut self, phase: Phase) {
        self.marks.iter_mut().skip(place(phase)).for_each(|mark| *mark = Mark::ToCome);
        self.now = Now::default();
    }

    /// Something is done in this phase, so what an earlier run has done after it does not count.
    fn acts(&mut self, phase: Phase) {
        self.now.has_acted = true;
        if phase.may_change_cluster() {
            for mark in self.marks.iter_mut().skip(place(phase) + 1).filter(|mark| **mark == Mark::Resumed) {
                *mark = Mark::ToCome;
            }
        }
    }
}

impl Now {
    fn words(&self, now: Timestamp) -> String {
        let mut parts = Vec::new();
        parts.extend(self.healing.as_ref().map(|what| format!("healing: {what}")));
        parts.extend(self.step.clone());
        parts.extend(
            self.helm.map(|(command, since)| format!("helm {command}, {}", duration(millis_between(since, now)))),
        );
        if let Some(cause) = &self.cause {
            parts.push(cause.clone());
        } else if !self.doing.is_empty() {
            parts.push(self.doing.clone());
        }
        let phase = self.phase.map_or("between phases", Phase::name);
        if parts.is_empty() { phase.to_owned() } else { format!("{phase}: {}", parts.join(": ")) }
    }
}

fn place(phase: Phase) -> usize {
    Phase::ALL.iter().position(|known| *known == phase).unwrap_or_default()
}

/// Milliseconds from one time to a later one; none when a clock was set back.
pub(crate) fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
}
