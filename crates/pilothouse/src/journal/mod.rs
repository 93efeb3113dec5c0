//! What a run leaves behind, so that it can be continued and looked at: every event on disk, and a compact copy in the
//! cluster for other machines.
//!
//! Both hold a format number. A record of a newer format is never written over. What is kept was redacted before.
//!
//! In: events. Out: what earlier runs left, and the proof that an intent is written. Imported by every room below.

mod cluster;
mod error;
mod file;
mod format;
mod history;
mod kept;
mod kill_point;
mod place;
mod place_error;
mod record;
mod recorder;
mod state_key;
mod summary;

#[cfg(test)]
pub(crate) mod samples;

pub(crate) use crate::journal::cluster::{ClusterJournal, StoredRecord, cluster_id, state_name};
pub use crate::journal::error::JournalError;
pub(crate) use crate::journal::file::{Journal, JournalFile, JournalHeader, journals, prune, read};
pub(crate) use crate::journal::format::{FORMAT, PROGRAM, choose, folder_of};
pub(crate) use crate::journal::kept::{Side, side};
pub(crate) use crate::journal::kill_point::KillPoint;
pub(crate) use crate::journal::place::{
    Looked, PlaceSeen, USUAL_PLACE, decide_place, find_place, find_place_for_lock, look_at_other_places, look_at_place,
    other_places, wanted_place,
};
#[cfg(test)]
pub(crate) use crate::journal::place_error::FindError;
pub use crate::journal::place_error::PlaceError;
pub(crate) use crate::journal::record::StackRecord;
pub use crate::journal::state_key::StateKey;
pub use crate::journal::summary::RunSummary;
pub use history::{History, HistoryOf, RunDetails, history, run_details};
pub(crate) use history::{LastRun, last_run, on_disk};
pub(crate) use recorder::Recorder;
pub(crate) use state_key::{code_of, data};
