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
