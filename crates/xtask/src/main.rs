//! Work on this repository: `cargo xtask --help`.
#![expect(clippy::print_stdout, reason = "it tells a person what came out")]

mod report;
mod tests;

use clap::Parser;
use std::process::ExitCode;

/// Work on this repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run the tests of every day, and print the time of each binary and the slowest tests
    Daily,
    /// Run every test, also those that are left out every day, and print their times
    Full,
}

fn main() -> ExitCode {
    let ran = match Task::parse() {
        Task::Daily => tests::run(tests::Chosen::Daily),
        Task::Full => tests::run(tests::Chosen::All),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("cargo cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
