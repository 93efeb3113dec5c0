//! One line per change: what a run prints as it goes, in a pipe by itself and on a terminal above the live view.

use crate::report::causes::one_line;
use crate::report::outcome::what_was_done;
use crate::terminal::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::terminal::text::{duration, next_attempt};
use anstyle::Style;
use pilothouse_core::{
    Certainty, Drift, Event, EventKind, HelmAction, Note, Phase, PlannedRelease, ReleaseKey, ReleaseOutcome,
    ReleaseProgress, ReleaseWay, RunKind, StopReason,
};
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;

/// Turns events into lines. Keeps only what a later line needs of an earlier event.
pub(crate) struct Lines {
    form: Form,
    /// Whether there is a live view that shows what runs.
    above_view: bool,
    /// Releases and what is to be done with them.
    actions: BTreeMap<ReleaseKey, HelmAction>,
    /// Whether the run only validates.
    validates: bool,
    /// The width of the column of names.
    names: usize,
    /// Notes and steps of the running phase of each release, shown below the phase's own line when it ends.
    inside: BTreeMap<ReleaseKey, Vec<String>>,
    /// What is being put in order.
    healing: BTreeMap<ReleaseKey, String>,
    /// The last holder of the lock that was told.
    lock_told: Option<String>,
    /// Whether a release was begun.
    begun: bool,
    /// Whether a line was printed.
    printed: bool,
}

/// How the lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One release: its name once, phases below it.
    Single,
    /// Several side by side: a line per phase, and every line names its release.
    Several,
    /// Several above a live view: a line per release.
    Ends,
}

/// The longest phase name, so that the columns stand.
const PHASE_WIDTH: usize = 19;

/// The widest column of names.
const NAME_WIDTH: usize = 40;

/// The longest mark in each form.
const MARK_WIDTH: usize = 6;
const WIDE_MARK_WIDTH: usize = 11;

