//! YAML text composed to nodes: places, anchors, bounds and syntax errors in one place, whoever reads it.
//!
//! Two readers stand on it, which agree on the syntax and on little else: stack files are YAML 1.2, and a key given twice is a
//! mistake to be told with its place; what helm prints is read as Go reads it, which is YAML 1.1 with the last key winning. Each
//! says by a [`Schema`] what its nodes are.
//!
//! In: text, a schema, limits. Out: the root node of each document. It imports no other crate of the workspace.

mod compose;
mod meaning;
mod span;
mod yaml_1_1;
mod yaml_1_2;

pub use compose::{Limits, Pair, Refused, Schema, Tag, Written, YamlError, YamlFault, compose};
pub use meaning::Meaning;
pub use span::Span;
pub use yaml_1_1::yaml_1_1;
pub use yaml_1_2::yaml_1_2;
