//! A command line as it may be shown: an argument is known from its beginning to its end, which its text alone does not tell.

use super::mask::{STARS, is_secret_name, secret_parts};

/// The arguments in one line, without the values of those that are named as secrets: `--password=x`, `--api-key x`, `TOKEN=x`,
/// `-u user:x`, `-H 'Authorization: x'`, and of known programs `-px`. What else may be in them is left to a
/// [`Redactor`](super::Redactor).
pub fn hide_arguments<S: AsRef<str>>(argv: &[S]) -> String {
    let shown = |(argument, hidden): (&S, Option<usize>)| {
        let argument = argument.as_ref();
        hidden.map_or_else(|| argument.to_owned(), |from| format!("{}{STARS}", &argument[..from]))
    };
    argv.iter().zip(secrets_in_arguments(argv)).map(shown).collect::<Vec<_>>().join(" ")
}

/// Whether each of these arguments looks like a secret: it would stand in the stack file, in lists of processes, and in shells'
/// histories.
pub fn secret_arguments<S: AsRef<str>>(argv: &[S]) -> Vec<bool> {
    let found = argv.iter().zip(secrets_in_arguments(argv));
    found.map(|(argument, secret)| secret.is_some() || !secret_parts(argument.as_ref()).is_empty()).collect()
}

/// What of these arguments and variables looks like a secret and can be known again where a program prints it. A plain word is
/// left out, and what may be the name of a Secret: it would be hidden wherever it stands.
pub fn secrets_given<'a>(argv: &'a [String], env: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<&'a str> {
    let mut secrets: Vec<(&str, &str)> =
        env.filter(|(name, _)| is_secret_name(name)).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut before = "";
    for (argument, secret) in argv.iter().zip(secrets_in_arguments(argv)) {
        let named = |from| if from == 0 { before } else { name_before(argument, from) };
        secrets.extend(secret.map(|from| (named(from), &argument[from..])));
        let parts = secret_parts(argument).into_iter();
        secrets.extend(parts.map(|(from, to)| (name_before(argument, from), secret_of_part(argument, from, to))));
        before = argument;
    }
    secrets.retain(|(name, secret)| is_literal(secret) && is_telling(secret) && !names_an_object(name, secret));
    secrets.into_iter().map(|(_, secret)| secret).collect()
}

/// What is the secret itself of a part of a text that is hidden.
fn secret_of_part(text: &str, from: usize, to: usize) -> &str {
    let part = &text[from..to];
    if text[..from].ends_with("://") && text[to..].starts_with('@') {
        // Of what stands before the host of a URL, the user is no secret, but a token may stand there.
        let user_alone = if secret_parts(part).is_empty() { "" } else { part };
        return part.split_once(':').map_or(user_alone, |(_, password)| password);
    }
    let quotes = ['"', '\'', '\\'];
    // In a shell these end a word that is not in quotes.
    let part = if part.starts_with(quotes) { part } else { part.trim_end_matches([';', ')', '&', '|']) };
    part.trim_matches(quotes)
}

/// What the value that begins here is assigned to, or is given as.
fn name_before(text: &str, from: usize) -> &str {
    let before = text[..from].trim_end_matches(|c: char| c.is_whitespace() || "=:\"'\\".contains(c));
    before.rsplit(|c: char| !is_of_name(c)).next().unwrap_or(before)
}

