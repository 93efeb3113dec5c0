//! Gathering what tells why objects are not ready: what they own, the events about them, logs, and whatever else the
//! diagnosis wants to know.
//!
//! Reads are shared among all objects that are asked about at a time. A read that fails is told as such; it never counts as
//! "there is none". Of Secrets and ConfigMaps only the names of their keys are kept.
//!
//! In: the port and [`Subject`]s. Out: evidence. Imports `client` only; nothing in this crate imports it.

mod belongs;
mod evidence;
mod read_want;
mod shared;

pub use evidence::{Gathering, Known, Subject};
