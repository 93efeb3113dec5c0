//! What a change of an object does to what is running.
//!
//! In: an object before and after, and what is around it. Out: effects, worst or not. It imports the files of `kubernetes`; whoever
//! may import `kubernetes` may use it through that face.

mod changed;
mod rollout;
mod running;
#[cfg(test)]
mod tests;

pub use changed::{Around, ChangedObject, Workload, replaces_pods};
pub use running::effects;
