//! What somebody else has changed in a release since it was deployed, and what is to be done about it.

use crate::ids::ObjectRef;
use serde::{Deserialize, Serialize};

/// An object that is not as it was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Drift {
    /// The object.
    pub object: ObjectRef,
    /// What is different, in one line, with who wrote it where that is known. Holds no secret value.
    pub what: String,
    /// Whether it is gone, and an upgrade may make it again: what has done its work, or would be empty where there was data, is not
    /// made again by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub comes_again: bool,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DriftPolicy {
    /// Tell it, and change nothing; what is gone is made again.
    #[default]
    Report,
    /// Upgrade, so that everything is as it was deployed.
    Correct,
    /// Act as if there were none.
    Ignore,
}
