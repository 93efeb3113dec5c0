//! How releases and runs end.

use super::cause::Cause;
use super::finding::{Class, Finding};
use crate::ids::{Phase, ReleaseKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a release ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReleaseOutcome {
    /// Everything was done.
    Done {
        /// What `exec` did, in one line.
        summary: String,
    },
    /// There was nothing to do: what is wanted is deployed, and works.
    Unchanged {
        /// How that is known.
        why: String,
    },
    /// It was left alone on purpose.
    Skipped {
        /// Why.
        reason: String,
    },
    /// `check_prerequisites` found reasons not to begin; nothing was changed.
    Refused {
        /// All of them.
        findings: Vec<Finding>,
    },
    /// A phase failed.
    Failed(Failure),
    /// It was done, and taken back since a release that needs it failed.
    Undone {
        /// The release that failed.
        because_of: ReleaseKey,
        /// What was done.
        next: NextStep,
    },
    /// The user stopped it.
    Interrupted {
        /// In this phase.
        phase: Phase,
    },
    /// It was not begun.
    NotStarted {
        /// Why.
        reason: String,
        /// The release it waited for, which did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocked_by: Option<ReleaseKey>,
    },
}

/// A failed phase: the cause first, and what was done about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// The phase that failed.
    pub phase: Phase,
    /// The step that failed, if it was one.
    pub step: Option<String>,
    /// What went wrong, outermost first, redacted.
    pub error: Vec<String>,
    /// What was seen in the cluster before anything was cleaned up.
    pub causes: Vec<Cause>,
    /// What became of the attempts before this one, and why there was no other, a line each; empty without retries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<String>,
    /// What failed in `on_deploy_failure` itself. It never takes the place of `error`.
    pub on_deploy_failure_error: Option<String>,
    /// What the failure policy did.
    pub next: NextStep,
}

/// What was done after a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum NextStep {
    /// Nothing.
    Left {
        /// Why.
        why: String,
    },
    /// The release was rolled back.
    RolledBack {
        /// To this revision.
        to_revision: u32,
    },
    /// The release was uninstalled.
    Uninstalled,
    /// The policy's action failed too.
    RemediationFailed {
        /// What it tried.
        tried: String,
        /// What went wrong.
        error: String,
    },
}

/// How a run ended; the program makes the exit code of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Everything was done.
    Done,
    /// A release failed, or could not be acted on.
    Failed,
    /// What was given is wrong; nothing was changed.
    BadInput,
    /// Refused because something could be lost or taken over.
    Refused,
    /// The user stopped it.
    Interrupted,
}

/// All releases of a run, in the order of the stack, with how they ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Each release.
    pub releases: Vec<(ReleaseKey, ReleaseOutcome)>,
    /// Why the run as a whole was stopped before its end, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopReason>,
}

/// A run that did not come to a good end, as an error. Its text is one line for each release that did not end well.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFailed {
    /// How each release ended.
    pub outcome: RunOutcome,
}

impl RunFailed {
    /// The releases of which a phase failed, and how: with the causes that were seen in the cluster.
    pub fn failures(&self) -> impl Iterator<Item = (&ReleaseKey, &Failure)> {
        self.outcome.releases.iter().filter_map(|(release, outcome)| match outcome {
            ReleaseOutcome::Failed(failure) => Some((release, failure)),
            _ => None,
        })
    }

    /// The releases that were refused, and by what.
    pub fn refusals(&self) -> impl Iterator<Item = (&ReleaseKey, &[Finding])> {
        self.outcome.releases.iter().filter_map(|(release, outcome)| match outcome {
            ReleaseOutcome::Refused { findings } => Some((release, findings.as_slice())),
            _ => None,
        })
    }
}

impl std::error::Error for RunFailed {}

impl fmt::Display for RunFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (release, outcome) in &self.outcome.releases {
            match outcome {
                ReleaseOutcome::Failed(Failure { phase, error, causes, .. }) => {
                    let what = error.first().map_or("it failed", String::as_str);
                    lines.push(format!("{release}: {phase}: {what}"));
                    lines.extend(causes.iter().map(|cause| format!("{release}: {} {}", cause.code, cause.why)));
                }
                ReleaseOutcome::Refused { findings } => lines
                    .extend(findings.iter().map(|finding| format!("{release}: {} {}", finding.code, finding.message))),
                ReleaseOutcome::Interrupted { phase } => lines.push(format!("{release}: interrupted in {phase}")),
                ReleaseOutcome::NotStarted { reason, .. } => lines.push(format!("{release}: not started: {reason}")),
                ReleaseOutcome::Undone { because_of, .. } => {
                    lines.push(format!("{release}: undone because of {because_of}"));
                }
                ReleaseOutcome::Done { .. } | ReleaseOutcome::Unchanged { .. } | ReleaseOutcome::Skipped { .. } => {}
            }
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Why a run starts nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "stopped_by", rename_all = "snake_case")]
pub enum StopReason {
    /// The user asked for it.
    User,
    /// A release failed and the run is to fail fast.
    FailFast {
        /// The release.
        release: ReleaseKey,
    },
    /// The stack's lock is lost: another run may be at work.
    LockLost {
        /// How that is known.
        why: String,
    },
    /// What is about to be done cannot be written down.
    JournalFailed {
        /// Why.
        why: String,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("the run was interrupted"),
            Self::FailFast { release } => write!(f, "{release} did not end well, and the run is to fail fast"),
            Self::LockLost { why } => write!(f, "the lock of the stack is lost: {why}"),
            Self::JournalFailed { why } => write!(f, "the journal cannot be written: {why}"),
        }
    }
}

