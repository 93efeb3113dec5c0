//! `pilothouse validate`

use crate::commands::run::{self, Run};
use crate::input::connect;
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::{self, Afterwards};
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use pilothouse::state::Resume;
use pilothouse_core::{Event, RunKind};
use std::path::Path;

/// Runs only the validate phase of every release. Changes nothing.
pub(crate) async fn validate(settings: &Settings, args: args::Validate, stages: &Stages) -> Result<Exit, CommandError> {
    let args::Validate { on: args, junit } = args;
    let mut stack = stack::load(&args.stack.stack, settings)?;
    select::select(&mut stack, &args.select)?;
    let place = connect::users(settings, &args.connection, &stack).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let run = Run {
        stack: &stack,
        charts: run::charts(&stack, RunKind::Validate),
        session: &session,
        kind: RunKind::Validate,
        flags: &args::RunFlags::default(),
        connection: None,
        resume: Resume::IfUnfinished,
        stack_file: Some(stack::place(&args.stack.stack)),
        journals: settings.runs()?,
        plan: None,
        afterwards: Afterwards::Repeat,
    };
    // Whether it can be written is known before anything is looked at.
    if let Some(file) = &junit {
        write(file, &[])?;
    }
    let mut events = Vec::new();
    stages.begin_run();
    let outcome = run::validate(settings, run, |event| {
        if junit.is_some() {
            events.push(event.clone());
        }
    })
    .await;
    if let Some(file) = junit {
        write(&file, &events)?;
    }
    Ok(outcome.verdict().into())
}

fn write(file: &Path, events: &[Event]) -> Result<(), CommandError> {
    let failed = |why: String| CommandError::new(Exit::Failed, format!("cannot write {}: {why}", file.display()));
    let document = report::junit(events).map_err(|error| failed(error.to_string()))?;
    std::fs::write(file, document).map_err(|error| failed(error.to_string()))
}
