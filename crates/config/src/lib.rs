//! The stack file: YAML text to a validated stack, with every problem at its line.
//!
//! [`load`] reads a text and gives either a stack ([`Loaded`]) or everything that is wrong with it ([`Problems`]), in
//! one go: the text becomes a tree that knows where everything stands, and hand-written readers walk it and collect.
//! Nothing here touches a file, the environment or the cluster.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::path::Path;
//!
//! let text = "
//! version: 1
//! name: demo
//! releases:
//!   - name: web
//!     chart: { path: charts/web }
//!     atomic: true
//! ";
//! let problems = pilothouse_config::load(text, "pilothouse.yaml", Path::new("demo"), &BTreeMap::new()).unwrap_err();
//! let problem = problems.iter().next().unwrap();
//! assert_eq!((problem.line, problem.column), (7, 5));
//! assert_eq!(problem.message, "release `web` has no key `atomic`");
//! assert_eq!(problem.help.as_deref(), Some("use `on_failure: rollback`"));
//! ```

mod check_keys;
mod documents;
mod expression;
mod fields;
#[cfg(test)]
mod key_tests;
mod keys;
mod load;
mod needs;
mod problem;
mod read_checks;
mod read_on_failure;
mod read_readiness;
mod read_release;
mod read_stack;
mod read_steps;
mod read_values;
mod reference;
mod scalar;
mod schema;
mod source_map;
mod step_keys;
mod suggest;
mod tree;

pub use load::{Loaded, load};
pub use pilothouse_yaml::Span;
pub use problem::{Level, Place, Problem, Problems};
pub use reference::reference_markdown;
pub use schema::schema;
pub use source_map::{ReleasePlaces, SourceMap};
