//! What commands work with: settings, the stack and what of it is meant, saved plans, the connection to the cluster.
//!
//! In: arguments and the environment. Out: checked values. Only `report/` and `commands/` may import it, and it imports `terminal/`.

pub(crate) mod connect;
pub(crate) mod continues;
pub(crate) mod objects;
pub(crate) mod saved_plan;
pub(crate) mod select;
pub(crate) mod settings;
pub(crate) mod stack;
