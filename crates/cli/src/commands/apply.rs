//! `pilothouse apply`

use crate::commands::carry_out::{Asked, carry_out};
use crate::input::settings::Settings;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::interrupt::Stages;
use pilothouse_core::RunKind;

/// Carries every release of the stack through its lifecycle.
pub(crate) async fn apply(settings: &Settings, args: args::Apply, stages: &Stages) -> Result<Exit, CommandError> {
    let args::Apply { on, yes, dry_run, run, consent } = args;
    carry_out(settings, RunKind::Apply, Asked { on, consent, run, yes, dry_run }, stages).await
}
