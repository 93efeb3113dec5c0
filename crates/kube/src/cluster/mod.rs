//! The real cluster, over HTTP.
//!
//! In: a kubeconfig or a service account. Out: a [`Cluster`] that answers, whose requests have a deadline and are repeated where that helps.
//! Imports `client` only; nothing in this crate imports it.

mod connect;
mod connection;
mod kubeconfig;
mod pin;
mod plugin;
mod proxy;
mod requests;
mod streams;
mod transport;
mod watch;

pub use connect::{ConnectError, ConnectOptions, Credentials};
pub use connection::Cluster;
pub use pin::NotPinned;
pub use proxy::Proxies;
