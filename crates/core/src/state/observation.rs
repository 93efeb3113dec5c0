//! Everything that was seen of a release before deciding.

use super::pending::PendingSeen;
use crate::release::{DeployRecord, Drift, InputDigests, ReleaseHistory};
use semver::Version;

/// Everything that was seen of a release before deciding.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Helm's records of it, or why they could not be read. An error is never taken for "none".
    pub history: Result<ReleaseHistory, String>,
    /// Another tool that still manages the release; set only where that was seen.
    pub foreign: Option<Foreign>,
    /// The chart version of the revision that helm compares an upgrade with.
    pub deployed_version: Option<Version>,
    /// The chart version that is wanted; `None` when the release is to be destroyed.
    pub wanted_version: Option<Version>,
    /// See `ChartInfo::last_breaking_version_requiring_restart`.
    pub breaking_version: Option<Version>,
    /// What is known of the newest revision when it is pending or being uninstalled; `None` when nobody has looked.
    pub pending: Option<PendingSeen>,
    /// Our own record of the last deploy.
    pub record: RecordSeen,
    /// What is wanted now; `None` when it is not known yet (values from an earlier phase), or when the release is not to be
    /// deployed.
    pub inputs: Option<InputDigests>,
    /// What comparing the rendered result with what is deployed said; `None` when nobody has compared.
    pub rendered: Option<Rendered>,
    /// Whether the chart's templates ask the cluster, the clock or chance: equal inputs prove nothing by themselves then.
    pub must_render: bool,
    /// The live objects.
    pub live: LiveSeen,
    /// Of a failed newest revision: whether any object of it exists or was changed; `None` when nobody has looked.
    pub failed_applied: Option<bool>,
    /// Of a first install that failed: a hook that only an install runs and that has not completed; `None` when there is none, or
    /// nobody has looked.
    pub install_hook: Option<String>,
}

impl Observation {
    /// Helm's records, and nothing else was looked at.
    pub fn of(history: Result<ReleaseHistory, String>) -> Self {
        Self {
            history,
            foreign: None,
            deployed_version: None,
            wanted_version: None,
            breaking_version: None,
            pending: None,
            record: RecordSeen::NotLooked,
            inputs: None,
            rendered: None,
            must_render: false,
            live: LiveSeen::NotLooked,
            failed_applied: None,
            install_hook: None,
        }
    }

    /// Helm's history of the release, empty where it could not be read: nothing is done then, since the state of the release is
    /// unknown.
    pub fn known_history(&self) -> &ReleaseHistory {
        static NONE: ReleaseHistory = ReleaseHistory::NONE;
        self.history.as_ref().unwrap_or(&NONE)
    }
}

/// Another tool that manages a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The tool: `Flux`.
    pub tool: String,
    /// What shows it: `HelmRelease web/podinfo manages it`.
    pub why: String,
}

/// Our own record of the last deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordSeen {
    /// Nobody has looked for it.
    NotLooked,
    /// There is none.
    None,
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It is there. Whether it is about the newest revision is not said.
    Some(Box<DeployRecord>),
}

/// What comparing the rendered result, hooks included, with what is deployed said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// They are the same.
    Same,
    /// They differ.
    Differs,
}

/// How the live objects are, against what was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveSeen {
    /// Nobody has looked.
    NotLooked,
    /// They cannot be read, for this reason.
    Unreadable(String),
    /// They are as they were deployed.
    Same,
    /// Somebody else has changed these.
    Drifted(Vec<Drift>),
}
