//! The pilothouse program.

mod args;
mod commands;
mod connect;
mod exit;
mod hints;
mod holder;
mod interrupt;
mod printer;
mod report;
mod select;
mod settings;
mod stack;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use exit::{CommandError, Exit};
use settings::Settings;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = Settings::resolve(&cli.global);
    log_to_stderr(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer::error(&CommandError::new(Exit::Failed, format!("cannot start: {error}")));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(dispatch(&settings, cli.command)).unwrap_or_else(|error| {
        if settings.human() {
            printer::error(&error);
        } else {
            printer::json(&error.as_json());
        }
        error.exit
    });
    exit.into()
}

async fn dispatch(settings: &Settings, command: Command) -> Result<Exit, CommandError> {
    let cancel = CancellationToken::new();
    let outlives_terminal = matches!(command, Command::Plane(args::Plane::Supervise(_)));
    interrupt::watch(&cancel, outlives_terminal).map_err(|error| CommandError::from_error(Exit::Failed, &error))?;
    match command {
        Command::Apply(args) => commands::apply::apply(settings, args, &cancel).await,
        Command::Destroy(args) => commands::destroy::destroy(settings, args, &cancel).await,
        Command::Status(args) => commands::status::status(settings, args, &cancel).await,
        Command::Validate(args) => commands::validate::validate(settings, args, &cancel).await,
        Command::Graph(args) => commands::graph::graph(settings, &args),
        Command::Resume(args) => commands::resume::resume(settings, args, &cancel).await,
        Command::History(args) => commands::history::history(settings, args).await,
        Command::Lint(args) => commands::lint::lint(settings, args, &cancel).await,
        Command::Render(args) => commands::render::render(settings, args, &cancel).await,
        Command::Rehearse(args) => commands::rehearse::rehearse(settings, args, &cancel).await,
        Command::Plane(args) => commands::plane::plane(settings, args, &cancel).await,
        Command::Schema => {
            printer::json(&pilothouse_config::schema());
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "pilothouse", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

/// What happens inside, for those who look for a mistake. Never on by itself.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "pilothouse=debug",
        _ => "pilothouse=trace,kube=debug",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
