//! `pilothouse resume`

use crate::args;
use crate::commands::history;
use crate::commands::run::{self, Run};
use crate::connect;
use crate::exit::{CommandError, Exit};
use crate::interrupt::Stages;
use crate::printer;
use crate::report::Afterwards;
use crate::select;
use crate::settings::Settings;
use crate::stack;
use pilothouse::Resume;
use pilothouse_core::{ReleaseKey, RunProgress, Stack};

/// Continues the last run of a stack: what it was for, with its releases.
pub(crate) async fn resume(settings: &Settings, args: args::Resume, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.stack, settings)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    let place = connect::users(settings, &args.connection).await?;
    let last = history::last(settings, &args.connection, &stack, args.run.as_deref()).await?;
    let missing = keep_only(&mut stack, &last)?;
    for release in missing {
        printer::err(format!("warning: {release} was part of the run and is not in the stack file any more"));
    }
    let charts = run::charts(&stack, last.kind);
    run::confirm(settings, args.yes, &charts, &connect::named(&place), &stages.drain).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let run = Run {
        stack: &stack,
        charts,
        session: &session,
        kind: last.kind,
        flags: &args.flags,
        resume: if args.run.is_some() { Resume::Run(last.run) } else { Resume::Last },
        journals: settings.runs(),
        plan: None,
        afterwards: Afterwards::Resume,
    };
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
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
