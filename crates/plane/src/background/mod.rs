//! Planes that outlive the command that started them: one process owns each, others find and end it by its record.

mod registry;
mod supervise;

pub use registry::{ComponentProcess, PlaneRecord, PlaneStatus, ProcessIdentity, RegistryError, down, list, status};
pub use supervise::{SuperviseError, supervise};
