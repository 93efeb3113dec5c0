//! Steps: what a user adds to the phases. Those of the stack file and those written in Rust are the same to the engine.
//!
//! In: what the stack file says of a step. Out: a [`Step`](crate::Step). Imported by `phases` and what follows it.

mod adopt;
mod apply;
mod built_in;
mod check;
mod command;
mod delete;
mod digests;
mod restart;
mod wait;

pub use built_in::built_in;
pub(crate) use digests::former::former_digests_of_plan;
pub use pilothouse_core::{
    AdoptStep, AdoptionUndo, ApplyStep, CommandStep, DeleteStep, On, RestartStep, StepKind, StepSpec, WaitFor, WaitStep,
};
pub use pilothouse_process::SpawnError;
