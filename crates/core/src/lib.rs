//! Names, states, plans and events of Pilothouse: data and pure functions.
//!
//! Nothing here reads a clock, a file, the environment or the network; everything can be tested as a table.
//!
//! From the ground up, each importing only what stands before it: `ids`, then `text` and `version`, `kubernetes`, `release`, `graph`
//! and `state`, `run`.

mod graph;
mod ids;
mod kubernetes;
mod release;
mod run;
mod state;
mod text;
mod version;

pub use graph::*;
pub use ids::{InvalidName, ObjectRef, Phase, ReleaseKey, RunId, check_namespace, check_release_name};
pub use kubernetes::*;
pub use release::*;
pub use run::*;
pub use state::*;
pub use text::*;
pub use version::*;
