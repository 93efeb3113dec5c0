//! The releases of a stack: the lock and the journal, checks before the first change, who may begin when.
//!
//! In: charts, a session, a configuration. Out: events, and how each release ended. Imported by nobody in the library.

mod checks;
mod config;
mod dispatch;
mod error;
mod foresee;
mod listening;
mod lock;
mod offline;
mod open;
mod owner;
mod stack_run;
mod state_move;

pub use config::{Answer, Resume, RunConfig, StateConfig, default_concurrency};
pub use error::RunError;
pub use offline::Offline;
pub use stack_run::{run, validate};
pub use state_move::{StateMove, StateMoveError, StateMoved, move_state};
