//! Digests of what phases are given, by which a later run tells whether that is still the same. SHA-256, in hex.

use pilothouse_core::{hex, own_content, own_labels};
use pilothouse_process::{MAX_DOCUMENT, read_file};
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

/// The digest of what an object holds, without its status and what the server keeps for itself.
pub(crate) fn content_digest(object: &Value) -> String {
    of(own_content(object).to_string())
}

/// The digest of the labels and annotations of an object's metadata, without those that tools write at every change.
pub(crate) fn labels_digest(metadata: &Value) -> String {
    of(own_labels(metadata).to_string())
}

/// The digest of what files hold. A file that cannot be read counts as such: whoever uses it says so.
pub(crate) async fn of_files(files: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, b"");
    for file in files {
        match read_file(file, MAX_DOCUMENT).await {
            Ok(bytes) => part(&mut hash, &bytes),
            Err(error) => part(&mut hash, error.kind().to_string().as_bytes()),
        }
    }
    hex(&hash.finalize())
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
