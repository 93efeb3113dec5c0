//! The client with helm binaries, fake and real, and with a real control plane.

#![allow(clippy::unwrap_used, reason = "clippy does not take the helpers of tests for tests")]

mod charts;
mod cluster;
mod fake;
mod offline;
mod support;
