//! Work on this repository: `cargo xtask --help`.
#![expect(clippy::print_stdout, reason = "it tells a person what came out")]

mod architecture;
mod public_api;
mod report;
mod tests;

use clap::Parser;
use std::process::ExitCode;

/// Work on this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Print the files of each folder and which import each other in a circle
    Architecture,
    /// Run the tests of every day, and print the time of each binary and the slowest tests
    Daily,
    /// Run every test, also those that are left out every day, and print their times
    Full,
    /// Write the public names of the library to docs/public-api.txt
    PublicApi {
        /// Only tell whether they are those of the file
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let run_tests = |chosen| tests::run(chosen).map_err(|error| format!("cargo cannot be run: {error}"));
    let ran = match Task::parse() {
        Task::Architecture => architecture::run(),
        Task::Daily => run_tests(tests::Chosen::Daily),
        Task::Full => run_tests(tests::Chosen::All),
        Task::PublicApi { check: false } => public_api::run(public_api::Wish::Write),
        Task::PublicApi { check: true } => public_api::run(public_api::Wish::Compare),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}
