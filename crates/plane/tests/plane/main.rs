//! Planes of real programs: obtained, started, at work, broken and gone.
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod background;
mod common;
mod faults;
mod lifecycle;
mod provision;
mod real_node;
mod real_node_end;
mod workloads;
