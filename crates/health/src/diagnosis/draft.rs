//! A cause being made: its certainty comes from the table, and every text is masked.

use super::evidence::Evidence;
use super::line::Line;
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
    pub why: String,
    pub root: String,
    pub evidence: Vec<String>,
    pub next: Vec<String>,
}

impl Draft {
    pub(super) fn new(line: Line, root: impl Into<String>, why: impl Into<String>) -> Self {
        Self { line, before: false, why: why.into(), root: root.into(), evidence: Vec::new(), next: Vec::new() }
    }

    /// How certain it is: by the table, but for what was last seen before the release was at work.
    pub(super) fn certainty(&self) -> Certainty {
        match self.line.rule().certainty {
            Certainty::Certain if self.before => Certainty::Passing,
            certainty => certainty,
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
        let status = status.map(|mut status| {
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
                    (known.line, known.before) = (draft.line, draft.before);
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
