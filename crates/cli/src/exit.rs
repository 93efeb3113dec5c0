//! Exit codes and errors of the program.

use crate::hints;
use crate::report::{ErrorLine, ErrorTag};
use pilothouse_core::{RunVerdict, code, error_chain};
use pilothouse_kube::ClusterError;
use serde_json::{Value, json};
use std::error::Error;
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
    Interrupted,
}

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::BadInput => 2,
            Self::Refused => 3,
            Self::InProgress => 4,
            Self::Interrupted => 130,
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
        Self { exit, lines: error_chain(error), code, hint, problems: None }
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

/// The code of an error that has one: a cluster that does not answer.
fn code_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
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
