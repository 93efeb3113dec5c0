//! Asks over the network whether something answers as is expected: TCP, TLS, HTTP, Prometheus.
//!
//! What comes in is a check, an open [`Connection`] (a socket, or a port that is forwarded) and a [`Deadline`]; what goes out is
//! a plain [`ProbeResult`]. Nothing here knows a cluster or a run, and nothing here tries twice.

mod connection;
mod deadline;
#[cfg(test)]
mod deadline_tests;
mod http;
mod prometheus;
mod request;
mod result;
mod tcp;
mod tls;
#[cfg(test)]
mod tls_tests;

pub use connection::Connection;
pub use deadline::Deadline;
pub use http::HttpProbe;
pub use prometheus::PrometheusProbe;
pub use result::ProbeResult;
pub use tcp::tcp;
