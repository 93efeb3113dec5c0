//! Any kind: what its generation, conditions, phases, counts and flags say by the conventions of the Kubernetes API.

use super::conditions::{self, of_conditions};
use super::fields::{self, flag, number};
use super::names;
use super::opinion::Opinion;
use super::words::Sense;
use super::{counts, words_in};
use crate::groups::is_built_in;
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The fields in which controllers say which generation of the spec their status is about.
const GENERATIONS: [&str; 6] = [
    "observedGeneration",
    "lastObservedGeneration",
    "lastEvaluatedGeneration",
    "lastProcessedGeneration",
    "lastReconciledGeneration",
    "reconciledGeneration",
];

/// What a general rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct General {
    pub(crate) status: ObjectStatus,
    /// Which one it is.
    pub(crate) rule: &'static str,
}

/// What holds for an object whatever its conditions, words and counts say.
pub(crate) fn before_all(object: &Value) -> Option<General> {
    let status = object.get("status").and_then(Value::as_object);
    let generation = number(object, "/metadata/generation");
    if let Some(status) = status.zip(generation).and_then(|(status, generation)| behind(status, generation)) {
        return Some(General { status, rule: names::GENERATION });
    }
    is_suspended(object).then(|| {
        let status = ObjectStatus::new(Readiness::Current, "it is suspended, as its spec asks").because("Suspended");
        General { status, rule: names::SUSPENDED }
    })
}

/// What the general rules say. `young` is whether the object is too new for an empty status to mean that there is
/// nothing to say.
pub(crate) fn any(object: &Value, young: bool) -> General {
    let told = |readiness, message: &str, rule| General { status: ObjectStatus::new(readiness, message), rule };
    let status = match object.get("status") {
        Some(Value::Object(status)) => Cow::Borrowed(status),
        // Some controllers write one word or a sentence.
        Some(Value::String(text)) => Cow::Owned(Map::from_iter([("status".to_owned(), Value::from(text.as_str()))])),
        _ => Cow::Owned(Map::new()),
    };
    let status = status.as_ref();
    if let Some(worst) = worst_opinion(object, status, number(object, "/metadata/generation")) {
        let rule = worst.rule;
        return General { status: worst.into_status(), rule };
    }
    if status.get("conditions").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return told(Readiness::InProgress, "its controller has not judged it yet", names::CONDITIONS);
    }
    if never_has_status(object) {
        return told(Readiness::Current, "it exists", names::NO_STATUS);
    }
    match (young, status.is_empty()) {
        (true, true) => told(Readiness::InProgress, "its controller has not written a status yet", names::YOUNG),
        (true, false) => told(Readiness::InProgress, "its controller has not said yet how it stands", names::YOUNG),
        (false, _) => told(Readiness::Current, "it exists", names::EXISTS),
    }
}

/// Whether the status is about an earlier version of the spec.
fn behind(status: &Map<String, Value>, generation: i64) -> Option<ObjectStatus> {
    let is_behind = GENERATIONS.iter().filter_map(|field| status.get(*field)).any(|seen| {
        let seen = seen.as_i64().or_else(|| seen.as_str()?.parse().ok());
        // Some controllers write -1 for an object they could not handle at all, and then say why.
        seen.is_some_and(|seen| (0..generation).contains(&seen))
    });
    // Conditions may each say which generation they are about; with all of an earlier one, nobody has seen this one.
    let conditions = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let newest = conditions.filter_map(|condition| condition.get("observedGeneration")?.as_i64()).max();
    let is_behind = is_behind || newest.is_some_and(|newest| newest < generation);
    is_behind.then(|| ObjectStatus::new(Readiness::InProgress, "its controller has not seen this version yet"))
}

/// Whether its owner has told its controller to leave it alone.
fn is_suspended(object: &Value) -> bool {
    let by_spec = [
        "/spec/paused",
        "/spec/pause",
        "/spec/suspend",
        "/spec/suspended",
        "/spec/strategy/paused",
        "/spec/updateStrategy/paused",
        "/spec/updateStrategy/rollingUpdate/paused",
    ];
    if by_spec.into_iter().any(|field| flag(object, field)) {
        return true;
    }
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.into_iter().flatten().any(|(key, value)| {
        let name = key.rsplit_once('/').map_or("", |(_, name)| name);
        let value = value.as_str().unwrap_or_default();
        match name {
            "paused" | "pause" | "pause-reconciliation" | "suspend" | "suspended" | "hibernation" => {
                matches!(value, "true" | "on" | "yes")
            }
            "reconcile" | "reconciliation" | "reconciliationLoop" => value == "disabled",
            _ => false,
        }
    })
}

