//! The end of a run: what became of each release and, where something went wrong, what, why and what to do.

use crate::hints::hint;
use crate::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::report::text::duration;
use pilothouse_core::{Failure, Finding, NextStep, ReleaseKey, ReleaseOutcome, RunOutcome, RunVerdict};

/// The lines at the end of a run.
pub(crate) fn summary(outcome: &RunOutcome, elapsed_ms: u64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (release, outcome) in &outcome.releases {
        lines.extend(details(release, outcome));
    }
    lines.push(counts(outcome, elapsed_ms));
    lines
}

fn counts(outcome: &RunOutcome, elapsed_ms: u64) -> String {
    let mut counts: Vec<(usize, &str)> = Vec::new();
    for (_, outcome) in &outcome.releases {
        let word = match outcome {
            ReleaseOutcome::Done { .. } => "done",
            ReleaseOutcome::Skipped { .. } => "skipped",
            ReleaseOutcome::Refused { .. } => "refused",
            ReleaseOutcome::Failed(_) => "failed",
            ReleaseOutcome::Interrupted { .. } => "interrupted",
            ReleaseOutcome::NotStarted { .. } => "not started",
        };
        match counts.iter_mut().find(|(_, known)| *known == word) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, word)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(count, word)| format!("{count} {word}")).collect();
    let style = if outcome.verdict() == RunVerdict::Done { GOOD } else { BAD };
    format!("{} in {}", paint(style, counts.join(", ")), duration(elapsed_ms))
}

pub(super) fn details(release: &ReleaseKey, outcome: &ReleaseOutcome) -> Vec<String> {
    match outcome {
        ReleaseOutcome::Done { .. } | ReleaseOutcome::Skipped { .. } => Vec::new(),
        ReleaseOutcome::Refused { findings } => refused(release, findings),
        ReleaseOutcome::Failed(failure) => failed(release, failure),
        ReleaseOutcome::Interrupted { phase } => {
            vec![
                format!("{} {} in {phase}", paint(STRONG, release), paint(WARN, "interrupted")),
                "  run the same command again to go on".to_owned(),
                String::new(),
            ]
        }
        ReleaseOutcome::NotStarted { reason, .. } => {
            vec![format!("{} not started: {reason}", paint(STRONG, release)), String::new()]
        }
    }
}

fn refused(release: &ReleaseKey, findings: &[Finding]) -> Vec<String> {
    let mut lines = vec![format!("{} {}, nothing was changed", paint(STRONG, release), paint(BAD, "refused"))];
    let mut hinted = Vec::new();
    for finding in findings {
        lines.extend(indented(&format!("  {} ", paint(FAINT, &finding.code)), &finding.to_string(), "      "));
        if let Some(hint) = hint(finding)
            && !hinted.contains(&hint)
        {
            hinted.push(hint);
        }
    }
    lines.extend(hinted.iter().map(|hint| format!("  hint: {hint}")));
    lines.push(String::new());
    lines
}

fn failed(release: &ReleaseKey, failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("{} {} in {}", paint(STRONG, release), paint(BAD, "failed"), failure.phase)];
    for (i, line) in failure.error.iter().enumerate() {
        let first = if i == 0 { "  " } else { "  caused by: " };
        lines.extend(indented(first, line, "      "));
    }
    for cause in &failure.causes {
        let reason = cause.status.reason.as_ref().map(|reason| format!(" {reason}:")).unwrap_or_default();
        let text = format!("{}:{reason} {}", cause.object, cause.status.message);
        lines.extend(indented(&format!("  {} ", paint(BAD, "-")), &text, "      "));
        lines.extend(cause.evidence.iter().flat_map(|line| indented("      ", line, "      ")));
    }
    if let Some(error) = &failure.on_deploy_failure_error {
        lines.extend(indented(&format!("  {} on_deploy_failure failed too: ", paint(WARN, "-")), error, "      "));
    }
    lines.push(match &failure.next {
        NextStep::Left { why } => format!("  left as it is: {why}"),
        NextStep::RolledBack { to_revision } => format!("  rolled back to revision {to_revision}"),
        NextStep::Uninstalled => "  uninstalled".to_owned(),
        NextStep::RemediationFailed { tried, error } => {
            format!("  {} {tried} failed too: {error}", paint(BAD, "-"))
        }
    });
    lines.push(String::new());
    lines
}

/// Text of several lines, the first behind `first`, the others behind `rest`.
pub(super) fn indented(first: &str, text: &str, rest: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut shown = vec![format!("{first}{}", lines.next().unwrap_or_default())];
    shown.extend(lines.map(|line| format!("{rest}{line}")));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{Cause, Class, ObjectRef, ObjectStatus, Phase, Readiness, code};

    fn shown(releases: Vec<(ReleaseKey, ReleaseOutcome)>) -> String {
        anstream::adapter::strip_str(&summary(&RunOutcome { releases, stopped: None }, 61_500).join("\n")).to_string()
    }

    #[test]
    fn a_failure_tells_what_why_and_what_was_done() {
        let object = ObjectRef::parse("Deployment/web/podinfo").unwrap();
        let failure = Failure {
            phase: Phase::Validate,
            step: None,
            error: vec!["1 of 3 objects is not ready after 20 s".to_owned(), "first line\nsecond line".to_owned()],
            causes: vec![Cause {
                object,
                status: ObjectStatus::new(Readiness::InProgress, "0 of 1 available").because("ImagePullBackOff"),
                evidence: vec!["Pod web/podinfo-1: container podinfo waits: ImagePullBackOff".to_owned()],
            }],
            on_deploy_failure_error: Some("step failed: notify: exit code 1".to_owned()),
            next: NextStep::RolledBack { to_revision: 3 },
        };
        insta::assert_snapshot!(shown(vec![
            (ReleaseKey::new("a", "crds"), ReleaseOutcome::Done { summary: "installed".to_owned() }),
            (ReleaseKey::new("web", "podinfo"), ReleaseOutcome::Failed(failure)),
            (
                ReleaseKey::new("web", "later"),
                ReleaseOutcome::NotStarted { reason: "web/podinfo failed".to_owned(), blocked_by: None }
            ),
        ]));
    }

    #[test]
    fn a_refusal_tells_every_finding_and_each_hint_once() {
        let finding = |name: &str| {
            Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, format!("ConfigMap web/{name}"), "nobody owns it")
        };
        let findings = vec![finding("a"), finding("b")];
        insta::assert_snapshot!(shown(vec![(ReleaseKey::new("web", "podinfo"), ReleaseOutcome::Refused { findings })]));
    }
}
