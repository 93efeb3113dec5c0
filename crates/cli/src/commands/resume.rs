//! `pilothouse resume`

use crate::args;
use crate::commands::apply::charts;
use crate::commands::history;
use crate::commands::run::{self, Run};
use crate::connect;
use crate::exit::{CommandError, Exit};
use crate::interrupt::Stages;
use crate::printer;
use crate::report::Afterwards;
use crate::settings::Settings;
use crate::stack;
use pilothouse::{DeclaredChart, HelmChart, Resume};
use pilothouse_core::{ReleaseKey, RunKind, RunProgress, Stack};

/// Continues the last run of a stack: what it was for, with its releases.
pub(crate) async fn resume(settings: &Settings, args: args::Resume, stages: &Stages) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.stack, settings)?;
    stack::add_consent(&mut stack, &args.consent.consent)?;
    let place = connect::users(settings, &args.connection).await?;
    let last = history::last(settings, &args.connection, &stack, args.run.as_deref()).await?;
    let missing = keep_only(&mut stack, &last);
    for release in missing {
        printer::err(format!("warning: {release} was part of the run and is not in the stack file any more"));
    }
    let charts: Vec<Box<dyn HelmChart>> = match last.kind {
        RunKind::Apply | RunKind::Validate => charts(&stack),
        RunKind::Destroy => {
            let declared = stack.releases.iter().cloned().map(DeclaredChart::new);
            declared.map(|chart| Box::new(chart.destroyed()) as Box<dyn HelmChart>).collect()
        }
    };
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
        afterwards: Afterwards::Resume,
    };
    let outcome = run::run(settings, run).await?;
    Ok(outcome.verdict().into())
}

/// Leaves only the releases of the run in the stack; what they need of others counts as met. Gives those of the run that
/// the stack does not have.
fn keep_only(stack: &mut Stack, last: &RunProgress) -> Vec<ReleaseKey> {
    let was_part = |key: &ReleaseKey| last.releases.iter().any(|release| release.release == *key);
    stack.releases.retain(|release| was_part(&release.info.key()));
    let left: Vec<ReleaseKey> = stack.releases.iter().map(|release| release.info.key()).collect();
    for release in &mut stack.releases {
        release
            .info
            .needs
            .retain(|need| left.iter().any(|key| need.release == key.name || need.release == key.to_string()));
    }
    let keys = last.releases.iter().map(|release| &release.release);
    keys.filter(|key| !left.contains(key)).cloned().collect()
}
