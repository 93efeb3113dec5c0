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
