//! Digests of what phases are given, by which a later run tells whether that is still the same. SHA-256, in hex.

use crate::context::Context;
use crate::prepare;
use pilothouse_core::{ChartInfo, Payload, ValueSource, hex};
use pilothouse_helm::ResolvedChart;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// The digest of a text.
pub(crate) fn of(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The digest of a text and of what files hold. A file that cannot be read counts as such: whoever uses it says so.
pub(crate) async fn with_files(text: &str, files: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, text.as_bytes());
    for file in files {
        match tokio::fs::read(file).await {
            Ok(bytes) => part(&mut hash, &bytes),
            Err(error) => part(&mut hash, error.kind().to_string().as_bytes()),
        }
    }
    hex(&hash.finalize())
}

/// The digest of all that decides what helm deploys: the chart's content, every value, the options that change what is
/// applied, and helm's major version.
pub(crate) async fn of_deploy(ctx: &Context, chart: &ResolvedChart, payload: &Payload) -> String {
    let info = ctx.info();
    let mut hash = Sha256::new();
    part(&mut hash, chart.digest.as_bytes());
    part(&mut hash, &ctx.helm().version().major.to_be_bytes());
    part(&mut hash, &[u8::from(info.force_upgrade), u8::from(info.recreate_pods)]);
    part(&mut hash, format!("{:?}", info.crds).as_bytes());
    all_values(&mut hash, info, payload).await;
    hex(&hash.finalize())
}

/// The digest of all values a release is given, wherever they come from.
pub(crate) async fn of_values(info: &ChartInfo, payload: &Payload) -> String {
    let mut hash = Sha256::new();
    all_values(&mut hash, info, payload).await;
    hex(&hash.finalize())
}

async fn all_values(hash: &mut Sha256, info: &ChartInfo, payload: &Payload) {
    part(hash, with_files("", &info.values_files).await.as_bytes());
    for document in &info.yaml_files_content {
        part(hash, document.content.as_bytes());
    }
    values(hash, info);
    for value in prepare::payload_values(info, payload) {
        part(hash, value.to_string().as_bytes());
    }
}

fn values(hash: &mut Sha256, info: &ChartInfo) {
    for value in &info.values {
        part(hash, value.key.as_bytes());
        match &value.value {
            ValueSource::Auto(text) => part(hash, format!("auto {text}").as_bytes()),
            ValueSource::String(text) => part(hash, format!("string {text}").as_bytes()),
            ValueSource::Json(value) => part(hash, format!("json {value}").as_bytes()),
            ValueSource::Sensitive(secret) => part(hash, format!("string {}", secret.expose()).as_bytes()),
            ValueSource::Payload(key) => part(hash, format!("payload {key}").as_bytes()),
        }
    }
}

/// Adds one part; its length keeps `a`, `bc` and `ab`, `c` apart.
pub(crate) fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
