//! The client with helm binaries, fake and real, and with a real control plane; records, renderings and YAML as helm has them.

#![allow(clippy::unwrap_used, reason = "clippy does not take the helpers of tests for tests")]

mod charts;
mod cluster;
mod fake;
mod offline;
mod records;
mod same_result;
mod support;
mod unusable;
mod whole_numbers;
mod yaml;
