//! The rules by which objects are judged, and their order.

use super::rule::{Case, Rule, RuleError, RuleSet};
use super::status::{built_in, deleted};
use super::storage::unused_claim;
use crate::conventions::fields::{group_and_kind, text};
use crate::conventions::{General, any, before_all};
use jiff::{SignedDuration, Timestamp};
use pilothouse_core::{ObjectStatus, Readiness, ReadinessRule};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// How long a controller may take to write a first status.
const YOUNG: SignedDuration = SignedDuration::from_secs(10);

const UNUSED_CLAIM: &str = "Kubernetes: PersistentVolumeClaim, with its StorageClass";

/// The rules for single kinds that ship with the program.
const SHIPPED: &str = include_str!("rules.yaml");

static SHIPPED_RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::new(shipped()));

/// How objects are judged: by rules given for a kind, else by Kubernetes' own semantics for its own kinds, else by the
/// rules for single kinds that ship with the program, else by general rules. A clone shares everything.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    given: Option<Arc<RuleSet>>,
    general_only: bool,
}

/// How an object stands, and which rule says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it stands.
    pub status: ObjectStatus,
    /// The rule that decided, for people.
    pub rule: String,
}

impl Rules {
    /// What ships with the program, and `given` before all of it. Of several rules for a kind, the last counts.
    ///
    /// # Errors
    /// When an expression cannot be used.
    pub fn with(given: &[ReadinessRule]) -> Result<Self, RuleError> {
        for (number, rule) in given.iter().enumerate() {
            Rule::new(number, rule)?;
        }
        let given = (!given.is_empty()).then(|| Arc::new(RuleSet::new(given.to_vec())));
        Ok(Self { given, general_only: false })
    }

    /// Without the rules for single kinds that ship with the program: to measure what the general ones are worth.
    pub fn general_only() -> Self {
        Self { given: None, general_only: true }
    }

    /// The kinds for which rules ship with the program, as the data file writes them.
    pub fn shipped_kinds() -> Vec<String> {
        SHIPPED_RULES.kinds().into_iter().map(str::to_owned).collect()
    }

    /// Tells how objects stand that belong together: as [`Rules::judge`], but a claim that its storage class binds only when
    /// a pod uses it is ready when no pod of `objects` does. Of the classes, those among `objects` are known.
    pub fn judge_together(&self, objects: &[&Value], now: Timestamp) -> Vec<Verdict> {
        let judge = |object: &&Value| {
            let verdict = self.judge(object, now);
            if verdict.status.readiness != Readiness::InProgress {
                return verdict;
            }
            unused_claim(object, objects).map_or(verdict, |status| Verdict { status, rule: UNUSED_CLAIM.to_owned() })
        };
        objects.iter().map(judge).collect()
    }

    /// Tells how an object stands, from its JSON as the API gives it. `now` is what its age is counted by.
    pub fn judge(&self, object: &Value, now: Timestamp) -> Verdict {
        if let Some(status) = deleted(object) {
            return Verdict { status, rule: "deletion".to_owned() };
        }
        let (group, kind) = group_and_kind(object);
        let young = is_young(object, now);
        let given = self.given.as_ref().and_then(|rules| rules.rule(kind, group));
        if let Some(verdict) = given.and_then(|(rule, name)| by_rule(rule, name, "stack file", object, young)) {
            return verdict;
        }
        if let Some(status) = built_in(group, kind, object) {
            return Verdict { status, rule: format!("Kubernetes: {kind}") };
        }
        if let Some(General { status, rule }) = before_all(object) {
            return Verdict { status, rule: rule.to_owned() };
        }
        let shipped = if self.general_only { None } else { SHIPPED_RULES.rule(kind, group) };
        if let Some(verdict) = shipped.and_then(|(rule, name)| by_rule(rule, name, "shipped", object, young)) {
            return verdict;
        }
        let General { status, rule } = any(object, young);
        Verdict { status, rule: rule.to_owned() }
    }
}

/// How the message ends of an object of which only a rule for its kind tells how it stands, and nothing why.
pub(crate) const BY_ITS_RULE: &str = "by the rule for its kind";

/// What a rule for the kind says.
fn by_rule(rule: &Rule, name: &str, from: &str, object: &Value, young: bool) -> Option<Verdict> {
    let (readiness, case) = rule.judge(object)?;
    let key = case.map_or("none of its conditions holds", Case::key);
    let mut status = match rule.message(object) {
        Some(message) => ObjectStatus::new(readiness, message),
        None if readiness == Readiness::Current => ObjectStatus::new(readiness, "it is ready by the rule for its kind"),
        None => in_general_words(readiness, object, young),
    };
    if case == Some(Case::Suspended) {
        status.reason = Some("Suspended".to_owned());
    }
    Some(Verdict { status, rule: format!("{from}: {name}: {key}") })
}

/// The reason and the message that the general rules have for this readiness; rules for a kind need not repeat them.
fn in_general_words(readiness: Readiness, object: &Value, young: bool) -> ObjectStatus {
    let General { status, .. } = any(object, young);
    if status.readiness == readiness {
        return status;
    }
    let message = match readiness {
        Readiness::Failed => "it has failed",
        Readiness::Unknown => "nothing can be said about it",
        _ => "it is not ready yet",
    };
    ObjectStatus::new(readiness, format!("{message} {BY_ITS_RULE}"))
}

/// Whether an object is so new that an empty status says nothing. One without a time of creation was not made by an API
/// server yet.
fn is_young(object: &Value, now: Timestamp) -> bool {
    let created = text(object, "/metadata/creationTimestamp").parse::<Timestamp>();
    created.map_or(true, |created| now.duration_since(created) < YOUNG)
}

/// The rules of the data file. It is part of the program, and a test reads every expression in it.
fn shipped() -> Vec<ReadinessRule> {
    serde_saphyr::from_str(SHIPPED).unwrap_or_default()
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
