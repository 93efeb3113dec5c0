//! What a run of validate phases has told, as JUnit XML: a suite for each release, a case for each check.

use pilothouse_core::{CheckComparison, CheckReport, Event, EventKind, HelmAction, Phase, ReleaseKey, ReleaseOutcome};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The first case of every suite: what `validate` looks at before its steps.
const READY: &str = "every object of the release is ready";

/// The document of a run.
///
/// # Errors
/// When it cannot be written as XML.
pub(crate) fn junit(events: &[Event]) -> Result<String, SerializeError> {
    let mut report = Report::new("pilothouse validate");
    let mut releases: Vec<(ReleaseKey, HelmAction)> = Vec::new();
    for event in events {
        match &event.kind {
            EventKind::RunStarted { releases: planned, .. } => {
                releases = planned.iter().map(|planned| (planned.release.clone(), planned.action)).collect();
            }
            EventKind::RunFinished { elapsed_ms, .. } => {
                report.set_time(Duration::from_millis(*elapsed_ms));
            }
            _ => {}
        }
    }
    for (release, action) in &releases {
        report.add_test_suite(suite(release, *action, events));
    }
    report.to_string()
}

/// A step as far as it is known.
#[derive(Default)]
struct Step<'e> {
    description: &'e str,
    check: Option<&'e CheckReport>,
    error: Option<&'e str>,
    elapsed_ms: Option<u64>,
}

fn suite(release: &ReleaseKey, action: HelmAction, events: &[Event]) -> TestSuite {
    let mut suite = TestSuite::new(release.to_string());
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut outcome = None;
    for event in events {
        match &event.kind {
            EventKind::StepStarted { release: of, phase: Phase::Validate, description, .. } if of == release => {
                steps.push(Step { description, ..Step::default() });
            }
            EventKind::Checked { release: of, phase: Phase::Validate, report, .. } if of == release => {
                if let Some(step) = steps.last_mut() {
                    step.check = Some(report);
                }
            }
            EventKind::StepFinished { release: of, phase: Phase::Validate, error, elapsed_ms, .. } if of == release => {
                if let Some(step) = steps.last_mut() {
                    step.error = error.as_deref();
                    step.elapsed_ms = Some(*elapsed_ms);
                }
            }
            EventKind::ReleaseFinished { release: of, outcome: ended, elapsed_ms } if of == release => {
                outcome = Some(ended);
                suite.set_time(Duration::from_millis(*elapsed_ms));
            }
            _ => {}
        }
    }
    if action == HelmAction::Deploy || steps.is_empty() {
        suite.add_test_case(ready(outcome, steps.is_empty()).named(release));
    }
    for step in &steps {
        suite.add_test_case(case(step).named(release));
    }
    suite
}

/// The case of what is looked at before the steps. `alone` says that no step was begun.
fn ready(outcome: Option<&ReleaseOutcome>, alone: bool) -> TestCase {
    let status = match outcome {
        Some(ReleaseOutcome::Failed(failure)) if alone => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(failure.error.first().cloned().unwrap_or_default());
            let causes = failure.causes.iter().map(|cause| {
                let object = cause.object.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{object}: {}", cause.why)
            });
            let lines: Vec<String> = failure.error.iter().cloned().chain(causes).collect();
            status.set_description(lines.join("\n"));
            status
        }
        Some(ReleaseOutcome::Refused { findings }) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            status.set_message(lines.join("\n"));
            status
        }
        Some(
            ReleaseOutcome::Done { .. }
            | ReleaseOutcome::Unchanged { .. }
            | ReleaseOutcome::Failed(_)
            | ReleaseOutcome::Undone { .. },
        ) => TestCaseStatus::success(),
        Some(ReleaseOutcome::Interrupted { .. }) if !alone => TestCaseStatus::success(),
        Some(ReleaseOutcome::Skipped { reason } | ReleaseOutcome::NotStarted { reason, .. }) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone());
            status
        }
        Some(ReleaseOutcome::Interrupted { .. }) | None => interrupted(),
    };
    TestCase::new(READY, status)
}

