//! `pilothouse state`

use crate::input::connect;
use crate::input::continues::state_move_command;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::hints;
use crate::terminal::interrupt::Stages;
use crate::terminal::printer;
use pilothouse::state::{StateMove, StateMoveError, StateMoved, move_state};
use pilothouse_config::Unset;
use pilothouse_core::RunId;
use serde_json::json;
use std::sync::Arc;

/// Moves the state of a stack to another namespace.
pub(crate) async fn move_to(settings: &Settings, args: args::StateMove, stages: &Stages) -> Result<Exit, CommandError> {
    let stack = stack::load_for(&args.stack, settings, Unset::LeftOut)?.stack;
    let cluster = connect::cluster(settings.connection(&args.connection, &stack.cluster)?).await?;
    let moving = StateMove {
        cluster: Arc::new(cluster),
        stack: stack.name.clone(),
        from: args.from.clone(),
        to: args.to.clone().or_else(|| stack.state_namespace.clone()),
        holder: settings.environment.holder(RunId::new()),
        lock_timeout: args.lock_timeout.unsigned_abs(),
        state_key: settings.state_key()?,
        cancel: stages.drain.clone(),
    };
    let command = state_move_command(&args.stack, &args.connection);
    let moved = move_state(&moving).await.map_err(|error| failed(&error, &stack.name, &command))?;
    let (from, to) = match &moved {
        StateMoved::Moved { from, to } => (Some(from), to),
        StateMoved::AlreadyThere { at } => (None, at),
    };
    if settings.human() {
        let name = &stack.name;
        printer::out(match from {
            Some(from) => format!("The state of stack {name} was moved from namespace {from} to {to}."),
            None => format!("The state of stack {name} is in namespace {to}."),
        });
        if let Some(line) = hints::state_moved(to, stack.state_namespace.as_deref()) {
            printer::out(line);
        }
    } else {
        printer::json(settings.output, &json!({"stack": stack.name, "from": from, "to": to}));
    }
    Ok(Exit::Done)
}

fn failed(error: &StateMoveError, stack: &str, command: &str) -> CommandError {
    let (exit, hint) = match error {
        StateMoveError::Run(error) => return hints::not_begun(error, stack, command),
        StateMoveError::Nothing { .. } => (
            Exit::BadInput,
            "it is made by the first run that changes something; where it is elsewhere, say so: --from NAMESPACE",
        ),
        StateMoveError::KeyMissing => (Exit::BadInput, "give that key: --state-key FILE"),
        StateMoveError::Refused { .. } => (Exit::Failed, "what is asked for is `create` on `secrets` there"),
    };
    CommandError::from_error(exit, error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse::state::PlaceError;

    #[test]
    fn every_error_has_a_hint() {
        let errors = [
            StateMoveError::Nothing { namespaces: vec!["default".to_owned()] },
            StateMoveError::KeyMissing,
            StateMoveError::Run(pilothouse::state::JournalError::from(PlaceError::Restless).into()),
        ];
        for error in errors {
            assert!(failed(&error, "shop", "pilothouse state move").hint.is_some(), "{error}");
        }
    }
}
