//! `pilothouse validate`

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

/// Runs only the validate phase of every release. Changes nothing.
pub(crate) async fn validate(
    settings: &Settings,
    args: args::OnCluster,
    stages: &Stages,
) -> Result<Exit, CommandError> {
    let mut stack = stack::load(&args.stack.stack, settings)?;
    select::select(&mut stack, &args.select)?;
    let place = connect::users(settings, &args.connection).await?;
    let session = connect::session(settings, place, &stack, stages).await?;
    let run = Run {
        stack: &stack,
        charts: run::charts(&stack, RunKind::Validate),
        session: &session,
        kind: RunKind::Validate,
        flags: &args::RunFlags::default(),
        resume: Resume::IfUnfinished,
        journals: settings.runs(),
        afterwards: Afterwards::Repeat,
    };
    let outcome = run::validate(settings, run).await;
    Ok(outcome.verdict().into())
}
