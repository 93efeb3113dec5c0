//! Whose a live object is, and whether it may be given to a release.

use super::marks;
use crate::ids::{ObjectRef, ReleaseKey};
use crate::kubernetes::cluster_object::{HelmOwner, helm_owner};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Whose an object is that a release wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Ownership {
    /// It is not there.
    Free,
    /// The release's own.
    Own,
    /// Nobody's: no release, no controller and no other tool has it.
    Unowned {
        /// What it lacks for Helm, when it has some of the ownership keys.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lacks: Vec<String>,
        /// The field managers that have written it, as `kubectl-client-side-apply`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        written_by: Vec<String>,
    },
    /// Another release's.
    OtherRelease {
        /// The release.
        release: ReleaseKey,
        /// Whether Helm still knows it.
        records: Records,
    },
    /// Another tool's.
    OtherTool {
        /// The tool.
        tool: String,
        /// By what that is known: `label app.kubernetes.io/managed-by`.
        mark: String,
    },
    /// Another object controls it (`ownerReferences`), and would undo changes.
    ControllerOwned {
        /// The controller's kind.
        kind: String,
        /// Its name.
        name: String,
    },
}

/// Whether Helm has records of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Records {
    /// It has.
    Exist,
    /// It has none: the release is gone.
    Gone,
    /// They may not be read, so they may exist.
    Unreadable,
}

/// What the user has consented to about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptionConsent {
    /// Nothing.
    None,
    /// Everything that is nobody's is to be adopted.
    Unowned,
    /// This very object is to be adopted.
    Named,
}

/// What is to be done with an object that a release wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptionVerdict {
    /// It is not there, or the release's.
    NotNeeded,
    /// It is given to the release.
    Adopt,
    /// It is not.
    Refuse(NotAdopted),
}

/// Why an object is not given to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NotAdopted {
    /// No step adopts it.
    NoStep,
    /// What another tool has, or had a release that is gone, is adopted only when it is named.
    NotNamed,
    /// What another release or a controller has is never adopted.
    Never,
}

/// How many of the objects that a release wants are whose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnershipCounts {
    /// Not there.
    pub free: usize,
    /// The release's own.
    pub own: usize,
    /// Nobody's.
    pub unowned: usize,
    /// Another release's.
    pub other_release: usize,
    /// Another tool's.
    pub other_tool: usize,
    /// Controlled by another object.
    pub controller_owned: usize,
}

/// What takes back that objects were adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdoptionUndo {
    /// The JSON merge patch that gives the ownership keys the values they had: labels and annotations, nothing else.
    pub patch: Value,
    /// The objects it is for.
    pub objects: Vec<ObjectRef>,
}

/// The release an object names as its owner: whether Helm has records of it has to be known for [`ownership`].
pub fn named_release(live: &Value) -> Option<ReleaseKey> {
    match helm_owner(live) {
        HelmOwner::Release(release) | HelmOwner::Partial { names: Some(release), .. } => Some(release),
        HelmOwner::Partial { names: None, .. } | HelmOwner::Nobody { .. } => None,
    }
}

/// Tells whose an object is, as seen by `release`. `records` tells of releases that objects name; of one that is not in
/// there nothing is known.
pub fn ownership(live: Option<&Value>, release: &ReleaseKey, records: &BTreeMap<ReleaseKey, Records>) -> Ownership {
    let Some(live) = live else { return Ownership::Free };
    let owner = helm_owner(live);
    if owner.is(release) {
        return Ownership::Own;
    }
    if let Some((kind, name)) = marks::controller(live) {
        return Ownership::ControllerOwned { kind, name };
    }
    if let Some(other) = named_release(live).filter(|other| other != release) {
        let records = records.get(&other).copied().unwrap_or(Records::Unreadable);
        return Ownership::OtherRelease { release: other, records };
    }
    if let Some((tool, mark)) = marks::other_tool(live) {
        return Ownership::OtherTool { tool, mark };
    }
    let lacks = match owner {
        HelmOwner::Partial { lacks, .. } => lacks,
        HelmOwner::Release(_) | HelmOwner::Nobody { .. } => Vec::new(),
    };
    Ownership::Unowned { lacks, written_by: marks::managers(live).map(str::to_owned).collect() }
}

