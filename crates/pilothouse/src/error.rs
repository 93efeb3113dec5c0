//! Why a phase failed.

use crate::text;
use pilothouse_core::{CheckReport, Finding, InvalidName, PayloadError, StopReason, error_chain};
use pilothouse_helm::{ChartError, DecodeError, HelmError, ValuesError};
use pilothouse_kube::{AdoptError, ClusterError, Ended, NotReady, ObjectError};
use pilothouse_process::SpawnError;
use std::error::Error;
use std::io;

/// Why a phase failed.
#[derive(Debug, thiserror::Error)]
pub enum PhaseError {
    /// A step of the phase failed.
    #[error("step failed: {step}")]
    Step {
        /// What the step was doing.
        step: String,
        /// What went wrong.
        #[source]
        source: Box<PhaseError>,
    },
    /// Helm failed.
    #[error(transparent)]
    Helm(#[from] HelmError),
    /// The cluster could not be read or changed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An object could not be changed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Objects could not be given to the release.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// Objects did not become what they should be.
    #[error("{}", text::not_ready(.0))]
    NotReady(NotReady),
    /// The chart cannot be used.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The values cannot be put together.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// Helm's record of the release cannot be read.
    #[error(transparent)]
    Record(#[from] DecodeError),
    /// The payload does not hold what was expected.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Going on could lose or take over what belongs to someone.
    #[error("refused: {}", list(.0))]
    Refused(Vec<Finding>),
    /// A program could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A program ended badly.
    #[error("`{program}` {how}{}", tail(output))]
    Command {
        /// The program.
        program: String,
        /// How it ended.
        how: String,
        /// The end of its output, redacted.
        output: String,
    },
    /// What was checked is not as wanted.
    #[error("{}", text::check(.0))]
    Check(Box<CheckReport>),
    /// Several things failed, of which each was looked at.
    #[error("{} failed:{}", .0.len(), each(.0))]
    Steps(Vec<PhaseError>),
    /// A file could not be read or written.
    #[error("{what} {path}")]
    File {
        /// What was tried: "cannot read".
        what: &'static str,
        /// The file.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Text that should be YAML is not.
    #[error("{name} is not valid YAML: {message}")]
    Yaml {
        /// Where it comes from.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// What was under way was stopped, since it will certainly not succeed.
    #[error("{what} was stopped, since this will not pass by itself: {why}")]
    Hopeless {
        /// What was stopped: "helm upgrade".
        what: String,
        /// The decisive cause, in one line.
        why: String,
    },
    /// Another operation is at work on the release.
    #[error("{0}")]
    Locked(String),
    /// The release is in a state in which this cannot be done.
    #[error("{0}")]
    State(String),
    /// The user stopped the run.
    #[error("interrupted")]
    Interrupted,
    /// The run as a whole was stopped: nothing may be begun any more.
    #[error("{0}")]
    Stopped(StopReason),
    /// An earlier run has begun a step that must not be repeated, and nobody knows how it ended.
    #[error("{0}")]
    Uncertain(Finding),
    /// An error of a user's own phase or step.
    #[error(transparent)]
    Custom(Box<dyn Error + Send + Sync>),
}

/// A name in a step of one's own.
impl From<InvalidName> for PhaseError {
    fn from(error: InvalidName) -> Self {
        Self::Custom(Box::new(error))
    }
}

impl PhaseError {
    /// Refuses when there are reasons to.
    ///
    /// # Errors
    /// [`PhaseError::Refused`] with all of them.
    pub(crate) fn refuse_for(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self::Refused(findings)) }
    }
}

impl From<NotReady> for PhaseError {
    fn from(not_ready: NotReady) -> Self {
        match not_ready.ended {
            Ended::Cancelled => Self::Interrupted,
            Ended::Deadline | Ended::Failed => Self::NotReady(not_ready),
        }
    }
}

impl PhaseError {
    /// Wraps an error of a user's own phase or step.
    pub fn custom(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Custom(error.into())
    }

    /// Whether it failed only because the user stopped the run.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Interrupted | Self::Stopped(_) => true,
            Self::Step { source, .. } => source.is_interrupted(),
            Self::Steps(errors) => errors.iter().any(Self::is_interrupted),
            Self::Helm(error) => error.is_interrupted(),
            _ => false,
        }
    }

    /// The step that failed, if it was one.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Step { step, .. } => Some(step),
            _ => None,
        }
    }

    /// What helm said, if helm failed.
    pub(crate) fn helm_text(&self) -> Option<String> {
        match self {
            Self::Helm(error) if !error.is_interrupted() => Some(error_chain(error).join(": ")),
            Self::Step { source, .. } => source.helm_text(),
            Self::Steps(errors) => errors.iter().find_map(Self::helm_text),
            _ => None,
        }
    }

    /// The objects that are not ready, if that is what failed.
    pub fn not_ready(&self) -> Option<&NotReady> {
        match self {
            Self::NotReady(not_ready) => Some(not_ready),
            Self::Step { source, .. } => source.not_ready(),
            Self::Steps(errors) => errors.iter().find_map(Self::not_ready),
            _ => None,
        }
    }

    /// The text of this error and of all that caused it, outermost first, without repetitions.
    pub fn chain(&self) -> Vec<String> {
        error_chain(self)
    }
}

/// A line for each, with its causes.
fn each(errors: &[PhaseError]) -> String {
    errors.iter().map(|error| format!("\n{}", error.chain().join(": "))).collect()
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{} {finding}", finding.code)).collect::<Vec<_>>().join("; ")
}

fn tail(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(":\n{output}") }
}
