//! The schema and the reference that are kept in the repository.

use pilothouse_config::{reference_markdown, schema};
use std::path::Path;

/// Compares a file of the repository with what it is made from; `PILOTHOUSE_BLESS=1` writes it anew.
#[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the library")]
fn assert_published(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(published == expected, "{} is out of date: run this test with PILOTHOUSE_BLESS=1", path.display());
}

#[test]
fn the_schema_is_published() {
    assert_published("schema/pilothouse.v1.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_is_published() {
    assert_published("../../docs/stack-file.md", &reference_markdown());
}
