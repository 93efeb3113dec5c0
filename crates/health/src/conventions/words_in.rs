//! What single words, texts and flags of a status say.

use super::fields;
use super::names;
use super::opinion::Opinion;
use super::words::{self, Sense, complains, is_achieved, plain, sense_of_plain, sense_of_sentence};
use serde_json::{Map, Value};

/// The fields for one word about the whole.
const FIELDS: [&str; 9] =
    ["phase", "state", "health", "healthStatus", "status", "stage", "compliant", "currentState", "currentPhase"];
/// Words that end the name of a field for what went wrong (`lastError`, `validationErrors`).
const FAILURES: [&str; 4] = ["error", "errors", "failure", "failures"];
/// Words behind such a word that are for what it says of it (`failureMessage`, `errorDescription`).
const SAID_OF_IT: [&str; 7] = ["message", "msg", "description", "details", "text", "reason", "messages"];
/// What is written there when nothing went wrong.
const NO_FAILURE: [&str; 9] = ["", "-", "<none>", "n/a", "nil", "none", "no error", "null", "ok"];
/// Fields for a sentence about the whole.
const SENTENCES: [&str; 5] = ["message", "statusMessage", "description", "details", "info"];
const FLAGS: [&str; 7] = ["ready", "readyToUse", "isReady", "available", "healthy", "succeeded", "active"];
/// Flags that say of a part what has become of it there.
const PART_FLAGS: [&str; 2] = ["applied", "synced"];
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
    if let Some(said) = sense_of_sentence(word) {
        return Some(said);
    }
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
    let mut known: Vec<(&str, &str, Sense)> = known.collect();
    // The colour of what cannot be better, such as a search cluster of one member, whose copies have nowhere to go.
    if known.iter().any(|(_, _, sense)| *sense == Sense::Good) && all_hold(status) {
        known.retain(|(_, word, _)| !word.eq_ignore_ascii_case("yellow"));
    }
    // The first of equals.
    let worst = known.into_iter().reduce(|worst, other| if other.2 > worst.2 { other } else { worst });
    let (field, word, sense) = worst?;
    let said = said_beside(status, field, word, sense);
    let message = said.map_or_else(|| format!("{field} is {word}"), |said| format!("{field} is {word}: {said}"));
    // A sentence is no reason.
    let reason = if word.split_whitespace().count() > 4 { String::new() } else { word.split_whitespace().collect() };
    Some(Opinion { reason, ..Opinion::new(sense, names::WORDS, message) })
}

/// Whether a status has conditions, and all of them hold.
fn all_hold(status: &Map<String, Value>) -> bool {
    let conditions = status.get("conditions").map(fields::conditions_of).unwrap_or_default();
    !conditions.is_empty() && conditions.iter().all(fields::Condition::is_true)
}

/// Why it is so, as told beside a word (`phaseReason`, `stateMessage`, `message`): a sentence, or a reason where there is none.
fn said_beside(status: &Map<String, Value>, field: &str, word: &str, sense: Sense) -> Option<String> {
    let own = ["Message", "Reason", "Description"].map(|end| format!("{field}{end}"));
    let others = ["message", "reason", "phaseMessage", "phaseReason", "stateMessage", "stateReason"].map(str::to_owned);
    let said = own.iter().chain(&others).filter_map(|field| status.get(field)?.as_str());
    let said = said.filter(|text| !text.trim().is_empty() && *text != word).map(str::to_owned);
    // An error that is remembered says nothing of what is well.
    let errors = ["error", "lastError"].into_iter().filter(|_| sense > Sense::Good);
    let said: Vec<String> = said.chain(errors.filter_map(|field| failure_in(status.get(field)?))).collect();
    let sentence = said.iter().find(|text| text.trim().contains(' '));
    sentence.or_else(|| said.first()).cloned()
}

/// What a status says in a field for errors (`failureMessage` is Cluster API's). The last error is remembered by some
/// controllers after all is well again.
pub(super) fn of_failure_text(status: &Map<String, Value>, is_well: bool) -> Option<Opinion> {
    let fields = status.iter().filter_map(|(field, value)| {
        let words = plain(field);
        let counts = is_for_failures(&words) && !(is_well && words.starts_with("last "));
        // A message says more than a reason.
        counts.then(|| (words.ends_with("reason"), value))
    });
    let said = fields.filter_map(|(is_reason, value)| Some((is_reason, failure_in(value)?)));
    let (_, said) = said.min_by_key(|(is_reason, _)| *is_reason)?;
    Some(Opinion { reason: "Error".to_owned(), ..Opinion::new(Sense::Bad, names::FAILURE_TEXT, said) })
}

fn is_for_failures(words: &str) -> bool {
    let mut all: Vec<&str> = words.split(' ').collect();
    if all.first().is_some_and(|first| *first == "previous") {
        return false;
    }
    if all.len() > 1 && all.last().is_some_and(|last| SAID_OF_IT.contains(last)) {
        all.pop();
    }
    all.last().is_some_and(|last| FAILURES.contains(last))
}

fn failure_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let is_none = NO_FAILURE.contains(&text.trim().to_lowercase().as_str());
            (!is_none).then(|| text.clone())
        }
        Value::Object(error) => ["message", "reason"].into_iter().find_map(|field| failure_in(error.get(field)?)),
        Value::Array(errors) => errors.iter().find_map(failure_in),
        _ => None,
    }
}

/// What a reason and sentences say of the whole; for a status that says it nowhere else.
pub(super) fn of_sentences(status: &Map<String, Value>) -> Option<Opinion> {
    let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or_default();
    let reason = text("reason");
    let message = SENTENCES.into_iter().map(text).find(|text| !text.is_empty()).unwrap_or_default();
    let sense = match words::sense(reason) {
        Some(Sense::Bad | Sense::Missing) => Sense::Bad,
        _ => sense_of_sentence(message).or_else(|| complains(message).then_some(Sense::Bad))?,
    };
    let said = if message.is_empty() { reason } else { message };
    Some(Opinion { reason: reason.to_owned(), ..Opinion::new(sense, names::WORDS, said) })
}

/// What a flag says of a part, with the message beside it (`applied: false`, `appliedMessage`).
pub(super) fn of_part_flags(part: &Map<String, Value>) -> Option<Opinion> {
    let field = PART_FLAGS.into_iter().find(|field| part.get(*field).and_then(Value::as_bool) == Some(false))?;
    let text = |field: &str| part.get(field).and_then(Value::as_str).unwrap_or_default();
    let message = [text(&format!("{field}Message")), text("message")].into_iter().find(|text| !text.is_empty());
    let sense = if message.is_some_and(complains) { Sense::Bad } else { Sense::Moving };
    Some(Opinion::new(sense, names::FLAGS, message.map_or_else(|| format!("{field} is false"), str::to_owned)))
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
