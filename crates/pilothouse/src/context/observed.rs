//! What the cluster holds of a release before it is touched, as plain data.

use crate::context::inputs::{InputsInForm, PlainInputs};
use pilothouse_core::{Foreign, LiveSeen, PendingSeen, RecordSeen, ReleaseHistory, Rendered};
use pilothouse_helm::ReleaseRecord;
use semver::Version;

/// What was seen of a release and its namespace.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// Helm's records, or why they could not be read.
    pub(crate) history: Result<ReleaseHistory, String>,
    /// The newest revision that was deployed, read only when it matters for the decision.
    pub(crate) deployed: Option<ReleaseRecord>,
    /// The namespace.
    pub(crate) namespace: NamespaceState,
    /// The chart version that is wanted.
    pub(crate) wanted_version: Option<Version>,
    /// Another tool that still manages it.
    pub(crate) foreign: Option<Foreign>,
    /// What is remembered of its last deploy.
    pub(crate) record: RecordSeen,
    /// What is wanted, as digests.
    pub(crate) inputs: Option<PlainInputs>,
    /// The same in the form in which the record has what was deployed.
    pub(crate) in_record: Option<InputsInForm>,
    /// Why its templates have to be rendered to tell what is wanted, if so.
    pub(crate) must_render: Option<String>,
    /// What comparing the rendered result with what is deployed said.
    pub(crate) rendered: Option<Rendered>,
    /// The live objects, looked at only when it matters for the decision.
    pub(crate) live: LiveSeen,
    /// Whether a newest revision that failed has applied anything, where that is known.
    pub(crate) failed_applied: Option<bool>,
    /// What proves that an uninstall which has stopped half-way is nobody's any more.
    pub(crate) removal_over: Option<PendingSeen>,
    /// Of a first install that failed: a hook that only an install runs and that has not completed.
    pub(crate) install_hook: Option<String>,
}

/// How the release's namespace stands.
#[derive(Debug, Clone)]
pub(crate) enum NamespaceState {
    Active,
    Absent,
    Terminating,
    Unreadable(String),
}
