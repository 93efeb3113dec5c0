//! Telling a process from every other there ever was on this machine.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fmt;
use std::io;
use std::str::FromStr;

/// What tells a process from every other there ever was on its machine, also from those that get its number later.
/// Written `BOOT/NAMESPACE/PID/START`.
///
/// It says nothing about a copy of a running machine: a virtual machine that was started from a snapshot has the boot
/// id of the original. Who compares identities of several machines has to compare the machines' names, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// The kernel's id of this boot.
    boot: String,
    /// The number of the namespace the process id counts in.
    namespace: u64,
    pid: u32,
    /// When the process started, in clock ticks since the boot.
    start: u64,
}

/// The text is no process identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the identity of a process")]
pub struct InvalidIdentity {
    /// The text.
    pub text: String,
}

impl ProcessIdentity {
    /// This process.
    ///
    /// # Errors
    /// When the kernel does not tell: it is not Linux, or `/proc` is missing or that of another process namespace.
    pub fn current() -> io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let link = std::fs::read_link("/proc/self/ns/pid")?;
        let namespace = link
            .to_str()
            .and_then(|link| link.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok())
            .ok_or_else(|| unreadable("/proc/self/ns/pid"))?;
        let own = std::fs::read("/proc/self/stat")?;
        let stat = Stat::read(&String::from_utf8_lossy(&own)).ok_or_else(|| unreadable("/proc/self/stat"))?;
        if boot.is_empty() || boot.contains('/') {
            return Err(unreadable("/proc/sys/kernel/random/boot_id"));
        }
        if stat.pid != std::process::id() {
            return Err(io::Error::other("/proc is that of another process namespace"));
        }
        Ok(Self { boot, namespace, pid: stat.pid, start: stat.start })
    }

    /// Whether the process has ended. `Some(false)` also for one that is stopped; `None` when it cannot be told: it is
    /// of another boot or process namespace (perhaps of another machine), or the kernel does not tell.
    pub fn is_gone(&self) -> Option<bool> {
        let ours = Self::current().ok()?;
        if (&ours.boot, ours.namespace) != (&self.boot, self.namespace) {
            return None;
        }
        match std::fs::read(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => Stat::read(&String::from_utf8_lossy(&stat)).map(|stat| stat.start != self.start || stat.ended),
            // ESRCH: it ended while it was being read.
            Err(error) if is_absent(&error) => {
                // With the mount option `hidepid`, the processes of other users are not in /proc either; a signal
                // would still find them.
                let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
                (test_kill_process(pid) == Err(Errno::SRCH)).then_some(true)
            }
            Err(_) => None,
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} cannot be understood"))
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.boot, self.namespace, self.pid, self.start)
    }
}

impl FromStr for ProcessIdentity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        let read = || {
            let parts: Vec<&str> = text.split('/').collect();
            let [boot, namespace, pid, start] = parts[..] else { return None };
            let (namespace, pid, start) = (namespace.parse().ok()?, pid.parse().ok()?, start.parse().ok()?);
            (!boot.is_empty()).then(|| Self { boot: boot.to_owned(), namespace, pid, start })
        };
        read().ok_or_else(|| InvalidIdentity { text: text.to_owned() })
    }
}

/// What is used of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    /// It is a zombie, or on its way out.
    ended: bool,
    start: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, and may hold anything, parentheses and spaces, too.
        let pid = text.split_once(" (")?.0.parse().ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X" | "x");
        // That was the third; the start is the 22nd.
        let start = fields.nth(22 - 4)?.parse().ok()?;
        Some(Self { pid, ended, start })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process, waitid};
    use std::process::{Child, Command};

    const REST: &str = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21";

    #[test]
    fn what_is_read_of_stat() {
        let stat = |pid, ended, start| Some(Stat { pid, ended, start });
        let table = [
            (format!("12 (sh) S {REST}"), stat(12, false, 987_654)),
            (format!("12 (a) Z (b) c) T {REST}"), stat(12, false, 987_654)),
            (format!("12 (sh) Z {REST}"), stat(12, true, 987_654)),
            (format!("12 (sh) X {REST}"), stat(12, true, 987_654)),
            ("12 (sh) S 1 2 3".to_owned(), None),
            ("12".to_owned(), None),
            (String::new(), None),
        ];
        for (text, expected) in table {
            assert_eq!(Stat::read(&text), expected, "{text}");
        }
    }

    #[test]
    fn it_is_written_and_read() {
        let here = ProcessIdentity::current().unwrap();
        assert_eq!(here.to_string().parse(), Ok(here));
        for text in ["", "boot/1/2", "/1/2/3", "boot/1/2/3/4", "boot/1/-2/3", "boot/x/2/3"] {
            assert_eq!(text.parse::<ProcessIdentity>(), Err(InvalidIdentity { text: text.to_owned() }));
        }
    }

    /// A child that sleeps, and its identity.
    fn sleeper() -> (Child, ProcessIdentity) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let start = Stat::read(&text).unwrap().start;
        let identity = ProcessIdentity { pid: child.id(), start, ..ProcessIdentity::current().unwrap() };
        (child, identity)
    }

    #[test]
    fn a_process_is_gone_only_when_it_has_ended() {
        assert_eq!(ProcessIdentity::current().unwrap().is_gone(), Some(false));
        let (mut child, identity) = sleeper();
        let pid = Pid::from_raw(identity.pid.cast_signed()).unwrap();
        assert_eq!(identity.is_gone(), Some(false));

        kill_process(pid, Signal::STOP).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap();
        assert_eq!(identity.is_gone(), Some(false), "it is stopped, and may be continued");

        child.kill().unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert_eq!(identity.is_gone(), Some(true), "it is a zombie");

        child.wait().unwrap();
        assert_eq!(identity.is_gone(), Some(true));
    }

    #[test]
    fn another_process_with_the_same_number_is_another_process() {
        let here = ProcessIdentity::current().unwrap();
        let earlier = ProcessIdentity { start: here.start - 1, ..here };
        assert_eq!(earlier.is_gone(), Some(true));
    }

    #[test]
    fn nothing_is_told_of_another_boot_or_namespace() {
        let here = ProcessIdentity::current().unwrap();
        let no_process = ProcessIdentity { pid: u32::MAX, ..here.clone() };
        for stranger in [
            ProcessIdentity { boot: "00000000-0000-4000-8000-000000000000".to_owned(), ..here.clone() },
            ProcessIdentity { namespace: here.namespace + 1, ..here },
            no_process,
        ] {
            assert_eq!(stranger.is_gone(), None, "{stranger}");
        }
    }
}
