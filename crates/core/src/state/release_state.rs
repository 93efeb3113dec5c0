//! The states of a release.

use super::observation::{Foreign, Rendered};
use crate::ids::Phase;
use crate::release::{Drift, InputPart, RevisionStatus};
use jiff::Timestamp;
use semver::Version;

/// The state of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    /// It cannot be told.
    Unknown {
        /// Why.
        why: String,
    },
    /// Another tool manages it.
    Foreign {
        /// The tool.
        foreign: Foreign,
        /// The state it would be in otherwise, for whoever is to take it over.
        otherwise: Box<ReleaseState>,
    },
    /// Another operation is in progress, or was killed: it is not proven which.
    Locked {
        /// The revision that is pending or being uninstalled.
        revision: u32,
        /// Which of the two, and how.
        status: RevisionStatus,
        /// When its record was last written.
        since: Option<Timestamp>,
        /// What is known of it.
        why: String,
    },
    /// The last operation was killed, and nobody is at work on the release any more.
    Stale {
        /// The revision that is pending.
        revision: u32,
        /// How it is pending.
        status: RevisionStatus,
        /// What proves it.
        why: String,
    },
    /// There is nothing.
    Absent,
    /// An uninstall stopped half-way, and nobody is at work on it any more.
    HalfRemoved,
    /// The first install failed, and a hook that only an install runs has not completed: an upgrade would leave it out.
    HalfInstalled {
        /// The failed revision.
        revision: u32,
        /// The hook.
        hook: String,
    },
    /// A breaking version lies between what is deployed and what is wanted.
    Breaking {
        /// What is deployed.
        deployed: Version,
        /// The breaking version.
        breaking: Version,
    },
    /// The last deploy failed before anything of it was applied.
    FailedClean {
        /// The failed revision.
        revision: u32,
        /// The newest revision that was deployed before it.
        last_good: Option<u32>,
    },
    /// The last deploy failed, and something of it was applied, or nobody knows.
    FailedDirty {
        /// The failed revision.
        revision: u32,
        /// The newest revision that was deployed before it.
        last_good: Option<u32>,
    },
    /// It is deployed, and not by what our record is about. What is deployed differs from what is wanted, or nobody has
    /// compared.
    Unmanaged {
        /// The newest revision.
        revision: u32,
        /// Why our record does not count.
        why: String,
        /// The newest revision that is or was deployed: the one to go back to.
        last_good: Option<u32>,
        /// What comparing said. [`Rendered::Same`] is left here only where Helm holds no revision for deployed: then there
        /// is none to be taken over as it is.
        compared: Option<Rendered>,
    },
    /// It is deployed, and what is wanted becomes known only in the run.
    InputUnknown {
        /// The deployed revision.
        revision: u32,
    },
    /// It is deployed, and what is wanted differs from it, or may differ.
    OutOfSync {
        /// The deployed revision.
        revision: u32,
        /// The parts of the input that differ; none when only rendering can tell, or only rendering has told.
        differs: Vec<InputPart>,
        /// What comparing said; `None` when nobody has compared.
        rendered: Option<Rendered>,
    },
    /// It is deployed as wanted, and only its steps have changed.
    LifecycleChanged {
        /// The deployed revision.
        revision: u32,
    },
    /// It is deployed as wanted, and the steps after that have not ended well.
    Unfinished {
        /// The deployed revision.
        revision: u32,
        /// The last phase that has.
        reached: Phase,
    },
    /// It is deployed as wanted, and nobody has looked at its live objects.
    LiveUnknown {
        /// The deployed revision.
        revision: u32,
        /// Whether it was validated at this revision.
        validated: bool,
    },
    /// It is deployed as wanted, and its live objects cannot be read.
    LiveUnreadable {
        /// The deployed revision.
        revision: u32,
        /// Why.
        why: String,
        /// Whether it was validated at this revision.
        validated: bool,
    },
    /// It is deployed as wanted, and somebody else has changed live objects.
    Drifted {
        /// The deployed revision.
        revision: u32,
        /// What is changed.
        drifts: Vec<Drift>,
        /// Whether it was validated at this revision.
        validated: bool,
    },
    /// It is deployed as wanted, and was not validated at this revision with these inputs.
    Unvalidated {
        /// The deployed revision.
        revision: u32,
    },
    /// It is deployed as wanted, and was validated.
    InSync {
        /// The deployed revision.
        revision: u32,
    },
}
