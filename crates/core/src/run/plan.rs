//! What a run is going to do, told before it does it.

use super::finding::Finding;
use super::staying::Staying;
use crate::ids::{ObjectRef, Phase, ReleaseKey};
use crate::kubernetes::{Effect, FieldChange, NotAdopted, ObjectChange, Ownership, OwnershipCounts};
use crate::release::{ClusterContext, Drift, HelmAction, InputPart};
use crate::state::{Change, Decision, ReinstallReason, Remaining};
use crate::text::DigestKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The form of [`Plan`]; a saved plan of another form is refused.
pub const PLAN_FORMAT: u32 = 1;

/// What a run is going to do. Holds no secret value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// [`PLAN_FORMAT`] when it was made.
    pub pilothouse_plan: u32,
    /// The stack's name.
    pub stack: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// What it was made with, as `Kubernetes v1.36.2, helm 4.2.4`.
    pub made_with: String,
    /// The cluster that was looked at, and as whom, where the client was made from a kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterContext>,
    /// The releases in the order in which a run would begin them.
    pub releases: Vec<ReleasePlan>,
    /// The key of its digests, without which nobody can find out by trying what they are made of. It is written only by whoever
    /// keeps the plan for a later run, where secrets may be. Without it that run refuses what has an [`input`](ReleasePlan::input).
    #[serde(skip)]
    pub key: Option<DigestKey>,
}

/// What is going to happen to a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleasePlan {
    /// The release.
    pub release: ReleaseKey,
    /// What the stack asks for.
    pub action: HelmAction,
    /// What is going to be done.
    pub does: PlannedAction,
    /// Why, in one line: `values differ`, `it is not installed`.
    pub why: String,
    /// The parts of the input that differ from what was last deployed, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<InputPart>,
    /// What others have changed in its objects since the deploy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifts: Vec<Drift>,
    /// The chart's name and version as deployed; `None` when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_now: Option<String>,
    /// The chart's name and version as wanted; `None` when the release is destroyed or left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_then: Option<String>,
    /// Helm's newest revision; 0 when there is none.
    pub revision: u32,
    /// The objects, changed ones first in Helm's order; unchanged ones are counted only.
    pub objects: Vec<PlannedObject>,
    /// How many objects stay as they are.
    pub unchanged: usize,
    /// Those of them that helm touches all the same, as they were seen: what is carried out must not change them either.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<SameObject>,
    /// Whose the objects are that it wants, where it is going to be installed or a step adopts what exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<OwnershipCounts>,
    /// What an uninstall, or an upgrade after a revision that has failed, leaves in the cluster of what the release has brought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Staying>,
    /// The hooks that are going to run, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<PlannedHook>,
    /// The steps that are going to run, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<PlannedStep>,
    /// What happens if it fails, in one line: to which revision it goes back, or that there is none.
    pub on_failure: String,
    /// What it does to what is running.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// Why it is going to be refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What does not stop anything now, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What could not be looked at, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
    /// A digest of all that was given, under the plan's key; what is carried out later has to have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// What it is going to be rendered from and to when its turn has come; what is carried out has to be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendering: Option<PlannedRendering>,
}

/// An object that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SameObject {
    /// The object.
    pub object: ObjectRef,
    /// As it was seen.
    pub seen: SeenObject,
}

/// What a release is rendered from and to, as digests under the plan's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedRendering {
    /// Of the chart and the values, without those that come from steps.
    pub given: String,
    /// Of what its templates ask whether the cluster serves it, where they look up nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<String>,
    /// Of what it renders to where that depends on the cluster; of a chart that makes something up, of which objects there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// What is going to be done with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// Nothing.
    Nothing,
    /// Only the validate phase, since nobody knows yet whether what is deployed is healthy.
    Validate,
    /// The steps after `exec`, without helm: only they have changed, or they did not end well.
    Steps,
    /// Install.
    Install,
    /// Upgrade.
    Upgrade,
    /// Uninstall, then install.
    Reinstall,
    /// Uninstall.
    Uninstall,
    /// It cannot be acted on; the findings say why.
    Refuse,
}

