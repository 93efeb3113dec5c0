//! `pilothouse destroy`

use crate::commands::carry_out::{Asked, carry_out};
use crate::commands::plan;
use crate::input::settings::Settings;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use pilothouse_core::RunKind;

/// Destroys every release of the stack, each before those it needs; or tells what that would do.
pub(crate) async fn destroy(settings: &Settings, args: args::Destroy, stages: &Stages) -> Result<Exit, CommandError> {
    let kind = RunKind::Destroy;
    let args::Destroy { on, shown, yes, run, consent, plan } = args;
    if plan {
        return plan::plan(settings, kind, args::Plan { on, shown, consent }, stages).await;
    }
    carry_out(settings, kind, Asked { on, consent, run, yes, dry_run: false }, stages).await
}
