//! Following objects by watches that all releases of a run share.
//!
//! [`Tracker::follow`] starts the watches that are missing, one for each kind and namespace; they end when nobody follows
//! anything of them any more. What they bring is put together in one [`cache`]: which objects are followed, what belongs to them,
//! what of all that is worth keeping.
//!
//! In: the port, rules and objects. Out: [`Snapshot`]s of what is followed and its [`Family`]. Imports `client` only; `wait` imports it.
//!
//! A cache is always a little behind, so nothing final is said from it: see [`wait_ready`](crate::wait_ready).

mod cache;
mod events;
mod family;
mod following;
mod prune;
mod scope;
mod shared;
mod tracker;
mod watching;

pub(crate) use cache::Look;
pub use family::Family;
pub use following::{Following, Snapshot};
pub use tracker::Tracker;

#[cfg(test)]
mod tests;
