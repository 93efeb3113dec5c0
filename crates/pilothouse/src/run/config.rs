//! How a run is to go, and where it keeps its lock and its journal.

use crate::context::StepAnswer;
use pilothouse_core::{Holder, OnReleaseFailure, Plan, ReleaseKey, RunId, RunKind, SetPolicy};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a run is to go.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// The stack's name.
    pub stack: String,
    /// The run.
    pub id: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// How many releases are worked on at once, at most; 0 counts as 1.
    pub concurrency: usize,
    /// What becomes of the others when a release does not end well.
    pub failure_policy: SetPolicy,
    /// What becomes of what a failed release needs.
    pub on_release_failure: OnReleaseFailure,
    /// Whether the others are begun although one release is refused by what is known before: it is refused in its turn then.
    pub despite_refusals: bool,
    /// The plan to be carried out, and nothing else: what has moved since it was made is refused.
    pub plan: Option<Arc<Plan>>,
    /// The stack file, absolute, where the releases come from one: it is noted in the journal.
    pub stack_file: Option<PathBuf>,
    /// Where the journal and the lock are kept. Without it nothing is written down: a run that is killed cannot be
    /// continued, and nothing keeps a second one away.
    pub state: Option<StateConfig>,
}

impl RunConfig {
    /// A run that applies, one release after another, without journal and lock.
    pub fn new(stack: impl Into<String>, id: RunId) -> Self {
        Self {
            stack: stack.into(),
            id,
            kind: RunKind::Apply,
            concurrency: 1,
            failure_policy: SetPolicy::default(),
            on_release_failure: OnReleaseFailure::default(),
            despite_refusals: false,
            plan: None,
            stack_file: None,
            state: None,
        }
    }
}

/// How many releases are worked on at once where nobody says it: four times as many as there are cores: a release also waits, for its objects and its journal, and helm for the
/// API server. With fewer the cores are not always busy; with more nothing is won, and helm's memory would matter.
pub fn default_concurrency() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| (4 * cores.get()).clamp(4, 16))
}

/// What the user says of a step of a release whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The release.
    pub release: ReleaseKey,
    /// The step and what became of it.
    pub step: StepAnswer,
}

/// Where a run keeps its lock and its journal.
#[derive(Debug, Clone)]
pub struct StateConfig {
    /// The namespace of the lock (a Lease) and of the journal's copy in the cluster (a Secret). With `None` that is
    /// `pilothouse`, or `default` for a stack whose copy is there, where it was kept formerly.
    pub namespace: Option<String>,
    /// The folder for the journals of all stacks and clusters on this machine.
    pub folder: PathBuf,
    /// Who runs this.
    pub holder: Holder,
    /// How long to wait for a lock that another run holds.
    pub lock_timeout: Duration,
    /// What becomes of an earlier run that did not come to its end.
    pub resume: Resume,
    /// What the user says of steps whose end is not known.
    pub answers: Vec<Answer>,
    /// For trying out that a killed run can be continued: at which boundary of an effect the process kills itself.
    pub kill_at: Option<u64>,
}

impl StateConfig {
    /// Whether the last run is to be continued whatever became of it, or something is said of its steps.
    pub(crate) fn wants_the_last(&self) -> bool {
        self.resume != Resume::IfUnfinished || !self.answers.is_empty()
    }
}

/// What becomes of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resume {
    /// It is continued if it was killed or interrupted.
    #[default]
    IfUnfinished,
    /// It is continued also when releases of it failed; without one the run does not begin.
    Last,
    /// As `Last`, if it is this run.
    Run(RunId),
}
