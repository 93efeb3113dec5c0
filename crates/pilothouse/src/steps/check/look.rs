//! What one attempt of a check has told.

use crate::context::release_context::Context;
use pilothouse_core::{CheckVerdict, Evidence, Redactor, mask};
use pilothouse_kube::ClusterError;

/// The most lines of evidence, and characters of each.
const LINES: usize = 24;
const LINE: usize = 400;

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) verdict: CheckVerdict,
    /// It did not hold because nobody was there to answer: no ready pod.
    pub(super) nobody_there: bool,
    why: String,
    asked: Vec<String>,
    got: Vec<String>,
    secrets: Vec<String>,
}

impl Look {
    fn new(verdict: CheckVerdict, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { verdict, nobody_there: false, why, asked: Vec::new(), got: Vec::new(), secrets: Vec::new() }
    }

    pub(super) fn held(why: impl Into<String>) -> Self {
        Self::new(CheckVerdict::Held, why)
    }

    pub(super) fn not_held(why: impl Into<String>) -> Self {
        Self::new(CheckVerdict::NotHeld, why)
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::new(CheckVerdict::Unknown, why)
    }

    /// Nobody is there to answer.
    pub(super) fn nobody(why: impl Into<String>) -> Self {
        Self { nobody_there: true, ..Self::not_held(why) }
    }

    /// The cluster could not be asked.
    pub(super) fn cluster(ctx: &Context, error: &ClusterError) -> Self {
        Self::unknown(ctx.error_text(error))
    }

    /// Whatever it has told, nothing is known of what was to be looked at.
    #[must_use]
    pub(super) fn into_unknown(self) -> Self {
        Self { verdict: CheckVerdict::Unknown, ..self }
    }

    /// What was asked.
    #[must_use]
    pub(super) fn asked(mut self, asked: Vec<String>) -> Self {
        self.asked = asked;
        self
    }

    /// What came back.
    #[must_use]
    pub(super) fn got(mut self, got: Vec<String>) -> Self {
        self.got = got;
        self
    }

    /// What must not be shown, beside what the run knows.
    #[must_use]
    pub(super) fn secrets(mut self, secrets: Vec<String>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Why, redacted.
    pub(super) fn why(&self, ctx: &Context) -> String {
        bounded(&self.redactor(ctx), &[self.why.as_str()]).concat()
    }

    /// What is kept of it.
    pub(super) fn evidence(&self, ctx: &Context) -> Evidence {
        let redactor = self.redactor(ctx);
        Evidence { asked: bounded(&redactor, &self.asked), got: bounded(&redactor, &self.got) }
    }

    fn redactor(&self, ctx: &Context) -> Redactor {
        let mut redactor = ctx.redactor().clone();
        self.secrets.iter().for_each(|secret| redactor.add(secret));
        redactor
    }
}

/// Redacted and masked first: half a secret would not be found any more, and nobody knows what a program prints of its
/// environment.
fn bounded(redactor: &Redactor, texts: &[impl AsRef<str>]) -> Vec<String> {
    let redacted: Vec<String> = texts.iter().map(|text| mask(&redactor.redact(text.as_ref()))).collect();
    let mut lines: Vec<String> =
        redacted.iter().flat_map(|text| text.lines()).take(LINES).map(|line| shortened(line, LINE)).collect();
    let all: usize = redacted.iter().map(|text| text.lines().count()).sum();
    if all > LINES {
        lines.push(format!("(and {} more lines)", all - LINES));
    }
    lines
}

fn shortened(line: &str, most: usize) -> String {
    // Control characters would do something to the terminal.
    let mut shown: String = line.chars().filter(|c| !c.is_control() || *c == '\t').take(most).collect();
    if line.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_redacted_before_it_is_cut() {
        let redactor = Redactor::new(["a-long-secret"]);
        let padded = format!("{}a-long-secret", "x".repeat(LINE - 5));
        let shown = bounded(&redactor, &[padded.as_str(), "\u{1b}[31mred", "DB_PASSWORD=hunter2"]);
        assert_eq!(shown, [&format!("{}***", "x".repeat(LINE - 5)), "[31mred", "DB_PASSWORD=***"]);
        let many = "line\n".repeat(LINES + 3);
        let shown = bounded(&redactor, &[many]);
        assert_eq!((shown.len(), shown.last().unwrap().as_str()), (LINES + 1, "(and 3 more lines)"));
        assert_eq!(shortened(&"ä".repeat(LINE + 1), LINE), format!("{}…", "ä".repeat(LINE)));
    }
}
