//! A cause being made: its certainty comes from the table, and every text is masked.

use super::evidence::{Evidence, OtherRelease};
use super::line::Line;
use super::surroundings::{AtWork, Family, at_work, family, is_missing, release_at_work, while_open};
use jiff::Timestamp;
use pilothouse_core::{Cause, Certainty, ObjectRef, ObjectStatus, Redactor};

/// Lines of evidence a cause has at most.
const MOST_EVIDENCE: usize = 16;
/// Characters a line of a cause has at most.
const LONGEST: usize = 600;

/// A cause before it is shown.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub line: Line,
    /// Whether it was last seen before the release was at work, so that nobody has tried again since.
    pub before: bool,
    /// What is at work that may change it, as far as that was looked at.
    pub at_work: Vec<AtWork>,
    /// Whether whatever is at work comes too late: nobody tries again, or it had its time.
    pub settled: bool,
    pub why: String,
    pub root: String,
    /// The object that is to blame, where it is another one than that which is not ready for it.
    pub about: Option<ObjectRef>,
    pub evidence: Vec<String>,
    pub next: Vec<String>,
}

impl Draft {
    pub(super) fn new(line: Line, root: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            line,
            before: false,
            at_work: Vec::new(),
            settled: false,
            why: why.into(),
            root: root.into(),
            about: None,
            evidence: Vec::new(),
            next: Vec::new(),
        }
    }

    /// How certain it is: by the table of families and surroundings.
    pub(super) fn certainty(&self) -> Certainty {
        let family = match family(self.line) {
            Family::Passing | Family::Unknown => family(self.line),
            _ if self.settled => Family::Fixed,
            family => family,
        };
        let before = self.before.then_some(AtWork::Before);
        let at_work = self.at_work.iter().copied().chain(before).chain([AtWork::Nothing]);
        let all = at_work.map(|at_work| family.while_at_work(at_work).0);
        // Whatever lets it pass decides.
        all.max().unwrap_or(Certainty::Unclear)
    }

    /// Notes what is at work that its rule has seen.
    #[must_use]
    pub(super) fn amid(mut self, at_work: impl IntoIterator<Item = AtWork>) -> Self {
        self.at_work.extend(at_work);
        self
    }

    /// Notes that whatever is at work comes too late.
    #[must_use]
    pub(super) fn settled(mut self, settled: bool) -> Self {
        self.settled |= settled;
        self
    }

    /// Judges it by all that is at work: its line becomes that for what may still change, where something may change it.
    #[must_use]
    pub(super) fn weighed(self, evidence: &Evidence) -> Self {
        self.beside(at_work(evidence), &evidence.releases)
    }

    /// The same of what helm has ended with: only other releases still work, for another try.
    #[must_use]
    pub(super) fn weighed_for_helm(self, releases: &[OtherRelease]) -> Self {
        self.beside(release_at_work(releases).into_iter().collect(), releases)
    }

    fn beside(mut self, found: Vec<(AtWork, String)>, releases: &[OtherRelease]) -> Self {
        let (line, is_missing, is_open) = (self.line, is_missing(self.line), !self.settled);
        for (at_work, says) in found.into_iter().filter(|_| is_open) {
            let lets_pass = family(line).while_at_work(at_work).0 == Certainty::Passing;
            // Of what has been missing for a moment only, the same is told.
            if is_missing && at_work != AtWork::Starting || lets_pass && family(line) != Family::Passing {
                self.at_work.push(at_work);
                self.see(says);
                if at_work == AtWork::Release && is_missing {
                    self.advise_need(releases);
                }
            }
        }
        let is_before = std::mem::take(&mut self.before);
        if self.certainty() == Certainty::Passing {
            self.line = while_open(self.line);
        }
        self.before = is_before;
        self
    }

    /// What another release makes is there in time when that one is needed.
    fn advise_need(&mut self, releases: &[OtherRelease]) {
        let maker = releases.iter().find(|other| other.makes(&self.root)).map(|other| &other.release);
        if let Some(release) = maker {
            self.see(format!("release {release} makes it"));
            self.next.push(format!("let this release need {release}, which makes it: needs"));
        } else if let Some(OtherRelease { release, .. }) = releases.first() {
            self.next.push(format!("if release {release} makes it, let this release need that one: needs"));
        }
    }

    /// Notes when it was last seen. Kubernetes tells whole seconds.
    #[must_use]
    pub(super) fn last_seen(mut self, at: Option<Timestamp>, evidence: &Evidence) -> Self {
        let is_before = |at: &Timestamp| evidence.since.is_some_and(|since| at.as_second() < since.as_second());
        if let Some(at) = at.filter(is_before) {
            self.before = true;
            self.see(format!("that was at {at:.0}, before this run; nobody has tried again since"));
        }
        self
    }

    /// Adds a line of evidence, once.
    #[must_use]
    pub(super) fn seen(mut self, line: impl Into<String>) -> Self {
        self.see(line);
        self
    }

    pub(super) fn see(&mut self, line: impl Into<String>) {
        let line = line.into();
        if !line.is_empty() && !self.evidence.contains(&line) {
            self.evidence.push(line);
        }
    }

    #[must_use]
    pub(super) fn all_seen(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        lines.into_iter().for_each(|line| self.see(line));
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(super) fn next(mut self, line: impl Into<String>) -> Self {
        let line = line.into();
        if !self.next.contains(&line) {
            self.next.push(line);
        }
        self
    }

    /// The cause of this object's not being ready.
    pub(super) fn cause(self, object: Option<ObjectRef>, status: Option<ObjectStatus>, redactor: &Redactor) -> Cause {
        let (rule, certainty) = (self.line.rule(), self.certainty());
        let clean = |text: &str| redactor.clean(text).in_one_line(LONGEST);
        let of_another = self.about.is_some();
        let object = self.about.or(object);
        let status = status.filter(|_| !of_another).map(|mut status| {
            status.message = clean(&status.message);
            status
        });
        Cause {
            code: rule.code.to_owned(),
            class: rule.class,
            certainty,
            object,
            status,
            why: clean(&self.why),
            root: clean(&self.root),
            evidence: self.evidence.iter().take(MOST_EVIDENCE).map(|line| clean(line)).collect(),
            next: self.next.iter().map(|line| clean(line)).collect(),
        }
    }
}

/// One draft for each line and root, the first ones first; the others' evidence and hints are added to it.
pub(super) fn merged(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut kept: Vec<Draft> = Vec::new();
    for draft in drafts {
        let same = |kept: &&mut Draft| kept.line.rule().code == draft.line.rule().code && kept.root == draft.root;
        match kept.iter_mut().find(same) {
            Some(known) => {
                if draft.certainty() < known.certainty() {
                    (known.line, known.before, known.settled) = (draft.line, draft.before, draft.settled);
                    known.at_work = draft.at_work;
                    known.why.clone_from(&draft.why);
                }
                draft.evidence.into_iter().for_each(|line| known.see(line));
                for line in draft.next {
                    if !known.next.contains(&line) {
                        known.next.push(line);
                    }
                }
            }
            None => kept.push(draft),
        }
    }
    kept
}
