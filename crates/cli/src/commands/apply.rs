//! `pilothouse apply`

use crate::commands::plan;
use crate::commands::run::{self, Run};
use crate::input::connect;
use crate::input::continues::resume_command;
use crate::input::saved_plan::{self, SavedPlan};
use crate::input::select;
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
use std::path::Path;
use std::sync::Arc;

/// Carries every release of the stack through its lifecycle.
pub(crate) async fn apply(settings: &Settings, args: args::Apply, stages: &Stages) -> Result<Exit, CommandError> {
    let saved = saved_plan::find(&args.on.stack.stack)?;
    let mut stack = match &saved {
        None => stack_of(&args.on.stack.stack, &args.on.select, &args.consent.consent, settings)?,
        Some(saved) => planned_stack(saved, &args, settings)?,
    };
    for release in &mut stack.releases {
        release.info.dry_run |= args.dry_run;
    }
    let place = connect::users(settings, &args.on.connection, &stack).await?;
    let charts = run::charts(&stack, RunKind::Apply);
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
            on_its_cluster(&saved, &session).await?;
            Some(saved.plan)
        }
    };
    let run = Run {
        stack: &stack,
        charts,
        session: &session,
        kind: RunKind::Apply,
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

fn stack_of(
    file: &Path,
    selected: &args::Select,
    consent: &[String],
    settings: &Settings,
) -> Result<Stack, CommandError> {
    let mut stack = stack::load(file, settings)?;
    select::select(&mut stack, selected)?;
    stack::add_consent(&mut stack, consent)?;
    Ok(stack)
}

/// The releases that were planned, as the stack file has them now. Whether that is still what was planned is found out with
/// everything else that may have moved.
fn planned_stack(saved: &SavedPlan, args: &args::Apply, settings: &Settings) -> Result<Stack, CommandError> {
    if args.on.select != args::Select::default() || !args.consent.consent.is_empty() {
        return Err(CommandError::input(
            "a saved plan says itself which releases it is about and what was consented to",
        )
        .hint("make another plan with these flags: pilothouse plan --out FILE"));
    }
    stack_of(&saved.saved.stack_file, &saved.saved.select, &saved.saved.consent, settings)
}

/// A plan for one cluster is none for another.
async fn on_its_cluster(saved: &SavedPlan, session: &Session) -> Result<(), CommandError> {
    let here = session.cluster_id().await.map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    match (&saved.saved.cluster.id, here) {
        (Some(planned), Some(here)) if *planned != here => Err(CommandError::new(
            Exit::Refused,
            format!("the plan was made for another cluster, {}", saved.saved.cluster.name),
        )
        .hint("name its kubeconfig and context, or make a plan for this cluster")),
        (Some(_), None) => Err(CommandError::new(
            Exit::Refused,
            format!("whether this is the cluster of the plan, {}, cannot be told", saved.saved.cluster.name),
        )
        .hint("let the credentials read the namespace kube-system, whose UID tells clusters apart, or make a plan with them")),
        (Some(_), Some(_)) | (None, _) => Ok(()),
    }
}
