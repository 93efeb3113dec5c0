//! From a reference to a chart that lies on this machine.
//!
//! In: a chart reference, and the port to helm where it has to be fetched. Out: a [`ResolvedChart`], or a [`ChartError`]. What was read in
//! this run, and which exact versions were fetched before, is remembered here. Imports `chart`, `client` and `files`.

mod chart;
mod find;
mod pin;
mod shelf;

pub use chart::{ChartError, ResolvedChart, ResolvedKind};
pub use find::{Fetch, resolve_chart, resolve_chart_shared};
pub use shelf::ChartShelf;
