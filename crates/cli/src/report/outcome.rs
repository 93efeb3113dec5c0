//! The end of a run: what became of each release and, where something went wrong, what, why and what to do.

use crate::input::continues::continues;
use crate::report::causes::{self, ToldCause, codes};
use crate::report::view::Continued;
use crate::terminal::hints::hint;
use crate::terminal::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::terminal::text::duration;
use pilothouse_core::{
    Failure, Finding, NextStep, ReleaseKey, ReleaseOutcome, RunOutcome, RunVerdict, StopReason, code,
};

/// How the user may go on when a run was stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// The run can be continued, by this command.
    Resume(String),
    /// Nothing is kept of it, but it can be done again.
    Repeat,
    /// What it was about is gone: a rehearsal.
    Nothing,
}

/// How many names are listed before the rest is counted.
const NAMED: usize = 20;

/// The lines at the end of a run. With a width, what is told of causes is broken to fit.
pub(crate) fn summary(
    outcome: &RunOutcome,
    elapsed_ms: u64,
    continued: Option<&Continued>,
    afterwards: &Afterwards,
    width: Option<usize>,
) -> Vec<String> {
    let mut lines = vec![String::new()];
    let causes = causes::of_run(outcome);
    for (release, outcome) in &outcome.releases {
        lines.extend(details(release, outcome, &causes));
    }
    lines.extend(causes::paragraphs(&causes, width, outcome.releases.len() > 1));
    lines.extend(left_alone(outcome));
    lines.extend(others(outcome));
    lines.extend(stopped(outcome, afterwards));
    lines.extend(continued.map(taken_over));
    lines.push(counts(outcome, elapsed_ms));
    lines
}

/// The releases that were not begun or skipped, those with the same reason together.
fn left_alone(outcome: &RunOutcome) -> Vec<String> {
    let mut groups: Vec<(&str, String, &str, Vec<&ReleaseKey>)> = Vec::new();
    for (release, this) in &outcome.releases {
        let (what, why, reason) = match this {
            ReleaseOutcome::NotStarted { reason, blocked_by } => {
                ("not started", cause(outcome, reason, blocked_by.as_ref()), reason)
            }
            // The line of the one release has said it.
            ReleaseOutcome::Skipped { reason } if outcome.releases.len() > 1 => ("skipped", reason.clone(), reason),
            ReleaseOutcome::Unchanged { why } => ("unchanged", why.clone(), why),
            _ => continue,
        };
        match groups.iter_mut().find(|(known, same, ..)| *known == what && *same == why) {
            Some((.., releases)) => releases.push(release),
            None => groups.push((what, why, reason, vec![release])),
        }
    }
    let paragraph = |(what, why, reason, releases): &(&str, String, &str, Vec<&ReleaseKey>)| {
        let line = match releases.as_slice() {
            [one] => format!("{} {what}: {reason}", paint(STRONG, one)),
            // These are what most runs are about, and nobody looks for one of them.
            all if *what == "unchanged" => {
                format!("{} unchanged: {reason}", paint(STRONG, format!("{} releases", all.len())))
            }
            all => format!("{} {what}, since {why}: {}", paint(STRONG, format!("{} releases", all.len())), listed(all)),
        };
        [line, String::new()]
    };
    groups.iter().flat_map(paragraph).collect()
}

/// How to go on with the releases that are not refused, where one that is has kept them from being begun.
fn others(outcome: &RunOutcome) -> Option<String> {
    let kept = |this: &ReleaseOutcome| matches!(this, ReleaseOutcome::NotStarted { blocked_by: None, .. });
    let outdated = |this: &ReleaseOutcome| match this {
        ReleaseOutcome::Refused { findings } => findings.iter().any(|finding| finding.code == code::PLAN_OUTDATED),
        _ => false,
    };
    let by_refusal = outcome.verdict() == RunVerdict::Refused && outcome.stopped.is_none();
    let any = |is: &dyn Fn(&ReleaseOutcome) -> bool| outcome.releases.iter().any(|(_, this)| is(this));
    (by_refusal && any(&kept) && !any(&outdated))
        .then(|| "hint: --keep-going carries out the releases that are not refused\n".to_owned())
}

