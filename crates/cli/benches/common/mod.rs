//! What the benches share.

use std::path::{Path, PathBuf};

/// podinfo where it is at hand, else the web chart of the quickstart.
pub(crate) fn chart() -> (PathBuf, &'static str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let podinfo = root.join("../shared/charts/podinfo-6.14.1.tgz");
    if podinfo.is_file() {
        return (podinfo.canonicalize().unwrap(), "podinfo 6.14.1");
    }
    println!("not run with podinfo: its package is not at hand");
    (root.join("examples/quickstart/charts/web").canonicalize().unwrap(), "web of the quickstart")
}
