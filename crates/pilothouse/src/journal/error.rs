//! Why a journal cannot be used.

use crate::journal::place_error::{FindError, PlaceError};
use pilothouse_core::RunId;
use pilothouse_kube::ClusterError;
use std::io;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or folder could not be used.
    #[error("{what} {path}")]
    File {
        /// What was tried: "cannot write the journal".
        what: &'static str,
        /// The file or folder.
        path: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than a journal.
    #[error("the journal {path} is damaged in line {line}: {why}; move it away to go on without it")]
    Damaged {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It was written by a newer program, which may have meant things that this one does not know.
    #[error(
        "{place} was written by a newer pilothouse (format {found}; this one knows {known}): use that one, or a newer one"
    )]
    Newer {
        /// The file or object.
        place: String,
        /// The format it has.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The cluster did not answer, or does not allow it.
    #[error("cannot {what} {object}")]
    Cluster {
        /// What was tried: "read the record of runs in".
        what: &'static str,
        /// The object.
        object: String,
        /// What the cluster says.
        #[source]
        source: ClusterError,
    },
    /// The state of the stack is not where it is looked for.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The cluster's copy is not what this program or an older one writes.
    #[error("the record of runs in {object} cannot be read: {why}; delete it to go on without it")]
    Unreadable {
        /// The object.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else has written the cluster's copy since this run has.
    #[error("another run has written {object} in the meantime; this run must not go on")]
    Taken {
        /// The object.
        object: String,
    },
    /// The record does not fit into the cluster.
    #[error(
        "the record of this run has {bytes} bytes even without its details, and {object} can hold {limit}: split the stack into several"
    )]
    TooLarge {
        /// The object.
        object: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// There is no such run.
    #[error("no run of this stack is called `{given}`{}", newest(candidates))]
    UnknownRun {
        /// What was asked for.
        given: String,
        /// The newest runs there are, newest first.
        candidates: Vec<RunId>,
    },
    /// There are several such runs.
    #[error("several runs are called `{given}`: {}", shorts(candidates))]
    AmbiguousRun {
        /// What was asked for.
        given: String,
        /// All of them, newest first.
        candidates: Vec<RunId>,
    },
    /// The run is known, but not what happened in it.
    #[error("of run {} only a summary is known here; its journal is on {host}", run.short())]
    NoDetails {
        /// The run.
        run: RunId,
        /// The machine it ran on, or words for an unknown one.
        host: String,
    },
}

impl JournalError {
    /// Why it is not known where the state of a stack is.
    pub(crate) fn of_place(error: FindError) -> Self {
        match error {
            FindError::Place(error) => Self::Place(error),
            FindError::Cluster(source) => {
                Self::Cluster { what: "find", object: "the state of the stack".to_owned(), source }
            }
        }
    }

    /// Whether it may pass by itself.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Cluster { source, .. } if source.is_transient())
    }
}

fn newest(candidates: &[RunId]) -> String {
    if candidates.is_empty() {
        "; there is none at all".to_owned()
    } else {
        format!("; known are {}", shorts(candidates))
    }
}

fn shorts(runs: &[RunId]) -> String {
    runs.iter().map(RunId::short).collect::<Vec<_>>().join(", ")
}
