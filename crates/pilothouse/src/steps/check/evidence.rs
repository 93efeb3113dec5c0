//! What is kept of an attempt, without secrets.

use crate::context::release_context::Context;
use pilothouse_core::{Evidence, Redactor, mask};
use pilothouse_kube::ClusterError;
use pilothouse_probe::ProbeResult;

/// The most lines of evidence, and characters of each.
const LINES: usize = 24;
const LINE: usize = 400;

/// The cluster could not be asked.
pub(super) fn cluster(ctx: &Context, error: &ClusterError) -> ProbeResult {
    ProbeResult::unknown(ctx.error_text(error))
}

/// Why an attempt has told what it has, redacted.
pub(super) fn why(ctx: &Context, result: &ProbeResult) -> String {
    bounded(&redactor(ctx, result), &[result.why.as_str()]).concat()
}

/// What is kept of an attempt.
pub(super) fn evidence(ctx: &Context, result: &ProbeResult) -> Evidence {
    let redactor = redactor(ctx, result);
    Evidence { asked: bounded(&redactor, &result.asked), got: bounded(&redactor, &result.got) }
}

fn redactor(ctx: &Context, result: &ProbeResult) -> Redactor {
    let mut redactor = ctx.redactor().clone();
    result.secrets.iter().for_each(|secret| redactor.add(secret));
    redactor
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
