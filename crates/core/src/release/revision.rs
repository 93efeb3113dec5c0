//! Helm's own records, as far as their metadata tells.

use crate::ids::{ReleaseKey, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The label of Helm's record that names the run of Pilothouse that wrote the revision. By itself it proves nothing: Helm
/// merges the labels of the revision before into a new one, and a rollback brings back those of its target.
pub const RUN_LABEL: &str = "pilothouse.dev/run";

/// The status of a revision (`pkg/release/v1/status.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionStatus {
    /// Helm does not know either.
    Unknown,
    /// The current one.
    Deployed,
    /// Removed, with its history kept.
    Uninstalled,
    /// Was deployed once.
    Superseded,
    /// Its deploy failed.
    Failed,
    /// Being removed, or its removal stopped half-way.
    Uninstalling,
    /// Being installed, or its install was killed.
    PendingInstall,
    /// Being upgraded, or its upgrade was killed.
    PendingUpgrade,
    /// Being rolled back, or its rollback was killed or failed in a hook.
    PendingRollback,
}

impl RevisionStatus {
    /// All statuses.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Deployed,
        Self::Uninstalled,
        Self::Superseded,
        Self::Failed,
        Self::Uninstalling,
        Self::PendingInstall,
        Self::PendingUpgrade,
        Self::PendingRollback,
    ];

    /// Helm's word for it, as in the record's label `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Reads Helm's word; a word of a newer Helm is [`RevisionStatus::Unknown`].
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.name() == name).unwrap_or(Self::Unknown)
    }

    /// What counts when the label and the payload of a record each have a status: a helm that is stopped at its very end leaves
    /// them apart. Helm locks by the payload, and finds what is deployed by the label; whatever else they say, the revision is
    /// none that could be built on.
    #[must_use]
    pub fn and_in_payload(self, payload: Self) -> Self {
        match payload {
            same if same == self => self,
            pending if pending.is_pending() => pending,
            _ => Self::Failed,
        }
    }

    /// Whether an operation is at work on the release, or was killed: the status does not tell which.
    pub fn is_under_way(self) -> bool {
        self.is_pending() || self == Self::Uninstalling
    }

    /// Whether Helm refuses to touch the release in this status.
    pub fn is_pending(self) -> bool {
        match self {
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback => true,
            Self::Unknown
            | Self::Deployed
            | Self::Uninstalled
            | Self::Superseded
            | Self::Failed
            | Self::Uninstalling => false,
        }
    }
}

impl fmt::Display for RevisionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the metadata of one stored revision tells, without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionMeta {
    /// The namespace of the release.
    pub namespace: String,
    /// The release name.
    pub name: String,
    /// The revision, from 1.
    pub revision: u32,
    /// Its status by the record's label.
    pub status: RevisionStatus,
    /// When the record was last written (label `modifiedAt`, else `createdAt`, else the object's creation).
    pub written_at: Option<Timestamp>,
    /// When the record was created, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// What [`RUN_LABEL`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What the server changes with every write of the record (`metadata.resourceVersion`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Which very object holds the record (`metadata.uid`): after a removal, another one has the same revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Who last wrote the record: the field manager with the newest time in `metadata.managedFields`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}

impl RevisionMeta {
    /// A revision of which nothing else is known.
    pub fn new(release: &ReleaseKey, revision: u32, status: RevisionStatus) -> Self {
        Self {
            namespace: release.namespace.clone(),
            name: release.name.clone(),
            revision,
            status,
            written_at: None,
            created_at: None,
            run: None,
            resource_version: None,
            uid: None,
            manager: None,
        }
    }

    /// Whether both tell of one write of one object.
    pub fn is_same_write(&self, other: &Self) -> bool {
        self.uid == other.uid && self.resource_version == other.resource_version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RevisionStatus::{Deployed, Failed, PendingUpgrade, Superseded};

    #[test]
    fn a_record_that_disagrees_with_itself_is_none_to_build_on() {
        assert_eq!(Deployed.and_in_payload(Deployed), Deployed);
        assert_eq!(Deployed.and_in_payload(Failed), Failed);
        assert_eq!(Deployed.and_in_payload(Superseded), Failed);
        assert_eq!(Failed.and_in_payload(Deployed), Failed);
        assert_eq!(Deployed.and_in_payload(PendingUpgrade), PendingUpgrade);
    }
}
