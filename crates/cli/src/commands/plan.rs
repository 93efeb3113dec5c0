//! `pilothouse plan`, and `pilothouse destroy --plan`

use crate::commands::run;
use crate::input::connect;
use crate::input::saved_plan::{self, PlannedCluster, PlannedWith, SavedPlan};
use crate::input::select;
use crate::input::settings::Settings;
use crate::report;
use crate::terminal::args::{self, PlanFormat};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use crate::terminal::printer;
use pilothouse::plan::EarlierRuns;
use pilothouse::state::HistoryOf;
use pilothouse::{HelmChart, Session};
use pilothouse_core::{Plan, RunId, RunKind, Stack};
use std::sync::Arc;

/// Tells what a run of this kind would do, from looking. Writes nothing but the file that is asked for.
pub(crate) async fn plan(
    settings: &Settings,
    kind: RunKind,
    args: args::Plan,
    stages: &Stages,
) -> Result<Exit, CommandError> {
    let detailed = args.shown.detailed_exitcode;
    make(settings, kind, args, stages).await.map_err(|mut error| {
        if detailed {
            error.exit = error.exit.beside_changes();
        }
        error
    })
}

async fn make(settings: &Settings, kind: RunKind, args: args::Plan, stages: &Stages) -> Result<Exit, CommandError> {
    let args::Plan { on, shown, consent } = args;
    if !settings.human() && shown.format == PlanFormat::Markdown {
        return Err(CommandError::input("--format markdown and --output json are both ways to print the plan")
            .hint("leave one of them out"));
    }
    let stack = run::stack_of(&on.stack.stack, &on.select, &consent.consent, kind, settings)?;
    select::graph(&stack)?;
    let place = connect::users(settings, &on.connection, &stack).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let charts = run::charts(&stack, kind);
    let plan = planned(settings, &stack, &charts, &session, stages).await?;
    let exit = Exit::of_plan(&plan, shown.detailed_exitcode);
    if let Some(file) = &shown.out {
        let id = session.cluster_id().await;
        let saved = SavedPlan {
            plan: plan.clone(),
            saved: PlannedWith {
                program: env!("CARGO_PKG_VERSION").to_owned(),
                kind,
                stack_file: std::path::absolute(&on.stack.stack).unwrap_or(on.stack.stack),
                select: on.select,
                consent: consent.consent,
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
        printer::out(match shown.format {
            PlanFormat::Text => report::plan_text(&plan, settings.width(), shown.full),
            PlanFormat::Markdown => report::plan_markdown(&plan),
        });
        if let Some(file) = &shown.out {
            let command = saved_plan::command(kind);
            printer::err(if plan.is_refused() {
                format!("saved in {}, and cannot be carried out: {}", file.display(), plan.refused_releases())
            } else {
                format!("saved: `pilothouse {command} {}` carries out exactly this", file.display())
            });
        }
    } else {
        let document = serde_json::to_value(&plan).map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
        printer::json(settings.output, &document);
    }
    Ok(exit)
}

/// Makes the plan. The graph of the stack was looked at before.
pub(crate) async fn planned(
    settings: &Settings,
    stack: &Stack,
    charts: &[Box<dyn HelmChart>],
    session: &Arc<Session>,
    stages: &Stages,
) -> Result<Plan, CommandError> {
    let history = HistoryOf {
        cluster: session.cluster(),
        state_namespace: stack.state_namespace.clone(),
        stack: stack.name.clone(),
        folder: settings.runs()?,
    };
    let earlier = EarlierRuns { history, us: settings.environment.holder(RunId::new()) };
    let planned = tokio::select! {
        planned = pilothouse::plan(&stack.name, charts, session, pilothouse::default_concurrency(), Some(&earlier)) => planned,
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
