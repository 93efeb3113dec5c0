//! `pilothouse apply`

use crate::commands::plan;
use crate::commands::run::{self, Run};
use crate::input::connect;
use crate::input::continues::resume_command;
use crate::input::saved_plan;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report::{self, Afterwards};
use crate::terminal::args;
use crate::terminal::console::console_size;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer;
use pilothouse::{HelmChart, Resume, Session};
use pilothouse_core::{Plan, RunKind, Stack};
use std::sync::Arc;

/// Carries every release of the stack through its lifecycle.
pub(crate) async fn apply(settings: &Settings, args: args::Apply, stages: &Stages) -> Result<Exit, CommandError> {
    let kind = RunKind::Apply;
    let saved = saved_plan::find(&args.on.stack.stack, kind, &args.on.select, &args.consent)?;
    let mut stack = match &saved {
        None => run::stack_of(&args.on.stack.stack, &args.on.select, &args.consent.consent, kind, settings)?,
        Some(saved) => run::planned_stack(saved, settings)?,
    };
    for release in &mut stack.releases {
        release.info.dry_run |= args.dry_run;
    }
    let place = connect::users(settings, &args.on.connection, &stack).await?;
    let charts = run::charts(&stack, kind);
    // Whoever saved the plan has seen it.
    let agreed = args.yes || args.dry_run || saved.is_some();
    if !agreed {
        run::can_ask(settings)?;
    }
    let session = connect::session(settings, place, &stack, stages).await?;
    let shown = if agreed { None } else { show_and_ask(&stack, &charts, &session, stages).await? };
    let file = saved.as_ref().map_or(&args.on.stack.stack, |saved| &saved.saved.stack_file).clone();
    let plan = match saved {
        None => shown,
        Some(saved) => {
            saved.on_its_cluster(&session).await?;
            Some(saved.plan)
        }
    };
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
        plan: plan.map(Arc::new),
        afterwards: if args.dry_run {
            Afterwards::Repeat
        } else {
            Afterwards::Resume(resume_command(&file, &args.on.connection))
        },
    };
    stages.begin_run();
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}

/// Shows the plan and asks whether to go on. Where nothing is to be done there is nothing to ask: then the run is held to that,
/// by the plan that comes back.
async fn show_and_ask(
    stack: &Stack,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    stages: &Stages,
) -> Result<Option<Plan>, CommandError> {
    let plan = plan::planned(stack, charts, session, stages).await?;
    printer::err(report::plan_text(&plan, Some(console_size().0), false));
    let runs_steps = plan.releases.iter().any(|release| !release.steps.is_empty());
    if !(plan.has_changes() || plan.is_refused() || runs_steps) {
        return Ok(Some(plan));
    }
    run::ask(RunKind::Apply, session, &stages.drain).await?;
    Ok(None)
}
