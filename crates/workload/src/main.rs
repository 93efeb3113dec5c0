//! A workload that behaves as it is told: the only program in the images of a real node.
//!
//! ```text
//! workload [serve] [--port N] [--start-after S] [--ready-after S|never] [--healthy-for S] [--require-env NAME]...
//!          [--log LINE]... [--log-error LINE]... [--log-every S] [--allocate MIB] [--allocate-after S]
//!          [--exit CODE] [--exit-after S]
//! workload pause                 waits for ever
//! workload print WORD...         one line, exit code 0
//! workload fail CODE [WORD...]   one line on standard error, exit code CODE
//! workload sleep S               and then exit code 0
//! workload get URL               exit code 0 if the answer is 2xx or 3xx; prints the body
//! ```
//!
//! S are seconds, with decimals if need be. `serve` listens on port 8080 unless told otherwise; `--port 0` does not
//! listen. Called as `podinfo` it takes that program's `--port` and leaves its other flags alone; called as `podcli`
//! (`podcli check http HOST:PORT/PATH`) it is `get`.
//!
//! Standard library only, and no unsafe code: so it cannot handle signals. As the first process of a container it
//! ignores SIGTERM therefore, and its image asks for SIGKILL.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is a container's log")]

mod client;
mod http;
mod options;
mod serve;

use options::{Command, Options, parse};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    match parse(&words) {
        Ok(command) => run(command),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve(options) => serve(&options),
        Command::Pause => loop {
            sleep(Duration::from_secs(3600));
        },
        Command::Print(words) => {
            println!("{}", words.join(" "));
            ExitCode::SUCCESS
        }
        Command::Fail(code, words) => {
            eprintln!("{}", words.join(" "));
            ExitCode::from(code)
        }
        Command::Sleep(time) => {
            sleep(time);
            ExitCode::SUCCESS
        }
        Command::Get(url) => match client::get(&url) {
            Ok((status, body)) => {
                println!("{body}");
                if (200..400).contains(&status) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(problem) => {
                eprintln!("{url}: {problem}");
                ExitCode::FAILURE
            }
        },
    }
}

#[expect(clippy::disallowed_methods, reason = "what stands in a container's environment is what is asked about")]
fn serve(options: &Options) -> ExitCode {
    options.log.iter().for_each(|line| println!("{line}"));
    options.log_error.iter().for_each(|line| eprintln!("{line}"));
    for name in &options.require_env {
        if std::env::var_os(name).is_none() {
            eprintln!("the environment variable {name} is not set");
            return ExitCode::FAILURE;
        }
    }
    serve::serve(options)
}
