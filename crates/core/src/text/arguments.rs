//! A command line as it may be shown: an argument is known from its beginning to its end, which its text alone does not tell.

use super::mask::{STARS, is_secret_name, secret_parts};

/// The arguments in one line, without the values of those that are named as secrets: `--password=x`, `--api-key x`, `TOKEN=x`,
/// `-u user:x`, `-H 'Authorization: x'`, and of known programs `-px`. What else may be in them is left to a
/// [`Redactor`](super::Redactor).
pub fn hide_arguments<S: AsRef<str>>(argv: &[S]) -> String {
    let shown = |at: usize| {
        let argument = argv[at].as_ref();
        let hidden = secret_in_argument(argv, at);
        hidden.map_or_else(|| argument.to_owned(), |from| format!("{}{STARS}", &argument[..from]))
    };
    (0..argv.len()).map(shown).collect::<Vec<_>>().join(" ")
}

/// Whether an argument looks like a secret: it would stand in the stack file, in lists of processes, and in shells' histories.
pub fn is_secret_argument<S: AsRef<str>>(argv: &[S], at: usize) -> bool {
    secret_in_argument(argv, at).is_some() || argv.get(at).is_some_and(|one| !secret_parts(one.as_ref()).is_empty())
}

/// What of these arguments and variables looks like a secret and can be known again where a program prints it. A plain word is
/// left out: it would be hidden wherever it stands.
pub fn secrets_given<'a>(argv: &'a [String], env: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<&'a str> {
    let mut secrets: Vec<&str> =
        env.filter(|(name, _)| is_secret_name(name)).map(|(_, value)| value.as_str()).collect();
    for (at, argument) in argv.iter().enumerate() {
        secrets.extend(secret_in_argument(argv, at).map(|from| &argument[from..]));
        secrets.extend(secret_parts(argument).into_iter().map(|(from, to)| {
            let part = argument[from..to].trim_matches(['"', '\'', '\\']);
            // Of what stands before the host of a URL, the user is no secret.
            let is_before_host = argument[to..].starts_with('@');
            part.split_once(':').filter(|_| is_before_host).map_or(part, |(_, password)| password)
        }));
    }
    secrets.retain(|secret| is_literal(secret) && is_telling(secret));
    secrets
}

/// Where in an argument a secret begins, which goes on to its end.
pub fn secret_in_argument<S: AsRef<str>>(argv: &[S], at: usize) -> Option<usize> {
    let argument = argv.get(at)?.as_ref();
    let before = at.checked_sub(1).and_then(|before| argv.get(before)).map(AsRef::as_ref);
    if let Some((name, value)) = argument.split_once('=')
        && is_name(name)
        && is_secret_name(name)
        && is_literal(value)
        && !matches!(value, "true" | "false")
    {
        return Some(argument.len() - value.len());
    }
    if let Some(from) = by_program(argv, at, argument, before) {
        return Some(from).filter(|from| is_literal(&argument[*from..]));
    }
    match before? {
        "-u" | "--user" | "--proxy-user" | "-U" => {
            let (_, password) = argument.split_once(':')?;
            is_literal(password).then(|| argument.len() - password.len())
        }
        "-H" | "--header" => {
            let (name, value) = argument.split_once(':')?;
            let value = value.trim_start();
            (is_secret_header(name) && is_literal(value)).then(|| argument.len() - value.len())
        }
        // An option that is named as a file of secrets, or takes none, is followed by something else.
        option => (option.starts_with('-')
            && !option.contains('=')
            && is_secret_name(option)
            && !argument.starts_with('-')
            && is_literal(argument))
        .then_some(0),
    }
}

/// Short options that take a secret, which only their program tells.
fn by_program<S: AsRef<str>>(argv: &[S], at: usize, argument: &str, before: Option<&str>) -> Option<usize> {
    let option = argument.starts_with("-p") && argument.len() > 2 && !argument.starts_with("--");
    let logs_in = || argv[..at].iter().any(|argument| argument.as_ref() == "login");
    argv[..at].iter().rev().map(|word| word.as_ref().rsplit('/').next().unwrap_or_default()).find_map(|program| {
        let (attached, separate) = match program {
            "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlcheck" | "mysqlpump" | "mysqlshow" => {
                (true, "")
            }
            _ if program.starts_with("mariadb") => (true, ""),
            "sshpass" => (true, "-p"),
            "mongo" | "mongosh" | "mongodump" | "mongorestore" | "mongoimport" | "mongoexport" => (false, "-p"),
            "redis-cli" | "valkey-cli" => (false, "-a"),
            "ldapsearch" | "ldapadd" | "ldapmodify" | "ldapdelete" | "ldapwhoami" => (false, "-w"),
            "docker" | "podman" | "nerdctl" | "helm" | "oras" | "skopeo" | "crane" | "az" | "oc" if logs_in() => {
                (false, "-p")
            }
            _ => return None,
        };
        match before {
            _ if attached && option => Some(2),
            Some(before) if before == separate => Some(0),
            _ => None,
        }
    })
}

fn is_literal(value: &str) -> bool {
    !value.is_empty() && !value.starts_with('$') && value != STARS
}

