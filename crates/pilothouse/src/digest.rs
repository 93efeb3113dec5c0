//! Digests of what phases are given, by which a later run tells whether that is still the same. SHA-256, in hex.

use crate::context::release_context::Context;
use crate::render::wanted;
use pilothouse_core::{ChartInfo, CrdPolicy, Payload, ValueSource, hex, own_content, own_labels};
use pilothouse_helm::ResolvedChart;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// The digest of a text.
pub(crate) fn of(text: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(text))
}

/// The number of the form in which steps are put for their digests.
const FORM_OF_STEPS: u32 = 2;

/// The digest of a step, of what it is given as JSON.
pub(crate) fn of_step(given: &Value) -> String {
    of(json!({"form": FORM_OF_STEPS, "step": given}).to_string())
}

/// The digest of what files hold. A file that cannot be read counts as such: whoever uses it says so.
async fn of_files(files: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, b"");
    for file in files {
        match tokio::fs::read(file).await {
            Ok(bytes) => part(&mut hash, &bytes),
            Err(error) => part(&mut hash, error.kind().to_string().as_bytes()),
        }
    }
    hex(&hash.finalize())
}

/// The digest of what an object holds, without its status and what the server keeps for itself.
pub(crate) fn content_digest(object: &Value) -> String {
    of(own_content(object).to_string())
}

/// The digest of the labels and annotations of an object's metadata, without those that tools write at every change.
pub(crate) fn labels_digest(metadata: &Value) -> String {
    of(own_labels(metadata).to_string())
}

/// The digest of all that decides what helm deploys: the chart's content, every value, the options that change what is
/// applied, and helm's major version.
pub(crate) async fn of_deploy(ctx: &Context, chart: &ResolvedChart, payload: &Payload) -> String {
    let info = ctx.info();
    let mut hash = Sha256::new();
    part(&mut hash, chart.digest.as_bytes());
    part(&mut hash, &ctx.helm().version().major.to_be_bytes());
    part(&mut hash, &[u8::from(info.force_upgrade), u8::from(info.recreate_pods)]);
    part(&mut hash, policy_of_crds(info).as_bytes());
    all_values(&mut hash, info, payload).await;
    hex(&hash.finalize())
}

/// The policy for definitions, by the name it has in digests.
pub(crate) fn policy_of_crds(info: &ChartInfo) -> &'static str {
    match info.crds {
        CrdPolicy::Skip => "Skip",
        CrdPolicy::Create => "Create",
        CrdPolicy::Upgrade => "Upgrade",
    }
}

/// The digest of all values a release is given, wherever they come from.
pub(crate) async fn of_values(info: &ChartInfo, payload: &Payload) -> String {
    let mut hash = Sha256::new();
    all_values(&mut hash, info, payload).await;
    hex(&hash.finalize())
}

async fn all_values(hash: &mut Sha256, info: &ChartInfo, payload: &Payload) {
    part(hash, of_files(&info.values_files).await.as_bytes());
    // How many there are keeps documents and values apart.
    part(hash, &(info.yaml_files_content.len() as u64).to_be_bytes());
    for document in &info.yaml_files_content {
        part(hash, document.content.as_bytes());
    }
    values(hash, info);
    for value in wanted::payload_values(info, payload) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_counts_changes_a_digest() {
        let digests = |object: Value| (content_digest(&object), labels_digest(&object["metadata"]));
        let one = json!({"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}, "uid": "1"}, "spec": {"a": 1}, "status": {}});
        let same = json!({"spec": {"a": 1}, "metadata": {"resourceVersion": "7", "labels": {"y": "2", "x": "1"}, "name": "a"}});
        let other = json!({"metadata": {"name": "a", "labels": {"x": "1", "y": "3"}}, "spec": {"a": 1}});
        assert_eq!(digests(one.clone()), digests(same));
        let ((content, labels), (other_content, other_labels)) = (digests(one), digests(other));
        assert!(content != other_content && labels != other_labels);
        assert_eq!((content.len(), labels.len()), (64, 64));
    }
}
