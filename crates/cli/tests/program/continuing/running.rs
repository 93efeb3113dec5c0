//! Running the program, perhaps in the background, with an end that is always reached.

use crate::support::{World, helm};
use pilothouse_plane::provision::Tool;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything that is waited for may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// The program at work. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A program that has ended.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts the program with these arguments on the plane, with a state folder of this name.
pub(crate) fn start(world: &World, tool: Tool, state: &str, args: &[&str]) -> Running {
    start_with(world, &helm(tool), state, args)
}

/// The same with this program for helm.
pub(crate) fn start_with(world: &World, helm: &Path, state: &str, args: &[&str]) -> Running {
    let mut command = world.on_plane(args);
    let nth = std::fs::read_dir(world.path("")).unwrap().count();
    let (stdout, stderr) = (world.path(&format!("stdout-{nth}")), world.path(&format!("stderr-{nth}")));
    command.env("PILOTHOUSE_HELM", helm).env("XDG_STATE_HOME", world.path(state));
    command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    Running { child: command.spawn().unwrap(), stdout, stderr }
}

/// Runs the program to its end.
pub(crate) fn run(world: &World, tool: Tool, state: &str, args: &[&str]) -> Ran {
    start(world, tool, state, args).wait()
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has printed so far.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap()
    }

    /// What it has said so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    pub(crate) fn wait(mut self) -> Ran {
        let what = format!("the program (process {}) ends", self.pid());
        let status = eventually(&what, || self.child.try_wait().unwrap());
        Ran { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }

    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.told()))
    }

    /// The subjects of all findings with this code.
    pub(crate) fn findings(&self, code: &str) -> Vec<String> {
        let json = self.json();
        let releases = json["releases"].as_array().into_iter().flatten();
        let findings = releases.flat_map(|release| release["result"]["findings"].as_array().into_iter().flatten());
        findings.filter(|finding| finding["code"] == code).map(|finding| text(&finding["subject"])).collect()
    }

    /// The events of one kind, in a run that was asked for JSON.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let json = self.json();
        json["events"].as_array().unwrap().iter().filter(|event| event["event"] == kind).cloned().collect()
    }

    /// All it told, for the message of a failed test.
    pub(crate) fn told(&self) -> String {
        format!("{}\n{}\n{}", self.status, self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.told());
        self
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Looks until there is something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process's state by `/proc`, one letter, and its parent; `None` when there is no such process.
fn state_and_parent(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

pub(crate) fn is_stopped(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state == "T")
}

/// Whether a process has ended; one that nobody has waited for yet counts.
pub(crate) fn has_ended(pid: u32) -> bool {
    state_and_parent(pid).is_none_or(|(state, _)| state == "Z")
}

/// The helm that this process has started to change a release, while it runs.
pub(crate) fn helm_of(parent: u32) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let mut pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.find(|pid| {
        let ours = state_and_parent(*pid).is_some_and(|(_, of)| of == parent);
        // A zombie has no arguments.
        let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        ours && arguments.split('\0').any(|argument| argument == "upgrade")
    })
}
