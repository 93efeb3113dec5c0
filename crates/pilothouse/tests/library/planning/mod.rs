//! Plans, and whether exactly what they say happens: real helm 3 and 4 on a real control plane.

mod adoption;
mod asked_once;
mod conflict;
mod definitions;
mod documents;
mod fields;
mod in_its_turn;
mod looked_up;
mod made_again;
mod own_namespace;
mod read_only;
mod reclaimed;
mod replaced;
mod saved;
pub(crate) mod snapshot;
pub(crate) mod support;
mod taken;
mod uninstall;
