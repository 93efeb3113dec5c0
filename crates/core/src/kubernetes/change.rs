//! How an object changes, and what that does.

use crate::ids::{ObjectRef, ReleaseKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is going to happen to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ObjectChange {
    /// It is created.
    Create,
    /// It is changed in place.
    Update,
    /// It cannot be changed in place: helm is going to fail on it unless it is replaced.
    Replace {
        /// The field that must not change, or what the server says.
        because: String,
    },
    /// It is deleted.
    Delete,
    /// It is not part of the release any more and stays (`helm.sh/resource-policy: keep`).
    Keep,
    /// It exists, is not the release's, and becomes part of it.
    Adopt,
    /// What happens cannot be told yet.
    After {
        /// The release that brings what is missing.
        release: ReleaseKey,
        /// What is missing: a kind, a namespace.
        needs: String,
    },
    /// The server refuses it.
    Refused {
        /// What it says.
        why: String,
    },
    /// It stays as it is.
    Same,
}

/// A field that changes. Values of Secrets and known secrets are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldChange {
    /// The field, as `spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// What is there now; `None` when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is going to be there; `None` when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// Who wrote what is there now, when it was not helm: the field manager, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_by: Option<String>,
}

/// What a change does to what is running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effect {
    /// What kind of effect it is.
    pub kind: EffectKind,
    /// The object it happens to.
    pub object: ObjectRef,
    /// What happens, in one line.
    pub what: String,
}

/// What kind of effect a change has, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Others use what changes.
    UsedBy,
    /// Pods are replaced one after another.
    Rolls,
    /// All pods are replaced at once, or are gone before new ones come.
    Restarts,
    /// Something cannot be reached, for a while or for good.
    Unavailable,
    /// Data goes.
    DataLost,
}
