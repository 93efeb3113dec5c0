//! Exit codes and errors of the program.

use crate::terminal::hints;
use pilothouse_core::{Plan, Redactor, ReleaseOutcome, RunOutcome, RunVerdict, code, error_chain};
use pilothouse_kube::{ClusterError, ConnectError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

/// How the program ends. The numbers are documented in the help and the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    BadInput,
    Refused,
    /// Something is on its way, and nothing has failed.
    InProgress,
    /// Nothing is wrong, and a plan has changes: only for `--detailed-exitcode`, with which nothing else ends with this
    /// number.
    Changes,
    Interrupted,
}

/// The flag with which 2 means changes, as it does for terraform.
const DETAILED: &str = "--detailed-exitcode";

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::BadInput => 2,
            Self::Refused => 3,
            Self::InProgress => 4,
            Self::Changes => 2,
            Self::Interrupted => 130,
        }
    }

    /// How a plan ends: as carrying it out would, where it is refused; else by whether it has changes, if that was asked.
    pub(crate) fn of_plan(plan: &Plan, detailed: bool) -> Self {
        let refused = plan.releases.iter().filter(|release| !release.findings.is_empty());
        let releases = refused
            .map(|release| (release.release.clone(), ReleaseOutcome::Refused { findings: release.findings.clone() }));
        match Self::from(RunOutcome { releases: releases.collect(), stopped: None }.verdict()) {
            Self::Done if detailed && plan.has_changes() => Self::Changes,
            exit if detailed => exit.beside_changes(),
            exit => exit,
        }
    }

    /// The same end where 2 means changes: bad input is a failure then.
    pub(crate) fn beside_changes(self) -> Self {
        match self {
            Self::BadInput => Self::Failed,
            Self::Done | Self::Failed | Self::Refused | Self::InProgress | Self::Changes | Self::Interrupted => self,
        }
    }

    /// How the program ends when it does not understand its arguments, or was asked for help.
    pub(crate) fn of_usage(error: &clap::Error, mut args: impl Iterator<Item = OsString>) -> Self {
        match error.use_stderr() {
            false => Self::Done,
            // A mistyped flag must not look like a plan with changes.
            true if args.any(|arg| arg == DETAILED) => Self::BadInput.beside_changes(),
            true => Self::BadInput,
        }
    }
}

impl From<RunVerdict> for Exit {
    fn from(verdict: RunVerdict) -> Self {
        match verdict {
            RunVerdict::Done => Self::Done,
            RunVerdict::Failed => Self::Failed,
            RunVerdict::BadInput => Self::BadInput,
            RunVerdict::Refused => Self::Refused,
            RunVerdict::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command could not do its work, in the words for a person.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) exit: Exit,
    /// What went wrong, outermost first.
    pub(crate) lines: Vec<String>,
    /// The stable code, where it has one.
    pub(crate) code: Option<&'static str>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Problems of the stack file, which have a picture of their own.
    pub(crate) problems: Option<Box<pilothouse_config::Problems>>,
}

/// Why the program could not do its work. It stands instead of a run's events, or behind them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ErrorLine {
    pub(crate) event: ErrorTag,
    /// How the program ends.
    pub(crate) exit_code: u8,
    /// The stable code, where it has one.
    pub(crate) code: Option<&'static str>,
    /// What went wrong, outermost first.
    pub(crate) error: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Problems of the stack file, with their places.
    pub(crate) problems: Option<Value>,
}

/// The tag of an error among events.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorTag {
    Error,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, line: impl Into<String>) -> Self {
        Self { exit, lines: vec![line.into()], code: None, hint: None, problems: None }
    }

    /// What was given is wrong.
    pub(crate) fn input(line: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, line)
    }

    /// An error with all that caused it.
    pub(crate) fn from_error(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let code = code_of(error);
        let hint = code.and_then(hints::of_code);
        // It may quote what a program, a proxy or a server has said.
        let lines = error_chain(error).iter().map(|line| Redactor::default().clean(line).into_string()).collect();
        Self { exit, lines, code, hint, problems: None }
    }

    pub(crate) fn problems(problems: pilothouse_config::Problems) -> Self {
        Self { exit: Exit::BadInput, lines: Vec::new(), code: None, hint: None, problems: Some(Box::new(problems)) }
    }

    /// The error as the one document of a machine-readable output.
    pub(crate) fn as_json(&self) -> Value {
        json!({
            "exit_code": self.exit.number(),
            "code": self.code,
            "error": self.lines,
            "hint": self.hint,
            "problems": self.problems.as_ref().map(|problems| json!(problems)),
        })
    }

    /// The error as a line beside events.
    pub(crate) fn as_line(&self) -> ErrorLine {
        ErrorLine {
            event: ErrorTag::Error,
            exit_code: self.exit.number(),
            code: self.code,
            error: self.lines.clone(),
            hint: self.hint.clone(),
            problems: self.problems.as_ref().map(|problems| json!(problems)),
        }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The code of an error that has one: a cluster that does not answer, or is not the right one.
fn code_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ConnectError::NotPinned(_)) = error.downcast_ref::<ConnectError>() {
            return Some(code::CLUSTER_MISMATCH);
        }
        let boxed = error.downcast_ref::<Box<ClusterError>>().map(AsRef::as_ref);
        match error.downcast_ref::<ClusterError>().or(boxed) {
            Some(
                ClusterError::Unreachable { .. } | ClusterError::Timeout { .. } | ClusterError::Unauthorized { .. },
            ) => return Some(code::API_UNREACHABLE),
            _ => next = error.source(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{plan, release, unchanged};
    use crate::terminal::args::Cli;
    use clap::Parser;
    use pilothouse_core::{Class, Finding, PlannedAction, ReleasePlan};
    use rstest::rstest;

    fn refused(class: Class) -> Plan {
        let findings = vec![Finding::new(class, "X", "a", "b")];
        let refused = ReleasePlan { findings, ..release("web/a", PlannedAction::Refuse) };
        plan(vec![release("web/b", PlannedAction::Upgrade), refused])
    }

    /// The numbers without and with `--detailed-exitcode`.
    #[rstest]
    #[case(unchanged(2), [0, 0])]
    #[case(plan(vec![release("web/a", PlannedAction::Validate)]), [0, 0])]
    #[case(plan(vec![release("web/a", PlannedAction::Steps)]), [0, 2])]
    #[case(refused(Class::BadInput), [2, 1])]
    #[case(refused(Class::Blocked), [1, 1])]
    #[case(refused(Class::Unsafe), [3, 3])]
    fn plans(#[case] plan: Plan, #[case] expected: [u8; 2]) {
        assert_eq!([false, true].map(|detailed| Exit::of_plan(&plan, detailed).number()), expected);
    }

    #[rstest]
    #[case(&["pilothouse", "--help"], 0)]
    #[case(&["pilothouse", "apply", "--no-such-flag"], 2)]
    #[case(&["pilothouse", "plan", "--detailed-exitcode", "--no-such-flag"], 1)]
    fn usage(#[case] args: &[&str], #[case] expected: u8) {
        let error = Cli::try_parse_from(args).unwrap_err();
        assert_eq!(Exit::of_usage(&error, args.iter().map(OsString::from)).number(), expected);
    }
}
