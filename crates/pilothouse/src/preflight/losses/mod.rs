//! What goes with an object that is deleted, and what the user has consented to lose.

pub(crate) mod consent;
pub(crate) mod data_loss;
pub(crate) mod seen;
