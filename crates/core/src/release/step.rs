//! What the stack file can ask for inside a phase.

use super::chart_info::HelmAction;
use super::check::{CheckKind, CheckStep, Header, HttpCheck, PrometheusCheck};
use super::file_path::FilePath;
use crate::ids::ObjectRef;
use crate::text::{hide_arguments, secrets_given};
use std::collections::BTreeMap;
use std::fmt;

/// One step of a phase, as the stack file gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    /// A name for people; a description is made when there is none.
    pub name: Option<String>,
    /// For which action of the release it runs.
    pub on: On,
    /// Whether nothing can be taken back once it has begun: what fails after it is left as it is. Only in `pre_exec` and
    /// `post_exec`.
    pub point_of_no_return: bool,
    /// Whether it runs in every run, also when nothing else is to be done.
    pub every_run: bool,
    /// What it does.
    pub kind: StepKind,
}

impl StepSpec {
    /// A step of a deploy, without a name of its own, that runs when something is to be done.
    pub fn new(kind: StepKind) -> Self {
        Self { name: None, on: On::default(), point_of_no_return: false, every_run: false, kind }
    }
}

/// For which action a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum On {
    /// When the release is deployed.
    #[default]
    Deploy,
    /// When the release is destroyed.
    Destroy,
    /// For both.
    Always,
}

impl On {
    /// Whether a step marked so runs for `action`.
    pub fn includes(self, action: HelmAction) -> bool {
        match (self, action) {
            (_, HelmAction::Skip) | (Self::Deploy, HelmAction::Destroy) | (Self::Destroy, HelmAction::Deploy) => false,
            (Self::Always, _) | (Self::Deploy, HelmAction::Deploy) | (Self::Destroy, HelmAction::Destroy) => true,
        }
    }
}

/// What a step does. Objects without a namespace are looked for in the release's.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Give existing objects to the release by Helm's ownership label and annotations.
    Adopt(AdoptStep),
    /// Server-side apply of manifests.
    Apply(ApplyStep),
    /// Delete objects.
    Delete(DeleteStep),
    /// Wait until objects are in a state.
    Wait(WaitStep),
    /// Run a program.
    Command(CommandStep),
    /// Restart workloads, as `kubectl rollout restart` does.
    Restart(RestartStep),
    /// Look whether something is as wanted.
    Check(Box<CheckStep>),
}

impl StepKind {
    /// What in it looks like a secret.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Command(command) => command.secrets(),
            Self::Check(check) => match &check.kind {
                CheckKind::Exec(exec) => exec.secrets(),
                CheckKind::Http(HttpCheck { headers, .. }) | CheckKind::Prometheus(PrometheusCheck { headers, .. }) => {
                    headers.iter().flat_map(Header::secrets).collect()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

/// Give existing objects to the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptStep {
    /// Exactly these. One that does not exist is no error: helm will create it.
    pub objects: Vec<ObjectRef>,
    /// Also every object of the chart that exists and belongs to nobody: no release, no other tool, no controller.
    pub unowned: bool,
}

/// Apply manifests.
#[derive(Clone, PartialEq, Eq)]
pub struct ApplyStep {
    /// Files with YAML documents.
    pub files: Vec<FilePath>,
    /// YAML documents given directly.
    pub manifests: Vec<String>,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for ApplyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifests = self.manifests.len();
        f.debug_struct("ApplyStep").field("files", &self.files).field("manifests", &manifests).finish()
    }
}

/// Delete objects. What holds data needs consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteStep {
    /// Exactly these; one that does not exist is no error.
    pub objects: Vec<ObjectRef>,
    /// Also the definitions in the chart's `crds/` folders.
    pub chart_crds: bool,
    /// Wall-clock seconds until they must be gone.
    pub timeout_in_seconds: u64,
}

/// Wait for objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitStep {
    /// These.
    pub objects: Vec<ObjectRef>,
    /// What to wait for.
    pub wait_for: WaitFor,
    /// Wall-clock seconds until the step fails.
    pub timeout_in_seconds: u64,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitFor {
    /// The object exists and is ready.
    #[default]
    Ready,
    /// The object exists.
    Exists,
    /// The object does not exist.
    Deleted,
}

impl fmt::Display for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "is ready",
            Self::Exists => "exists",
            Self::Deleted => "is deleted",
        })
    }
}

/// Run a program. It gets the program's own environment and, on top, `KUBECONFIG`, `PILOTHOUSE_RELEASE`,
/// `PILOTHOUSE_NAMESPACE`, `PILOTHOUSE_PHASE` and `PILOTHOUSE_ACTION`.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandStep {
    /// The program and its arguments; no shell is involved unless it is named here.
    pub argv: Vec<String>,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in.
    pub cwd: Option<FilePath>,
    /// Puts its standard output, without white space around it, into the payload under this key.
    pub output_to: Option<String>,
    /// Whether that output is a secret: then it is not kept for a run that continues this one, and is shown nowhere.
    pub sensitive: bool,
    /// Whether it may be run again when it is not known whether it has run.
    pub repeatable: bool,
    /// Wall-clock seconds until it is stopped.
    pub timeout_in_seconds: u64,
}

impl CommandStep {
    /// What it is given that looks like a secret: the program may print it.
    pub fn secrets(&self) -> Vec<&str> {
        secrets_given(&self.argv, self.env.iter())
    }
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for CommandStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CommandStep");
        shown.field("argv", &format_args!("{}", hide_arguments(&self.argv))).field("env", &self.env.keys());
        shown.field("cwd", &self.cwd).field("output_to", &self.output_to).field("sensitive", &self.sensitive);
        shown.field("repeatable", &self.repeatable).field("timeout_in_seconds", &self.timeout_in_seconds).finish()
    }
}

/// Restart workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartStep {
    /// Deployments, StatefulSets or DaemonSets.
    pub objects: Vec<ObjectRef>,
}
