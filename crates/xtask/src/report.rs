//! What the tests printed, as times.

use std::fmt::Write as _;

/// How many of the slowest tests are told.
const SLOWEST: usize = 30;

#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The binary that prints now, then its time.
    binaries: Vec<(String, Option<f64>)>,
    /// Seconds, binary and name.
    tests: Vec<(f64, String, String)>,
    ignored: usize,
    not_run: Vec<String>,
}

impl Report {
    /// A line that cargo or a test binary has printed.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(rest) = line.trim_start().strip_prefix("Running ") {
            // `tests/plane/main.rs (target/debug/deps/plane-0123456789abcdef)`
            let (source, path) = rest.split_once(" (").unwrap_or((rest, ""));
            let name = path.rsplit('/').next().unwrap_or_default();
            let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
            self.binaries.push((format!("{name} ({source})"), None));
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            if let (Some(time), Some((_, binary))) = (seconds(rest, "finished in ", "s"), self.binaries.last_mut()) {
                *binary = Some(time);
            }
        } else if let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            self.ignored += usize::from(result.starts_with("ignored"));
            if let Some(time) = seconds(result, "<", "s>") {
                let binary = self.binaries.last().map(|(name, _)| name.clone()).unwrap_or_default();
                self.tests.push((time, binary, name.to_owned()));
            }
        } else if let Some((_, told)) = line.split_once("not run: ") {
            self.not_run.push(told.to_owned());
        }
    }

    pub(crate) fn told(mut self) -> String {
        let mut text = "seconds of each binary\n".to_owned();
        self.binaries.sort_by(|(_, a), (_, b)| b.unwrap_or_default().total_cmp(&a.unwrap_or_default()));
        for (name, time) in &self.binaries {
            let time = time.map_or("not ended".to_owned(), |time| format!("{time:.1}"));
            let _ = writeln!(text, "{time:>9}  {name}");
        }
        text.push_str("seconds of the slowest tests, several of which run at a time\n");
        self.tests.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
        for (time, binary, name) in self.tests.iter().take(SLOWEST) {
            let _ = writeln!(text, "{time:>9.1}  {name}  {binary}");
        }
        for told in &self.not_run {
            let _ = writeln!(text, "not run: {told}");
        }
        if self.ignored > 0 {
            let _ = writeln!(text, "not run: {} tests that `cargo xtask full` runs", self.ignored);
        }
        text
    }
}

/// The number between two texts.
fn seconds(text: &str, before: &str, after: &str) -> Option<f64> {
    text.split_once(before)?.1.split_once(after)?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_what_cargo_and_the_harness_print() {
        let mut report = Report::default();
        let printed = "     Running tests/plane/main.rs (target/debug/deps/plane-0123456789abcdef)\n\
            test lifecycle::it_starts ... ok <3.250s>\n\
            test lifecycle::it_breaks ... FAILED <4.001s>\n\
            test matrix::with_the_other_helm ... ignored, full\n\
            not run: a_real_node (no containerd)\n\
            test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 7.30s\n     \
            Running unittests src/lib.rs (target/debug/deps/pilothouse_core-0123456789abcdef)\n";
        printed.lines().for_each(|line| report.read(line));
        assert_eq!(
            report.told(),
            "seconds of each binary\n      \
             7.3  plane (tests/plane/main.rs)\n\
             not ended  pilothouse_core (unittests src/lib.rs)\n\
             seconds of the slowest tests, several of which run at a time\n      \
             4.0  lifecycle::it_breaks  plane (tests/plane/main.rs)\n      \
             3.2  lifecycle::it_starts  plane (tests/plane/main.rs)\n\
             not run: a_real_node (no containerd)\n\
             not run: 1 tests that `cargo xtask full` runs\n"
        );
    }
}
