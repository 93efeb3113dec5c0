//! A stack: the releases of one file.

use super::chart_info::{ChartInfo, ValueSource};
use super::cluster_context::ClusterPin;
use super::step::StepSpec;
use crate::ids::Phase;
use crate::kubernetes::ReadinessRule;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The releases of one stack file, checked; paths in it are absolute or relative to the current folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// The folder of the file; relative paths in the file start there.
    pub folder: PathBuf,
    /// The one cluster it is for.
    pub cluster: ClusterPin,
    /// What becomes of the others when a release does not end well.
    pub failure_policy: SetPolicy,
    /// What becomes of what a failed release needs.
    pub on_release_failure: OnReleaseFailure,
    /// The namespace of the stack's own lock and journal, if the file says it.
    pub state_namespace: Option<String>,
    /// How objects of single kinds are judged.
    pub readiness: Vec<ReadinessRule>,
    /// The releases in the order of the file. No two have the same key.
    pub releases: Vec<ReleaseSpec>,
}

/// What becomes of the other releases of a run when one does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetPolicy {
    /// Only those that need it are not begun.
    #[default]
    KeepGoing,
    /// No other is begun; those that run go on.
    FailFast,
}

/// What becomes of the releases that a failed one needs, once that one was rolled back or uninstalled by its own policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReleaseFailure {
    /// They stay as they are.
    #[default]
    Leave,
    /// Those that this run has changed, and that nothing else needs, are taken back too, the last one first, each as its own
    /// `on_failure` allows.
    RollbackNeeds,
}

/// One release of a stack file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseSpec {
    /// What the release is to be.
    pub info: ChartInfo,
    /// The steps of each phase, in order.
    pub steps: BTreeMap<Phase, Vec<StepSpec>>,
}

impl ReleaseSpec {
    /// Everything in it that is a secret or looks like one, for a redactor.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.info.values.iter().filter_map(|value| match &value.value {
            ValueSource::Sensitive(secret) => Some(secret.expose().as_str()),
            _ => None,
        });
        values.chain(self.steps.values().flatten().flat_map(|step| step.kind.secrets()))
    }
}