fn interrupted() -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message("interrupted");
    status
}

fn case(step: &Step<'_>) -> TestCase {
    let status = match (step.elapsed_ms, step.error) {
        (None, _) => interrupted(),
        (Some(_), None) => TestCaseStatus::success(),
        (Some(_), Some(error)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let message = step.check.map_or(error, |check| check.why.as_str());
            status.set_message(message).set_description(error);
            status
        }
    };
    let mut case = TestCase::new(step.description, status);
    if let Some(check) = step.check {
        case.set_system_out(told(check));
    }
    case.set_time(Duration::from_millis(step.elapsed_ms.unwrap_or_default()));
    case
}

/// What a check has told, with its evidence.
fn told(check: &CheckReport) -> String {
    let mut lines = vec![check.why.clone()];
    lines.extend(match check.comparison {
        Some(CheckComparison::WasBroken) => Some("warning: it did not hold before the change either".to_owned()),
        Some(CheckComparison::Broken) => Some("it held before the change".to_owned()),
        Some(CheckComparison::Fixed) => Some("it did not hold before the change".to_owned()),
        Some(CheckComparison::StillHolds) | None => None,
    });
    lines.extend(check.evidence.asked.iter().map(|line| format!("asked: {line}")));
    lines.extend(check.evidence.got.iter().map(|line| format!("got: {line}")));
    lines.push(format!("attempts: {}", check.attempts));
    lines.join("\n")
}

/// Every case names its release, for readers that do not show suites.
trait Named {
    fn named(self, release: &ReleaseKey) -> Self;
}

impl Named for TestCase {
    fn named(mut self, release: &ReleaseKey) -> Self {
        self.set_classname(release.to_string());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{done, failed, finished, key, planned, run_started};
    use pilothouse_core::{CheckVerdict, Evidence, RunVerdict};

    fn step(name: &str, index: usize, description: &str, report: CheckReport, error: Option<&str>) -> Vec<EventKind> {
        let (release, phase) = (key(name), Phase::Validate);
        vec![
            EventKind::StepStarted {
                release: release.clone(),
                phase,
                index,
                description: description.to_owned(),
                repeatable: true,
                digest: String::new(),
            },
            EventKind::Checked { release: release.clone(), phase, report, baseline_of: None },
            EventKind::StepFinished {
                release,
                phase,
                index,
                error: error.map(str::to_owned),
                output: None,
                elapsed_ms: 1_250,
            },
        ]
    }

    #[test]
    fn a_suite_for_each_release_and_a_case_for_each_check() {
        let held = CheckReport {
            check: "GET http service web port 80 /".to_owned(),
            kind: "http".to_owned(),
            verdict: CheckVerdict::Held,
            why: "the status is 200".to_owned(),
            comparison: None,
            evidence: Evidence { asked: vec!["GET / <&>".to_owned()], got: vec!["200 from pod web/web-0".to_owned()] },
            attempts: 1,
            elapsed_ms: 1_250,
        };
        let not = CheckReport {
            verdict: CheckVerdict::NotHeld,
            why: "the status is 503, not 2xx".to_owned(),
            ..held.clone()
        };
        let mut kinds = vec![run_started(vec![planned("web/a", &[]), planned("web/b", &[])])];
        kinds.extend(step("web/a", 0, "front page", held, None));
        kinds.extend(step("web/a", 1, "login", not, Some("the status is 503, not 2xx\nasked: GET / <&>")));
        kinds.push(finished("web/a", failed(Phase::Validate, "step failed: login"), 2_600));
        kinds.push(finished("web/b", done("valid"), 100));
        kinds.push(EventKind::RunFinished { verdict: RunVerdict::Failed, elapsed_ms: 2_700 });
        let events: Vec<Event> =
            (1..).zip(kinds).map(|(seq, kind)| Event { seq, at: jiff::Timestamp::UNIX_EPOCH, kind }).collect();
        insta::assert_snapshot!(junit(&events).unwrap());
    }
}
