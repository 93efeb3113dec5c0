//! `pilothouse history`

use crate::input::connect;
use crate::input::continues::state_move_command;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::hints;
use crate::terminal::printer;
use pilothouse::Session;
use pilothouse::state::{HistoryOf, JournalError, history as history_of, run_details};
use pilothouse_config::Unset;
use pilothouse_core::{RunProgress, Stack, error_chain};
use serde_json::{Value, json};
use std::sync::Arc;

/// Shows the runs of a stack, or one of them in detail. Exit code 1 when something cannot be read.
pub(crate) async fn history(settings: &Settings, args: args::History) -> Result<Exit, CommandError> {
    let stack = stack::load_for(&args.stack, settings, Unset::LeftOut)?.stack;
    let cluster = connect::cluster(settings.connection(&args.connection, &stack.cluster)?).await?;
    let of = HistoryOf {
        cluster: Arc::new(cluster),
        state_namespace: stack.state_namespace,
        stack: stack.name,
        folder: settings.runs()?,
    };
    let command = state_move_command(&args.stack, &args.connection);
    match &args.run {
        Some(run) => one(settings, &of, run, &command).await,
        None => all(settings, &of, &command).await,
    }
}

/// The last run of a stack, or the one that is asked for, as far as it is known.
pub(crate) async fn last(
    settings: &Settings,
    session: &Session,
    stack: &Stack,
    run: Option<&str>,
    state_move: &str,
) -> Result<RunProgress, CommandError> {
    let of = HistoryOf {
        cluster: session.cluster(),
        state_namespace: stack.state_namespace.clone(),
        stack: stack.name.clone(),
        folder: settings.runs()?,
    };
    let given = if let Some(run) = run {
        run.to_owned()
    } else {
        let runs = history_of(&of).await.map_err(|error| failed(&error, &of.stack, state_move))?;
        // Without the cluster's record the newest here may not be the last.
        let found = match runs.problems.into_iter().find(|problem| matches!(problem, JournalError::Place(_))) {
            Some(problem) => return Err(failed(&problem, &of.stack, state_move)),
            None => runs.runs,
        };
        let newest = found.first().ok_or_else(|| CommandError::input("no run of this stack is known"))?;
        newest.run.to_string()
    };
    Ok(run_details(&of, &given).await.map_err(|error| failed(&error, &of.stack, state_move))?.progress)
}

async fn all(settings: &Settings, of: &HistoryOf, state_move: &str) -> Result<Exit, CommandError> {
    let history = history_of(of).await.map_err(|error| failed(&error, &of.stack, state_move))?;
    if settings.human() {
        for line in report::runs(&of.stack, &history.runs) {
            printer::out(line);
        }
        for problem in &history.problems {
            printer::err(format!("warning: {}", error_chain(problem).join(": ")));
            if let Some(hint) = failed(problem, &of.stack, state_move).hint {
                printer::err(format!("hint: {hint}"));
            }
        }
    } else {
        let problems: Vec<Value> = history.problems.iter().map(|problem| json!(error_chain(problem))).collect();
        printer::json(settings.output, &json!({"stack": of.stack, "runs": history.runs, "problems": problems}));
    }
    Ok(if history.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn one(settings: &Settings, of: &HistoryOf, run: &str, state_move: &str) -> Result<Exit, CommandError> {
    let details = run_details(of, run).await.map_err(|error| failed(&error, &of.stack, state_move))?;
    if settings.human() {
        for line in report::run(&details) {
            printer::out(line);
        }
    } else {
        printer::json(settings.output, &json!(details));
    }
    Ok(Exit::Done)
}

fn failed(error: &JournalError, stack: &str, state_move: &str) -> CommandError {
    hints::of_journal(error, stack, state_move)
}