/// Whether this is no word that other texts have too: it has a digit, a capital or a sign in it, or is very long.
pub fn is_telling(text: &str) -> bool {
    const PLAIN: &str = "-_./: ";
    text.len() >= 4 && text.chars().any(|c| !c.is_ascii_lowercase() && !PLAIN.contains(c)) || text.len() >= 16
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
    #[case(&["mysql", "-uapp", "-phunter22", "-p", "db"], "mysql -uapp -p*** -p db")]
    #[case(&["nice", "/usr/bin/mariadb-dump", "-phunter22"], "nice /usr/bin/mariadb-dump -p***")]
    #[case(&["redis-cli", "-h", "r", "-a", "hunter22", "ping"], "redis-cli -h r -a *** ping")]
    #[case(&["docker", "login", "-u", "joe", "-p", "hunter22"], "docker login -u joe -p ***")]
    #[case(&["docker", "run", "-p", "8080:80", "-pool"], "docker run -p 8080:80 -pool")]
    #[case(&["mkdir", "-p", "a", "-parents"], "mkdir -p a -parents")]
    #[case(&["env", "PGPASSWORD=hunter22", "psql"], "env PGPASSWORD=*** psql")]
    // The password is sshpass's own, the port is not; nor is what another program takes that the first one runs.
    #[case(&["sshpass", "-v", "-p", "x", "ssh", "-p", "2222", "h"], "sshpass -v -p *** ssh -p 2222 h")]
    #[case(&["sshpass", "-f", "pw", "-P", "word", "-px1", "ssh", "-p", "2222"], "sshpass -f pw -P word -p*** ssh -p 2222")]
    #[case(&["docker", "run", "mongo", "redis-cli", "-p", "6379", "-a", "x"], "docker run mongo redis-cli -p 6379 -a ***")]
    #[case(&["mysql", "-h", "mongo", "-phunter22"], "mysql -h mongo -p***")]
    // What may be the name of a Secret is hidden where it stands.
    #[case(&["x", "--image-pull-secret", "regcred-1"], "x --image-pull-secret ***")]
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

    #[rstest]
    #[case(&["x", "--password", "hunter22"], &["hunter22"])]
    #[case(&["sh", "-c", "curl https://joe:s3cr3t@h/?sig=ab%2F; echo \"password: 'a Bc'\""], &["s3cr3t", "ab%2F", "a Bc"])]
    #[case(&["mysql", "-phunter22"], &["hunter22"])]
    #[case(&["sh", "-c", "curl -s -u joe:hunter22 h && docker run -u 1000:1000 x; mysql -phunter44 -pother9"], &["hunter44", "other9", "hunter22"])]
    // The name of an object is shown wherever it stands but there; a password is no name, whatever it looks like.
    #[case(&["x", "--secret", "db-creds-2", "--image-pull-secret=regcred-1", "--tls-secret", "a.b-1"], &[])]
    #[case(&["sh", "-c", "x --image-pull-secret regcred-1; PULL_SECRET=regcred-2 y; echo 'secret: \"db-creds-3\"'"], &[])]
    #[case(&["x", "--secret", "Hunter-22", "--password", "db-creds-2", "--auth-token=a-1-b-2"], &["Hunter-22", "db-creds-2", "a-1-b-2"])]
    #[case(&["x", "--client-secret", "f47ac10b-58cc-4372", "--hmac-secret", "f47ac10b58cc4372a567"], &["f47ac10b-58cc-4372", "f47ac10b58cc4372a567"])]
    #[case(&["sshpass", "-p", "hunter22", "ssh", "-p", "2222"], &["hunter22"])]
    // A user alone is no secret, unless it looks like a token.
    #[case(&["git", "clone", "https://Deploy1@h/x", "https://Deploy2:hunter22@h/x"], &["hunter22"])]
    #[case(&["git", "clone", "https://glpat-0123456789abcdefghij@h/x"], &["glpat-0123456789abcdefghij"])]
    #[case(&["sh", "-c", "x app:hunter22@tcp(db:3306)/app"], &["hunter22"])]
    // A word would be hidden wherever it stands, and what a shell puts in is known elsewhere or not at all.
    #[case(&["x", "--password", "postgres", "--token=$T", "--secret=a1"], &[])]
    fn given(#[case] argv: &[&str], #[case] expected: &[&str]) {
        let argv: Vec<String> = argv.iter().map(|argument| (*argument).to_owned()).collect();
        assert_eq!(secrets_given(&argv, std::iter::empty()), expected);
        let env = [("PASSWORD".to_owned(), "hunter33".to_owned()), ("HOST".to_owned(), "hunter44".to_owned())];
        let with_env = secrets_given(&argv, env.iter().map(|(name, value)| (name, value)));
        assert_eq!(with_env, [&["hunter33"], expected].concat());
        let names = [("PULL_SECRET".to_owned(), "regcred-1".to_owned()), ("SECRET".to_owned(), "Regcred-1".to_owned())];
        let with_names = secrets_given(&argv, names.iter().map(|(name, value)| (name, value)));
        assert_eq!(with_names, [&["Regcred-1"], expected].concat());
    }
}
