//! `command`: run a program.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use async_trait::async_trait;
use pilothouse_core::{CommandStep, Payload, Redactor, hide_arguments};
use pilothouse_process::{Captured, Ended, Finished, Limits, Spawn, run};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// How many lines of each stream of a program are reported.
const OUTPUT_LINES: usize = 20;

/// What `output_to` takes, in bytes: it travels in the journal, in a Secret of the cluster too.
const OUTPUT_TO: usize = 64 * 1024;

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

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn run(&self, ctx: &Context, _run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        let Some((program, args)) = self.0.argv.split_first() else { return Ok(()) };
        let release = ctx.release();
        self.0.secrets().into_iter().for_each(|secret| ctx.redactor().add(secret));
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
        if self.0.output_to.is_some() {
            spawn = spawn.whole_stdout(OUTPUT_TO);
        }
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
            Some(_) if !done.stdout.complete => {
                let how = "left something running that holds its output open".to_owned();
                return Err(PhaseError::Command { program: program.clone(), how, output: String::new() });
            }
            Some(_) if done.stdout.dropped > 0 => {
                let printed = done.stdout.bytes.len() as u64 + done.stdout.dropped;
                let how = format!("printed {printed} bytes, and `output_to` takes {OUTPUT_TO} at most");
                return Err(PhaseError::Command { program: program.clone(), how, output: String::new() });
            }
            Some(key) => {
                let text = done.stdout.text();
                if self.0.sensitive {
                    ctx.redactor().add(&text);
                }
                payload.put_value(key, Value::from(text.trim()));
            }
            None => last_lines(&done.stdout, ctx.redactor()).iter().for_each(|line| ctx.say(line)),
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
    let mut lines = last_lines(&done.stdout, redactor);
    lines.extend(last_lines(&done.stderr, redactor));
    lines.join("\n")
}

/// The last lines, of the whole text without secrets: one may go over several lines. Nobody knows what else a program prints of its
/// environment. Where it has printed more than is kept of it, how much comes first, and the rest of the line that is not whole is
/// left out: it may begin with the end of a secret.
fn last_lines(printed: &Captured, redactor: &Redactor) -> Vec<String> {
    let text = printed.text();
    let whole = match printed.dropped {
        0 => text.as_str(),
        _ => text.split_once('\n').map_or("", |(_, whole)| whole),
    };
    let more = (printed.dropped > 0).then(|| format!("({} bytes before these are left out)", printed.dropped));
    more.into_iter().chain(redactor.clean(whole).last_lines(OUTPUT_LINES)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_and_half_a_line_is_not_shown() {
        let redactor = Redactor::new(["hunter22canary"]);
        let printed = Captured { bytes: b"2canary\na\nb hunter22canary\n".to_vec(), dropped: 0, complete: true };
        assert_eq!(last_lines(&printed, &redactor), ["2canary", "a", "b ***"]);
        let cut = Captured { dropped: 99_934_464, ..printed };
        assert_eq!(last_lines(&cut, &redactor), ["(99934464 bytes before these are left out)", "a", "b ***"]);
    }
}
