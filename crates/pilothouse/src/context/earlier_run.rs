//! What is known of a release from before the run: what an earlier run did with it, and whether that one is gone.

use jiff::SignedDuration;
use pilothouse_core::{
    HelmCommand, HelmProgress, Holder, ReleaseKey, ReleaseProgress, RevisionMeta, RevisionStatus, RunId, RunProgress,
};
use pilothouse_kube::LeaseLock;
use pilothouse_process::ProcessIdentity;
use std::sync::Arc;
use std::time::Duration;

/// How far the server's clock may be from ours when helm writes what we have just asked for.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(1);

/// What a run that holds the lock of its stack knows of a release from before.
pub(crate) struct UnderLock {
    /// The lock of the stack, which this run holds.
    pub(crate) lock: Arc<LeaseLock>,
    /// What an earlier run did with it last.
    pub(crate) earlier: EarlierRun,
    /// How long an operation that may be alive is waited for.
    pub(crate) lock_timeout: Duration,
}

/// What an earlier run of the stack did with a release last, and whether that run is gone.
#[derive(Debug, Default)]
pub(crate) struct EarlierRun {
    /// The run that asked helm for that, if its process is proven to be gone.
    pub(crate) gone: Option<Gone>,
    /// What an earlier run asked helm to do with this release last.
    pub(crate) helm: Option<HelmProgress>,
    /// Whether that run's processes are, or were, on this machine and can be seen.
    pub(crate) here: bool,
}

impl EarlierRun {
    /// What the last run of a stack did with a release, as `us` can tell.
    pub(crate) fn of(last: Option<&RunProgress>, release: &ReleaseKey, us: &Holder) -> Self {
        let helm = last.and_then(|last| last_helm(last.release(release)?).cloned());
        // Not always the last run: that one may have been killed before it came to this release.
        let holder = helm.as_ref().and_then(|helm| helm.holder.as_ref());
        let gone = holder.and_then(|holder| gone(holder, us));
        let here = holder.is_some_and(|holder| is_gone(holder, us).is_some());
        Self { gone, helm, here }
    }

    pub(crate) fn earlier(&self) -> Option<EarlierHelm<'_>> {
        self.helm.as_ref().map(|helm| EarlierHelm { run: helm.run, helm })
    }
}

/// What helm was asked to do last: by the order of what happened, not by its times, since a clock may have been set back.
fn last_helm(release: &ReleaseProgress) -> Option<&HelmProgress> {
    release.phases.iter().flat_map(|phase| &phase.helm).next_back()
}

fn gone(holder: &Holder, us: &Holder) -> Option<Gone> {
    let why = format!("process {} of run {} on {} is gone", holder.pid, holder.run.short(), holder.host);
    (is_gone(holder, us) == Some(true)).then_some(Gone { run: holder.run, why })
}

/// Whether the process of a holder is gone for certain, as far as that can be told from here.
pub(crate) fn is_gone(holder: &Holder, us: &Holder) -> Option<bool> {
    // Machines made from one snapshot share the id of their boot.
    let here = holder.host == us.host;
    holder.process.as_ref().filter(|_| here)?.parse::<ProcessIdentity>().ok()?.is_gone()
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
pub(crate) struct EarlierHelm<'a> {
    /// The run.
    pub(crate) run: RunId,
    /// What its journal tells.
    pub(crate) helm: &'a HelmProgress,
}

impl EarlierHelm<'_> {
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
