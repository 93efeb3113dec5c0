//! Why helm could not be used, or failed.

use super::classify::{Kind, classify};
use super::noise::{HelmText, separate};
use super::version::VersionError;
use crate::values::ValuesError;
use pilothouse_core::Redactor;
use pilothouse_process::SpawnError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why helm could not be used, or failed.
#[derive(Debug, thiserror::Error)]
pub enum HelmError {
    /// There is no such program.
    #[error("there is no helm at {}", program.display())]
    Missing {
        /// The program.
        program: PathBuf,
    },
    /// It is there but cannot be started.
    #[error("helm at {} cannot be started", program.display())]
    NotExecutable {
        /// The program.
        program: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is a helm that cannot be used.
    #[error("helm at {} cannot be used", program.display())]
    Version {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: VersionError,
    },
    /// It does not even tell its version.
    #[error("{} does not answer as helm does: {answer}", program.display())]
    NotHelm {
        /// The program.
        program: PathBuf,
        /// How it ended and what it printed.
        answer: String,
    },
    /// A file or folder of ours could not be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The values cannot be put together.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// Our own wall-clock limit was reached, and helm was stopped.
    #[error("helm {command} was stopped after {} s{}", after.as_secs(), detail(text))]
    Timeout {
        /// What helm was doing: `upgrade`.
        command: &'static str,
        /// The limit.
        after: Duration,
        /// What helm printed, redacted.
        text: HelmText,
    },
    /// The run was cancelled, and helm was stopped.
    #[error("helm {command} was interrupted")]
    Interrupted {
        /// What helm was doing.
        command: &'static str,
        /// What helm printed, redacted.
        text: HelmText,
    },
    /// Helm was killed by a signal we did not send.
    #[error("helm {command} was killed by signal {signal}{}", detail(text))]
    Killed {
        /// What helm was doing.
        command: &'static str,
        /// The signal's number.
        signal: i32,
        /// What helm printed, redacted.
        text: HelmText,
    },
    /// Helm failed.
    #[error("helm {command} failed{}", detail(text))]
    Failed {
        /// What helm was doing.
        command: &'static str,
        /// What went wrong, as far as its text tells.
        kind: Kind,
        /// What helm printed, redacted.
        text: HelmText,
    },
    /// Helm succeeded, but what it printed is not what was expected.
    #[error("helm {command} printed something unexpected: {why}")]
    Answer {
        /// What helm was doing.
        command: &'static str,
        /// What is unexpected.
        why: String,
    },
}

impl HelmError {
    /// What went wrong, when helm itself said so.
    pub fn kind(&self) -> Option<&Kind> {
        match self {
            Self::Failed { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// Whether it failed only because the caller cancelled.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }

    /// Whether the values are to blame.
    pub fn is_values_schema(&self) -> bool {
        matches!(self, Self::Values(_)) || matches!(self.kind(), Some(Kind::Schema | Kind::Values))
    }

    /// Why the chart's schema cannot be used, if that is so: with the address, where one cannot be loaded.
    pub fn unusable_schema(&self) -> Option<String> {
        let Some(Kind::SchemaUnusable { address, why }) = self.kind() else { return None };
        Some(match address {
            Some(address) => format!("the chart's schema cannot be loaded: {address}: {why}"),
            None => format!("the chart's schema cannot be used: {why}"),
        })
    }

    /// Whether there is no such chart, or no such version of it.
    pub fn is_chart_not_found(&self) -> bool {
        matches!(self.kind(), Some(Kind::ChartNotFound | Kind::VersionNotFound))
    }

    /// What helm printed beside the error: warnings of helm and of the client library. Redacted.
    pub fn noise(&self) -> &[String] {
        match self {
            Self::Timeout { text, .. }
            | Self::Interrupted { text, .. }
            | Self::Killed { text, .. }
            | Self::Failed { text, .. } => &text.noise,
            _ => &[],
        }
    }

    pub(crate) fn from_spawn(error: SpawnError) -> Self {
        if error.is_not_found() {
            return Self::Missing { program: error.program };
        }
        Self::NotExecutable { program: error.program, source: error.source }
    }

    /// An error from what helm printed.
    pub(crate) fn failed(command: &'static str, stderr: &str, redactor: &Redactor) -> Self {
        let text = redacted(stderr, redactor);
        let whole = if text.error.is_empty() { text.noise.join("\n") } else { text.error.clone() };
        Self::Failed { command, kind: classify(&whole), text }
    }
}

/// What helm printed, taken apart and redacted. Redacted first: a secret may span what is taken apart.
pub(crate) fn redacted(stderr: &str, redactor: &Redactor) -> HelmText {
    separate(&redactor.redact(stderr))
}

/// The error for the message; without one the end of the noise.
fn detail(text: &HelmText) -> String {
    match (text.error.as_str(), text.noise.last()) {
        ("", None) => String::new(),
        ("", Some(last)) => format!(": {last}"),
        (error, _) => format!(": {error}"),
    }
}
