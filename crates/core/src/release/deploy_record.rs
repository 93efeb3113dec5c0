//! What Pilothouse remembers of the last deploy of a release: enough to tell, without helm, that nothing is to be done.

use crate::ids::{ObjectRef, Phase, ReleaseKey, RunId};
use crate::release::RevisionMeta;
use crate::text::DigestKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of [`DeployRecord`]. A record of a newer form counts as none; in the first one digests were without a key.
pub const DEPLOY_RECORD_FORMAT: u32 = 2;

/// What is remembered of the last deploy of a release, beside Helm's own record. It holds no value of anything: digests,
/// names and versions only. It belongs to exactly one of Helm's revisions; once somebody else writes another, it counts no
/// more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRecord {
    /// [`DEPLOY_RECORD_FORMAT`] when it was written.
    pub format: u32,
    /// The stack the release belonged to.
    pub stack: String,
    /// The release.
    pub release: ReleaseKey,
    /// The chart's name and version, for people.
    pub chart: String,
    /// Helm's revision it is about.
    pub revision: u32,
    /// `metadata.uid` of the object in which Helm keeps that revision: a release that was removed and installed again has
    /// a revision of the same number.
    pub revision_uid: String,
    /// `metadata.resourceVersion` of that object when its payload said `deployed`, as its label does; without it, nobody knows
    /// whether they agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_version: Option<String>,
    /// The run that wrote it.
    pub run: Option<RunId>,
    /// When it was written, by the clock of the machine that wrote it.
    pub written_at: Timestamp,
    /// The key of the digests in `input` that may be of secrets. It may lie beside them: whoever can read a record can read
    /// Helm's, which holds the values themselves. `None` in a record of the first form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DigestKey>,
    /// What was deployed.
    pub input: InputDigests,
    /// The last phase that ended well at this revision: [`Phase::Exec`], [`Phase::PostExec`] or [`Phase::Validate`].
    pub reached: Phase,
    /// The objects of the release as they were right after `exec`; `None` when they are too many to be kept, or one of them was
    /// missing or not as the manifest has it: then the next run compares all of them.
    pub objects: Option<Vec<AppliedObject>>,
    /// What the chart's templates had made up, so that it is another in each rendering, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_up: Vec<MadeUp>,
}

/// What templates make up of an object: fields that are others in each rendering of the same input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeUp {
    /// The object, as it is rendered; without a name where that is made up too.
    pub object: ObjectRef,
    /// Its template, where its name is made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The fields, as JSON pointers.
    pub fields: Vec<String>,
}

impl DeployRecord {
    /// Whether this is the revision it is about, whatever was written into Helm's record of it since.
    pub fn is_of(&self, meta: &RevisionMeta) -> bool {
        self.revision == meta.revision && meta.uid.as_ref() == Some(&self.revision_uid)
    }

    /// Whether Helm's record of the revision is, to the last write, the one this is about.
    pub fn knows(&self, meta: &RevisionMeta) -> bool {
        self.is_of(meta) && self.revision_version.is_some() && self.revision_version == meta.resource_version
    }
}

/// Digests, in hex, of all that decides what a deploy makes of a release, part by part: SHA-256, and HMAC-SHA256 under the
/// record's key where a secret may be among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDigests {
    /// The chart's content.
    pub chart: String,
    /// All values, from files and given directly; under the key.
    pub values: String,
    /// The options that change what is applied: `force_upgrade`, `crds` and the like.
    pub options: String,
    /// Helm's major version.
    pub helm_major: u64,
    /// The API versions and kinds the cluster serves, and its version; `None` for a chart that never asks for them.
    pub capabilities: Option<String>,
    /// The steps of all phases; under the key.
    pub lifecycle: String,
}

/// A part of what decides a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InputPart {
    /// The chart's content.
    Chart,
    /// The values.
    Values,
    /// Options of the release.
    Options,
    /// Helm's major version.
    HelmMajor,
    /// What the cluster serves.
    Capabilities,
    /// The steps of its phases.
    Lifecycle,
}

impl InputPart {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::Values => "values",
            Self::Options => "options",
            Self::HelmMajor => "helm's major version",
            Self::Capabilities => "what the cluster serves",
            Self::Lifecycle => "steps",
        }
    }
}

impl InputDigests {
    /// The parts in which two inputs differ, in the order of [`InputPart`].
    pub fn differs(&self, other: &Self) -> Vec<InputPart> {
        let parts = [
            (InputPart::Chart, self.chart == other.chart),
            (InputPart::Values, self.values == other.values),
            (InputPart::Options, self.options == other.options),
            (InputPart::HelmMajor, self.helm_major == other.helm_major),
            (InputPart::Capabilities, self.capabilities == other.capabilities),
            (InputPart::Lifecycle, self.lifecycle == other.lifecycle),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
    }
}

/// An object of a release as it was after a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedObject {
    /// The object, complete.
    pub object: ObjectRef,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`, where the kind has one: the server counts it up with every change of what is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// `metadata.resourceVersion`; the server changes it with every write, that of a status too.
    pub resource_version: String,
    /// Digest of the labels, annotations, owners and finalizers.
    pub labels: String,
}
