//! The program as a person runs it: real helm, a real control plane, whole transcripts.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

mod bad_input;
mod examples;
mod history;
mod interrupted;
mod no_cluster;
mod planes;
mod quickstart;
mod support;
mod unhealthy;
