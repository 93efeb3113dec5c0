//! What the API server would make of each object, asked by dry run.

mod addresses;
mod anew;
pub(crate) mod compare;
pub(crate) mod drifted_objects;
mod going;
pub(crate) mod hooks;
mod injected;
pub(crate) mod refusal;
pub(crate) mod subject;
