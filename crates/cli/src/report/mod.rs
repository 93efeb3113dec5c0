//! What people see of a run, a plan and what is wrong: projections of events and of plans.
//!
//! In: events, plans, outcomes. Out: lines, and what is printed of them as a run goes. Only `commands/` may import it, and it imports `terminal/`
//! and `input/`.

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
mod plan_condensed;
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
mod undo_commands;
mod view;

pub(crate) use event_lines::{RehearsalLine, RehearsalTag, event_schema};
pub(crate) use history::{run, runs};
pub(crate) use junit::junit;
pub(crate) use outcome::Afterwards;
pub(crate) use plan::text as plan_text;
pub(crate) use plan_markdown::markdown as plan_markdown;
pub(crate) use plan_schema::plan_schema;
pub(crate) use provision::{ProvisionProgress, table};
pub(crate) use rehearsal::text as rehearsal_text;
pub(crate) use run_report::RunReport;
