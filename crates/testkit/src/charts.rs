//! Charts to test with.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// One of our own small charts, in `charts/` of this crate.
pub fn fixture_chart(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts").join(name)
}

/// A packaged chart of the community (`podinfo-6.14.1`). These are not part of the repository: without them this prints a
/// line that names the test that is not run, and gives `None`.
#[expect(clippy::print_stderr, reason = "a test that does not run must be seen")]
pub fn community_chart(package: &str, test: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/charts").join(format!("{package}.tgz"));
    if path.is_file() {
        return path.canonicalize().ok();
    }
    eprintln!("not run: {test} (the package {package}.tgz is not at hand)");
    None
}