/// Why a release was not begun: what became of the one it stands on, or the same as for that one.
fn cause(outcome: &RunOutcome, reason: &str, blocked_by: Option<&ReleaseKey>) -> String {
    let Some(by) = blocked_by else { return reason.to_owned() };
    let how = match outcome.releases.iter().find(|(known, _)| known == by) {
        Some((_, ReleaseOutcome::NotStarted { reason, blocked_by: None })) => return reason.clone(),
        Some((_, ReleaseOutcome::Failed(_))) => "failed",
        Some((_, ReleaseOutcome::Refused { .. })) => "was refused",
        Some((_, ReleaseOutcome::Interrupted { .. })) => "was interrupted",
        _ => "did not end well",
    };
    format!("{by} {how}")
}

/// Why the run as a whole was stopped, and how to go on.
fn stopped(outcome: &RunOutcome, afterwards: &Afterwards) -> Vec<String> {
    let interrupted = outcome.releases.iter().any(|(_, this)| matches!(this, ReleaseOutcome::Interrupted { .. }));
    let Some(reason) = outcome.stopped.clone().or(interrupted.then_some(StopReason::User)) else { return Vec::new() };
    let mut lines = vec![format!("{} {reason}", paint(WARN, "stopped:"))];
    let go_on = match afterwards {
        Afterwards::Resume(command) => Some(continues(command)),
        Afterwards::Repeat => Some("the same command again starts over".to_owned()),
        Afterwards::Nothing => None,
    };
    lines.extend(go_on.map(|go_on| match (reason, afterwards) {
        (StopReason::User, _) => format!("  {go_on}"),
        // A failed run is continued only when that is asked for.
        (StopReason::FailFast { .. }, Afterwards::Resume(command)) => {
            format!("  when that is mended, `{command}` continues")
        }
        (StopReason::FailFast { .. }, Afterwards::Repeat | Afterwards::Nothing) => {
            format!("  when that is mended, {go_on}")
        }
        (StopReason::LockLost { .. }, _) => format!("  when no other run is at work, {go_on}"),
        (StopReason::JournalFailed { .. }, _) => format!("  when it can be written, {go_on}"),
    }));
    lines.push(String::new());
    lines
}

/// What an earlier run had done.
fn taken_over(continued: &Continued) -> String {
    let mut parts = Vec::new();
    if !continued.done.is_empty() {
        parts.push(format!("done before: {}", listed(&continued.done.iter().collect::<Vec<_>>())));
    }
    if !continued.begun.is_empty() {
        parts.push(format!("begun before: {}", listed(&continued.begun.iter().collect::<Vec<_>>())));
    }
    if parts.is_empty() {
        parts.push("nothing of these releases was begun".to_owned());
    }
    format!("continued run {}; {}", continued.from.short(), parts.join("; "))
}

fn listed(releases: &[&ReleaseKey]) -> String {
    let mut names: Vec<String> = releases.iter().take(NAMED).map(ToString::to_string).collect();
    if releases.len() > NAMED {
        names.push(format!("and {} more", releases.len() - NAMED));
    }
    names.join(", ")
}

