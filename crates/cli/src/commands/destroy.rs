//! `pilothouse destroy`

use crate::commands::plan;
use crate::commands::run::{self, Run};
use crate::input::connect;
use crate::input::continues::resume_command;
use crate::input::saved_plan;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::Afterwards;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use pilothouse::Resume;
use pilothouse_core::RunKind;
use std::sync::Arc;

/// Destroys every release of the stack, each before those it needs; or tells what that would do.
pub(crate) async fn destroy(settings: &Settings, args: args::Destroy, stages: &Stages) -> Result<Exit, CommandError> {
    let kind = RunKind::Destroy;
    if args.plan {
        let args::Destroy { on, shown, consent, .. } = args;
        return plan::plan(settings, kind, args::Plan { on, shown, consent }, stages).await;
    }
    let saved = saved_plan::find(&args.on.stack.stack, kind, &args.on.select, &args.consent)?;
    let stack = match &saved {
        None => run::stack_of(&args.on.stack.stack, &args.on.select, &args.consent.consent, kind, settings)?,
        Some(saved) => run::planned_stack(saved, settings)?,
    };
    let place = connect::users(settings, &args.on.connection, &stack).await?;
    let charts = run::charts(&stack, kind);
    // Whoever saved the plan has seen it.
    let agreed = args.yes || saved.is_some();
    if !agreed {
        run::can_ask(settings)?;
    }
    let session = connect::session(settings, place, &stack, stages).await?;
    if !agreed {
        run::confirm(kind, &charts, &session, &stages.drain).await?;
    }
    if let Some(saved) = &saved {
        saved.on_its_cluster(&session).await?;
    }
    let file = saved.as_ref().map_or(&args.on.stack.stack, |saved| &saved.saved.stack_file).clone();
    let run = Run {
        stack: &stack,
        charts,
        session: &session,
        kind,
        flags: &args.run,
        connection: Some(&args.on.connection),
        resume: Resume::IfUnfinished,
        stack_file: Some(stack::place(&file)),
        journals: settings.runs()?,
        plan: saved.map(|saved| Arc::new(saved.plan)),
        afterwards: Afterwards::Resume(resume_command(&file, &args.on.connection)),
    };
    stages.begin_run();
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}
