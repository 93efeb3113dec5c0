//! What is kept of an attempt, without secrets.

use crate::context::Context;
use pilothouse_core::{Evidence, Redactor};
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
    bounded(redactor(ctx, result), &[result.why.as_str()]).concat()
}

/// What is kept of an attempt.
pub(super) fn evidence(ctx: &Context, result: &ProbeResult) -> Evidence {
    let redactor = redactor(ctx, result);
    Evidence { asked: bounded(redactor, &result.asked), got: bounded(redactor, &result.got) }
}

fn redactor<'c>(ctx: &'c Context, result: &ProbeResult) -> &'c Redactor {
    result.secrets.iter().for_each(|secret| ctx.redactor().add(secret));
    ctx.redactor()
}

fn bounded(redactor: &Redactor, texts: &[impl AsRef<str>]) -> Vec<String> {
    let mut lines: Vec<String> = texts.iter().flat_map(|text| redactor.clean(text.as_ref()).lines(LINE)).collect();
    let all = lines.len();
    if all > LINES {
        lines.truncate(LINES);
        lines.push(format!("(and {} more lines)", all - LINES));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_redacted_before_it_is_cut() {
        let redactor = Redactor::new(["a-long-secret"]);
        let padded = format!("{}a-long-secret", "x".repeat(LINE - 5));
        let shown = bounded(&redactor, &[padded.as_str(), "\u{1b}[31mred\u{1b}[2J", "DB_PASSWORD=hunter2"]);
        assert_eq!(shown, [&format!("{}***", "x".repeat(LINE - 5)), "\u{1b}[31mred\u{1b}[0m", "DB_PASSWORD=***"]);
        let many = "line\n".repeat(LINES + 3);
        let shown = bounded(&redactor, &[many]);
        assert_eq!((shown.len(), shown.last().unwrap().as_str()), (LINES + 1, "(and 3 more lines)"));
        assert_eq!(bounded(&redactor, &["ä".repeat(LINE + 1)]), [format!("{}…", "ä".repeat(LINE))]);
    }
}
