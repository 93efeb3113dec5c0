//! Running one case.

use crate::acting::Acting;
use crate::case::{Case, Origin, Place, Places};
use crate::servers::Servers;
use crate::symptoms::{self, Symptoms};
use crate::told::{self, Told};
use crate::{prepare, world};
use jiff::Timestamp;
use pilothouse_plane::Plane;
use pilothouse_plane::provision::Tool;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a release of the corpus may take, in seconds: a kubelet with dozens of broken pods takes its time.
pub(crate) fn seconds(place: Place) -> u32 {
    match place {
        Place::Simulated => 15,
        Place::Real => 30,
    }
}

/// What a run may take at most, before it is killed.
const DEADLINE: Duration = Duration::from_secs(180);

/// A case, where it is run and with which helm.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) helm: u8,
    pub(crate) by: Runner,
}

/// What runs a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Pilothouse,
    /// `helm upgrade --install --wait`
    Helm,
}

impl Variant {
    /// The namespace; faults find their pods by it.
    pub(crate) fn namespace(&self) -> String {
        let place = match self.place {
            Place::Simulated => "",
            Place::Real => "-real",
        };
        let by = match self.by {
            Runner::Pilothouse => "",
            Runner::Helm => "-alone",
        };
        format!("{}-{}{place}{by}", self.name, self.helm)
    }

    pub(crate) fn case(&self, servers: &Servers) -> Case {
        let places = Places {
            namespace: self.namespace(),
            registry: servers.registry.clone(),
            webhook: servers.webhook.clone(),
            webhook_authority: servers.webhook_authority.clone(),
        };
        Case::read(&self.name, &places)
    }
}

/// What a run of the program has told, and when.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) variant: Variant,
    pub(crate) case: Case,
    pub(crate) told: Vec<Told>,
    /// Exit code of the program.
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    /// When it could be seen first that something is wrong, in the cluster or by helm's end.
    pub(crate) visible: Option<Timestamp>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Where it was run.
    pub(crate) ready: Ready,
}

/// A case with everything in place, ready to be run.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) case: Case,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) chart: PathBuf,
    pub(crate) helm: PathBuf,
    pub(crate) kubeconfig: PathBuf,
}

/// Puts everything in place for a case that may take so many seconds; `None` when its chart is not at hand.
pub(crate) fn prepare(variant: &Variant, plane: &Plane, servers: &Servers, seconds: u32) -> Option<Ready> {
    let case = variant.case(servers);
    let namespace = variant.namespace();
    let folder = tempfile::tempdir().unwrap();
    let chart = prepare::chart(&case, folder.path())?;
    let config = plane.client_config();
    prepare::cluster(&config, &namespace, &case);
    let helm = world::helm(if variant.helm == 3 { Tool::Helm3 } else { Tool::Helm4 });
    first(&case, &helm, plane.kubeconfig(), &namespace, &chart, folder.path());
    if let Some(first) = &case.first {
        prepare::namespace(&config, &namespace, &first.after);
    }
    prepare::stack_file(&case, &chart, &namespace, folder.path(), seconds, &serde_json::Map::new());
    let kubeconfig = prepare::kubeconfig(&config, plane.kubeconfig(), folder.path(), &namespace, &case);
    Some(Ready { case, folder, chart, helm, kubeconfig })
}

/// Runs a case by the program to its end; `None` when its chart is not at hand.
pub(crate) fn run(variant: &Variant, plane: &Plane, servers: &Servers, symptoms: &Symptoms) -> Option<Ran> {
    let seconds = |case: &Case| case.seconds.unwrap_or_else(|| seconds(variant.place));
    let ready = prepare(variant, plane, servers, seconds(&variant.case(servers)))?;
    let case = ready.case.clone();
    let _acting = Acting::begin(plane.client_config(), &variant.namespace(), &case.acts);
    let mut command = world::program(ready.folder.path(), &ready.helm, &ready.kubeconfig);
    command.args(["apply", "--yes", "--output", "jsonl"]).args(&case.args);
    let begun = Instant::now();
    let (code, stdout, stderr) = finish(command, ready.folder.path());
    let took = begun.elapsed();
    let in_cluster = symptoms.first(&variant.namespace(), symptoms::of(&case.code));
    let visible = [in_cluster, told::helm_failed_at(&stdout)].into_iter().flatten().min();
    let told = told::told(&stdout);
    Some(Ran { variant: variant.clone(), case, told, code, took, visible, stdout, stderr, ready })
}

