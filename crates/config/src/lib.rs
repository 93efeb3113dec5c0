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

#[cfg(test)]
mod key_tests;
mod keys;
mod load;
mod read;
mod reference;
mod schema;
mod text;

pub use load::{Loaded, load, load_for};
pub use pilothouse_yaml::Span;
pub use read::Unset;
pub use reference::reference_markdown;
pub use schema::schema;
pub use text::{Level, Place, Problem, Problems, ReleasePlaces, SourceMap};
