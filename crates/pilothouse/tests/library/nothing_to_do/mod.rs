//! A run over releases that are as they should be, on a cluster and a helm in memory: it does nothing, and it notices
//! whatever is changed.

mod former;
mod inputs;
mod live;
mod places;
mod policies;
mod records;
mod renderings;
mod values_from_steps;
mod world;
