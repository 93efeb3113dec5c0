//! What the cluster holds of a release before it is touched, as plain data.

use crate::context::inputs::PlainInputs;
use pilothouse_core::{Decision, Observation, ReleaseHistory, ReleaseState};

/// What was seen of a release and its namespace, and what was decided from that.
#[derive(Debug)]
pub(crate) struct Observed {
    /// What the decision depends on.
    pub(crate) seen: Observation,
    /// The namespace.
    pub(crate) namespace: NamespaceState,
    /// What is wanted, as digests.
    pub(crate) inputs: Option<PlainInputs>,
    /// The state of the release.
    pub(crate) state: ReleaseState,
    /// What is to be done about it.
    pub(crate) decision: Decision,
}

impl Observed {
    /// Helm's history of the release as far as it could be read.
    pub(crate) fn known_history(&self) -> &ReleaseHistory {
        self.seen.known_history()
    }
}

/// How the release's namespace stands.
#[derive(Debug, Clone)]
pub(crate) enum NamespaceState {
    Active,
    Absent,
    Terminating,
    Unreadable(String),
}