impl RunOutcome {
    /// Itself if everything was done, for `?`.
    ///
    /// # Errors
    /// When the verdict is another one than [`RunVerdict::Done`].
    pub fn into_result(self) -> Result<Self, RunFailed> {
        match self.verdict() {
            RunVerdict::Done => Ok(self),
            _ => Err(RunFailed { outcome: self }),
        }
    }

    /// One word for the whole run. An interrupt by the user wins over everything, a failure over a refusal, a refusal over
    /// bad input. Releases that were interrupted since the run had to stop by itself make it a failure, not an interrupt.
    pub fn verdict(&self) -> RunVerdict {
        let mut verdict = match &self.stopped {
            None => RunVerdict::Done,
            Some(StopReason::User) => RunVerdict::Interrupted,
            Some(StopReason::FailFast { .. } | StopReason::LockLost { .. } | StopReason::JournalFailed { .. }) => {
                RunVerdict::Failed
            }
        };
        let by_itself = verdict == RunVerdict::Failed;
        for (_, outcome) in &self.releases {
            let this = match outcome.verdict() {
                RunVerdict::Interrupted if by_itself => RunVerdict::Failed,
                this => this,
            };
            if weight(this) > weight(verdict) {
                verdict = this;
            }
        }
        verdict
    }
}

impl ReleaseOutcome {
    /// What this release alone makes of the run. A release that was not begun says nothing: what stopped it does.
    pub fn verdict(&self) -> RunVerdict {
        match self {
            Self::Done { .. } | Self::Unchanged { .. } | Self::Skipped { .. } | Self::NotStarted { .. } => {
                RunVerdict::Done
            }
            Self::Failed(_) | Self::Undone { .. } => RunVerdict::Failed,
            Self::Interrupted { .. } => RunVerdict::Interrupted,
            Self::Refused { findings } => match findings.iter().map(|finding| finding.class).max() {
                Some(Class::Blocked) => RunVerdict::Failed,
                Some(Class::Unsafe) => RunVerdict::Refused,
                Some(Class::BadInput) | None => RunVerdict::BadInput,
            },
        }
    }
}

fn weight(verdict: RunVerdict) -> u8 {
    match verdict {
        RunVerdict::Done => 0,
        RunVerdict::BadInput => 1,
        RunVerdict::Refused => 2,
        RunVerdict::Failed => 3,
        RunVerdict::Interrupted => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn refused(classes: &[Class]) -> ReleaseOutcome {
        let findings = classes.iter().map(|class| Finding::new(*class, "X", "a", "b")).collect();
        ReleaseOutcome::Refused { findings }
    }

    #[rstest]
    #[case(vec![], RunVerdict::Done)]
    #[case(vec![refused(&[Class::BadInput])], RunVerdict::BadInput)]
    #[case(vec![refused(&[Class::BadInput, Class::Unsafe])], RunVerdict::Refused)]
    #[case(vec![refused(&[Class::Unsafe]), refused(&[Class::Blocked, Class::BadInput])], RunVerdict::Failed)]
    #[case(vec![refused(&[Class::Blocked]), ReleaseOutcome::Interrupted { phase: Phase::Exec }], RunVerdict::Interrupted)]
    #[case(vec![ReleaseOutcome::NotStarted { reason: String::new(), blocked_by: None }, refused(&[Class::Unsafe])], RunVerdict::Refused)]
    fn verdicts(#[case] outcomes: Vec<ReleaseOutcome>, #[case] expected: RunVerdict) {
        let releases = outcomes.into_iter().map(|outcome| (ReleaseKey::new("a", "b"), outcome)).collect();
        assert_eq!(RunOutcome { releases, stopped: None }.verdict(), expected);
    }

    #[rstest]
    #[case(StopReason::User, RunVerdict::Interrupted)]
    #[case(StopReason::FailFast { release: ReleaseKey::new("a", "b") }, RunVerdict::Failed)]
    #[case(StopReason::LockLost { why: String::new() }, RunVerdict::Failed)]
    #[case(StopReason::JournalFailed { why: String::new() }, RunVerdict::Failed)]
    fn what_stopped_the_run_decides_over_releases_interrupted(
        #[case] reason: StopReason,
        #[case] expected: RunVerdict,
    ) {
        let releases = vec![(ReleaseKey::new("a", "b"), ReleaseOutcome::Interrupted { phase: Phase::Exec })];
        assert_eq!(RunOutcome { releases, stopped: Some(reason) }.verdict(), expected);
    }
}
