//! `pilothouse apply`

use crate::args;
use crate::commands::run::{self, Run};
use crate::connect;
use crate::exit::{CommandError, Exit};
use crate::interrupt::Stages;
use crate::report::Afterwards;
use crate::select;
use crate::settings::Settings;
use crate::stack;
use pilothouse::Resume;
use pilothouse_core::RunKind;

/// Carries every release of the stack through its lifecycle.
pub(crate) async fn apply(settings: &Settings, args: args::Apply, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.on.stack.stack, settings)?;
    select::select(&mut stack, &args.on.select)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    for release in &mut stack.releases {
        release.info.dry_run |= args.dry_run;
    }
    let place = connect::users(settings, &args.on.connection).await?;
    let charts = run::charts(&stack, RunKind::Apply);
    run::confirm(settings, args.yes || args.dry_run, &charts, &connect::named(&place), &stages.drain).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let run = Run {
        stack: &stack,
        charts,
        session: &session,
        kind: RunKind::Apply,
        flags: &args.run,
        resume: Resume::IfUnfinished,
        journals: settings.runs(),
        afterwards: if args.dry_run { Afterwards::Repeat } else { Afterwards::Resume },
    };
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}
