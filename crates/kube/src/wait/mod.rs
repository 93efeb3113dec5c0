//! Waiting until objects are ready, exist or are gone.
//!
//! In: the port or a tracker, objects and a deadline. Out: success, or what is [`NotReady`] and why the wait ended. Imports `client` and
//! `track`; nothing in this crate imports it.

mod look;
mod polling;
mod progress;
mod ready;
mod together;

pub use polling::{Leaving, MadeAgain, wait_deleted, wait_exists};
pub use progress::{Ended, NotReady, Progress};
pub use ready::{Beforehand, wait_ready, wait_ready_from};
pub use together::{RestartedLately, restarted_lately, statuses, statuses_labelled, unsettled_now};
