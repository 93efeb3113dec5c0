//! What is found in the surroundings: folders, the kubeconfig, helm on the PATH, who runs this. The one module of the library that
//! reads the environment, and only where it is asked to ([`Environment::of_process`]).
//!
//! In: variables. Out: where things are. Imported by every room.

mod holder;
mod variables;

pub(crate) use variables::trusted;
pub use variables::{Environment, EnvironmentError};
