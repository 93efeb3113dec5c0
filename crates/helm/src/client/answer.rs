//! What helm answers as JSON.

use jiff::Timestamp;
use pilothouse_core::RevisionStatus;
use serde::{Deserialize, Deserializer};

/// One revision, as `helm history -o json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HistoryEntry {
    /// The revision, from 1.
    pub revision: u32,
    /// When it was written.
    #[serde(default, deserialize_with = "lenient_time")]
    pub updated: Option<Timestamp>,
    /// Its status.
    #[serde(deserialize_with = "status")]
    pub status: RevisionStatus,
    /// Name and version of the chart, as `podinfo-6.9.0`.
    pub chart: String,
    /// The version of what the chart deploys.
    #[serde(default)]
    pub app_version: String,
    /// Helm's words about it.
    #[serde(default)]
    pub description: String,
}

/// One revision, as `helm get metadata -o json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The release.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The chart's name.
    pub chart: String,
    /// The chart's version.
    pub version: String,
    /// The version of what the chart deploys.
    #[serde(default)]
    pub app_version: String,
    /// The revision.
    pub revision: u32,
    /// Its status.
    #[serde(deserialize_with = "status")]
    pub status: RevisionStatus,
    /// When it was deployed.
    #[serde(default, deserialize_with = "lenient_time")]
    pub deployed_at: Option<Timestamp>,
    /// How objects were applied (`ssa` or `csa`), as far as helm tells (4 only).
    #[serde(default)]
    pub apply_method: Option<String>,
}

/// Helm 3 writes a zero time as an empty string, helm 4 leaves it out; one that cannot be read is no reason to fail.
pub(crate) fn lenient_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

pub(crate) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RevisionStatus, D::Error> {
    Ok(RevisionStatus::from_name(&String::deserialize(deserializer)?))
}
