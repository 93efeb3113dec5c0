//! What people see of a run: projections of its events.

pub(crate) mod causes;
pub(crate) mod diagnosis;
mod echo;
mod event_lines;
pub(crate) mod graph;
mod heartbeat;
mod history;
mod junit;
mod lines;
mod live;
mod markdown_text;
mod outcome;
mod plan;
mod plan_fields;
mod plan_markdown;
#[cfg(test)]
pub(crate) mod plan_samples;
mod plan_schema;
mod plan_words;
mod provision;
mod rehearsal;
mod run_report;
#[cfg(test)]
mod samples;
mod table;
mod text;
mod undo_commands;
mod view;

pub(crate) use event_lines::{ErrorLine, ErrorTag, RehearsalLine, RehearsalTag, event_schema};
pub(crate) use history::{run, runs};
pub(crate) use junit::junit;
pub(crate) use outcome::Afterwards;
pub(crate) use plan::text as plan_text;
pub(crate) use plan_markdown::markdown as plan_markdown;
pub(crate) use plan_schema::plan_schema;
pub(crate) use provision::{ProvisionProgress, table};
pub(crate) use rehearsal::text as rehearsal_text;
pub(crate) use run_report::RunReport;
pub(crate) use text::{duration, one_line};
pub(crate) use undo_commands::word;

/// The columns and lines of the terminal, or 80 and 24 where there is none.
pub(crate) fn console_size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    // A terminal that does not know its size says zero.
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}
