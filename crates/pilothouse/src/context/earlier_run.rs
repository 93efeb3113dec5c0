//! What is known of a release from before the run: what an earlier run did with it, and whether that one is gone.

use jiff::SignedDuration;
use pilothouse_core::{HelmCommand, HelmProgress, RevisionMeta, RevisionStatus, RunId};
use pilothouse_kube::LeaseLock;
use std::sync::Arc;
use std::time::Duration;

/// How far the server's clock may be from ours when helm writes what we have just asked for.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(1);

/// What a run knows of a release from before: what an earlier one did, and whether that one is gone.
pub(crate) struct Before {
    /// The lock of the stack, which this run holds.
    pub(crate) lock: Arc<LeaseLock>,
    /// The run that asked helm for that, if its process is proven to be gone.
    pub(crate) gone: Option<Gone>,
    /// What an earlier run asked helm to do with this release last.
    pub(crate) helm: Option<HelmProgress>,
    /// Whether that run's processes are, or were, on this machine and can be seen.
    pub(crate) here: bool,
    /// How long an operation that may be alive is waited for.
    pub(crate) lock_timeout: Duration,
}

impl Before {
    pub(crate) fn earlier(&self) -> Option<Earlier<'_>> {
        self.helm.as_ref().map(|helm| Earlier { run: helm.run, helm })
    }
}

/// A run whose process is gone for certain, and every helm it had started with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The run.
    pub(crate) run: RunId,
    /// What proves it.
    pub(crate) why: String,
}

/// What an earlier run asked helm to do with a release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Earlier<'a> {
    /// The run.
    pub(crate) run: RunId,
    /// What its journal tells.
    pub(crate) helm: &'a HelmProgress,
}

impl Earlier<'_> {
    /// Whether this is the revision that the earlier run's upgrade made: number and label agree. The label alone proves
    /// nothing, and neither does the number.
    pub(crate) fn wrote(&self, revision: &RevisionMeta) -> bool {
        self.helm.command == HelmCommand::Upgrade && self.is_next(revision) && revision.run == Some(self.run)
    }

    /// Whether it is the revision that the earlier run's rollback made. The label is that of the target: number and time tell,
    /// since helm writes the revision as soon as it begins.
    pub(crate) fn rolled_back_to(&self, revision: &RevisionMeta) -> bool {
        self.helm.command == HelmCommand::Rollback
            && self.is_next(revision)
            && revision.status == RevisionStatus::PendingRollback
            && revision.created_at.is_some_and(|created| created.duration_since(self.helm.started_at).abs() <= AT_ONCE)
    }

    /// Whether it is the revision that the earlier run has begun to uninstall.
    pub(crate) fn began_to_remove(&self, revision: &RevisionMeta) -> bool {
        self.helm.command == HelmCommand::Uninstall && self.helm.revision_before == revision.revision
    }

    fn is_next(&self, revision: &RevisionMeta) -> bool {
        self.helm.revision_before.checked_add(1) == Some(revision.revision)
    }
}