impl From<&Decision> for PlannedAction {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Keep { .. } => Self::Nothing,
            Decision::Refuse { .. } => Self::Refuse,
            Decision::Finish { remaining: Remaining::Validation, .. } => Self::Validate,
            Decision::Finish { remaining: Remaining::Steps, .. } => Self::Steps,
            Decision::Change(Change::Install | Change::Reinstall(ReinstallReason::HalfDone)) => Self::Install,
            Decision::Change(Change::Upgrade { .. }) => Self::Upgrade,
            Decision::Change(Change::Reinstall(ReinstallReason::Breaking { .. })) => Self::Reinstall,
            Decision::Change(Change::Uninstall) => Self::Uninstall,
        }
    }
}

/// What is going to happen to an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedObject {
    /// The object, complete where the cluster knows the kind.
    pub object: ObjectRef,
    /// What is going to happen to it.
    #[serde(flatten)]
    pub change: ObjectChange,
    /// Whose it is now, where the release wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// Why it is not given to the release, where that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_adopted: Option<NotAdopted>,
    /// What changes in it, masked; empty for what is created or deleted as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// How it is now, when it is there: `Current`, `InProgress: 1 of 3 ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Which very object this is about; `None` when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenObject>,
    /// Whether an uninstall that comes first leaves it, and it becomes part of the release again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Of what is deleted, what holds data and goes with it: the resources of a definition, the claims in a namespace or of a
    /// StatefulSet that deletes its own. `None` where nothing can, and where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Vec<ObjectRef>>,
}

/// Which object was looked at, and in which state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeenObject {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// SHA-256 of what it holds without its status and what the server keeps for itself, in hex.
    pub digest: String,
}

/// A hook that is going to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedHook {
    /// When: `pre-upgrade`.
    pub event: String,
    /// The hook's object.
    pub object: ObjectRef,
}

/// A step that is going to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedStep {
    /// In this phase.
    pub phase: Phase,
    /// What it does.
    pub text: String,
}

/// How many objects of a plan change how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanCounts {
    /// Created.
    pub create: usize,
    /// Updated in place.
    pub update: usize,
    /// To be replaced.
    pub replace: usize,
    /// Deleted.
    pub delete: usize,
    /// Adopted.
    pub adopt: usize,
    /// Known only once another release is done.
    pub after: usize,
    /// Refused by the server, or not to be adopted.
    pub refused: usize,
    /// The same, or kept.
    pub unchanged: usize,
}

impl Plan {
    /// Whether carrying it out changes anything.
    pub fn has_changes(&self) -> bool {
        self.releases.iter().any(ReleasePlan::has_changes)
    }

    /// Whether it would be refused.
    pub fn is_refused(&self) -> bool {
        self.releases.iter().any(|release| !release.findings.is_empty())
    }

    /// Which releases are refused, and for what, in one line: `web/db is refused (DATA_ATTACHED)`.
    pub fn refused_releases(&self) -> String {
        let refused = self.releases.iter().filter(|release| !release.findings.is_empty()).map(|release| {
            let codes: BTreeSet<&str> = release.findings.iter().map(|finding| finding.code.as_str()).collect();
            format!("{} is refused ({})", release.release, codes.into_iter().collect::<Vec<_>>().join(", "))
        });
        refused.collect::<Vec<_>>().join("; ")
    }

    /// The counts of all releases together.
    pub fn counts(&self) -> PlanCounts {
        let mut counts = PlanCounts::default();
        for release in &self.releases {
            counts.unchanged += release.unchanged;
            for object in &release.objects {
                *counts.of(object) += 1;
            }
        }
        counts
    }
}

impl ReleasePlan {
    /// Whether carrying it out changes anything.
    pub fn has_changes(&self) -> bool {
        match self.does {
            PlannedAction::Nothing | PlannedAction::Validate | PlannedAction::Refuse => false,
            PlannedAction::Steps
            | PlannedAction::Install
            | PlannedAction::Upgrade
            | PlannedAction::Reinstall
            | PlannedAction::Uninstall => true,
        }
    }
}

impl PlanCounts {
    fn of(&mut self, object: &PlannedObject) -> &mut usize {
        if object.not_adopted.is_some() {
            return &mut self.refused;
        }
        match &object.change {
            ObjectChange::Create => &mut self.create,
            ObjectChange::Update => &mut self.update,
            ObjectChange::Replace { .. } => &mut self.replace,
            ObjectChange::Delete => &mut self.delete,
            ObjectChange::Adopt => &mut self.adopt,
            ObjectChange::After { .. } => &mut self.after,
            ObjectChange::Refused { .. } => &mut self.refused,
            ObjectChange::Keep | ObjectChange::Same => &mut self.unchanged,
        }
    }
}
