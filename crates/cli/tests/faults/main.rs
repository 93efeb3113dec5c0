//! Runs that something breaks under: the API server dies, connections are reset, requests are refused in bursts, the disk is
//! full or read-only. Each time the run goes on by itself or stops with a clear error, and the next one finishes.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

mod bursts;
mod connections;
mod disk;
mod restart;
mod stack;
#[path = "../program/support.rs"]
#[expect(dead_code, reason = "shared with other test binaries")]
mod support;

use pilothouse_plane::PlaneConfig;

/// What the plane of this test binary is to be.
fn plane_config() -> PlaneConfig {
    PlaneConfig { audit: true, ..PlaneConfig::default() }
}
