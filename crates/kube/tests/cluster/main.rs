//! The cluster's side: requests to a scripted server, a cluster in memory with a paused clock, and a real control plane.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connecting;
mod gathering;
mod lease;
mod real;
mod requests;
mod tracking;
mod waiting;
