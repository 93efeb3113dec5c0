//! Exit codes and errors of the program.

use crate::report::{ErrorLine, ErrorTag};
use pilothouse_core::{RunVerdict, error_chain};
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
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Problems of the stack file, which have a picture of their own.
    pub(crate) problems: Option<Box<pilothouse_config::Problems>>,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, line: impl Into<String>) -> Self {
        Self { exit, lines: vec![line.into()], hint: None, problems: None }
    }

    /// What was given is wrong.
    pub(crate) fn input(line: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, line)
    }

    /// An error with all that caused it.
    pub(crate) fn from_error(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let lines = error_chain(error);
        Self { exit, lines, hint: None, problems: None }
    }

    pub(crate) fn problems(problems: pilothouse_config::Problems) -> Self {
        Self { exit: Exit::BadInput, lines: Vec::new(), hint: None, problems: Some(Box::new(problems)) }
    }

    /// The error as the one document of a machine-readable output.
    pub(crate) fn as_json(&self) -> Value {
        json!({
            "exit_code": self.exit.number(),
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
