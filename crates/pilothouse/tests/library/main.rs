//! The library as its users call it: on a cluster and a helm in memory, and with real helm 3 and 4 on a real control plane.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

#[path = "../../../../examples/aws-vpc-cni/chart.rs"]
#[expect(unreachable_pub, reason = "an example is public to whoever copies it")]
mod aws_vpc_cni;
#[path = "../../../../examples/prometheus-operator/chart.rs"]
#[expect(unreachable_pub, reason = "an example is public to whoever copies it")]
mod prometheus_operator;

mod a_large_chart;
mod a_large_stack;
mod bare_plane;
mod checks;
mod checks_real;
mod community_charts;
mod comparing;
mod disasters;
mod early_end;
mod examples;
mod lifecycle;
mod nothing_to_do;
mod outside;
mod planning;
