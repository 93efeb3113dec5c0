//! What state a release is in, and what to do about it: two pure functions.
//!
//! [`determine`] asks its questions in a fixed order, and the first that holds tells the state:
//!
//! 1. Can Helm's records be read? Does another tool manage the release?
//! 2. What is the newest revision: pending, none, half removed, removed, of an unknown status?
//! 3. Does a breaking version lie between what is deployed and what is wanted? Did the last deploy fail?
//! 4. Is what is deployed our own work, by our record?
//! 5. Do the inputs differ, and the steps? Did the steps end well?
//! 6. Have live objects drifted? Was it validated?
//!
//! Looking is costly, so not everything is looked at ahead. Where an answer is missing, [`decide`] says which ([`Missing`]) and is
//! asked again; a missing answer is never taken for a good one.
//!
//! In: what was observed of a release, and what is wanted. Out: its state, and what to do. It imports `ids` and `release`; `run`
//! may import it.

mod decide;
mod determine;
mod driver;
mod observation;
mod pending;
mod release_state;
#[cfg(test)]
mod tests;

pub use decide::{Change, Decision, Missing, ReinstallReason, Remaining, Wish, decide};
pub use determine::determine;
pub use driver::HelmDriver;
pub use observation::{Foreign, LiveSeen, Observation, RecordSeen, Rendered};
pub use pending::{PendingOf, PendingSeen};
pub use release_state::ReleaseState;
