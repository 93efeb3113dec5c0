//! A command line as it may be shown: an argument is known from its beginning to its end, which its text alone does not tell.

use super::mask::{STARS, is_secret_name};

/// The arguments in one line, without the values of those that are named as secrets: `--password=x`, `--api-key x`, `TOKEN=x`,
/// `-u user:x`, `-H 'Authorization: x'`. What else may be in them is left to a [`Redactor`](super::Redactor).
pub fn hide_arguments(argv: &[String]) -> String {
    let mut shown = Vec::with_capacity(argv.len());
    let mut before = None;
    for argument in argv {
        shown.push(shown_after(before, argument));
        before = Some(argument.as_str());
    }
    shown.join(" ")
}

/// Whether an argument looks like a secret: it would stand in the stack file, in lists of processes, and in shells' histories.
pub fn is_secret_argument(before: Option<&str>, argument: &str) -> bool {
    shown_after(before, argument) != argument || super::Redactor::default().clean(argument).as_str() != argument
}

fn shown_after(before: Option<&str>, argument: &str) -> String {
    let is_literal = |value: &str| !value.is_empty() && !value.starts_with('$');
    if let Some((name, value)) = argument.split_once('=')
        && is_name(name)
        && is_secret_name(name)
        && is_literal(value)
        && !matches!(value, "true" | "false")
    {
        return format!("{name}={STARS}");
    }
    match before {
        Some("-u" | "--user" | "--proxy-user" | "-U") => match argument.split_once(':') {
            Some((user, password)) if is_literal(password) => format!("{user}:{STARS}"),
            Some(_) | None => argument.to_owned(),
        },
        Some("-H" | "--header") => match argument.split_once(':') {
            Some((name, value)) if is_secret_header(name) && is_literal(value.trim()) => format!("{name}: {STARS}"),
            Some(_) | None => argument.to_owned(),
        },
        // An option that is named as a file of secrets, or takes none, is followed by something else.
        Some(option)
            if option.starts_with('-')
                && !option.contains('=')
                && is_secret_name(option)
                && !argument.starts_with('-')
                && is_literal(argument) =>
        {
            STARS.to_owned()
        }
        Some(_) | None => argument.to_owned(),
    }
}

/// Whether this is one word, and no script or URL that happens to have a `=` in it.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_secret_header(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie") || is_secret_name(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&["./migrate", "--password=hunter22", "api_key=abc"], "./migrate --password=*** api_key=***")]
    #[case(&["x", "--password", "hunter22", "--verbose"], "x --password *** --verbose")]
    #[case(&["x", "--password=a,b;c d"], "x --password=***")]
    #[case(&["x", "-DdbPassword=a b", "DB_PASSWORD=x"], "x -DdbPassword=*** DB_PASSWORD=***")]
    #[case(&["x", "--secret-key", "a", "--client-secret=b", "--auth-token", "c"], "x --secret-key *** --client-secret=*** --auth-token ***")]
    #[case(&["curl", "-u", "joe:hunter,22", "https://h"], "curl -u joe:*** https://h")]
    #[case(&["curl", "-H", "Authorization: Bearer abc def", "-H", "X-Api-Key: k"], "curl -H Authorization: *** -H X-Api-Key: ***")]
    #[case(&["env", "PGPASSWORD=hunter22", "psql"], "env PGPASSWORD=*** psql")]
    // What only names a secret is shown.
    #[case(&["x", "--password-file=/run/pw", "--secret-name", "db"], "x --password-file=/run/pw --secret-name db")]
    #[case(&["x", "--password", "--verbose"], "x --password --verbose")]
    #[case(&["x", "--password=$PW", "--token", "$TOKEN"], "x --password=$PW --token $TOKEN")]
    #[case(&["kubectl", "get", "secret", "db"], "kubectl get secret db")]
    #[case(&["kubectl", "create", "token", "web"], "kubectl create token web")]
    #[case(&["x", "--use-token=true", "--count=3"], "x --use-token=true --count=3")]
    fn shown(#[case] argv: &[&str], #[case] expected: &str) {
        let argv: Vec<String> = argv.iter().map(|argument| (*argument).to_owned()).collect();
        assert_eq!(hide_arguments(&argv), expected);
    }
}
