//! What single words, texts and flags of a status say.

use super::fields;
use super::names;
use super::opinion::Opinion;
use super::words::{Sense, is_achieved, plain, sense_of_plain};
use serde_json::{Map, Value};

/// The fields for one word about the whole.
const FIELDS: [&str; 9] =
    ["phase", "state", "health", "healthStatus", "status", "stage", "compliant", "currentState", "currentPhase"];
/// Fields for what went wrong.
const FAILURES: [&str; 6] =
    ["failureMessage", "errorMessage", "errorDescription", "lastError", "failureReason", "error"];
const FLAGS: [&str; 7] = ["ready", "readyToUse", "isReady", "available", "healthy", "succeeded", "active"];
/// Ends of the names of kinds that do something once: running, they are not done.
const ONCE: [&str; 20] = [
    "Analysis",
    "AnalysisRun",
    "Backup",
    "Benchmark",
    "Build",
    "Copy",
    "Execution",
    "Experiment",
    "Export",
    "Import",
    "Job",
    "Migration",
    "Operation",
    "Repair",
    "Restore",
    "Run",
    "Scan",
    "Task",
    "Test",
    "Workflow",
];

/// Words that are good for what stays, and a beginning for what is done once.
const BEGUN: [&str; 12] = [
    "accepted",
    "active",
    "assigned",
    "connected",
    "created",
    "executing",
    "initialized",
    "live",
    "open",
    "running",
    "started",
    "up",
];

/// What a word says about an object of this kind.
fn sense_for(object: &Value, word: &str) -> Option<Sense> {
    let words = plain(word);
    let said = sense_of_plain(&words).or_else(|| is_achieved(&words).then_some(Sense::Good))?;
    if said == Sense::Good && BEGUN.contains(&words.as_str()) {
        let kind = fields::member(object, "kind");
        if ONCE.iter().any(|end| kind.ends_with(end)) {
            return Some(Sense::Moving);
        }
    }
    Some(said)
}

/// A word in one of the main fields that nobody here knows.
pub(super) fn of_unknown_word(status: &Map<String, Value>) -> Option<Opinion> {
    let mut words = FIELDS.iter().filter_map(|field| Some((field, status.get(*field)?.as_str()?)));
    let (field, word) = words.find(|(_, word)| !word.is_empty())?;
    Some(Opinion::new(Sense::Unknown, names::WORDS, format!("{field} is {word}, a word that no rule knows")))
}

/// The worst of what the fields for one word say.
pub(super) fn of_words(object: &Value, status: &Map<String, Value>) -> Option<Opinion> {
    of_fields(object, status, FIELDS.into_iter())
}

/// What the health of a part says that the status names (`ceph.health`).
pub(super) fn of_inner_health(object: &Value, status: &Map<String, Value>) -> Option<Opinion> {
    let parts = status.iter().filter(|(field, _)| !is_history(field)).filter_map(|(_, part)| part.as_object());
    let said = parts.filter_map(|part| of_fields(object, part, ["health", "healthStatus"].into_iter()));
    said.reduce(|worst, other| if other.sense > worst.sense { other } else { worst })
}

/// What words under a longer name say (`certificateStatus`, `currentStatus`, `lifecycleState`).
pub(super) fn of_named_words(object: &Value, status: &Map<String, Value>) -> Option<Opinion> {
    let named = |field: &&str| {
        let ends = ["Status", "State", "Phase", "Health"];
        ends.iter().any(|end| field.ends_with(end)) && !is_history(field)
    };
    of_fields(object, status, status.keys().map(String::as_str).filter(named))
}

fn of_fields<'a>(
    object: &Value,
    status: &'a Map<String, Value>,
    fields: impl Iterator<Item = &'a str>,
) -> Option<Opinion> {
    let known = fields.filter_map(|field| {
        let word = status.get(field)?.as_str()?;
        Some((field, word, sense_for(object, word)?))
    });
    // The first of equals.
    let (field, word, sense) = known.reduce(|worst, other| if other.2 > worst.2 { other } else { worst })?;
    let said = ["message", "reason"].map(|field| status.get(field).and_then(Value::as_str).unwrap_or_default());
    let said = said.into_iter().find(|text| !text.is_empty() && *text != word);
    let message = said.map_or_else(|| format!("{field} is {word}"), |said| format!("{field} is {word}: {said}"));
    let reason = word.split_whitespace().collect();
    Some(Opinion { reason, ..Opinion::new(sense, names::WORDS, message) })
}

/// What a status says in a field for errors (`failureMessage` is Cluster API's). The last error is remembered by some
/// controllers after all is well again.
pub(super) fn of_failure_text(status: &Map<String, Value>, is_well: bool) -> Option<Opinion> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(error) => error.get("message").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let fields = FAILURES.iter().filter(|field| !(is_well && **field == "lastError"));
    let said = fields.filter_map(|field| text(status.get(*field)?)).find(|text| !text.is_empty())?;
    Some(Opinion { reason: "Error".to_owned(), ..Opinion::new(Sense::Bad, names::FAILURE_TEXT, said) })
}

/// What `ready: false` and its like say.
pub(super) fn of_flags(status: &Map<String, Value>) -> Option<Opinion> {
    let known = FLAGS.iter().filter_map(|field| Some((field, status.get(*field)?.as_bool()?)));
    // One that is false counts more.
    let (field, holds) = known.min_by_key(|(_, holds)| *holds)?;
    let sense = if holds { Sense::Good } else { Sense::Moving };
    Some(Opinion::new(sense, names::FLAGS, format!("{field} is {holds}")))
}

/// Whether a field of a status tells what was, not what is.
pub(super) fn is_history(field: &str) -> bool {
    field == "conditions" || field.starts_with("last") || field.starts_with("previous") || field.ends_with("istory")
}
