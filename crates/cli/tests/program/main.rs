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

/// What the plane of these tests is to be.
fn plane_config() -> pilothouse_plane::PlaneConfig {
    pilothouse_plane::PlaneConfig { audit: true, faults: unhealthy::faults(), ..Default::default() }
}
