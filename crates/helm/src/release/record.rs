//! Helm's record of one revision of a release (`pkg/storage/driver`, `pkg/release/v1`).

use crate::chart::ChartMetadata;
use crate::client::{lenient_time, status};
use crate::yaml::YamlError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use pilothouse_core::RevisionStatus;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;
use std::io::{Read, Write};

/// A Secret holds at most 1 MiB; more than this does not come from one, however well it was packed.
const MAX_JSON: u64 = 256 * 1024 * 1024;

/// What a gzip stream begins with.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Helm's record of one revision.
#[derive(Clone, PartialEq)]
pub struct ReleaseRecord {
    /// The release.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The revision.
    pub version: u32,
    /// What became of it.
    pub info: ReleaseInfo,
    /// The chart's metadata. Only the parent chart is stored.
    pub chart: ChartMetadata,
    /// The values it was given; null when none.
    pub config: Value,
    /// The objects, as YAML; without hooks, `crds/`, and the ownership keys.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<HookRecord>,
    /// How the objects were applied: `ssa` or `csa`. Helm 3 does not write it.
    pub apply_method: Option<String>,
    /// The whole record, with what is not named above.
    pub raw: Value,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for ReleaseRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ReleaseRecord");
        shown.field("name", &self.name).field("namespace", &self.namespace).field("version", &self.version);
        shown.field("status", &self.info.status).field("chart", &self.chart).finish_non_exhaustive()
    }
}

impl ReleaseRecord {
    /// The version of the chart.
    pub fn chart_version(&self) -> &str {
        &self.chart.version
    }
}

/// What became of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReleaseInfo {
    /// The embedded status, by which Helm decides whether the release is locked.
    #[serde(deserialize_with = "status")]
    pub status: RevisionStatus,
    /// Helm's words about it.
    #[serde(default)]
    pub description: String,
    /// When the first revision was deployed.
    #[serde(default, deserialize_with = "lenient_time")]
    pub first_deployed: Option<Timestamp>,
    /// When this revision was begun.
    #[serde(default, deserialize_with = "lenient_time")]
    pub last_deployed: Option<Timestamp>,
    /// When it was uninstalled.
    #[serde(default, deserialize_with = "lenient_time")]
    pub deleted: Option<Timestamp>,
    /// The rendered `NOTES.txt`.
    #[serde(default)]
    pub notes: String,
}

/// A hook in a record.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct HookRecord {
    /// The object's name.
    #[serde(default)]
    pub name: String,
    /// The object's kind.
    #[serde(default)]
    pub kind: String,
    /// Its template.
    #[serde(default)]
    pub path: String,
    /// The object, as YAML.
    #[serde(default)]
    pub manifest: String,
    /// When it runs.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub events: Vec<String>,
    /// Hooks of one event run by weight, then by name.
    #[serde(default)]
    pub weight: i32,
    /// When it is deleted.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub delete_policies: Vec<String>,
    /// What became of it.
    #[serde(default)]
    pub last_run: HookRun,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for HookRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("HookRecord");
        shown.field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What became of a hook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HookRun {
    /// When it was begun; `None` when it never was.
    #[serde(default, deserialize_with = "lenient_time")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "lenient_time")]
    pub completed_at: Option<Timestamp>,
    /// `Unknown`, `Running`, `Succeeded`, `Failed`; empty when it never ran.
    #[serde(default)]
    pub phase: String,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not base64.
    #[error("the record is not base64")]
    Base64(#[source] base64::DecodeError),
    /// Not gzip, although it begins so.
    #[error("the record cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    /// Larger than any record.
    #[error("the record is larger than {} MiB", MAX_JSON / 1024 / 1024)]
    TooLarge,
    /// Not JSON, or not that of a release.
    #[error("the record is not a release")]
    Json(#[source] serde_json::Error),
    /// A manifest in it is not YAML.
    #[error("the manifest in the record is not YAML")]
    Manifest(#[source] YamlError),
}

/// The part of a record that is typed; times of helm 3 may be empty strings, lists null.
#[derive(Deserialize)]
struct Typed {
    name: String,
    #[serde(default)]
    namespace: String,
    version: u32,
    info: ReleaseInfo,
    #[serde(default)]
    chart: Option<TypedChart>,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    manifest: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    hooks: Vec<HookRecord>,
    #[serde(default)]
    apply_method: Option<String>,
}

#[derive(Deserialize)]
struct TypedChart {
    metadata: ChartMetadata,
}

/// Decodes a record: the bytes under `release` of a Secret (after Kubernetes' own base64) or of a ConfigMap.
///
/// # Errors
/// When it is not one. A record without gzip is read too: old Helm versions wrote it so.
pub fn decode_release(payload: &[u8]) -> Result<ReleaseRecord, DecodeError> {
    let (raw, _) = unpack(payload)?;
    let typed = Typed::deserialize(&raw).map_err(DecodeError::Json)?;
    Ok(ReleaseRecord {
        name: typed.name,
        namespace: typed.namespace,
        version: typed.version,
        info: typed.info,
        chart: typed.chart.map(|chart| chart.metadata).unwrap_or_default(),
        config: typed.config,
        manifest: typed.manifest,
        hooks: typed.hooks,
        apply_method: typed.apply_method.filter(|method| !method.is_empty()),
        raw,
    })
}

/// Helm's bytes of a record as a failed revision's, with these words about it; nothing else of the record changes. A record
/// without gzip stays one. What comes back is text (base64), as the payload was.
///
/// # Errors
/// When the payload is not a record.
pub fn mark_failed(payload: &[u8], description: &str) -> Result<String, DecodeError> {
    repacked(payload, |raw| {
        let info = raw.get_mut("info").and_then(Value::as_object_mut);
        let info = info.ok_or_else(|| DecodeError::Json(serde_json::Error::custom("`info` is not an object")))?;
        info.insert("status".to_owned(), Value::from(RevisionStatus::Failed.name()));
        info.insert("description".to_owned(), Value::from(description));
        Ok(())
    })
}

/// Helm's bytes of a record after a change of it. A record without gzip stays one.
///
/// # Errors
/// When the payload is not a record, or the change fails.
pub(super) fn repacked(
    payload: &[u8],
    change: impl FnOnce(&mut Value) -> Result<(), DecodeError>,
) -> Result<String, DecodeError> {
    let (mut raw, packed) = unpack(payload)?;
    Typed::deserialize(&raw).map_err(DecodeError::Json)?;
    change(&mut raw)?;
    let json = raw.to_string().into_bytes();
    Ok(STANDARD.encode(if packed { deflate(&json)? } else { json }))
}

/// The JSON of a payload, and whether it was compressed.
fn unpack(payload: &[u8]) -> Result<(Value, bool), DecodeError> {
    let bytes = STANDARD.decode(payload.trim_ascii()).map_err(DecodeError::Base64)?;
    let packed = bytes.starts_with(&GZIP);
    let json = if packed { inflate(&bytes)? } else { bytes };
    Ok((serde_json::from_slice(&json).map_err(DecodeError::Json)?, packed))
}

/// As small as Helm makes it: a Secret holds no more than 1 MiB.
fn deflate(json: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(json).and_then(|()| encoder.finish()).map_err(DecodeError::Gzip)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut json = Vec::new();
    GzDecoder::new(bytes).take(MAX_JSON + 1).read_to_end(&mut json).map_err(DecodeError::Gzip)?;
    if json.len() as u64 > MAX_JSON { Err(DecodeError::TooLarge) } else { Ok(json) }
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}
