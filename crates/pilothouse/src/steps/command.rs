//! `command`: run a program.

use crate::context::release_context::Context;
use crate::context::release_run::ReleaseRun;
use crate::context::step::{Step, StepDescription};
use crate::error::PhaseError;
use async_trait::async_trait;
use pilothouse_core::{CommandStep, Payload, Redactor, hide_arguments};
use pilothouse_process::{Ended, Finished, Limits, Spawn, run};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// How many lines of each stream of a program are reported.
const OUTPUT_LINES: usize = 20;

/// Writes: whatever the program does; repeatable only when the user says so. The program works on the run's cluster, by a
/// kubeconfig of its own. The program and all it started are stopped
/// at the deadline, when the run is told to terminate, and when this process dies.
pub(super) struct Command(pub(super) CommandStep);

#[async_trait]
impl Step for Command {
    fn describe(&self) -> StepDescription {
        StepDescription {
            repeatable: self.0.repeatable,
            ..StepDescription::new(format!("run {}", hide_arguments(&self.0.argv)))
        }
    }

    async fn run(&self, ctx: &Context, _run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        let Some((program, args)) = self.0.argv.split_first() else { return Ok(()) };
        let release = ctx.release();
        let (env, _kubeconfig) = ctx.session().command_env().map_err(|source| PhaseError::File {
            what: "cannot write the kubeconfig for",
            path: program.clone(),
            source,
        })?;
        let mut spawn = Spawn::new(program)
            .args(args)
            .envs(env)
            .env("PILOTHOUSE_RELEASE", &release.name)
            .env("PILOTHOUSE_NAMESPACE", &release.namespace)
            .env("PILOTHOUSE_PHASE", ctx.phase().name())
            .env("PILOTHOUSE_ACTION", ctx.info().action.to_string())
            .envs(&self.0.env)
            .guard_descendants();
        if let Some(cwd) = &self.0.cwd {
            spawn = spawn.cwd(cwd.path());
        }
        let limits = Limits { timeout: Duration::from_secs(self.0.timeout_in_seconds), grace: ctx.session().grace };
        let done = run(spawn, limits, ctx.terminate()).await?;
        if done.ended == Ended::Cancelled {
            return Err(PhaseError::Interrupted);
        }
        if done.ended == Ended::TimedOut || !done.status.success() {
            return Err(PhaseError::Command {
                program: program.clone(),
                how: how(&done, self.0.timeout_in_seconds),
                output: tail(&done, ctx.redactor()),
            });
        }
        match &self.0.output_to {
            Some(_) if !done.stdout.complete || done.stdout.dropped > 0 => {
                let how = "left something running that holds its output open".to_owned();
                return Err(PhaseError::Command { program: program.clone(), how, output: String::new() });
            }
            Some(key) => {
                let text = done.stdout.text();
                if self.0.sensitive {
                    ctx.redactor().add(&text);
                }
                payload.put_value(key, Value::from(text.trim()));
            }
            None => last_lines(&done.stdout.text(), ctx.redactor()).iter().for_each(|line| ctx.say(line)),
        }
        Ok(())
    }
}

fn how(done: &Finished, timeout: u64) -> String {
    match (done.ended, done.status.code(), done.status.signal()) {
        (Ended::TimedOut, _, _) => format!("did not end within {timeout} s"),
        (_, Some(code), _) => format!("ended with exit code {code}"),
        (_, None, Some(signal)) => format!("was ended by signal {signal}"),
        (_, None, None) => "ended badly".to_owned(),
    }
}

/// The end of what the program wrote, standard output before standard error.
fn tail(done: &Finished, redactor: &Redactor) -> String {
    let mut lines = last_lines(&done.stdout.text(), redactor);
    lines.extend(last_lines(&done.stderr.text(), redactor));
    lines.join("\n")
}

/// The last lines, of the whole text without secrets: one may go over several lines. Nobody knows what else a program prints of its
/// environment.
fn last_lines(text: &str, redactor: &Redactor) -> Vec<String> {
    redactor.clean(text).last_lines(OUTPUT_LINES)
}
