//! What one look at an object tells a wait.

use crate::client::{ClusterError, Seen, in_one_line};
use jiff::Timestamp;
use pilothouse_core::{ObjectStatus, Readiness};
use pilothouse_health::{Rules, failed_before, is_certain};
use serde_json::Value;

/// What a look at one object tells a wait.
pub(crate) struct Look {
    pub status: ObjectStatus,
    /// It is where it should be.
    pub done: bool,
    /// It will certainly not get there.
    pub hopeless: bool,
    /// What others show has a part in it.
    pub depends: bool,
}

impl Look {
    /// The same for who waits since that time: what was told before may have been put right.
    pub(crate) fn since(mut self, object: Option<&Value>, since: Option<Timestamp>) -> Self {
        if object.zip(since).is_some_and(|(object, since)| failed_before(object, &self.status, since)) {
            self.hopeless = false;
            self.status.readiness = Readiness::InProgress;
        }
        self
    }
}

/// What an object that was read tells, or that it is not there (`None`).
pub(crate) fn readiness(rules: &Rules, object: Option<&Value>) -> Look {
    match object {
        Some(object) => {
            let status = rules.judge(object, Timestamp::now()).status;
            Look { done: status.is_ready(), hopeless: is_certain(object, &status), depends: false, status }
        }
        None => pending(Readiness::NotFound, "it does not exist"),
    }
}

pub(crate) fn look_for_ready(rules: &Rules, seen: &Seen) -> Look {
    match seen {
        Ok(object) => readiness(rules, object.as_ref()),
        // Its definition may be on its way.
        Err(error) if matches!(**error, ClusterError::NotServed { .. }) => {
            pending(Readiness::NotFound, error.to_string())
        }
        Err(error) => unreadable(error),
    }
}

pub(crate) fn pending(readiness: Readiness, message: impl Into<String>) -> Look {
    Look { status: ObjectStatus::new(readiness, message), done: false, hopeless: false, depends: false }
}

pub(crate) fn unreadable(error: &ClusterError) -> Look {
    let status = ObjectStatus::new(Readiness::Unknown, format!("it cannot be read: {}", in_one_line(error)));
    Look { status: status.because("Unreadable"), done: false, hopeless: !error.is_transient(), depends: false }
}
