//! Helm's history of one release.

use super::revision::{RevisionMeta, RevisionStatus};

/// Helm's records of one release, by their metadata, as they were read at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseHistory {
    /// From the oldest to the newest.
    revisions: Vec<RevisionMeta>,
}

impl ReleaseHistory {
    /// The history of a release that Helm has no record of.
    pub const NONE: Self = Self { revisions: Vec::new() };

    /// The history these revisions of one release make up, in whatever order they come.
    pub fn new(mut revisions: Vec<RevisionMeta>) -> Self {
        revisions.sort_by_key(|meta| meta.revision);
        Self { revisions }
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

    /// The newest revision that is or was deployed.
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

    /// The revision to compare with: the newest that is or was deployed, and without one (a failed first install) the newest
    /// at all.
    pub fn last_deployed_or_newest(&self) -> Option<&RevisionMeta> {
        self.last_deployed().or_else(|| self.newest())
    }

    /// The same, with the status that the newest revision really has.
    #[must_use]
    pub fn with_newest_as(mut self, status: RevisionStatus) -> Self {
        if let Some(newest) = self.revisions.last_mut() {
            newest.status = status;
        }
        self
    }

    /// What the history was when this revision was the newest, as far as Helm has kept it.
    #[must_use]
    pub fn as_of(&self, revision: u32) -> Self {
        Self { revisions: self.revisions.iter().filter(|meta| meta.revision <= revision).cloned().collect() }
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

    /// What was listed in any order; then the newest, the last deployed and the one to compare with.
    #[rstest]
    #[case::none(&[], None, None, None)]
    #[case::installed(&[(1, S::Deployed)], Some(1), Some(1), Some(1))]
    #[case::failed_first(&[(1, S::Failed)], Some(1), None, Some(1))]
    #[case::failed_upgrade(&[(12, S::Failed), (10, S::Superseded), (11, S::Deployed)], Some(12), Some(11), Some(11))]
    #[case::failed_twice(&[(3, S::Failed), (1, S::Failed)], Some(3), None, Some(3))]
    #[case::nothing_is_deployed(&[(2, S::Uninstalled), (1, S::Superseded)], Some(2), Some(1), Some(1))]
    #[case::pending(&[(1, S::Deployed), (2, S::PendingUpgrade)], Some(2), Some(1), Some(1))]
    fn what_stands_out(
        #[case] listed: &[(u32, RevisionStatus)],
        #[case] newest: Option<u32>,
        #[case] last_deployed: Option<u32>,
        #[case] compared: Option<u32>,
    ) {
        let history = ReleaseHistory::new(listed.iter().map(|(revision, status)| meta(*revision, *status)).collect());
        let number = |meta: Option<&RevisionMeta>| meta.map(|meta| meta.revision);
        assert_eq!(number(history.newest()), newest);
        assert_eq!(history.newest_revision(), newest.unwrap_or(0));
        assert_eq!(number(history.last_deployed()), last_deployed);
        assert_eq!(number(history.last_deployed_or_newest()), compared);
        assert_eq!(history.is_empty(), listed.is_empty());
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
