//! What kwok does to objects: stages, the faults that break some pods, and what it serves in a pod's name.

mod breakage;
mod fault;
mod serve;
mod set;

pub use fault::{Fault, FaultKind, FaultMatch, Pattern};
pub use serve::{PodLogs, PodPort, PodSelector};
pub(crate) use serve::{cri_log, log_objects, port_objects};
pub(crate) use set::objects;
pub use set::{StageError, StageSet};
