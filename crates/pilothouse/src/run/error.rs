//! Why a run cannot begin.

use crate::environment::EnvironmentError;
use crate::journal::JournalError;
use pilothouse_core::Holder;
use pilothouse_kube::LockError;
use std::time::Duration;

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another run holds the stack's lock.
    #[error("the stack is locked by {}", holder.as_ref().map_or_else(|| "somebody unknown".to_owned(), ToString::to_string))]
    Locked {
        /// Who.
        holder: Option<Holder>,
        /// How long was waited.
        waited: Duration,
    },
    /// The lock cannot be taken.
    #[error("cannot take the stack's lock in namespace `{namespace}`")]
    Lock {
        /// Where it is.
        namespace: String,
        /// Why not.
        #[source]
        source: LockError,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no folder for the journal.
    #[error("there is no folder for the journal")]
    Folder(#[from] EnvironmentError),
    /// There is nothing to continue.
    #[error("there is no run to continue: {why}")]
    NothingToResume {
        /// Why not.
        why: String,
    },
    /// The user stopped it.
    #[error("interrupted before anything was begun")]
    Interrupted,
}
