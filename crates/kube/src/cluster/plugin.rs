//! What may be told of credential plugins that fail: the program, how it ended, and the last line of what it said. Never its
//! environment, its arguments or its standard output: secrets and tokens are in them.

use super::transport::chain;
use kube::client::AuthError;
use kube::config::{ExecInteractiveMode, Kubeconfig};
use pilothouse_core::Redactor;

/// Characters of a plugin's line that are told.
const LONGEST: usize = 300;

/// Lets no plugin write to the terminal by itself, or ask there, unless it insists on it.
pub(super) fn keep_from_terminal(kubeconfig: &mut Kubeconfig) {
    let users = kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut());
    for exec in users.filter_map(|user| user.exec.as_mut()) {
        if exec.interactive_mode != Some(ExecInteractiveMode::Always) {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
}

/// Why there are no credentials, if that is what an error is about.
pub(super) fn no_credentials(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    chain(error).find_map(|cause| {
        let wrapped = cause.downcast_ref::<kube::Error>().and_then(|error| match error {
            kube::Error::Auth(source) => Some(source),
            _ => None,
        });
        wrapped.or_else(|| cause.downcast_ref::<AuthError>()).map(words)
    })
}

fn words(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { cmd, out } => {
            let program = program(cmd).unwrap_or_else(|| "the credential plugin".to_owned());
            let said = String::from_utf8_lossy(&out.stderr);
            let last = Redactor::default().clean(&said).last_lines(1).concat();
            let last = Redactor::default().clean(&last).in_one_line(LONGEST);
            let said = if last.is_empty() { String::new() } else { format!(": {last}") };
            format!("the credential plugin {program} ended with {}{said}", out.status)
        }
        // The parser's words quote what it has read, which is a token.
        AuthError::AuthExecParse(_) => "what the credential plugin prints is no ExecCredential".to_owned(),
        AuthError::ParseTokenKey(_) => {
            "what the credential plugin prints has no token where one is expected".to_owned()
        }
        AuthError::AuthExec(_) => "the credential plugin failed".to_owned(),
        AuthError::AuthExecStart(error) => format!("the credential plugin cannot be started: {error}"),
        other => Redactor::default().clean(&other.to_string()).into_string(),
    }
}

/// The program of a command as Rust shows it: `NAME="value" "program" "argument"`.
fn program(command: &str) -> Option<String> {
    let mut rest = command.trim_start();
    while !rest.starts_with('"') {
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.find(|c: char| {
            let is_end = c.is_whitespace() && !quoted;
            quoted ^= c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        })?;
        rest = rest[end..].trim_start();
    }
    let mut escaped = false;
    let end = rest[1..].find(|c: char| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })?;
    Some(rest[1..=end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::process::Command;

    #[rstest]
    #[case(&[], &[])]
    #[case(&[("A_SECRET", "hunter22")], &["-c", "echo \"tok\""])]
    #[case(&[("PIN", "a \" b"), ("C", "\\"), ("D", "\"sh2\" ")], &["x"])]
    fn the_program_is_told_and_nothing_else(#[case] env: &[(&str, &str)], #[case] args: &[&str]) {
        let mut command = Command::new("/usr/bin/my plugin");
        command.args(args).envs(env.iter().copied()).env_remove("HOME");
        assert_eq!(program(&format!("{command:?}")).as_deref(), Some("/usr/bin/my plugin"), "{command:?}");
    }

    fn failed(script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", "hunter22");
        let out = Box::new(command.output().unwrap());
        let error = AuthError::AuthExecRun { cmd: format!("{command:?}"), out };
        no_credentials(&kube::Error::Service(Box::new(error))).unwrap()
    }

    #[test]
    fn what_a_plugin_says_is_its_last_line() {
        assert_eq!(failed("echo tok; exit 1"), "the credential plugin sh ended with exit status: 1");
        let script =
            "echo tok; echo first-line-hunter22 >&2; printf 'no\\033[2J login, password=abc\\n\\n' >&2; exit 3";
        let last = "the credential plugin sh ended with exit status: 3: no login, password=***";
        assert_eq!(failed(script), last);
        let killed = failed("kill -9 $$");
        assert!(killed.starts_with("the credential plugin sh ended with signal: 9"), "{killed}");
    }

    #[test]
    fn what_a_plugin_prints_is_told_of_no_error() {
        let error = AuthError::AuthExec("gcloud said tok-12345".to_owned());
        assert_eq!(no_credentials(&kube::Error::Auth(error)).unwrap(), "the credential plugin failed");
        assert_eq!(no_credentials(&std::io::Error::other("tok")), None);
    }
}
