//! The releases of a stack: the lock and the journal, checks before the first change, who may begin when.
//!
//! In: charts, a session, a configuration. Out: events, and how each release ended. Imported by nobody in the library.

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
