//! What a run would do, told before it. Beside `lifecycle`: it changes nothing.

mod brings;
mod draft;
mod objects;
mod outlook;
mod ownership;
mod release_plan;
mod stack_plan;
mod verify;

pub use stack_plan::plan;
pub(crate) use verify::outdated_findings;
