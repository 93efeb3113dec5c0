//! Running the tests as `cargo test --workspace` does, with the time of each.

use crate::report::Report;
use std::io::{BufRead, BufReader, Result, pipe};
use std::process::Command;
use std::time::Instant;

/// Which tests are run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Without those that are marked `ignore`.
    Daily,
    All,
}

/// The harness tells the time of a test only where unstable options are allowed. The variable that allows them is set for the test
/// binaries alone: set for cargo, it would have half of the dependencies built again.
const RUNNER: &str = r#"target."cfg(all())".runner = ["env", "RUSTC_BOOTSTRAP=1"]"#;

/// Runs them all, prints what they print and then their times. Gives whether all have passed.
pub(crate) fn run(chosen: Chosen) -> Result<bool> {
    let began = Instant::now();
    let mut command = cargo(&["--lib", "--bins", "--tests", "--config", RUNNER]);
    command.args(["--", "-Z", "unstable-options", "--report-time"]);
    if chosen == Chosen::All {
        command.arg("--include-ignored");
    }
    // One pipe for both: cargo names a binary on standard error, which prints its tests to standard output.
    let (reader, writer) = pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the other end of the pipe.
    drop(command);
    let mut report = Report::default();
    for line in BufReader::new(reader).lines() {
        let line = line?;
        println!("{line}");
        report.read(&line);
    }
    let tests = child.wait()?;
    let examples = cargo(&["--doc"]).status()?;
    println!("\n{}all: {} s", report.told(), began.elapsed().as_secs());
    Ok(tests.success() && examples.success())
}

#[expect(clippy::disallowed_methods, reason = "cargo tells in it which cargo started this program")]
fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(args);
    command
}
