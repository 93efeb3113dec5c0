//! What one look at an object says; the worst of all is its status.

use super::fields::Condition;
use super::names;
use super::words::Sense;
use pilothouse_core::{ObjectStatus, Readiness};

/// A finding about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opinion {
    pub(super) sense: Sense,
    pub(super) reason: String,
    pub(super) message: String,
    /// The general rule it comes from.
    pub(super) rule: &'static str,
}

impl Opinion {
    pub(super) fn new(sense: Sense, rule: &'static str, message: impl Into<String>) -> Self {
        Self { sense, reason: String::new(), message: message.into(), rule }
    }

    /// What a condition says.
    pub(super) fn of(sense: Sense, condition: &Condition<'_>) -> Self {
        let message =
            if sense == Sense::Good { format!("{} is {}", condition.kind, condition.status) } else { condition.says() };
        Self { sense, reason: condition.reason.to_owned(), message, rule: names::CONDITIONS }
    }

    pub(super) fn into_status(self) -> ObjectStatus {
        let readiness = match self.sense {
            Sense::Good => Readiness::Current,
            Sense::Moving => Readiness::InProgress,
            Sense::Unknown => Readiness::Unknown,
            Sense::Missing => Readiness::NotFound,
            Sense::Paused => return ObjectStatus::new(Readiness::InProgress, self.message).because("Suspended"),
            Sense::Bad => Readiness::Failed,
        };
        let status = ObjectStatus::new(readiness, self.message);
        if self.reason.is_empty() { status } else { status.because(self.reason) }
    }
}
