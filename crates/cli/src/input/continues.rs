//! How a run that was stopped is gone on with.

use crate::input::saved_plan;
use crate::terminal::args::{Command, Connection};
use crate::terminal::text::word;
use std::path::Path;

/// The command that resumes a run of this stack file on this cluster.
pub(crate) fn resume_command(stack: &Path, connection: &Connection) -> String {
    command_on("resume", stack, connection)
}

/// The command that moves the state of this stack file on this cluster.
pub(crate) fn state_move_command(stack: &Path, connection: &Connection) -> String {
    command_on("state move", stack, connection)
}

fn command_on(command: &str, stack: &Path, connection: &Connection) -> String {
    let mut line = format!("pilothouse {command}");
    // The file of the current folder is what is taken without the flag.
    let stack = Some(stack).filter(|stack| *stack != Path::new("."));
    let given = [("--stack", stack), ("--kubeconfig", connection.kubeconfig.as_deref())];
    let context = connection.context.as_deref().map(|context| ("--context", word(context)));
    let given = given.into_iter().filter_map(|(flag, file)| Some((flag, word(&file?.display().to_string()))));
    for (flag, value) in given.chain(context) {
        line.extend([" ", flag, " ", &value]);
    }
    line
}

/// That command for what is being carried out, if it can be resumed.
pub(crate) fn resumes(command: &Command) -> Option<String> {
    let (stack, connection) = match command {
        Command::Apply(args) => (&args.on.stack.stack, &args.on.connection),
        Command::Destroy(args) if !args.plan => (&args.on.stack.stack, &args.on.connection),
        Command::Resume(args) => (&args.stack, &args.connection),
        _ => return None,
    };
    let planned = saved_plan::any(stack).ok().flatten().map(|saved| saved.saved.stack_file);
    Some(resume_command(planned.as_ref().unwrap_or(stack), connection))
}

/// How a run that keeps a journal goes on.
pub(crate) fn continues(resume: &str) -> String {
    format!("`{resume}` or the same command again continues")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::args::Cli;
    use clap::Parser;
    use rstest::rstest;

    #[rstest]
    #[case(&["apply"], Some("pilothouse resume"))]
    #[case(&["apply", "up.yaml", "--yes"], Some("pilothouse resume --stack up.yaml"))]
    #[case(&["destroy", "envs/dev", "--context", "b"], Some("pilothouse resume --stack envs/dev --context b"))]
    #[case(&["resume", "--stack", "up.yaml", "--kubeconfig", "my config"], Some("pilothouse resume --stack up.yaml --kubeconfig 'my config'"))]
    #[case(&["apply", "it's"], Some(r"pilothouse resume --stack 'it'\''s'"))]
    #[case(&["validate", "up.yaml"], None)]
    #[case(&["plan", "up.yaml"], None)]
    fn the_very_file_and_the_very_cluster(#[case] args: &[&str], #[case] expected: Option<&str>) {
        let args = std::iter::once(&"pilothouse").chain(args);
        assert_eq!(resumes(&Cli::parse_from(args).command).as_deref(), expected);
    }
}
