//! What kwok does to objects: stages, and the faults that break some of them.

mod set;

pub use set::{StageError, StageSet};