fn worst_opinion(object: &Value, status: &Map<String, Value>, generation: Option<i64>) -> Option<Opinion> {
    let mut opinions: Vec<Opinion> = Vec::new();
    let listed = status.get("conditions").map(fields::conditions_of).unwrap_or_default();
    opinions.extend(of_conditions(listed, generation));
    opinions.extend(words_in::of_words(object, status));
    opinions.extend(counts::of_counts(object, status));
    opinions.extend(words_in::of_failure_text(status, is_well(object, status, generation)));
    opinions.extend(words_in::of_flags(status));
    opinions.extend(words_in::of_inner_health(object, status));
    if opinions.is_empty() {
        opinions.extend(words_in::of_named_words(object, status));
    }
    // Parts in trouble count even where the whole says nothing of it; otherwise the whole speaks for them.
    let parts = of_parts(object, status, generation);
    if opinions.iter().all(|one| one.rule == names::COUNTS && one.sense == Sense::Good) {
        opinions.extend(
            words_in::of_named_words(object, status).is_none().then(|| words_in::of_unknown_word(status)).flatten(),
        );
    }
    if opinions.is_empty() {
        opinions.extend(parts);
    } else {
        let speaks_for_parts =
            opinions.iter().all(|one| one.sense == Sense::Good) && opinions.iter().any(|one| one.rule != names::COUNTS);
        opinions.extend(parts.filter(|part| part.sense == Sense::Bad && !speaks_for_parts));
    }
    if opinions.is_empty() {
        opinions.extend(words_in::of_sentences(status));
    }
    worst(opinions)
}

/// Whether the whole is said to be as it should, by a condition or a word.
fn is_well(object: &Value, status: &Map<String, Value>, generation: Option<i64>) -> bool {
    let listed = status.get("conditions").map(fields::conditions_of).unwrap_or_default();
    if !listed.is_empty() {
        return conditions::is_well(listed, generation);
    }
    words_in::of_words(object, status).is_some_and(|said| said.sense == Sense::Good)
}

/// What the parts of a status say that have conditions, a state or counts of their own (`parents` of a Gateway API
/// route, `aggregatedStatus` by cluster, `statuses` by namespace, `racks`).
fn of_parts(object: &Value, status: &Map<String, Value>, generation: Option<i64>) -> Option<Opinion> {
    let of_part = |part: &Value| {
        // A part may have a status of its own.
        let own = of_part(object, part, generation);
        let inner = part.get("status").and_then(|inner| of_part(object, inner, generation));
        worst(own.into_iter().chain(inner))
    };
    worst(current(status).filter_map(|value| match value {
        Value::Array(items) => worst(items.iter().filter_map(of_part)),
        Value::Object(inner) => {
            let entries = current(inner).flat_map(|entry| match entry {
                Value::Array(items) => items.as_slice(),
                entry => std::slice::from_ref(entry),
            });
            worst(std::iter::once(value).chain(entries).filter_map(of_part))
        }
        _ => None,
    }))
}

/// The fields that tell what is.
fn current(status: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    status.iter().filter(|(field, _)| !words_in::is_history(field)).map(|(_, value)| value)
}

/// What one part says. Its counts and flags count where its conditions and words say nothing.
fn of_part(object: &Value, part: &Value, generation: Option<i64>) -> Option<Opinion> {
    let part = part.as_object()?;
    let conditions = || part.get("conditions").map(fields::conditions_of).unwrap_or_default();
    let failure = words_in::of_failure_text(part, is_well(object, part, generation));
    let said = [of_conditions(conditions(), generation), words_in::of_words(object, part), failure];
    let said = worst(said.into_iter().flatten()).or_else(|| counts::of_part(part));
    let said = worst(said.into_iter().chain(words_in::of_part_flags(part)))?;
    Some(Opinion { rule: names::PARTS, ..said })
}

/// The worst of some opinions, the first of equals.
fn worst(opinions: impl IntoIterator<Item = Opinion>) -> Option<Opinion> {
    opinions.into_iter().reduce(|worst, other| if other.sense > worst.sense { other } else { worst })
}

/// Whether the kind belongs to Kubernetes itself and never gets a status that tells whether it is ready (ConfigMap,
/// RBAC, webhook configurations).
fn never_has_status(object: &Value) -> bool {
    is_built_in(fields::group_and_kind(object).0)
}
