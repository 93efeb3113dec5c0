//! Why something does not work.

use super::finding::code;
use crate::ids::ObjectRef;
use crate::kubernetes::ObjectStatus;
use serde::{Deserialize, Serialize};

/// Whether waiting is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It is known, and nothing will change without somebody doing something.
    Certain,
    /// It is known, and may pass by itself: an image being pulled again, a node being added.
    Passing,
    /// It is not known for sure.
    #[default]
    Unclear,
}

/// Who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CauseClass {
    /// Whoever wrote the values or what they refer to.
    Config,
    /// Whoever makes the chart.
    Chart,
    /// Whoever makes the program in the container.
    App,
    /// Whoever runs the cluster.
    Cluster,
    /// Something else has to come first.
    Order,
    /// An earlier operation has left something.
    State,
    /// It follows from another cause.
    Derived,
    /// Nobody knows yet.
    #[default]
    Unknown,
}

fn unknown_code() -> String {
    code::UNKNOWN.to_owned()
}

/// Why something does not work, with what tells it. Journals of format 1 have only an object, its status and evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// A stable code, one of [`code`](crate::code).
    #[serde(default = "unknown_code")]
    pub code: String,
    /// Who can do something about it.
    #[serde(default)]
    pub class: CauseClass,
    /// Whether waiting is of use.
    #[serde(default)]
    pub certainty: Certainty,
    /// The object that does not work; `None` when helm failed without naming one.
    pub object: Option<ObjectRef>,
    /// How that object stands.
    pub status: Option<ObjectStatus>,
    /// The decisive fact, in one line.
    #[serde(default)]
    pub why: String,
    /// What is to blame, the same text for all that suffer from it: `Secret web/registry`. Causes with the same code and
    /// root are one.
    #[serde(default)]
    pub root: String,
    /// Lines of evidence: container states, events, the end of a log. Never the content of a Secret.
    pub evidence: Vec<String>,
    /// What to do next, each a command or an edit in one line.
    #[serde(default)]
    pub next: Vec<String>,
}

impl Cause {
    /// What is known of an object before it is understood: how it stands.
    pub fn unknown(object: ObjectRef, status: ObjectStatus) -> Self {
        Self {
            code: code::UNKNOWN.to_owned(),
            class: CauseClass::Unknown,
            certainty: Certainty::Unclear,
            why: status.message.clone(),
            root: object.to_string(),
            object: Some(object),
            status: Some(status),
            evidence: Vec::new(),
            next: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_of_old_journals_are_read() {
        let old = r#"{"object":{"api_version":"apps/v1","kind":"Deployment","namespace":"a","name":"b"},
            "status":{"readiness":"InProgress","message":"0 of 1"},"evidence":["event"]}"#;
        let cause: Cause = serde_json::from_str(old).unwrap();
        assert_eq!(
            (cause.code.as_str(), cause.class, cause.certainty),
            (code::UNKNOWN, CauseClass::Unknown, Certainty::Unclear)
        );
        assert_eq!((cause.evidence, cause.root.as_str()), (vec!["event".to_owned()], ""));
    }
}
