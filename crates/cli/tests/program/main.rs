//! The program as a person runs it: real helm, a real control plane, whole transcripts.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

mod at_terminal;
mod bad_input;
mod causes;
mod continuing;
mod examples;
mod explain;
mod failure_policy;
mod faults;
mod from_cluster;
mod from_elsewhere;
mod helm_3;
mod history;
mod hostile;
mod impure;
mod interrupted;
mod jobs;
mod kubeconfig_moves;
mod leftovers;
mod no_cluster;
mod one_cluster;
mod plan;
mod planes;
mod quickstart;
mod requests;
mod second_apply;
mod secrets;
mod state;
mod support;
mod unchanged;
mod unhealthy;
mod unset;
mod ways;

use pilothouse_plane::PlaneConfig;

/// What the plane of this test binary is to be.
fn plane_config() -> PlaneConfig {
    PlaneConfig { audit: true, faults: unhealthy::faults(), ..PlaneConfig::default() }
}
