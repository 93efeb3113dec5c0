//! Steps: what a user adds to the phases. Those of the stack file and those written in Rust are the same to the engine.

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod built_in;
pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod delete;
pub(crate) mod digests;
pub(crate) mod restart;
pub(crate) mod wait;
