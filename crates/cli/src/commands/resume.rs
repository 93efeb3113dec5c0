//! `pilothouse resume`

use crate::commands::history;
use crate::commands::run::{self, Run};
use crate::input::connect;
use crate::input::continues::{resume_command, state_move_command};
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::Afterwards;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer;
use crate::terminal::text::word;
use pilothouse::state::Resume;
use pilothouse_core::{ReleaseKey, RunProgress, Stack, code};
use std::path::Path;

/// Continues the last run of a stack: what it was for, with its releases.
pub(crate) async fn resume(settings: &Settings, args: args::Resume, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.stack, settings)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    if !args.yes {
        run::can_ask(settings)?;
    }
    let place = connect::users(settings, &args.connection, &stack).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let state_move = state_move_command(&args.stack, &args.connection);
    let last = history::last(settings, &session, &stack, args.run.as_deref(), &state_move).await?;
    let stack_file = stack::place(&args.stack);
    same_file(&last, &stack_file)?;
    let missing = keep_only(&mut stack, &last)?;
    for release in missing {
        printer::err(format!("warning: {release} was part of the run and is not in the stack file any more"));
    }
    let charts = run::charts(&stack, last.kind);
    if !args.yes {
        run::confirm(last.kind, &charts, &session, &stages.drain).await?;
    }
    let run = Run {
        stack: &stack,
        charts,
        session: &session,
        kind: last.kind,
        flags: &args.flags,
        connection: Some(&args.connection),
        resume: if args.run.is_some() { Resume::Run(last.run) } else { Resume::Last },
        stack_file: Some(stack_file),
        journals: settings.runs()?,
        plan: None,
        afterwards: Afterwards::Resume(resume_command(&args.stack, &args.connection)),
    };
    stages.begin_run();
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}

/// A run goes on with the file it was begun with, not with another one that gives its stack the same name. Journals of earlier
/// versions do not tell the file.
fn same_file(last: &RunProgress, this: &Path) -> Result<(), CommandError> {
    let Some(recorded) = last.stack_file.as_deref().map(Path::new) else { return Ok(()) };
    if stack::is_same(recorded, this) {
        return Ok(());
    }
    let (run, recorded, this) = (last.run.short(), recorded.display(), this.display());
    let line = format!("run {run} was of stack file {recorded}, not of {this}");
    let mut error = CommandError::new(Exit::Refused, line);
    error.code = Some(code::STACK_FILE_MISMATCH);
    Err(error.hint(format!(
        "name that file: pilothouse resume --stack {}; `pilothouse apply` carries out another one",
        word(&recorded.to_string())
    )))
}

/// Leaves only the releases of the run in the stack; what they need of others counts as met. Gives those of the run that
/// the stack does not have.
fn keep_only(stack: &mut Stack, last: &RunProgress) -> Result<Vec<ReleaseKey>, CommandError> {
    let graph = select::graph(stack)?;
    let known: Vec<ReleaseKey> = stack.releases.iter().map(|release| release.info.key()).collect();
    let was_part: Vec<bool> = known.iter().map(|key| last.release(key).is_some()).collect();
    select::keep(stack, &graph, &was_part);
    let keys = last.releases.iter().map(|release| &release.release);
    Ok(keys.filter(|key| !known.contains(key)).cloned().collect())
}
