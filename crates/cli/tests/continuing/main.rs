//! What becomes of a run that is killed, stopped or in the way of another one, and how the next one goes on: the real
//! program with real helm on a real control plane.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

mod interrupted;
mod killed;
mod killed_in_helm;
mod left;
mod running;
mod slow_branch;
#[path = "../program/support.rs"]
#[expect(dead_code, reason = "shared with the other tests of the program")]
mod support;
mod two_applies;

/// What the plane of these tests is to be.
fn plane_config() -> pilothouse_plane::PlaneConfig {
    pilothouse_plane::PlaneConfig { audit: true, ..Default::default() }
}
