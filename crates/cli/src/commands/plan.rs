//! `pilothouse plan`

use crate::commands::run;
use crate::input::connect;
use crate::input::saved_plan::{self, PlannedCluster, PlannedWith, SavedPlan};
use crate::input::select;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report;
use crate::terminal::args::{self, PlanFormat};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer;
use pilothouse::{HelmChart, Session};
use pilothouse_core::{Plan, RunKind, Stack};
use std::sync::Arc;

/// Tells what an apply would do, from looking. Writes nothing but the file that is asked for.
pub(crate) async fn plan(settings: &Settings, args: args::Plan, stages: &Stages) -> Result<Exit, CommandError> {
    let detailed = args.detailed_exitcode;
    make(settings, args, stages).await.map_err(|mut error| {
        if detailed {
            error.exit = error.exit.beside_changes();
        }
        error
    })
}

async fn make(settings: &Settings, args: args::Plan, stages: &Stages) -> Result<Exit, CommandError> {
    if !settings.human() && args.format == PlanFormat::Markdown {
        return Err(CommandError::input("--format markdown and --output json are both ways to print the plan")
            .hint("leave one of them out"));
    }
    let mut stack = stack::load(&args.on.stack.stack, settings)?;
    select::select(&mut stack, &args.on.select)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    select::graph(&stack)?;
    let place = connect::users(settings, &args.on.connection, &stack).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let charts = run::charts(&stack, RunKind::Apply);
    let plan = planned(&stack, &charts, &session, stages).await?;
    let exit = Exit::of_plan(&plan, args.detailed_exitcode);
    if let Some(file) = &args.out {
        let id = session.cluster_id().await;
        let saved = SavedPlan {
            plan: plan.clone(),
            saved: PlannedWith {
                program: env!("CARGO_PKG_VERSION").to_owned(),
                stack_file: std::path::absolute(&args.on.stack.stack).unwrap_or(args.on.stack.stack),
                select: args.on.select,
                consent: args.consent.consent,
                cluster: PlannedCluster {
                    name: connect::named(&session),
                    id: id.map_err(|error| CommandError::from_error(Exit::Failed, &error))?,
                },
                key: plan.key.clone(),
            },
        };
        saved_plan::write(file, &saved)?;
    }
    if settings.human() {
        printer::out(match args.format {
            PlanFormat::Text => report::plan_text(&plan, settings.width(), args.full),
            PlanFormat::Markdown => report::plan_markdown(&plan),
        });
        if let Some(file) = &args.out {
            printer::err(format!("saved: `pilothouse apply {}` carries out exactly this", file.display()));
        }
    } else {
        let document = serde_json::to_value(&plan).map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
        printer::json(settings.output, &document);
    }
    Ok(exit)
}

/// Makes the plan. The graph of the stack was looked at before.
pub(crate) async fn planned(
    stack: &Stack,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    stages: &Stages,
) -> Result<Plan, CommandError> {
    let planned = tokio::select! {
        planned = pilothouse::plan(&stack.name, charts, session, run::default_concurrency()) => planned,
        // Nothing was begun that would have to be ended.
        () = stages.drain.cancelled() => {
            return Err(CommandError::new(Exit::Interrupted, "stopped: nothing was changed"));
        }
    };
    planned.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        CommandError::input(lines.join("; "))
    })
}