impl Ownership {
    /// What is to be done with the object, given what the user has consented to.
    pub fn adoption(&self, consent: AdoptionConsent) -> AdoptionVerdict {
        match self {
            Self::Free | Self::Own => AdoptionVerdict::NotNeeded,
            Self::Unowned { .. } => match consent {
                AdoptionConsent::None => AdoptionVerdict::Refuse(NotAdopted::NoStep),
                AdoptionConsent::Unowned | AdoptionConsent::Named => AdoptionVerdict::Adopt,
            },
            Self::OtherTool { .. } | Self::OtherRelease { records: Records::Gone, .. } => match consent {
                AdoptionConsent::None | AdoptionConsent::Unowned => AdoptionVerdict::Refuse(NotAdopted::NotNamed),
                AdoptionConsent::Named => AdoptionVerdict::Adopt,
            },
            Self::OtherRelease { records: Records::Exist | Records::Unreadable, .. } | Self::ControllerOwned { .. } => {
                AdoptionVerdict::Refuse(NotAdopted::Never)
            }
        }
    }

    /// Whether the object is there and not the release's.
    pub fn is_someone_elses(&self) -> bool {
        match self {
            Self::Free | Self::Own => false,
            Self::Unowned { .. }
            | Self::OtherRelease { .. }
            | Self::OtherTool { .. }
            | Self::ControllerOwned { .. } => true,
        }
    }
}

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("does not exist"),
            Self::Own => f.write_str("is the release's own"),
            Self::Unowned { lacks, .. } if !lacks.is_empty() => {
                write!(f, "exists and lacks {} for Helm to take it over", lacks.join(", "))
            }
            Self::Unowned { .. } => f.write_str("exists and belongs to no release"),
            Self::OtherRelease { release, records: Records::Exist } => write!(f, "belongs to release {release}"),
            Self::OtherRelease { release, records: Records::Gone } => {
                write!(f, "belongs to release {release}, of which Helm has no record any more")
            }
            Self::OtherRelease { release, records: Records::Unreadable } => {
                write!(f, "belongs to release {release}, whose records may not be read")
            }
            Self::OtherTool { tool, mark } => write!(f, "is managed by {tool} ({mark}), and belongs to no release"),
            Self::ControllerOwned { kind, name } => write!(f, "is controlled by {kind} {name}"),
        }
    }
}

impl OwnershipCounts {
    /// Counts one more.
    pub fn add(&mut self, ownership: &Ownership) {
        *match ownership {
            Ownership::Free => &mut self.free,
            Ownership::Own => &mut self.own,
            Ownership::Unowned { .. } => &mut self.unowned,
            Ownership::OtherRelease { .. } => &mut self.other_release,
            Ownership::OtherTool { .. } => &mut self.other_tool,
            Ownership::ControllerOwned { .. } => &mut self.controller_owned,
        } += 1;
    }

    /// How many are there and not the release's.
    pub fn someone_elses(&self) -> usize {
        self.unowned + self.other_release + self.other_tool + self.controller_owned
    }
}

impl AdoptionUndo {
    /// Puts objects with the same patch together, in their order. Of an object that is there already, the new patch counts.
    pub fn add(all: &mut Vec<Self>, object: &ObjectRef, patch: &Value) {
        for known in all.iter_mut() {
            known.objects.retain(|known| !known.same_object(object));
        }
        match all.iter_mut().find(|known| known.patch == *patch) {
            Some(known) => known.objects.push(object.clone()),
            None => all.push(Self { patch: patch.clone(), objects: vec![object.clone()] }),
        }
        all.retain(|known| !known.objects.is_empty());
    }
}
