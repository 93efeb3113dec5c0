//! `pilothouse destroy`

use crate::commands::run::{self, Run};
use crate::input::connect;
use crate::input::continues::resume_command;
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::Afterwards;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use pilothouse::Resume;
use pilothouse_config::Unset;
use pilothouse_core::RunKind;

/// Destroys every release of the stack, each before those it needs.
pub(crate) async fn destroy(settings: &Settings, args: args::Destroy, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load_for(&args.on.stack.stack, settings, Unset::LeftOutOfValues)?.stack;
    select::select(&mut stack, &args.on.select)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    let place = connect::users(settings, &args.on.connection, &stack).await?;
    let charts = run::charts(&stack, RunKind::Destroy);
    if !args.yes {
        run::can_ask(settings)?;
    }
    let session = connect::session(settings, place, &stack, stages).await?;
    if !args.yes {
        run::confirm(RunKind::Destroy, &charts, &session, &stages.drain).await?;
    }
    let run = Run {
        stack: &stack,
        charts,
        session: &session,
        kind: RunKind::Destroy,
        flags: &args.run,
        connection: Some(&args.on.connection),
        resume: Resume::IfUnfinished,
        stack_file: Some(stack::place(&args.on.stack.stack)),
        journals: settings.runs()?,
        plan: None,
        afterwards: Afterwards::Resume(resume_command(&args.on.stack.stack, &args.on.connection)),
    };
    stages.begin_run();
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}
