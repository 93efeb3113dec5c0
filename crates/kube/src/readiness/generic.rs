//! Any other kind: what its conditions, its phase and its counts say by the conventions of the Kubernetes API.
//!
//! An object without any status is ready: most kinds never have one, and waiting for one that never comes would be
//! worse than not waiting for one that comes late.

use super::fields::{Condition, array, conditions, flag, is_unseen, number, text};
use super::words::{Sense, sense};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// Conditions that hold when all is well, the ones that sum up the others first.
const SUMMARY: [&str; 6] = ["Ready", "Available", "Healthy", "Succeeded", "Complete", "Completed"];
/// Conditions that hold when all is well, of which none sums up the others.
const GOOD: [&str; 16] = [
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Established",
    "Synced",
    "Deployed",
    "Valid",
    "Admitted",
    "Installed",
    "Reconciled",
    "Bound",
    "Initialized",
    "Updated",
    "Active",
    "Enforced",
    "Provisioned",
];
/// Conditions that hold while something is done.
const MOVING: [&str; 4] = ["Reconciling", "Progressing", "Updating", "Upgrading"];

/// One finding about the object; the worst of all is its status.
struct Opinion {
    sense: Sense,
    reason: String,
    message: String,
}

impl Opinion {
    fn of(sense: Sense, condition: &Condition<'_>) -> Self {
        Self { sense, reason: condition.reason.to_owned(), message: condition.says() }
    }
}

pub(super) fn any(object: &Value) -> ObjectStatus {
    if is_unseen(object, false) {
        return ObjectStatus::new(Readiness::InProgress, "its controller has not seen this version yet");
    }
    if ["/spec/paused", "/spec/suspend", "/spec/suspended"].into_iter().any(|field| flag(object, field)) {
        return ObjectStatus::new(Readiness::Current, "it is suspended, as its spec asks").because("Suspended");
    }
    let own = of_conditions(object, "/status/conditions");
    let mut opinions: Vec<Opinion> = own.into_iter().collect();
    opinions.extend(of_words(object));
    opinions.extend(of_counts(object));
    if opinions.is_empty() {
        opinions.extend(of_parts(object));
    }
    let Some(worst) = opinions.into_iter().max_by_key(|opinion| opinion.sense) else {
        return ObjectStatus::new(Readiness::Current, "it exists");
    };
    let status = match worst.sense {
        Sense::Good => ObjectStatus::new(Readiness::Current, worst.message),
        Sense::Moving => ObjectStatus::new(Readiness::InProgress, worst.message),
        Sense::Paused => return ObjectStatus::new(Readiness::InProgress, worst.message).because("Suspended"),
        Sense::Bad => ObjectStatus::new(Readiness::Failed, worst.message),
    };
    if worst.reason.is_empty() { status } else { status.because(worst.reason) }
}

/// What the conditions in the list at `pointer` say together.
fn of_conditions(object: &Value, pointer: &str) -> Option<Opinion> {
    let generation = number(object, "/metadata/generation");
    let all = conditions(object, pointer);
    let stale = |condition: &Condition<'_>| {
        condition.generation.zip(generation).is_some_and(|(written_for, now)| written_for < now)
    };
    // What is wrong in any case.
    if let Some(bad) = all.iter().find(|condition| condition.is_true() && is_bad(condition.kind)) {
        return Some(Opinion::of(Sense::Bad, bad));
    }
    if let Some(paused) = all.iter().find(|c| c.is_true() && sense(c.kind) == Some(Sense::Paused)) {
        return Some(Opinion::of(Sense::Paused, paused));
    }
    let summary = SUMMARY.iter().find_map(|kind| all.iter().find(|condition| condition.kind == *kind));
    if let Some(summary) = summary {
        if stale(summary) {
            return Some(Opinion::of(Sense::Moving, summary));
        }
        if !summary.is_true() {
            return Some(Opinion::of(of_unmet(summary), summary));
        }
    }
    if let Some(moving) = all.iter().find(|c| c.is_true() && MOVING.contains(&c.kind) && summary.is_none()) {
        return Some(Opinion::of(Sense::Moving, moving));
    }
    if let Some(unmet) = all.iter().find(|condition| is_good(condition.kind) && !condition.is_true()) {
        return Some(Opinion::of(of_unmet(unmet), unmet));
    }
    let good = summary.or_else(|| all.iter().find(|condition| is_good(condition.kind)))?;
    Some(Opinion { message: format!("{} is True", good.kind), ..Opinion::of(Sense::Good, good) })
}

/// Whether a condition of this name, when it holds, says that something is wrong.
fn is_bad(kind: &str) -> bool {
    kind == "Stalled" || kind == "NotReady" || sense(kind) == Some(Sense::Bad)
}

/// Whether a condition of this name should hold.
fn is_good(kind: &str) -> bool {
    GOOD.contains(&kind) || kind.ends_with("Ready") || kind.ends_with("Healthy") || kind.ends_with("Synced")
}

/// What a condition that should hold and does not says: wrong, or not yet.
fn of_unmet(condition: &Condition<'_>) -> Sense {
    if condition.status == "Unknown" {
        return Sense::Moving;
    }
    match sense(condition.reason) {
        Some(Sense::Bad) => Sense::Bad,
        Some(Sense::Moving) => Sense::Moving,
        Some(Sense::Paused) => Sense::Paused,
        Some(Sense::Good) | None => match sense(condition.message) {
            Some(Sense::Bad) => Sense::Bad,
            _ => Sense::Moving,
        },
    }
}

/// What single words in the status say.
fn of_words(object: &Value) -> Option<Opinion> {
    let fields = ["/status/phase", "/status/state", "/status/health", "/status/status"];
    let known = fields.into_iter().find_map(|field| sense(text(object, field)).map(|sense| (field, sense)));
    let (field, sense) = known?;
    let word = text(object, field);
    let said = [text(object, "/status/message"), text(object, "/status/reason")];
    let said = said.into_iter().find(|text| !text.is_empty());
    let name = field.trim_start_matches("/status/");
    let message = said.map_or_else(|| format!("{name} is {word}"), |said| format!("{name} is {word}: {said}"));
    Some(Opinion { sense, reason: word.split_whitespace().collect(), message })
}

/// Whether there are as many replicas as asked for, where both are counted.
fn of_counts(object: &Value) -> Option<Opinion> {
    let wanted = number(object, "/spec/replicas")?;
    let fields = ["readyReplicas", "availableReplicas", "updatedReplicas"];
    let counted = fields.into_iter().filter_map(|field| {
        let count = number(object, &format!("/status/{field}"))?;
        Some((field, count))
    });
    let (field, count) = counted.min_by_key(|(_, count)| *count).filter(|(_, count)| *count < wanted)?;
    Some(Opinion { sense: Sense::Moving, reason: String::new(), message: format!("{field}: {count} of {wanted}") })
}

/// What the parts of a status say that have conditions of their own (`status.parents` of a Gateway API route).
fn of_parts(object: &Value) -> Option<Opinion> {
    let status = object.get("status")?.as_object()?;
    let parts = status.keys().flat_map(|key| {
        let count = array(object, &format!("/status/{key}")).len();
        (0..count).map(move |index| format!("/status/{key}/{index}/conditions"))
    });
    parts.filter_map(|pointer| of_conditions(object, &pointer)).max_by_key(|opinion| opinion.sense)
}
