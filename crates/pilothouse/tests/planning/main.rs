//! Plans, and whether exactly what they say happens: real helm 3 and 4 on a real control plane.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

#[path = "../../../../examples/prometheus-operator/chart.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "an example is public to whoever copies it, and not all of it is used here"
)]
mod prometheus_operator;

mod adoption;
mod conflict;
mod definitions;
mod fields;
mod one_of_fifty;
mod prometheus;
mod read_only;
mod saved;
mod snapshot;
mod support;
mod uninstall;
