//! The text of a stack file as a tree that knows where everything stands, and what is wrong at a place of it.

mod credentials;
mod problem;
mod scalar;
mod source_map;
mod tree;

pub use problem::{Level, Place, Problem, Problems};
pub(crate) use scalar::Scalar;
pub use source_map::{ReleasePlaces, SourceMap};
pub(crate) use tree::{Content, Entry, Node, parse};
