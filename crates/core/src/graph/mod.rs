//! The releases of a stack together: which needs which, which are meant, which may begin now, which are rolled back.
//!
//! In: releases as declared. Out: an order, a selection, a schedule. It imports `ids`, `text` and `release`; `run` may import it.

mod graph_problem;
mod release_graph;
mod schedule;
mod select;
mod undo;

pub use graph_problem::{GraphProblem, NeedPlace};
pub use release_graph::{GraphNode, ReleaseGraph};
pub use schedule::{Order, Schedule, Wait};
pub use select::{LabelTerm, ReleasePattern, Selection, SelectionError};
pub use undo::{Fate, undo_order};
