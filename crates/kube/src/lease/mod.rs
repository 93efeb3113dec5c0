//! A lock that is one `Lease` object of the cluster, held by one run at a time.
//!
//! Two clocks are never compared. Whoever waits watches the lease by its own monotonic clock: a holder is gone when its
//! record was seen unchanged for as long as it was to be valid, or when its process is proven to have ended. The holder
//! takes its lock for lost some time before anybody else can: [`slack`](judge::slack) before the end and as much after.
//!
//! In: the port and a name. Out: a [`LeaseLock`], or who has it. Imports `client` only; nothing in this crate imports it.

mod acquire;
mod clock;
mod heartbeat;
mod judge;
mod lock;
mod record;
mod write;

pub use lock::{LeaseConfig, LeaseLock, LockError, LockSeen};
