//! Building a program from Go modules.

use super::catalogue::Platform;
use super::event::BuildProgress;
use super::tool::Tool;
use pilothouse_process::{Child, Signal, Sink, Spawn};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How often the compiler's output is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Time a build gets between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How much of the end of the compiler's output an error shows, in lines.
const SHOWN: usize = 12;

/// What a build needs.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    pub(crate) tool: Tool,
    pub(crate) platform: Platform,
    pub(crate) go: &'a Path,
    pub(crate) env: &'a BTreeMap<OsString, OsString>,
    /// An empty folder of its own.
    pub(crate) work: &'a Path,
    pub(crate) timeout: Duration,
}

impl Build<'_> {
    /// Builds the program and gives its file, which is in the work folder.
    ///
    /// # Errors
    /// A sentence, with the end of what go said.
    pub(crate) async fn run(
        &self,
        progress: &(dyn Fn(BuildProgress) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<PathBuf, String> {
        let begun = Instant::now();
        let recipe = self.tool.recipe();
        let (log_path, file) = (self.work.join("build.log"), self.work.join(self.tool.file_name()));
        let log = self.prepare(&log_path).map_err(|error| format!("{}: {error}", self.work.display()))?;
        let spawn = self.command(&file).stdout(Sink::Null).stderr(Sink::File(log));
        let mut child = spawn.start().await.map_err(|error| super::error::chain(&error))?;
        let mut log =
            Log::open(&log_path, recipe.packages).map_err(|error| format!("{}: {error}", log_path.display()))?;
        progress(log.progress.clone());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = cancel.cancelled() => {
                    stop(&mut child).await;
                    return Err("cancelled".to_owned());
                }
                _ = ticks.tick() => {
                    if begun.elapsed() > self.timeout {
                        stop(&mut child).await;
                        return Err(format!("it was not built within {} s", self.timeout.as_secs()));
                    }
                    log.read();
                    progress(BuildProgress { elapsed: begun.elapsed(), ..log.progress.clone() });
                }
            }
        };
        log.read();
        progress(BuildProgress { elapsed: begun.elapsed(), ..log.progress.clone() });
        if !status.success() {
            return Err(format!("go build fails ({status}):\n{}", log.end()));
        }
        Ok(file)
    }

    /// Writes the helper module and opens a file for the compiler's output.
    fn prepare(&self, log: &Path) -> io::Result<File> {
        let recipe = self.tool.recipe();
        fs::create_dir_all(self.scratch())?;
        fs::write(self.work.join("go.mod"), recipe.go_mod)?;
        fs::write(self.work.join("go.sum"), recipe.go_sum)?;
        File::create(log)
    }

    fn scratch(&self) -> PathBuf {
        self.work.join("scratch")
    }

    /// `-v` names each package as it is compiled; modules that are fetched are named in any case.
    fn command(&self, file: &Path) -> Spawn {
        Spawn::new(self.go)
            .args(["build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags"])
            .arg(self.tool.linker_flags())
            .arg("-o")
            .arg(file)
            .arg(self.tool.recipe().package)
            .envs(self.env)
            // What is built must not depend on the user's settings for their own programs.
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
            .env("GO111MODULE", "on")
            .env("CGO_ENABLED", "0")
            // Here, what a killed build leaves behind is cleared away by the next one.
            .env("GOTMPDIR", self.scratch())
            .env("GOOS", self.platform.os)
            .env("GOARCH", self.platform.arch)
            .cwd(self.work)
            .guard_descendants()
    }
}

async fn stop(child: &mut Child) {
    child.signal(Signal::TERM);
    if timeout(GRACE, child.wait()).await.is_err() {
        child.signal(Signal::KILL);
        child.wait().await;
    }
}

/// The compiler's output, read as it grows.
struct Log {
    file: File,
    partial: Vec<u8>,
    lines: Vec<String>,
    progress: BuildProgress,
}

impl Log {
    fn open(path: &Path, packages: u32) -> io::Result<Self> {
        let progress = BuildProgress { packages_at_most: packages, ..BuildProgress::default() };
        Ok(Self { file: File::open(path)?, partial: Vec::new(), lines: Vec::new(), progress })
    }

    fn read(&mut self) {
        // A log that cannot be read costs only the display of progress.
        let _ = self.file.read_to_end(&mut self.partial);
        let whole = self.partial.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.partial.drain(..whole).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            self.take(line);
        }
    }

    fn take(&mut self, line: &str) {
        if let Some(module) = line.strip_prefix("go: downloading ") {
            self.progress.modules += 1;
            module.clone_into(&mut self.progress.last);
        } else if !line.is_empty() && !line.contains(char::is_whitespace) {
            self.progress.packages += 1;
            line.clone_into(&mut self.progress.last);
        } else {
            self.lines.push(line.to_owned());
        }
    }

    /// The end of what was said, without the names of packages.
    fn end(&self) -> String {
        let from = self.lines.len().saturating_sub(SHOWN);
        let partial = String::from_utf8_lossy(&self.partial);
        let lines = self.lines[from..].iter().map(String::as_str).chain([partial.as_ref()]);
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn tells_packages_modules_and_complaints_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = File::create(&path).unwrap();
        let mut log = Log::open(&path, 9).unwrap();
        file.write_all(b"go: downloading a.b/c v1.2.3\na.b/c\na.b/").unwrap();
        log.read();
        let expected =
            BuildProgress { modules: 1, packages: 1, packages_at_most: 9, last: "a.b/c".into(), ..Default::default() };
        assert_eq!(log.progress, expected);
        file.write_all(b"c/d\n# a.b/c/d\nd.go:1:1: undefined: x\nno end").unwrap();
        log.read();
        let expected = BuildProgress { packages: 2, last: "a.b/c/d".into(), ..expected };
        assert_eq!(log.progress, expected);
        assert_eq!(log.end(), "# a.b/c/d\nd.go:1:1: undefined: x\nno end");
    }
}
