//! What people see of a run: projections of its events.

pub(crate) mod graph;
mod history;
mod lines;
mod live;
mod outcome;
mod provision;
mod text;

pub(crate) use history::{run, runs};
pub(crate) use lines::Lines;
pub(crate) use live::Live;
pub(crate) use outcome::summary;
pub(crate) use provision::{ProvisionProgress, table};
pub(crate) use text::duration;

/// The width of the terminal, or 80 columns where there is none.
fn console_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col).max(20))
}
