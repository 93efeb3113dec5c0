//! `pilothouse history`

use crate::input::connect;
use crate::input::settings::Settings;
use crate::input::stack;
use crate::report;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer;
use pilothouse::{HistoryOf, JournalError, Session, history as history_of, run_details};
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
    match &args.run {
        Some(run) => one(settings, &of, run).await,
        None => all(settings, &of).await,
    }
}

/// The last run of a stack, or the one that is asked for, as far as it is known.
pub(crate) async fn last(
    settings: &Settings,
    session: &Session,
    stack: &Stack,
    run: Option<&str>,
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
        let runs = history_of(&of).await.map_err(|error| failed(&error))?.runs;
        let newest = runs.first().ok_or_else(|| CommandError::input("no run of this stack is known"))?;
        newest.run.to_string()
    };
    Ok(run_details(&of, &given).await.map_err(|error| failed(&error))?.progress)
}

async fn all(settings: &Settings, of: &HistoryOf) -> Result<Exit, CommandError> {
    let history = history_of(of).await.map_err(|error| failed(&error))?;
    if settings.human() {
        for line in report::runs(&of.stack, &history.runs) {
            printer::out(line);
        }
        for problem in &history.problems {
            printer::err(format!("warning: {}", error_chain(problem).join(": ")));
        }
    } else {
        let problems: Vec<Value> = history.problems.iter().map(|problem| json!(error_chain(problem))).collect();
        printer::json(settings.output, &json!({"stack": of.stack, "runs": history.runs, "problems": problems}));
    }
    Ok(if history.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn one(settings: &Settings, of: &HistoryOf, run: &str) -> Result<Exit, CommandError> {
    let details = run_details(of, run).await.map_err(|error| failed(&error))?;
    if settings.human() {
        for line in report::run(&details) {
            printer::out(line);
        }
    } else {
        printer::json(settings.output, &json!(details));
    }
    Ok(Exit::Done)
}

fn failed(error: &JournalError) -> CommandError {
    let exit = match error {
        JournalError::UnknownRun { .. } | JournalError::AmbiguousRun { .. } => Exit::BadInput,
        JournalError::File { .. }
        | JournalError::Damaged { .. }
        | JournalError::Newer { .. }
        | JournalError::Cluster { .. }
        | JournalError::Unreadable { .. }
        | JournalError::Taken { .. }
        | JournalError::TooLarge { .. }
        | JournalError::NoDetails { .. } => Exit::Failed,
    };
    CommandError::from_error(exit, error)
}
