//! What `apply` and `destroy` have in common: a run that changes something, of a stack file or of a saved plan.

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
use pilothouse::state::Resume;
use pilothouse::{HelmChart, Session};
use pilothouse_core::{Plan, RunKind, Stack};
use std::sync::Arc;

/// What is asked for.
pub(crate) struct Asked {
    pub(crate) on: args::OnCluster,
    pub(crate) consent: args::Consent,
    pub(crate) run: args::RunFlags,
    /// Whether nobody is asked.
    pub(crate) yes: bool,
    pub(crate) dry_run: bool,
}

/// Carries out a run of this kind, once somebody has agreed.
pub(crate) async fn carry_out(
    settings: &Settings,
    kind: RunKind,
    asked: Asked,
    stages: &Stages,
) -> Result<Exit, CommandError> {
    let Asked { on, consent, run: flags, yes, dry_run } = asked;
    let saved = saved_plan::find(&on.stack.stack, kind, &on.select, &consent)?;
    let mut stack = match &saved {
        None => run::stack_of(&on.stack.stack, &on.select, &consent.consent, kind, settings)?,
        Some(saved) => run::planned_stack(saved, settings)?,
    };
    for release in &mut stack.releases {
        release.info.dry_run |= dry_run;
    }
    let place = connect::users(settings, &on.connection, &stack).await?;
    let charts = run::charts(&stack, kind);
    // Whoever saved the plan has seen it.
    let agreed = yes || dry_run || saved.is_some();
    if !agreed {
        run::can_ask(settings)?;
    }
    let session = connect::session(settings, place, &stack, stages).await?;
    let shown = if agreed {
        None
    } else {
        let show = Show { kind, stack: &stack, charts: &charts, session: &session, keeps_going: flags.keep_going };
        show_and_ask(settings, show, stages).await?
    };
    let file = saved.as_ref().map_or(&on.stack.stack, |saved| &saved.saved.stack_file).clone();
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
        flags: &flags,
        connection: Some(&on.connection),
        resume: Resume::IfUnfinished,
        stack_file: Some(stack::place(&file)),
        journals: settings.runs()?,
        plan: plan.map(Arc::new),
        afterwards: if dry_run {
            Afterwards::Repeat
        } else {
            Afterwards::Resume(resume_command(&file, &on.connection))
        },
    };
    stages.begin_run();
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}

/// What is shown before somebody is asked.
struct Show<'a> {
    kind: RunKind,
    stack: &'a Stack,
    charts: &'a [Box<dyn HelmChart>],
    session: &'a Arc<Session>,
    /// Whether what is refused is left out.
    keeps_going: bool,
}

/// Shows what is going to be done, and asks whether to go on; where an apply has nothing to do there is nothing to ask. The run is held
/// to what was shown, by the plan that comes back. What is refused cannot be agreed to: then nothing is done, unless it is to be left out.
async fn show_and_ask(settings: &Settings, show: Show<'_>, stages: &Stages) -> Result<Option<Plan>, CommandError> {
    let Show { kind, stack, charts, session, keeps_going } = show;
    if kind != RunKind::Apply {
        run::confirm(kind, charts, session, &stages.drain).await?;
        return Ok(None);
    }
    let plan = plan::planned(settings, stack, charts, session, stages).await?;
    printer::err(report::plan_text(&plan, Some(console_size().0), false));
    if plan.is_refused() && !keeps_going {
        let line = format!("nothing was changed: {}", plan.refused_releases());
        let hint = "put right what it is refused for; name the others with --only, or leave it out with --keep-going; --yes does not plan first, and waits for whoever is at work on a release";
        return Err(CommandError::new(Exit::of_plan(&plan, false), line).hint(hint));
    }
    let runs_steps = plan.releases.iter().any(|release| !release.steps.is_empty());
    if !(plan.has_changes() || plan.is_refused() || runs_steps) {
        return Ok(Some(plan));
    }
    run::ask(kind, session, &stages.drain).await?;
    Ok(Some(plan))
}
