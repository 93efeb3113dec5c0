//! What the status of an object of any kind says by the conventions of the Kubernetes API: conditions, phases, counts, flags.
//!
//! In: an object as JSON. Out: how it stands, and which rule says so; and what reads fields and words of it. Only `readiness/` may import it.

mod conditions;
mod counts;
pub(crate) mod fields;
mod judgement;
#[cfg(test)]
mod judgement_tests;
mod names;
mod opinion;
pub(crate) mod words;
mod words_in;

pub(crate) use conditions::unmet;
pub(crate) use judgement::{General, any, before_all};
