//! The proof that nothing is to be done with a release.

use pilothouse_core::Drift;

/// A release that is proven to need nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settled {
    /// How that is known.
    pub(crate) why: String,
    /// What of it was changed by others, which is only told.
    pub(crate) drifts: Vec<Drift>,
    /// How many objects it has.
    pub(crate) objects: usize,
}
