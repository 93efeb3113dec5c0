//! Which lines of a component's log say that something is broken.

use crate::component::Component;
use crate::error::Failure;
use serde_json::Value;

/// What a line of the log of `component` says is broken, if it does.
pub(crate) fn failure_in(component: Component, line: &str) -> Option<Failure> {
    if is_fatal(line) {
        return Some(Failure::Fatal { component, line: line.to_owned() });
    }
    if component == Component::Kwok { stage_failure(line) } else { None }
}

/// klog writes `F1121 08:21:07.000000 ...` before it exits; the Go runtime writes `panic: ` and `fatal error: `.
fn is_fatal(line: &str) -> bool {
    let klog = line.strip_prefix('F').is_some_and(|rest| {
        let (date, rest) = rest.split_at_checked(4).unwrap_or_default();
        !date.is_empty() && date.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with(' ')
    });
    klog || line.starts_with("panic: ") || line.starts_with("fatal error: ")
}

/// kwok logs JSON objects when its output is a file. What counts are the errors of playing a stage (`failed to apply
/// stage`) and of choosing one (`Failed to preprocess ...`), with `err`, `stage` and one of `pod`, `node`, `resource`.
fn stage_failure(line: &str) -> Option<Failure> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    let what = text("msg")?;
    if entry["level"] != "ERROR" || !(what == "failed to apply stage" || what.starts_with("Failed to preprocess")) {
        return None;
    }
    let message = text("err").unwrap_or_default();
    if is_harmless(&message) {
        return None;
    }
    let object = ["pod", "node", "resource"].into_iter().find_map(text).unwrap_or_else(|| "?".to_owned());
    Some(Failure::Stage { stage: text("stage").unwrap_or_else(|| "?".to_owned()), object, message })
}

/// An object may be changed or deleted between kwok's look at it and its write, and its namespace may be going; kwok
/// then looks again. A call that is refused because the API server is stopping is no stage's fault either.
fn is_harmless(message: &str) -> bool {
    [
        " not found",
        "the object has been modified",
        "because it is being terminated",
        "Precondition failed: UID in precondition",
        "connection refused",
        "context canceled",
    ]
    .iter()
    .any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: &str = r#"{"time":"2026-11-21T08:21:07Z","level":"ERROR","source":{"file":"pod_controller.go"},"msg":"failed to apply stage","id":"x","err":"CAUSE","pod":"shop/web","stage":"pod-ready"}"#;

    #[test]
    fn lines_that_end_a_program_are_failures() {
        let fatal = [
            "F1121 08:21:07.000000   12 server.go:100] cannot listen",
            "panic: runtime error: index out of range",
            "fatal error: all goroutines are asleep - deadlock!",
        ];
        for line in fatal {
            let component = Component::KubeScheduler;
            assert_eq!(failure_in(component, line), Some(Failure::Fatal { component, line: line.to_owned() }));
        }
    }

    #[test]
    fn other_lines_are_none() {
        let harmless = [
            "",
            "F",
            "Flag --something has been deprecated",
            "F112",
            "Fünf Zeichen",
            "E1121 08:21:07.000000   12 reflector.go:100] Failed to watch",
            "I1121 08:21:07.000000   12 panic: is only a word here",
        ];
        for line in harmless {
            assert_eq!(failure_in(Component::KubeScheduler, line), None, "{line}");
        }
    }

    #[test]
    fn errors_of_stages_are_failures_of_kwok_only() {
        let line = STAGE.replace("CAUSE", "failed to compute patch");
        let failure = Failure::Stage {
            stage: "pod-ready".to_owned(),
            object: "shop/web".to_owned(),
            message: "failed to compute patch".to_owned(),
        };
        assert_eq!(failure_in(Component::Kwok, &line), Some(failure));
        assert_eq!(failure_in(Component::KubeApiserver, &line), None);
        assert_eq!(failure_in(Component::Kwok, &line.replace("ERROR", "INFO")), None);
        assert_eq!(failure_in(Component::Kwok, &line.replace("failed to apply stage", "retrying")), None);
    }

    #[test]
    fn a_stage_that_cannot_be_chosen_is_a_failure_without_its_name() {
        let line = r#"{"level":"ERROR","msg":"Failed to preprocess node","err":"stage match: bad","pod":"shop/web"}"#;
        let failure = Failure::Stage {
            stage: "?".to_owned(),
            object: "shop/web".to_owned(),
            message: "stage match: bad".to_owned(),
        };
        assert_eq!(failure_in(Component::Kwok, line), Some(failure));
    }

    #[test]
    fn races_with_changes_and_deletions_are_harmless() {
        for error in
            ["pods \\\"web\\\" not found", "Operation cannot be fulfilled: the object has been modified; try again"]
        {
            assert_eq!(failure_in(Component::Kwok, &STAGE.replace("CAUSE", error)), None, "{error}");
        }
    }
}
