//! From the tree to the stack: each reader walks its part and collects what is wrong with it. Imports `text/` and `keys/` only.

mod arguments;
mod checks;
mod context;
mod documents;
mod expression;
mod fields;
mod graph;
mod needs;
mod on_failure;
mod readiness;
mod release;
mod stack;
mod steps;
mod suggest;
mod values;

pub(crate) use context::Context;
pub use context::Unset;
pub(crate) use fields::Sink;
pub(crate) use stack::read_stack;
pub(crate) use steps::{CHANGES, ONLY_VALIDATE};
