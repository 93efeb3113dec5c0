//! The releases of a stack: the lock and the journal, checks before the first change, who may begin when.

mod checks;
mod config;
mod dispatch;
mod listening;
mod offline;
mod open;
mod owner;
mod stack_run;

pub use config::{Answer, Resume, RunConfig, StateConfig};
pub use offline::Offline;
pub use open::RunError;
pub use stack_run::{run, validate};
