//! Charts to test with.

use std::io::Write;
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
pub fn community_chart(package: &str, test: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/charts").join(format!("{package}.tgz"));
    if path.is_file() {
        return path.canonicalize().ok();
    }
    not_run(test, &format!("the package {package}.tgz is not at hand"));
    None
}

/// Prints a line that names a test that is not run. Written to the stream itself: what passing tests print with the
/// macros is captured, and nobody sees it.
pub fn not_run(test: &str, why: &str) {
    // Where standard error is closed nobody can be told.
    let _ = writeln!(std::io::stderr(), "not run: {test} ({why})");
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_process::{Limits, Spawn, run};
    use std::time::Duration;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn a_chart_that_is_not_at_hand() {
        assert_eq!(community_chart("no-such-chart-1.0.0", "an_example_of_this_line"), None);
    }

    /// The test above passes, and is run as people run it.
    #[tokio::test]
    async fn the_line_of_a_test_that_passes_is_seen() {
        let spawn = Spawn::new(std::env::current_exe().unwrap())
            .args(["--exact", "charts::tests::a_chart_that_is_not_at_hand"]);
        let limits = Limits { timeout: Duration::from_secs(60), grace: Duration::ZERO };
        let done = run(spawn, limits, &CancellationToken::new()).await.unwrap();
        assert!(done.status.success() && done.stdout.text().contains("1 passed"), "{}", done.stdout.text());
        assert_eq!(
            done.stderr.text(),
            "not run: an_example_of_this_line (the package no-such-chart-1.0.0.tgz is not at hand)\n"
        );
    }
}