fn counts(outcome: &RunOutcome, elapsed_ms: u64) -> String {
    let mut counts: Vec<(usize, &str)> = Vec::new();
    for (_, outcome) in &outcome.releases {
        let word = match outcome {
            ReleaseOutcome::Done { .. } => "done",
            ReleaseOutcome::Unchanged { .. } => "unchanged",
            ReleaseOutcome::Skipped { .. } => "skipped",
            ReleaseOutcome::Refused { .. } => "refused",
            ReleaseOutcome::Failed(_) => "failed",
            ReleaseOutcome::Undone { .. } => "undone",
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

/// What became of one release, where that is not all well. Causes are told by themselves: here are only their codes.
pub(super) fn details(release: &ReleaseKey, outcome: &ReleaseOutcome, causes: &[ToldCause]) -> Vec<String> {
    match outcome {
        ReleaseOutcome::Done { .. }
        | ReleaseOutcome::Unchanged { .. }
        | ReleaseOutcome::Skipped { .. }
        | ReleaseOutcome::NotStarted { .. } => Vec::new(),
        ReleaseOutcome::Refused { findings } => refused(release, findings),
        ReleaseOutcome::Failed(failure) => failed(release, failure, &codes(causes, release)),
        ReleaseOutcome::Undone { because_of, next } => vec![
            format!("{} {}, since {because_of} failed", paint(STRONG, release), paint(BAD, "undone")),
            format!("  {}", what_was_done(next)),
            String::new(),
        ],
        ReleaseOutcome::Interrupted { phase } => {
            vec![format!("{} {} in {phase}", paint(STRONG, release), paint(WARN, "interrupted")), String::new()]
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

fn failed(release: &ReleaseKey, failure: &Failure, codes: &[&str]) -> Vec<String> {
    let mut lines = vec![format!("{} {} in {}", paint(STRONG, release), paint(BAD, "failed"), failure.phase)];
    for (i, line) in failure.error.iter().enumerate() {
        let first = if i == 0 { "  " } else { "  caused by: " };
        lines.extend(indented(first, line, "      "));
    }
    if !codes.is_empty() {
        lines.push(format!("  because of {}", codes.join(", ")));
    }
    lines.extend(failure.attempts.iter().flat_map(|line| indented("  ", line, "      ")));
    if let Some(error) = &failure.on_deploy_failure_error {
        lines.extend(indented(&format!("  {} on_deploy_failure failed too: ", paint(WARN, "-")), error, "      "));
    }
    lines.push(format!("  {}", what_was_done(&failure.next)));
    lines.push(String::new());
    lines
}

/// What the failure policy did.
pub(super) fn what_was_done(next: &NextStep) -> String {
    match next {
        NextStep::Left { why } => format!("left as it is: {why}"),
        NextStep::RolledBack { to_revision } => format!("rolled back to revision {to_revision}"),
        NextStep::Uninstalled => "uninstalled".to_owned(),
        NextStep::RemediationFailed { tried, error } => {
            format!("{} {error}", paint(BAD, format!("{tried} failed too:")))
        }
    }
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
    use pilothouse_core::{Cause, Class, ObjectRef, ObjectStatus, Phase, Readiness};
    use rstest::rstest;

    fn resume() -> Afterwards {
        Afterwards::Resume("pilothouse resume --stack up.yaml".to_owned())
    }

    fn shown(releases: Vec<(ReleaseKey, ReleaseOutcome)>) -> String {
        whole(&RunOutcome { releases, stopped: None }, None, &resume())
    }

    fn whole(outcome: &RunOutcome, continued: Option<&Continued>, afterwards: &Afterwards) -> String {
        anstream::adapter::strip_str(&summary(outcome, 61_500, continued, afterwards, None).join("\n")).to_string()
    }

    #[test]
    fn a_failure_tells_what_why_and_what_was_done() {
        let object = ObjectRef::parse("Deployment/web/podinfo").unwrap();
        let failure = Failure {
            phase: Phase::Validate,
            step: None,
            error: vec!["1 of 3 objects is not ready after 20 s".to_owned(), "first line\nsecond line".to_owned()],
            causes: vec![Cause {
                evidence: vec!["Pod web/podinfo-1: container podinfo waits: ImagePullBackOff".to_owned()],
                ..Cause::unknown(
                    object,
                    ObjectStatus::new(Readiness::InProgress, "0 of 1 available").because("ImagePullBackOff"),
                )
            }],
            attempts: vec!["attempt 1 of 2 failed in exec: helm was killed".to_owned()],
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

    #[rstest]
    #[case(code::DATA_ATTACHED, true)]
    // Only a new plan helps.
    #[case(code::PLAN_OUTDATED, false)]
    fn how_the_others_are_carried_out(#[case] code: &str, #[case] told: bool) {
        let finding = Finding::new(Class::Unsafe, code, "it", "why");
        let reason = "another release is refused".to_owned();
        let outcome = RunOutcome {
            releases: vec![
                (key("a"), ReleaseOutcome::Refused { findings: vec![finding] }),
                (key("b"), ReleaseOutcome::NotStarted { reason, blocked_by: None }),
            ],
            stopped: None,
        };
        assert_eq!(others(&outcome).is_some(), told);
    }

    #[test]
    fn a_refusal_tells_every_finding_and_each_hint_once() {
        let finding = |name: &str| {
            Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, format!("ConfigMap web/{name}"), "nobody owns it")
        };
        let findings = vec![finding("a"), finding("b")];
        insta::assert_snapshot!(shown(vec![(ReleaseKey::new("web", "podinfo"), ReleaseOutcome::Refused { findings })]));
    }

    fn key(name: &str) -> ReleaseKey {
        ReleaseKey::new("web", name)
    }

    fn failure() -> ReleaseOutcome {
        ReleaseOutcome::Failed(Failure {
            phase: Phase::Exec,
            step: None,
            error: vec!["helm failed".to_owned()],
            causes: Vec::new(),
            attempts: Vec::new(),
            on_deploy_failure_error: None,
            next: NextStep::Left { why: "nothing was asked for".to_owned() },
        })
    }

    fn blocked(by: &str) -> ReleaseOutcome {
        let reason = format!("it needs web/{by}, which failed");
        ReleaseOutcome::NotStarted { reason, blocked_by: Some(key(by)) }
    }

    #[test]
    fn what_has_the_same_reason_is_told_together() {
        let skipped = || ReleaseOutcome::Skipped { reason: "action is skip".to_owned() };
        let mut releases = vec![(key("db"), failure()), (key("old"), skipped()), (key("mq"), failure())];
        releases.extend((1..=22).map(|n| (key(&format!("shop-{n}")), blocked("db"))));
        releases.extend([(key("queue"), blocked("mq")), (key("older"), skipped())]);
        insta::assert_snapshot!(shown(releases));
    }

    #[test]
    fn a_stopped_run_says_how_to_go_on() {
        let interrupted = || RunOutcome {
            releases: vec![
                (key("done"), ReleaseOutcome::Done { summary: "installed".to_owned() }),
                (key("db"), ReleaseOutcome::Interrupted { phase: Phase::Exec }),
                (key("a"), ReleaseOutcome::NotStarted { reason: StopReason::User.to_string(), blocked_by: None }),
                (key("b"), ReleaseOutcome::NotStarted { reason: StopReason::User.to_string(), blocked_by: None }),
                (key("needs-b"), blocked("b")),
            ],
            stopped: Some(StopReason::User),
        };
        let from = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let continued = Continued { from, done: vec![key("done")], begun: vec![key("db")] };
        insta::assert_snapshot!(whole(&interrupted(), Some(&continued), &resume()));
        insta::assert_snapshot!("a_stopped_rehearsal", whole(&interrupted(), None, &Afterwards::Nothing));
        let reasons = [
            StopReason::FailFast { release: key("db") },
            StopReason::LockLost { why: "the API server does not answer".to_owned() },
            StopReason::JournalFailed { why: "no space left on device".to_owned() },
        ];
        let told = reasons.map(|reason| {
            let outcome = RunOutcome { releases: Vec::new(), stopped: Some(reason) };
            let lines = stopped(&outcome, &resume()).join("\n");
            anstream::adapter::strip_str(&lines).to_string()
        });
        insta::assert_snapshot!("reasons_to_stop", told.join("\n"));
    }
}
