//! The file of a backup: what `kubectl create -f` takes. It holds Secrets.

use jiff::Timestamp;
use pilothouse_core::{ReleaseKey, Sensitive};
use serde_json::{Value, json};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The name of the file, by release and time.
pub(super) fn name(release: &ReleaseKey, now: Timestamp) -> String {
    format!("{}.{}.{}.json", release.namespace, release.name, now.strftime("%Y%m%dT%H%M%S%.6fZ"))
}

/// Writes a `List` that only the owner can read. When this returns well, it is on disk as a whole. An older file is never
/// written over.
///
/// # Errors
/// When folder or file cannot be made; nothing of the file is left then, if that is possible.
pub(super) fn write(path: &Path, documents: &[Sensitive<Value>]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let items: Vec<&Value> = documents.iter().map(Sensitive::expose).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let mut text = serde_json::to_vec_pretty(&list)?;
    text.push(b'\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    // The name is on disk only when the folder is.
    written.and_then(|()| File::open(folder)?.sync_all()).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}
