//! The rules by which objects are judged.

use super::status::status;
use jiff::Timestamp;
use pilothouse_core::ObjectStatus;
use serde_json::Value;

/// How objects are judged: by Kubernetes' own semantics for its own kinds, by general rules for all others.
#[derive(Debug, Clone, Default)]
pub struct Rules {}

/// How an object stands, and which rule says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it stands.
    pub status: ObjectStatus,
    /// The rule that decided, for people.
    pub rule: String,
}

impl Rules {
    /// Tells how an object stands, from its JSON as the API gives it. `now` is what its age is counted by.
    pub fn judge(&self, object: &Value, now: Timestamp) -> Verdict {
        let _ = now;
        Verdict { status: status(object), rule: "kind".to_owned() }
    }
}
