//! Whose objects are, giving them to another release, restarting them, and what lives by a definition.
//!
//! In: the port and objects. Out: [`Conflict`]s, [`Adoption`]s, and an [`ObjectError`] where an object cannot be read or changed. Imports
//! `client` only; nothing in this crate imports it.

mod crds;
mod ownership;
mod restart;

pub use crds::{crd_ref, live_custom_resources};
pub use ownership::{
    AdoptError, Adoption, Conflict, ObjectError, PlannedAdoption, adoption_conflicts, conflicts_among,
    ownership_conflicts, ownerships, read_for_ownership, records_of,
};
pub use restart::restart;