/// Whether this may be the name of a Secret rather than what is in one: `--image-pull-secret registry-1`. What is generated has
/// longer parts than names have.
fn names_an_object(name: &str, value: &str) -> bool {
    let plain: String = name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let is_part = |part: &str| {
        let is_word = !part.contains(|c: char| c.is_ascii_digit());
        !part.is_empty()
            && (is_word || part.len() < 16)
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    plain.ends_with("secret")
        && !plain.ends_with("clientsecret")
        && value.len() <= 253
        && value.split(['-', '.']).all(is_part)
}

/// Where in each of these arguments a secret begins, which goes on to its end.
pub fn secrets_in_arguments<S: AsRef<str>>(argv: &[S]) -> Vec<Option<usize>> {
    let mut options = ProgramOptions::default();
    let mut before = None;
    let arguments = argv.iter().map(AsRef::as_ref);
    let found_in = arguments.map(|argument| {
        let found = secret_in_argument(argument, before, &options);
        options.go_on(argument, before);
        before = Some(argument);
        found
    });
    found_in.collect()
}

fn secret_in_argument(argument: &str, before: Option<&str>, options: &ProgramOptions) -> Option<usize> {
    if let Some((name, value)) = argument.split_once('=')
        && is_name(name)
        && is_secret_name(name)
        && is_literal(value)
        && !matches!(value, "true" | "false")
    {
        return Some(argument.len() - value.len());
    }
    if let Some(from) = options.secret_in(argument, before) {
        return Some(from).filter(|from| is_literal(&argument[*from..]));
    }
    if let Some((option, from)) = options.pair_in(argument, before) {
        let (user, password) = argument[from..].split_once(':')?;
        // Users and groups by number are no secret: `--user 1000:1000`.
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_secret = is_literal(password) && (option == Pair::OfCurl || !is_number(user) || !is_number(password));
        return is_secret.then(|| argument.len() - password.len());
    }
    match before? {
        "-passin" | "-passout" => {
            argument.strip_prefix("pass:").filter(|value| is_literal(value)).map(|_| "pass:".len())
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

/// Options of programs that take a secret, which only the program before them tells.
#[derive(Default)]
struct ProgramOptions {
    /// What follows these without a blank is one.
    attached: Vec<&'static str>,
    separate: Vec<&'static str>,
    is_curl: bool,
    /// The program takes a password where it logs in only.
    may_log_in: bool,
    /// The options of sshpass end at the program that it runs.
    are_of_sshpass: bool,
}

/// Whose option takes a user and a password.
#[derive(PartialEq, Eq)]
enum Pair {
    OfCurl,
    OfAny,
}

impl ProgramOptions {
    fn secret_in(&self, argument: &str, before: Option<&str>) -> Option<usize> {
        let is_attached = |option: &&str| argument.len() > option.len() && argument.starts_with(*option);
        if let Some(option) = self.attached.iter().copied().find(|option| is_attached(option)) {
            return Some(option.len());
        }
        before.filter(|before| self.separate.contains(before)).map(|_| 0)
    }

    /// Where in this argument `user:password` begins.
    fn pair_in(&self, argument: &str, before: Option<&str>) -> Option<(Pair, usize)> {
        const LONG: [&str; 5] = ["--user", "--proxy-user", "--creds", "--src-creds", "--dest-creds"];
        // Options of curl that take nothing may stand before: `-fsSu`.
        let after_flags = |text: &str| {
            let flags = text.strip_prefix('-')?.trim_start_matches(|c| "sSfkLivgjlqaGIJNOR46".contains(c));
            flags.strip_prefix(['u', 'U']).map(|rest| text.len() - rest.len()).filter(|_| self.is_curl)
        };
        let pair = if self.is_curl { Pair::OfCurl } else { Pair::OfAny };
        let is_next = |before: &str| {
            matches!(before, "-u" | "-U") || LONG.contains(&before) || after_flags(before) == Some(before.len())
        };
        if before.is_some_and(is_next) {
            return Some((pair, 0));
        }
        let named = argument.split_once('=').filter(|(name, _)| LONG.contains(name)).map(|(name, _)| name.len() + 1);
        named.or_else(|| after_flags(argument).filter(|from| *from < argument.len())).map(|from| (pair, from))
    }

    /// What is known after this argument too.
    fn go_on(&mut self, argument: &str, before: Option<&str>) {
        const NONE: &[&str] = &[];
        let is_own = argument.starts_with('-') || matches!(before, Some("-f" | "-d" | "-p" | "-P"));
        if self.are_of_sshpass && !is_own {
            *self = Self::default();
        }
        let program = argument.rsplit('/').next().unwrap_or_default();
        let (attached, separate): (&[_], &[_]) = match program {
            "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlcheck" | "mysqlpump" | "mysqlshow" | "7z"
            | "7za" | "7zr" | "7zz" => (&["-p"], NONE),
            _ if program.starts_with("mariadb") => (&["-p"], NONE),
            "sshpass" => (&["-p"], &["-p"]),
            "mongo" | "mongosh" | "mongodump" | "mongorestore" | "mongoimport" | "mongoexport" => (NONE, &["-p"]),
            "redis-cli" | "valkey-cli" => (NONE, &["-a"]),
            "ldapsearch" | "ldapadd" | "ldapmodify" | "ldapdelete" | "ldapwhoami" => (&["-w"], &["-w"]),
            "sqlcmd" | "bcp" | "zip" | "unzip" => (&["-P"], &["-P"]),
            "curl" => (NONE, NONE),
            "docker" | "podman" | "nerdctl" | "helm" | "oras" | "skopeo" | "crane" | "az" | "oc" => {
                self.may_log_in = true;
                return;
            }
            "login" if self.may_log_in => (&["-p"], &["-p"]),
            _ => return,
        };
        // What follows an option may be its value, and no program: `mysql -h mongo -px`.
        if !before.is_some_and(|before| before.starts_with('-')) {
            *self = Self { may_log_in: self.may_log_in, ..Self::default() };
        }
        self.are_of_sshpass |= program == "sshpass";
        self.is_curl |= program == "curl";
        self.attached.extend(attached);
        self.separate.extend(separate);
    }
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
    text.chars().all(is_of_name)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
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
    #[case(&["curl", "-u", "joe:two words", "-ujoe:hunter22", "-fsSu", "joe:x1"], "curl -u joe:*** -ujoe:*** -fsSu joe:***")]
    #[case(&["curl", "--user=joe:two words", "--proxy-user=p:x1"], "curl --user=joe:*** --proxy-user=p:***")]
    #[case(&["wget", "--user", "joe:x1", "--user=joe:x2"], "wget --user joe:*** --user=joe:***")]
    #[case(&["skopeo", "copy", "--src-creds=joe:x1", "--dest-creds", "joe:x2"], "skopeo copy --src-creds=joe:*** --dest-creds joe:***")]
    #[case(&["docker", "login", "-ujoe", "-phunter22"], "docker login -ujoe -p***")]
    #[case(&["ldapsearch", "-whunter22", "-x"], "ldapsearch -w*** -x")]
    #[case(&["7z", "x", "-phunter22", "a.7z"], "7z x -p*** a.7z")]
    #[case(&["sqlcmd", "-U", "sa", "-P", "x1"], "sqlcmd -U sa -P ***")]
    #[case(&["unzip", "-P", "x1", "a.zip"], "unzip -P *** a.zip")]
    #[case(&["openssl", "rsa", "-passin", "pass:hunter22"], "openssl rsa -passin pass:***")]
    // Users and groups by number are none, but to curl.
    #[case(&["docker", "run", "-u", "1000:1000", "--user=0:0"], "docker run -u 1000:1000 --user=0:0")]
    #[case(&["tar", "-ujoe:x", "-pX"], "tar -ujoe:x -pX")]
    #[case(&["curl", "-u", "1000:1000"], "curl -u 1000:***")]
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
    #[case(&["sh", "-c", "curl -s -u joe:hunter22 h && docker run -u 1000:1000 x; mysql -phunter44 -pother9"], &["hunter22", "hunter44", "other9"])]
    // The name of an object is shown wherever it stands but there; a password is no name, whatever it looks like.
    #[case(&["x", "--secret", "db-creds-2", "--image-pull-secret=regcred-1", "--tls-secret", "a.b-1"], &[])]
    #[case(&["sh", "-c", "x --image-pull-secret regcred-1; PULL_SECRET=regcred-2 y; echo 'secret: \"db-creds-3\"'"], &[])]
    #[case(&["x", "--secret", "Hunter-22", "--password", "db-creds-2", "--auth-token", "a-1-b-2"], &["Hunter-22", "db-creds-2", "a-1-b-2"])]
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