/// The install that works, by helm alone.
fn first(case: &Case, helm: &Path, kubeconfig: &Path, namespace: &str, chart: &Path, folder: &Path) {
    let Some(first) = &case.first else { return };
    let values = folder.join("first.yaml");
    std::fs::write(&values, first.values.to_string()).unwrap();
    let done = Command::new(helm)
        .args(["upgrade", "--install", "web", "--namespace", namespace, "--wait", "--timeout", "180s", "--values"])
        .arg(&values)
        .arg(chart)
        .env("KUBECONFIG", kubeconfig)
        .env("HELM_CACHE_HOME", folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&done.stderr));
}

/// Exit code and output of a program that may not take for ever.
pub(crate) fn finish(mut command: Command, folder: &Path) -> (Option<i32>, String, String) {
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    (status.code(), read(&stdout), read(&stderr))
}

/// How well the cause of a release's end was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// The code is right, or the object and the words are.
    Partly,
    Wrong,
    /// It is told that it is not understood, or nothing is.
    Unknown,
}

impl Ran {
    /// The cause the release ended with, or the first finding.
    pub(crate) fn decisive(&self) -> Option<&Told> {
        self.told.iter().find(|told| told.last)
    }

    /// Whether code and object are right.
    pub(crate) fn is_right(&self) -> bool {
        if self.case.ends_well {
            return self.code == Some(0) && self.wrong_and_certain().is_none();
        }
        self.decisive().is_some_and(|told| told.code == self.case.code && self.is_about(told))
    }

    fn is_about(&self, told: &Told) -> bool {
        let Some(object) = &self.case.object else { return true };
        std::iter::once(object).chain(&self.case.also).any(|object| {
            let (kind, name) = object.split_once('/').unwrap();
            // A finding says it in its own words.
            told.object == *object || (told.object.starts_with(kind) && told.object.contains(name))
        })
    }

    /// Of another hand's cases the words must be in what is told of the cause, too.
    pub(crate) fn verdict(&self) -> Verdict {
        let Some(told) = self.decisive().filter(|_| !self.case.ends_well) else {
            return match (self.case.ends_well, self.code) {
                (true, _) if self.is_right() => Verdict::Right,
                // Nobody has seen that it is broken.
                (true, _) | (false, Some(0)) => Verdict::Wrong,
                (false, _) => Verdict::Unknown,
            };
        };
        let named = self.case.origin != Origin::AnotherHand || self.case.is_named_in(&told.text);
        let about = self.case.object.is_some() && self.is_about(told);
        match (self.is_right() && named, self.is_unknown()) {
            (true, _) => Verdict::Right,
            (false, true) => Verdict::Unknown,
            (false, false) if told.code == self.case.code || (about && named) => Verdict::Partly,
            (false, false) => Verdict::Wrong,
        }
    }

    /// Whether nothing more was told than that it is not understood.
    pub(crate) fn is_unknown(&self) -> bool {
        self.case.code != "UNKNOWN" && self.decisive().is_some_and(|told| told.code == "UNKNOWN")
    }

    /// What was told as certain and is not the cause.
    pub(crate) fn wrong_and_certain(&self) -> Option<&Told> {
        self.told.iter().find(|told| told.certain && told.code != self.case.code)
    }

    /// The time from the symptom to the telling, in milliseconds; `None` when either is missing.
    pub(crate) fn delay(&self) -> Option<i64> {
        let told = self.told.iter().find(|told| told.code == self.case.code)?;
        Some(told.at.duration_since(self.visible?).as_millis().try_into().unwrap_or(i64::MAX).max(0))
    }
}
