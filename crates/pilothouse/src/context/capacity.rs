//! What the nodes have and what is free on them, as it was read for all releases of a run.

use serde_json::Value;

/// The nodes, and what is free on each.
pub(crate) struct Capacity {
    /// The nodes.
    pub(crate) nodes: Vec<Value>,
    /// Cores and bytes, in the order of the nodes; or why that is not known.
    pub(crate) free: Result<Vec<Free>, String>,
}

/// What is free on a node: cores and bytes.
pub(crate) type Free = [f64; 2];
