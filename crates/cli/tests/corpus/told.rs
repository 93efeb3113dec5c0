//! What the program has told of why a release does not work.

use jiff::Timestamp;
use serde_json::Value;

/// One telling of a cause or finding.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) at: Timestamp,
    pub(crate) code: String,
    /// `Kind/name`, or whatever a finding is about.
    pub(crate) object: String,
    pub(crate) certain: bool,
    /// A cause of the release's end, not one told on the way.
    pub(crate) last: bool,
    /// All that was told of it.
    pub(crate) text: String,
}

/// What a run has told, from its events as JSON lines, in the order of telling.
pub(crate) fn told(stdout: &str) -> Vec<Told> {
    let events = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.flat_map(|event| of_event(&event)).collect()
}

fn of_event(event: &Value) -> Vec<Told> {
    let at = event["at"].as_str().and_then(|at| at.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cause = |cause: &Value, last| Told {
        at,
        code: text(&cause["code"]),
        object: match &cause["object"] {
            Value::Null => String::new(),
            object => format!("{}/{}", text(&object["kind"]), text(&object["name"])),
        },
        certain: cause["certainty"] == "certain",
        last,
        text: words(cause),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    if event["event"] == "cause_found" {
        return vec![cause(&event["cause"], false)];
    }
    if event["event"] == "error" {
        let error = event["code"].as_str().map(|code| Told {
            at,
            code: code.to_owned(),
            object: String::new(),
            certain: false,
            last: true,
            text: words(event),
        });
        return error.into_iter().collect();
    }
    if event["event"] != "release_finished" {
        return Vec::new();
    }
    let outcome = &event["outcome"];
    let finding = |finding: &Value| Told {
        at,
        code: text(&finding["code"]),
        object: text(&finding["subject"]),
        certain: true,
        last: true,
        text: words(finding),
    };
    let causes = list(&outcome["causes"]);
    causes.iter().map(|of| cause(of, true)).chain(list(&outcome["findings"]).iter().map(finding)).collect()
}

/// Every text in it, one a line.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(all) => all.iter().map(words).collect(),
        Value::Object(all) => all.values().map(words).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// When helm ended in vain, if it did.
pub(crate) fn helm_failed_at(stdout: &str) -> Option<Timestamp> {
    let events = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut failed = events.filter(|event| event["event"] == "helm_finished" && event["error"].is_string());
    failed.next().and_then(|event| event["at"].as_str()?.parse().ok())
}
