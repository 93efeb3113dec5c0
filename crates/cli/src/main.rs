//! The pilothouse program.

mod commands;
mod input;
mod report;
mod terminal;

use clap::{CommandFactory, Parser};
use input::continues;
use input::settings::Settings;
use pilothouse_core::RunKind;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use terminal::args::{Cli, Command, Output, Plane, SchemaOf, State};
use terminal::exit::{CommandError, Exit};
use terminal::interrupt::{self, Stages};
use terminal::printer;
use terminal::trace::{Trace, is_written};
use tracing::{Instrument, trace_span};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Whoever reads may have gone away; that is no reason to fail.
            let _ = error.print();
            return Exit::of_usage(&error, std::env::args_os()).into();
        }
    };
    let settings = Settings::resolve(&cli.global);
    let trace = match cli.global.trace.as_deref().map(Trace::create).transpose() {
        Ok(trace) => trace,
        Err(error) => return told(&settings, &error).into(),
    };
    listen(cli.global.verbose, trace.clone());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer::error(&CommandError::new(Exit::Failed, format!("cannot start: {error}")));
            return Exit::Failed.into();
        }
    };
    let command = until_killed(&settings, cli.command).instrument(trace_span!(target: "pilothouse::spans", "command"));
    let mut exit = runtime.block_on(command).unwrap_or_else(|error| told(&settings, &error));
    // A question that nobody answers any more would hold the program up.
    runtime.shutdown_timeout(LAST_GRACE);
    if let Some(Err(error)) = trace.map(|trace| trace.finish()) {
        let told = told(&settings, &CommandError::new(Exit::Failed, format!("the trace is not whole: {error}")));
        exit = if exit == Exit::Done { told } else { exit };
    }
    exit.into()
}

/// Prints why a command failed, and gives its exit code. After a JSON result was printed, the error goes to standard error, so that
/// standard output stays one document.
fn told(settings: &Settings, error: &CommandError) -> Exit {
    match settings.output {
        Output::Json if !printer::has_told() => printer::json(Output::Json, &error.as_json()),
        Output::Human | Output::Json => printer::error(error),
        Output::Jsonl => printer::json_line(&error.as_line()),
    }
    error.exit
}

/// How long what is left over when a command has ended may take to end too.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Carries the command out, unless the user does not want to wait for anything any more: then it is dropped, and all that
/// it has started with it.
async fn until_killed(settings: &Settings, command: Command) -> Result<Exit, CommandError> {
    let stages = Stages::default();
    let resumes = continues::resumes(&command);
    let background = matches!(command, Command::Plane(Plane::Supervise(_)));
    interrupt::watch(&stages, background).map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    tokio::select! {
        ended = dispatch(settings, command, &stages) => ended,
        () = stages.kill.cancelled() => {
            let killed = CommandError::new(Exit::Interrupted, "killed before the end");
            Err(match resumes {
                Some(resume) => killed.hint(continues::continues(&resume)),
                None => killed,
            })
        }
    }
}

async fn dispatch(settings: &Settings, command: Command, stages: &Stages) -> Result<Exit, CommandError> {
    let cancel = &stages.drain;
    match command {
        Command::Apply(args) => commands::apply::apply(settings, args, stages).await,
        Command::Plan(args) => commands::plan::plan(settings, RunKind::Apply, args, stages).await,
        Command::Destroy(args) => commands::destroy::destroy(settings, args, stages).await,
        Command::Status(args) => commands::status::status(settings, args, stages).await,
        Command::Diagnose(args) => commands::diagnose::diagnose(settings, args, stages).await,
        Command::Validate(args) => commands::validate::validate(settings, args, stages).await,
        Command::Graph(args) => commands::graph::graph(settings, &args),
        Command::Resume(args) => commands::resume::resume(settings, args, stages).await,
        Command::History(args) => commands::history::history(settings, args).await,
        Command::State(State::Move(args)) => commands::state::move_to(settings, args, stages).await,
        Command::Lint(args) => commands::lint::lint(settings, args, cancel).await,
        Command::Render(args) => commands::render::render(settings, args, cancel).await,
        Command::Ready(args) => commands::ready::ready(settings, &args),
        Command::Rehearse(args) => commands::rehearse::rehearse(settings, args, stages).await,
        Command::Plane(args) => commands::plane::plane(settings, args, cancel).await,
        Command::Schema { of } => {
            let schema = match of {
                SchemaOf::Stack => pilothouse_config::schema(),
                SchemaOf::Events => report::event_schema(),
                SchemaOf::Plan => report::plan_schema(),
            };
            printer::json(Output::Json, &schema);
            Ok(Exit::Done)
        }
        Command::Explain(args) => commands::explain::explain(settings, &args),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "pilothouse", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

/// What happens inside, for those who look for a mistake or for the time. Never on by itself.
fn listen(verbose: u8, trace: Option<Trace>) {
    let level = match verbose {
        0 => None,
        1 => Some("pilothouse=debug"),
        _ => Some("pilothouse=trace,kube=debug"),
    };
    if level.is_none() && trace.is_none() {
        return;
    }
    let to_stderr = level.map(|level| {
        tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .with_filter(EnvFilter::new(level))
    });
    let to_file = trace.map(|trace| trace.with_filter(filter_fn(is_written)));
    tracing_subscriber::registry().with(to_stderr).with(to_file).init();
}