/// A word for how something ended, in its style.
type Word = (Style, &'static str);

const OK: Word = (GOOD, "ok");
const FAILED: Word = (BAD, "failed");
const DONE: Word = (WARN, "done");
const BEGINS: Word = (FAINT, "begins");

impl Lines {
    /// Lines of a run that has not begun. `above_view` says that a live view below them shows what runs.
    pub(crate) fn new(above_view: bool) -> Self {
        Self {
            form: Form::Single,
            above_view,
            actions: BTreeMap::new(),
            validates: false,
            names: 0,
            inside: BTreeMap::new(),
            healing: BTreeMap::new(),
            lock_told: None,
            begun: false,
            printed: false,
        }
    }

    /// The lines an event adds.
    pub(crate) fn of(&mut self, event: &Event) -> Vec<String> {
        let mut lines = self.added(event);
        // A single release brings a line of space itself.
        if self.form != Form::Single && !self.printed && !lines.is_empty() {
            lines.insert(0, String::new());
        }
        self.printed |= !lines.is_empty();
        lines
    }

    fn added(&mut self, event: &Event) -> Vec<String> {
        match &event.kind {
            EventKind::RunStarted { releases, kind, .. } => {
                self.validates = *kind == RunKind::Validate;
                self.begin(releases);
                Vec::new()
            }
            EventKind::RunFinished { .. }
            | EventKind::StepFinished { .. }
            | EventKind::Checked { .. }
            | EventKind::HelmStarted { .. }
            | EventKind::HelmFinished { .. } => Vec::new(),
            EventKind::LockWaiting { holder, timeout_ms } => {
                let holder = holder.as_ref().map_or_else(|| "somebody unknown".to_owned(), ToString::to_string);
                if self.lock_told.as_ref() == Some(&holder) {
                    return Vec::new();
                }
                let line = format!("waiting for the lock held by {holder}, at most {}", duration(*timeout_ms));
                self.lock_told = Some(holder);
                vec![line]
            }
            EventKind::LockTaken { waited_ms, taken_over } => match taken_over {
                Some(why) => vec![format!("{} the lock was taken over: {why}", paint(WARN, "warning:"))],
                None if self.lock_told.is_some() => vec![format!("the lock is free, after {}", duration(*waited_ms))],
                None => Vec::new(),
            },
            EventKind::RunResumed { from, releases } => {
                vec![format!("continuing run {}: {}", from.short(), were_done(releases))]
            }
            EventKind::RunStopping { reason } => {
                vec![format!("{} {reason}; {}", paint(WARN, "stopping:"), what_follows(reason))]
            }
            EventKind::ReleaseStarted { release, action } => self.release_begins(release, *action),
            EventKind::ReleaseFinished { release, outcome, elapsed_ms } => {
                self.release_ends(release, outcome, *elapsed_ms)
            }
            // What was said after the phase before had ended.
            EventKind::PhaseStarted { release, .. } => self.inside.remove(release).unwrap_or_default(),
            EventKind::PhaseFinished { release, phase, ok, summary, elapsed_ms } => {
                self.phase_ends(release, *phase, *ok, summary, *elapsed_ms)
            }
            EventKind::StepStarted { release, description, .. } => self.keep(release, &format!("- {description}")),
            EventKind::StepSkipped { release, description, .. } => {
                self.keep(release, &format!("- {description} (done before, not repeated)"))
            }
            EventKind::AdoptionStarted { release, undo, .. } => {
                let count: usize = undo.iter().map(|undo| undo.objects.len()).sum();
                let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
                self.said(
                    release,
                    Note::Info,
                    &format!("adopting {objects}; `pilothouse history RUN` tells how to take that back"),
                )
            }
            EventKind::BackupStarted { release, path, objects, .. } => {
                let named: Vec<String> = objects.iter().map(ToString::to_string).collect();
                self.said(release, Note::Info, &format!("saving {} in {path}", named.join(", ")))
            }
            EventKind::PointOfNoReturn { release, what, .. } => {
                self.keep(release, &format!("- {what}: from here on nothing is taken back"))
            }
            EventKind::Retrying { release, attempt, of, wait_ms, .. } => {
                vec![self.row(release, "retry", (WARN, "waits"), None, &next_attempt(*attempt, *of, *wait_ms))]
            }
            EventKind::Said { release, note, text, .. } => self.said(release, *note, text),
            EventKind::CauseFound { release, phase, cause } => {
                let style = if cause.certainty == Certainty::Certain { BAD } else { WARN };
                let what = if self.form == Form::Ends { "" } else { phase.name() };
                let certain = if cause.certainty == Certainty::Certain { "; it will not pass by itself" } else { "" };
                vec![self.row(release, what, (style, "cause"), None, &format!("{}{certain}", one_line(cause)))]
            }
            EventKind::DriftFound { release, drifts } => {
                let row = |drift: &Drift| {
                    self.row(release, "", (WARN, "drift"), None, &format!("{}: {}", drift.object, drift.what))
                };
                drifts.iter().map(row).collect()
            }
            EventKind::HealStarted { release, what, why } => {
                self.healing.insert(release.clone(), what.clone());
                match self.form {
                    Form::Single | Form::Several => {
                        vec![self.row(release, "heal", BEGINS, None, &format!("{what}, since {why}"))]
                    }
                    Form::Ends => Vec::new(),
                }
            }
            EventKind::HealFinished { release, error } => {
                let what = self.healing.remove(release).unwrap_or_default();
                let (word, text) = match error {
                    None => (OK, what),
                    Some(error) => (FAILED, error.clone()),
                };
                vec![self.row(release, "heal", word, None, &text)]
            }
        }
    }

    fn begin(&mut self, releases: &[PlannedRelease]) {
        self.actions = releases.iter().map(|planned| (planned.release.clone(), planned.action)).collect();
        self.names = releases.iter().map(|planned| planned.release.to_string().width()).max().unwrap_or(0);
        self.names = self.names.min(NAME_WIDTH);
        self.form = match (releases.len(), self.above_view) {
            (0 | 1, _) => Form::Single,
            (_, false) => Form::Several,
            (_, true) => Form::Ends,
        };
    }

    fn release_begins(&mut self, release: &ReleaseKey, action: HelmAction) -> Vec<String> {
        self.begun = true;
        match self.form {
            Form::Single => vec![String::new(), format!("{} {}", paint(STRONG, release), self.does(action))],
            // That it is skipped is told at once.
            Form::Several if action == HelmAction::Skip => Vec::new(),
            Form::Several => vec![self.row(release, &self.does(action), BEGINS, None, "")],
            Form::Ends => Vec::new(),
        }
    }

    /// What is done with a release.
    fn does(&self, action: HelmAction) -> String {
        if self.validates { RunKind::Validate.to_string() } else { action.to_string() }
    }

    fn release_ends(&mut self, release: &ReleaseKey, outcome: &ReleaseOutcome, elapsed_ms: u64) -> Vec<String> {
        let mut lines = self.inside.remove(release).unwrap_or_default();
        lines.extend(self.release_row(release, outcome, elapsed_ms));
        lines
    }

    fn release_row(&self, release: &ReleaseKey, outcome: &ReleaseOutcome, elapsed_ms: u64) -> Vec<String> {
        let text = ending(outcome);
        let text = text.as_str();
        let begun = !matches!(outcome, ReleaseOutcome::NotStarted { .. } | ReleaseOutcome::Skipped { .. });
        // What is refused before anything is begun takes no time.
        let elapsed = Some(elapsed_ms).filter(|elapsed| begun && *elapsed > 0);
        let word = word(outcome);
        match (self.form, outcome) {
            (Form::Single, ReleaseOutcome::Skipped { .. }) => vec![format!("  skipped: {text}")],
            // The summary tells these, with all there is to say.
            (Form::Single, _) => Vec::new(),
            // So it does when the run ends before anything was begun, and of all that has not changed at once.
            _ if !self.begun => Vec::new(),
            (_, ReleaseOutcome::Unchanged { .. }) => Vec::new(),
            (Form::Several, _) => {
                let action = self.actions.get(release).map(|action| self.does(*action)).unwrap_or_default();
                vec![self.row(release, &action, word, elapsed, text)]
            }
            (Form::Ends, _) => vec![self.row(release, "", word, elapsed, text)],
        }
    }

    fn phase_ends(
        &mut self,
        release: &ReleaseKey,
        phase: Phase,
        ok: bool,
        summary: &str,
        elapsed_ms: u64,
    ) -> Vec<String> {
        let inside = self.inside.remove(release).unwrap_or_default();
        if self.form == Form::Ends {
            return Vec::new();
        }
        let word = match (phase, ok) {
            (Phase::OnDeployFailure, _) => DONE,
            (_, true) => OK,
            (_, false) => FAILED,
        };
        let mut lines = vec![self.row(release, phase.name(), word, Some(elapsed_ms), summary)];
        lines.extend(inside);
        lines
    }

    fn said(&mut self, release: &ReleaseKey, note: Note, text: &str) -> Vec<String> {
        match (note, self.form) {
            (Note::Doing, _) | (Note::Info, Form::Ends) => Vec::new(),
            (Note::Info, _) => self.keep(release, &format!("  {text}")),
            (Note::Warning, Form::Ends) => vec![self.row(release, "", (WARN, "warning"), None, text)],
            (Note::Warning, _) => self.keep(release, &format!("  {} {text}", paint(WARN, "warning:"))),
        }
    }

    /// Keeps a line for when the phase has ended.
    fn keep(&mut self, release: &ReleaseKey, line: &str) -> Vec<String> {
        let line = match self.form {
            Form::Single => format!("      {line}"),
            Form::Several => format!("{}    {line}", self.name(release)),
            Form::Ends => return Vec::new(),
        };
        self.inside.entry(release.clone()).or_default().push(line);
        Vec::new()
    }

    /// One line of columns, in the order of the form.
    fn row(&self, release: &ReleaseKey, what: &str, word: Word, elapsed_ms: Option<u64>, text: &str) -> String {
        let (style, word) = word;
        let elapsed = elapsed_ms.map(duration).unwrap_or_default();
        let text = paint_unless_empty(FAINT, text.lines().next().unwrap_or_default());
        let mark = |width: usize| format!("{}{}", paint(style, word), " ".repeat(width.saturating_sub(word.len())));
        let line = match self.form {
            Form::Single => format!("  {what:<PHASE_WIDTH$} {} {elapsed:>9}  {text}", mark(MARK_WIDTH)),
            Form::Several => {
                format!("{}  {what:<PHASE_WIDTH$} {} {elapsed:>9}  {text}", self.name(release), mark(WIDE_MARK_WIDTH))
            }
            Form::Ends if what.is_empty() => {
                format!("{} {} {elapsed:>9}  {text}", mark(WIDE_MARK_WIDTH), self.name(release))
            }
            Form::Ends => format!("{} {} {elapsed:>9}  {what}: {text}", mark(WIDE_MARK_WIDTH), self.name(release)),
        };
        line.trim_end().to_owned()
    }

    fn name(&self, release: &ReleaseKey) -> String {
        let name = release.to_string();
        let padding = " ".repeat(self.names.saturating_sub(name.width()));
        format!("{}{padding}", paint(STRONG, name))
    }
}

fn paint_unless_empty(style: Style, text: &str) -> String {
    if text.is_empty() { String::new() } else { paint(style, text) }
}

fn word(outcome: &ReleaseOutcome) -> Word {
    match outcome {
        ReleaseOutcome::Done { .. } => OK,
        ReleaseOutcome::Failed(_) => FAILED,
        ReleaseOutcome::Undone { .. } => (BAD, "undone"),
        ReleaseOutcome::Unchanged { .. } => (FAINT, "unchanged"),
        ReleaseOutcome::Skipped { .. } => (FAINT, "skipped"),
        ReleaseOutcome::Refused { .. } => (BAD, "refused"),
        ReleaseOutcome::Interrupted { .. } => (WARN, "interrupted"),
        ReleaseOutcome::NotStarted { .. } => (WARN, "not started"),
    }
}

/// How a release ended, in one line.
fn ending(outcome: &ReleaseOutcome) -> String {
    match outcome {
        ReleaseOutcome::Done { summary: text }
        | ReleaseOutcome::Unchanged { why: text }
        | ReleaseOutcome::Skipped { reason: text }
        | ReleaseOutcome::NotStarted { reason: text, .. } => text.clone(),
        ReleaseOutcome::Interrupted { phase } => format!("in {phase}"),
        ReleaseOutcome::Undone { because_of, next } => format!("since {because_of} failed: {}", what_was_done(next)),
        ReleaseOutcome::Failed(failure) => {
            format!("in {}: {}", failure.phase, failure.error.first().map(String::as_str).unwrap_or_default())
        }
        ReleaseOutcome::Refused { findings } => match findings.as_slice() {
            [] => String::new(),
            [one] => one.to_string(),
            [first, more @ ..] => format!("{first} (and {} more)", more.len()),
        },
    }
}

fn were_done(releases: &[ReleaseProgress]) -> String {
    let was_done = |release: &&ReleaseProgress| {
        release
            .ending
            .as_ref()
            .is_some_and(|ending| matches!(ending.way, ReleaseWay::Done | ReleaseWay::Unchanged | ReleaseWay::Skipped))
    };
    let done = releases.iter().filter(was_done).count();
    match releases.len() {
        1 => format!("{done} of 1 release was done"),
        all => format!("{done} of {all} releases were done"),
    }
}

/// What happens after a run was told to stop.
fn what_follows(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::User => "nothing new is begun, what runs goes on to a safe point",
        StopReason::FailFast { .. } => "nothing new is begun, releases that run are finished",
        StopReason::LockLost { .. } => "what runs is stopped at once",
        StopReason::JournalFailed { .. } => "nothing new is begun that could not be continued",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{
        Script, begins, blocked, ends, every_kind, finished, planned, run_started, said, shop, started,
    };
    use pilothouse_core::{HelmAction, ReleaseKey};

    fn shown(kinds: Vec<EventKind>) -> String {
        let mut script = Script::default();
        script.then(kinds);
        told(&script, false)
    }

    fn told(script: &Script, above_view: bool) -> String {
        let mut lines = Lines::new(above_view);
        let all: Vec<String> = script.events.iter().flat_map(|event| lines.of(event)).collect();
        anstream::adapter::strip_str(&all.join("\n")).to_string()
    }

    #[test]
    fn releases_side_by_side() {
        insta::assert_snapshot!("several", told(&shop(), false));
        insta::assert_snapshot!("several_above_the_view", told(&shop(), true));
    }

    #[test]
    fn each_kind_of_event_has_its_line() {
        let mut script = Script::default();
        let (first, second) = ("web/podinfo", "web/db");
        script
            .then([run_started(vec![planned(first, &[second]), planned(second, &[])])])
            .then(every_kind().split_off(1));
        insta::assert_snapshot!("every_kind", told(&script, false));
        insta::assert_snapshot!("every_kind_above_the_view", told(&script, true));
        let mut single = Script::default();
        single.then([run_started(vec![planned(first, &[])])]).then(every_kind().split_off(1));
        insta::assert_snapshot!("every_kind_of_one_release", told(&single, false));
    }

    #[test]
    fn what_belongs_to_a_phase_stays_together() {
        let mut script = Script::default();
        let releases = ["web/a-release-with-a-name-of-more-than-forty-columns", "web/b"];
        script.then([run_started(releases.iter().map(|name| planned(name, &[])).collect())]);
        script.then(releases.iter().flat_map(|name| [started(name), begins(name, Phase::PreExec)]));
        for text in ["one", "two"] {
            script.then(releases.iter().map(|name| said(name, Phase::PreExec, Note::Info, text)));
        }
        script.then(releases.iter().rev().map(|name| ends(name, Phase::PreExec, true, "", 1200)));
        assert_eq!(
            told(&script, false),
            "\n\
web/a-release-with-a-name-of-more-than-forty-columns  deploy              begins\n\
web/b                                     deploy              begins\n\
web/b                                     pre_exec            ok              1.2 s\n\
web/b                                         one\n\
web/b                                         two\n\
web/a-release-with-a-name-of-more-than-forty-columns  pre_exec            ok              1.2 s\n\
web/a-release-with-a-name-of-more-than-forty-columns      one\n\
web/a-release-with-a-name-of-more-than-forty-columns      two"
        );
    }

    #[test]
    fn the_lock_is_told_once_for_each_holder() {
        let mut script = Script::default();
        let waiting = || EventKind::LockWaiting { holder: None, timeout_ms: 60_000 };
        let taken = EventKind::LockTaken { waited_ms: 12_000, taken_over: None };
        script.then([run_started(vec![planned("web/a", &[])]), waiting(), waiting(), taken]);
        assert_eq!(
            told(&script, false),
            "waiting for the lock held by somebody unknown, at most 1 m 00 s\nthe lock is free, after 12 s"
        );
        let mut free = Script::default();
        let not_begun = finished("web/b", blocked("web/a"), 0);
        free.then([run_started(vec![planned("web/a", &[]), planned("web/b", &[])])]);
        free.then([EventKind::LockTaken { waited_ms: 5, taken_over: None }, not_begun]);
        assert_eq!(told(&free, false), "", "nothing was begun: the summary says it all");
    }

    #[test]
    fn a_release_that_fails_in_exec() {
        let release = ReleaseKey::new("web", "podinfo");
        let finished = |phase, ok, summary: &str, elapsed_ms| EventKind::PhaseFinished {
            release: release.clone(),
            phase,
            ok,
            summary: summary.to_owned(),
            elapsed_ms,
        };
        let said = |note, text: &str| EventKind::Said {
            release: release.clone(),
            phase: Phase::PreExec,
            note,
            text: text.to_owned(),
        };
        insta::assert_snapshot!(shown(vec![
            EventKind::ReleaseStarted { release: release.clone(), action: HelmAction::Deploy },
            EventKind::PhaseStarted { release: release.clone(), phase: Phase::CheckPrerequisites },
            finished(Phase::CheckPrerequisites, true, "", 310),
            EventKind::PhaseStarted { release: release.clone(), phase: Phase::PreExec },
            said(Note::Doing, "looking"),
            said(Note::Info, "adopted DaemonSet kube-system/aws-node"),
            said(Note::Warning, "something is odd"),
            finished(Phase::PreExec, true, "", 20),
            said(Note::Warning, "something was left behind"),
            EventKind::PhaseStarted { release: release.clone(), phase: Phase::Exec },
            finished(Phase::Exec, false, "helm failed\nsecond line", 75_000),
            finished(Phase::OnDeployFailure, false, "rolled back to revision 3", 2_500),
            said(Note::Warning, "it cannot be remembered"),
            EventKind::ReleaseFinished {
                release: release.clone(),
                outcome: ReleaseOutcome::Done { summary: "upgraded".to_owned() },
                elapsed_ms: 80_000,
            },
        ]));
    }
}
