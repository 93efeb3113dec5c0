//! The health of one object.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Readiness {
    /// It is what its spec asks for.
    Current,
    /// On its way.
    InProgress,
    /// It will not get there by itself.
    Failed,
    /// Being deleted.
    Terminating,
    /// It does not exist.
    NotFound,
    /// It cannot be judged.
    Unknown,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "ready",
            Self::InProgress => "in progress",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
            Self::NotFound => "not found",
            Self::Unknown => "unknown",
        })
    }
}

/// The health of one object and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectStatus {
    /// How it stands.
    pub readiness: Readiness,
    /// One word for machines, in the way of Kubernetes' condition reasons (`ProgressDeadlineExceeded`).
    pub reason: Option<String>,
    /// One line for people.
    pub message: String,
}

impl ObjectStatus {
    /// A status without a reason word.
    pub fn new(readiness: Readiness, message: impl Into<String>) -> Self {
        Self { readiness, reason: None, message: message.into() }
    }

    /// Adds the reason word.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Whether nothing more is to be waited for.
    pub fn is_ready(&self) -> bool {
        self.readiness == Readiness::Current
    }
}

/// How objects of one kind are judged: conditions in CEL, asked in the order of the fields. Each is text; what they see is
/// described in `docs/readiness.md`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadinessRule {
    /// `Certificate.cert-manager.io`: the kind and its group, in any version. `*` stands for any kind, and `*.` at the
    /// beginning of the group for anything before the rest.
    pub kind: String,
    /// When it holds, the object is failed.
    #[serde(default)]
    pub failed: Option<String>,
    /// When it holds, the object waits because it was told to.
    #[serde(default)]
    pub suspended: Option<String>,
    /// When it holds, the object is on its way.
    #[serde(default)]
    pub in_progress: Option<String>,
    /// When it holds, the object is ready.
    #[serde(default)]
    pub current: Option<String>,
    /// When it holds, nothing can be said about the object.
    #[serde(default)]
    pub unknown: Option<String>,
    /// What holds when no condition does; when not given: on its way for a rule with `current`, else the general rules.
    #[serde(default)]
    pub otherwise: Option<Otherwise>,
    /// Gives the text for people.
    #[serde(default)]
    pub message: Option<String>,
}

/// What becomes of an object when no condition of a [`ReadinessRule`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// It is on its way.
    InProgress,
    /// The rules that would decide without this one decide.
    General,
}
