//! Helm's history of one release.

use super::revision::{RevisionMeta, RevisionStatus};

/// Helm's records of one release, by their metadata, as they were read at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseHistory {
    /// From the oldest to the newest.
    revisions: Vec<RevisionMeta>,
    /// What label and payload of the newest record say, where they disagree.
    torn: Option<(RevisionStatus, RevisionStatus)>,
}

impl ReleaseHistory {
    /// The history of a release that Helm has no record of.
    pub const NONE: Self = Self { revisions: Vec::new(), torn: None };

    /// The history these revisions of one release make up, in whatever order they come.
    pub fn new(mut revisions: Vec<RevisionMeta>) -> Self {
        revisions.sort_by_key(|meta| meta.revision);
        Self { revisions, torn: None }
    }

    /// All revisions, from the oldest to the newest.
    pub fn revisions(&self) -> &[RevisionMeta] {
        &self.revisions
    }

    /// Whether Helm has no record at all.
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty()
    }

    /// The record of one revision.
    pub fn get(&self, revision: u32) -> Option<&RevisionMeta> {
        self.revisions.iter().find(|meta| meta.revision == revision)
    }

    /// The newest revision, whatever became of it.
    pub fn newest(&self) -> Option<&RevisionMeta> {
        self.revisions.last()
    }

    /// The number of the newest revision; 0 when there is none.
    pub fn newest_revision(&self) -> u32 {
        self.newest().map(|meta| meta.revision).unwrap_or_default()
    }

    /// The newest revision that is or was deployed well: the one to go back to.
    pub fn last_deployed(&self) -> Option<&RevisionMeta> {
        let deployed = |meta: &&RevisionMeta| match meta.status {
            RevisionStatus::Deployed | RevisionStatus::Superseded => true,
            RevisionStatus::Unknown
            | RevisionStatus::Uninstalled
            | RevisionStatus::Failed
            | RevisionStatus::Uninstalling
            | RevisionStatus::PendingInstall
            | RevisionStatus::PendingUpgrade
            | RevisionStatus::PendingRollback => false,
        };
        self.revisions.iter().rev().find(deployed)
    }

    /// The revision that helm compares the next upgrade with, and deletes what only this one has: the newest, when its payload
    /// says `deployed`; else the newest that is labelled so; else, as after a rollback that failed, the newest whatever became of it
    /// (`prepareUpgrade` in `pkg/action/upgrade.go`, the same in helm 3 and 4).
    pub fn upgrade_base(&self) -> Option<&RevisionMeta> {
        let newest = self.newest()?;
        let (label, payload) = self.torn.unwrap_or((newest.status, newest.status));
        if payload == RevisionStatus::Deployed || label == RevisionStatus::Deployed {
            return Some(newest);
        }
        let deployed = |meta: &&RevisionMeta| meta.status == RevisionStatus::Deployed;
        self.revisions.iter().rev().find(deployed).or(Some(newest))
    }

    /// The same, where the payload of the newest record says this of its status: see [`RevisionStatus::and_in_payload`].
    #[must_use]
    pub fn with_newest_payload(mut self, payload: RevisionStatus) -> Self {
        if let Some(newest) = self.revisions.last_mut() {
            let label = newest.status;
            self.torn = (label != payload).then_some((label, payload));
            newest.status = label.and_in_payload(payload);
        }
        self
    }

    /// The same, where this revision, if it is the newest, is marked failed.
    #[must_use]
    pub fn with_failed(mut self, revision: u32) -> Self {
        if let Some(newest) = self.revisions.last_mut().filter(|newest| newest.revision == revision) {
            newest.status = RevisionStatus::Failed;
            self.torn = None;
        }
        self
    }

    /// What the history was when this revision was the newest, as far as Helm has kept it.
    #[must_use]
    pub fn as_of(&self, revision: u32) -> Self {
        let torn = self.torn.filter(|_| self.newest_revision() <= revision);
        Self { revisions: self.revisions.iter().filter(|meta| meta.revision <= revision).cloned().collect(), torn }
    }

    /// The revisions that came after this one.
    pub fn after(&self, revision: u32) -> &[RevisionMeta] {
        let first = self.revisions.partition_point(|meta| meta.revision <= revision);
        self.revisions.get(first..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ReleaseKey;
    use RevisionStatus as S;
    use rstest::rstest;

    fn meta(revision: u32, status: RevisionStatus) -> RevisionMeta {
        RevisionMeta::new(&ReleaseKey::new("ns", "a"), revision, status)
    }

    fn numbers(metas: &[RevisionMeta]) -> Vec<u32> {
        metas.iter().map(|meta| meta.revision).collect()
    }

    /// What was listed in any order; then the newest, the last deployed and the one that helm compares with.
    #[rstest]
    #[case::none(&[], None, None, None)]
    #[case::installed(&[(1, S::Deployed)], Some(1), Some(1), Some(1))]
    #[case::failed_first(&[(1, S::Failed)], Some(1), None, Some(1))]
    #[case::failed_upgrade(&[(12, S::Failed), (10, S::Superseded), (11, S::Deployed)], Some(12), Some(11), Some(11))]
    #[case::failed_twice(&[(3, S::Failed), (1, S::Failed)], Some(3), None, Some(3))]
    #[case::failed_rollback(&[(1, S::Superseded), (2, S::Superseded), (3, S::Failed)], Some(3), Some(2), Some(3))]
    #[case::failed_after_that(
        &[(2, S::Superseded), (3, S::Failed), (4, S::Failed)],
        Some(4), Some(2), Some(4)
    )]
    #[case::nothing_is_deployed(&[(1, S::Superseded), (2, S::Superseded)], Some(2), Some(2), Some(2))]
    #[case::two_are_deployed(&[(1, S::Deployed), (2, S::Deployed), (3, S::Failed)], Some(3), Some(2), Some(2))]
    #[case::uninstalled(&[(2, S::Uninstalled), (1, S::Superseded)], Some(2), Some(1), Some(2))]
    #[case::pending(&[(1, S::Deployed), (2, S::PendingUpgrade)], Some(2), Some(1), Some(1))]
    #[case::pending_rollback(&[(1, S::Superseded), (2, S::PendingRollback)], Some(2), Some(1), Some(2))]
    fn what_stands_out(
        #[case] listed: &[(u32, RevisionStatus)],
        #[case] newest: Option<u32>,
        #[case] last_deployed: Option<u32>,
        #[case] base: Option<u32>,
    ) {
        let history = ReleaseHistory::new(listed.iter().map(|(revision, status)| meta(*revision, *status)).collect());
        let number = |meta: Option<&RevisionMeta>| meta.map(|meta| meta.revision);
        assert_eq!(number(history.newest()), newest);
        assert_eq!(history.newest_revision(), newest.unwrap_or(0));
        assert_eq!(number(history.last_deployed()), last_deployed);
        assert_eq!(number(history.upgrade_base()), base);
        assert_eq!(history.is_empty(), listed.is_empty());
    }

    /// After a revision 1 of this status, the newest by its label and by its payload; then what it counts for, and helm's base.
    #[rstest]
    #[case(S::Superseded, S::Deployed, S::Failed, S::Failed, 2)]
    #[case(S::Superseded, S::Deployed, S::Superseded, S::Failed, 2)]
    #[case(S::Deployed, S::Failed, S::Deployed, S::Failed, 2)]
    #[case(S::Deployed, S::Failed, S::Failed, S::Failed, 1)]
    #[case(S::Deployed, S::Superseded, S::Deployed, S::Failed, 2)]
    #[case(S::Deployed, S::Deployed, S::PendingUpgrade, S::PendingUpgrade, 2)]
    fn a_record_that_disagrees_with_itself(
        #[case] before: RevisionStatus,
        #[case] label: RevisionStatus,
        #[case] payload: RevisionStatus,
        #[case] status: RevisionStatus,
        #[case] base: u32,
    ) {
        let history = ReleaseHistory::new(vec![meta(1, before), meta(2, label)]).with_newest_payload(payload);
        assert_eq!(history.newest().map(|newest| newest.status), Some(status));
        assert_eq!(history.upgrade_base().map(|base| base.revision), Some(base));
        assert_eq!(history.as_of(2), history);
        // What was before it agrees with itself.
        assert_eq!(history.as_of(1), ReleaseHistory::new(vec![meta(1, before)]));
    }

    /// Helm prunes the oldest, so the numbers need not begin at 1.
    #[rstest]
    #[case(0, &[], &[4, 5, 6])]
    #[case(3, &[], &[4, 5, 6])]
    #[case(5, &[4, 5], &[6])]
    #[case(9, &[4, 5, 6], &[])]
    fn as_of_a_revision(#[case] revision: u32, #[case] then: &[u32], #[case] since: &[u32]) {
        let history = ReleaseHistory::new([6, 4, 5].map(|revision| meta(revision, S::Superseded)).to_vec());
        assert_eq!(numbers(history.as_of(revision).revisions()), then);
        assert_eq!(numbers(history.after(revision)), since);
        assert_eq!(history.get(revision).is_some(), [4, 5, 6].contains(&revision));
    }
}
