//! `pilothouse graph`

use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::graph as draw;
use crate::terminal::args::{self, GraphFormat};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer;
use pilothouse_config::Unset;

/// Prints what waits for what in a run over the stack. Looks at nothing but the stack file.
pub(crate) fn graph(settings: &Settings, args: &args::Graph) -> Result<Exit, CommandError> {
    let mut stack = stack::load_for(&args.stack.stack, settings, Unset::LeftOut)?.stack;
    select::select(&mut stack, &args.select)?;
    let graph = select::graph(&stack)?;
    if !settings.human() {
        printer::json(settings.output, &draw::json(&stack.name, &graph));
        return Ok(Exit::Done);
    }
    printer::out(match args.format {
        GraphFormat::Text => draw::text(&stack.name, &graph),
        GraphFormat::Mermaid => draw::mermaid(&graph),
        GraphFormat::Dot => draw::dot(&stack.name, &graph),
    });
    Ok(Exit::Done)
}
