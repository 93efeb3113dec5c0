//! One release through its phases: transitions, attempts, remediation.
//!
//! In: a chart, its context and the memory of its run. Out: how the release ended. Imported by `run`.

mod release;
mod remediation;
mod roll_back;
mod transition;

pub(crate) use release::{run_release, validate_release};
pub(crate) use roll_back::{fate_of_release, take_release_back};
