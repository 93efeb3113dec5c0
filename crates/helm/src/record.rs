//! Helm's stored record of a revision.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;

/// A record is at most 1 MiB in the cluster; more than this when unpacked is not one.
const LARGEST: u64 = 256 * 1024 * 1024;

/// What Helm stored of one revision (`pkg/release/v1/release.go`). Only what is needed is read out; the rest is kept in
/// [`raw`](Self::raw).
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRecord {
    /// The release name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The revision.
    pub version: u32,
    /// `info.status`: what Helm itself looks at to tell whether the release is locked.
    pub status: String,
    /// `info.description`.
    pub description: String,
    /// The rendered objects, without hooks and without Helm's ownership keys.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<StoredHook>,
    /// Everything, as stored.
    pub raw: Value,
}

/// A hook as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHook {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its YAML.
    pub manifest: String,
    /// When Helm runs it.
    pub events: Vec<String>,
    /// How its last run ended: `Succeeded`, `Failed`, `Running`, `Unknown`, or empty.
    pub last_phase: String,
}

/// A record that cannot be read. Its content is not shown: it may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not base64.
    #[error("helm's record is not base64")]
    Base64(#[source] base64::DecodeError),
    /// It cannot be unpacked.
    #[error("helm's record cannot be unpacked")]
    Gzip(#[source] std::io::Error),
    /// It is larger than any record can be.
    #[error("helm's record is larger than {LARGEST} bytes")]
    TooLarge,
    /// It is not JSON.
    #[error("helm's record is not JSON")]
    Json(#[source] serde_json::Error),
    /// A field is missing.
    #[error("helm's record has no `{field}`")]
    Lacks {
        /// The field.
        field: &'static str,
    },
}

impl ReleaseRecord {
    /// The name of the chart.
    pub fn chart_name(&self) -> &str {
        text(&self.raw, "/chart/metadata/name")
    }

    /// The version of the chart.
    pub fn chart_version(&self) -> &str {
        text(&self.raw, "/chart/metadata/version")
    }
}

/// Decodes what is stored under `data.release`, Kubernetes' own base64 already taken off: base64, then gzip (or plain,
/// in old records without the magic bytes), then JSON (`pkg/storage/driver/util.go`).
///
/// # Errors
/// What does not fit.
pub fn decode_release(payload: &[u8]) -> Result<ReleaseRecord, DecodeError> {
    let bytes = STANDARD.decode(payload.trim_ascii()).map_err(DecodeError::Base64)?;
    let json = if bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        let mut unpacked = Vec::new();
        GzDecoder::new(&bytes[..]).take(LARGEST + 1).read_to_end(&mut unpacked).map_err(DecodeError::Gzip)?;
        unpacked
    } else {
        bytes
    };
    if json.len() as u64 > LARGEST {
        return Err(DecodeError::TooLarge);
    }
    let raw: Value = serde_json::from_slice(&json).map_err(DecodeError::Json)?;
    let required = |pointer: &str, field| match text(&raw, pointer) {
        "" => Err(DecodeError::Lacks { field }),
        text => Ok(text.to_owned()),
    };
    let version = raw.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
    Ok(ReleaseRecord {
        name: required("/name", "name")?,
        namespace: text(&raw, "/namespace").to_owned(),
        version: version.ok_or(DecodeError::Lacks { field: "version" })?,
        status: required("/info/status", "info.status")?,
        description: text(&raw, "/info/description").to_owned(),
        manifest: text(&raw, "/manifest").to_owned(),
        hooks: raw.get("hooks").and_then(Value::as_array).into_iter().flatten().map(hook).collect(),
        raw,
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn hook(hook: &Value) -> StoredHook {
    let events = hook.get("events").and_then(Value::as_array).into_iter().flatten();
    StoredHook {
        name: text(hook, "/name").to_owned(),
        kind: text(hook, "/kind").to_owned(),
        manifest: text(hook, "/manifest").to_owned(),
        events: events.filter_map(Value::as_str).map(str::to_owned).collect(),
        last_phase: text(hook, "/last_run/phase").to_owned(),
    }
}
