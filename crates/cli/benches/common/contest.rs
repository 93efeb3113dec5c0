//! One chart, many releases: by helm alone, four processes at a time, and by this program.

use super::{count, done, program, watched};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many helm run side by side.
pub(crate) const HELMS: usize = 4;
/// Between two measurements, so that the control plane is done with what the first has left it.
const REST: Duration = Duration::from_secs(3);

/// Where it is held.
pub(crate) struct Contest {
    pub(crate) chart: PathBuf,
    pub(crate) helm: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) audit: PathBuf,
    pub(crate) folder: PathBuf,
}

/// What one way took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// Requests to the API.
    pub(crate) requests: usize,
    /// The most memory of our own process, in units of 1000 bytes.
    pub(crate) peak: u32,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s, {} requests", self.wall.as_secs_f64(), self.requests)?;
        if self.peak > 0 { write!(f, ", {:.1} MB", f64::from(self.peak) / 1000.0) } else { Ok(()) }
    }
}

/// The one in the middle, by time.
pub(crate) fn median(mut all: Vec<Took>) -> Took {
    all.sort_by_key(|took| took.wall);
    all[all.len() / 2]
}

impl Contest {
    /// `helm upgrade --install` of releases in one namespace, with nothing else, four at a time.
    pub(crate) fn helms(&self, namespace: &str, releases: usize) -> Took {
        self.measured(|| {
            let next = AtomicUsize::new(0);
            let work = || {
                loop {
                    let release = next.fetch_add(1, Ordering::Relaxed);
                    if release >= releases {
                        return;
                    }
                    let mut helm = self.plain_helm();
                    helm.args(["upgrade", "--install", "--create-namespace", "--skip-crds", "--namespace", namespace]);
                    done(helm.arg(format!("r{release}")).arg(&self.chart));
                }
            };
            std::thread::scope(|threads| {
                for _ in 0..HELMS {
                    threads.spawn(work);
                }
            });
            0
        })
    }

    pub(crate) fn plain_helm(&self) -> Command {
        let mut helm = Command::new(&self.helm);
        helm.env("KUBECONFIG", &self.kubeconfig).env("HELM_CACHE_HOME", self.folder.join("helm-cache"));
        helm
    }

    /// The stack of these releases.
    pub(crate) fn stack(&self, namespace: &str, releases: usize) -> PathBuf {
        let releases = (0..releases).map(|release| (format!("r{release}"), namespace.to_owned()));
        self.stack_of(namespace, releases)
    }

    /// A stack of releases with these names and namespaces.
    pub(crate) fn stack_of(&self, name: &str, releases: impl Iterator<Item = (String, String)>) -> PathBuf {
        let mut text = format!("version: 1\nname: {name}\nreleases:\n");
        for (release, namespace) in releases {
            let chart = self.chart.display();
            writeln!(text, "  - {{ name: {release}, namespace: {namespace}, chart: {{ path: {chart} }} }}").unwrap();
        }
        let stack = self.folder.join(format!("{name}.yaml"));
        std::fs::write(&stack, text).unwrap();
        stack
    }

    /// One command of this program about a stack.
    pub(crate) fn ours(&self, command: &[&str], stack: &Path) -> Took {
        self.ours_watched(command, stack, |_| {})
    }

    /// The same; `look` is given the process every 2 ms.
    pub(crate) fn ours_watched(&self, command: &[&str], stack: &Path, look: impl FnMut(u32)) -> Took {
        self.measured(|| {
            let program = Command::new(program())
                .args(command)
                .arg(stack)
                .arg("--kubeconfig")
                .arg(&self.kubeconfig)
                .arg("--helm")
                .arg(&self.helm)
                .env("XDG_STATE_HOME", self.folder.join("state"))
                .env("XDG_CACHE_HOME", self.folder.join("cache"))
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let (status, peak) = watched(program, Duration::from_millis(2), look);
            assert!(status.success(), "{command:?}");
            peak
        })
    }

    /// `helm list` of everything.
    pub(crate) fn list(&self) -> Took {
        self.measured(|| {
            done(self.plain_helm().args(["list", "--all-namespaces", "--max", "0"]));
            0
        })
    }

    /// What this program has asked so far about a namespace, the cluster as a whole, and its own state, by how often.
    pub(crate) fn asked_in(&self, namespace: &str) -> Vec<String> {
        let log = pilothouse_plane::AuditLog::read(&self.audit).unwrap();
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let ours = log.events().iter().filter(|event| event.user_agent.starts_with("pilothouse/"));
        for event in ours.filter(|event| event.namespace.as_deref() == Some(namespace)) {
            let without_numbers = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
            let named = without_numbers(event.name.as_deref().unwrap_or_default());
            let by = without_numbers(event.uri.split("Selector=").nth(1).unwrap_or_default());
            let by: String = by.chars().take(60).collect();
            *counts.entry(format!("{} {} {named} {by}", event.verb, event.resource)).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.into_iter().map(|(what, count)| format!("{count:5} {what}")).collect()
    }

    /// `work` gives the peak of memory.
    pub(crate) fn measured(&self, work: impl FnOnce() -> u32) -> Took {
        std::thread::sleep(REST);
        let (before, begun) = (count(&self.audit), Instant::now());
        let peak = work();
        let wall = begun.elapsed();
        Took { wall, requests: count(&self.audit) - before, peak }
    }
}
