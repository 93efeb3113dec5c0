//! Hides what looks like a secret in text that comes from elsewhere: logs, events, errors.

use super::arguments::is_telling;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// What takes the place of a secret.
pub(super) const STARS: &str = "***";

/// Words that follow a name and a colon in messages about it, rather than in an assignment: `token: invalid`.
const WORDS_ABOUT: [&str; 22] = [
    "a",
    "an",
    "at",
    "cannot",
    "does",
    "expected",
    "expired",
    "field",
    "forbidden",
    "got",
    "has",
    "invalid",
    "is",
    "missing",
    "must",
    "no",
    "not",
    "required",
    "the",
    "too",
    "unknown",
    "unsupported",
];

/// Compiled once: masking happens for every line of every log. In each, the group `hidden` is what must not be shown.
struct Patterns {
    /// `Authorization: Bearer abc`, `authorization=Basic abc`.
    authorization: Option<Regex>,
    /// `Bearer abc` without the header's name.
    bearer: Option<Regex>,
    /// Tokens that are known by their form: JSON web tokens, keys of cloud and forge providers.
    known: Option<Regex>,
    /// `user:password@tcp(host)`, as Go's MySQL driver has it.
    data_source: Option<Regex>,
    /// `mysql -uapp -ppassword`: of this family only, what follows `-p` without a blank is a password.
    mysql: CommandPattern,
    /// `curl -u joe:password`.
    curl: CommandPattern,
    /// `--password abc`
    option: Option<Regex>,
    /// `password=abc`, `"api_key": "abc"`.
    assignment: Option<Regex>,
}

/// A command of a shell has any number of options, each of which may be a secret.
struct CommandPattern {
    /// From the program's name to the end of the command.
    command: Option<Regex>,
    /// One of its options. Each of its groups is what must not be shown, in one way to quote it.
    option: Option<Regex>,
}

impl CommandPattern {
    /// A command goes on in the next line after a backslash, and signs that end it do not in quotes; nor does the `&` in the
    /// middle of a URL.
    fn new(program: &str, option: &str) -> Self {
        let rest = r#"(?:\\\r?\n|"[^"\n]*"|'[^'\n]*'|&[^\s&;|]|[^\n;|&])*"#;
        Self { command: Regex::new(&format!(r"\b{program}\s{rest}")).ok(), option: Regex::new(option).ok() }
    }

    fn secret_parts(&self, text: &str) -> Vec<(usize, usize)> {
        let (Some(command), Some(option)) = (&self.command, &self.option) else { return Vec::new() };
        let in_command = |command: regex::Match<'_>| {
            let found = option.captures_iter(command.as_str());
            let hidden = found.flat_map(|found| found.iter().skip(1).flatten().collect::<Vec<_>>());
            hidden.map(|hidden| (command.start() + hidden.start(), command.start() + hidden.end())).collect::<Vec<_>>()
        };
        command.find_iter(text).flat_map(in_command).collect()
    }
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    Patterns {
    authorization: Regex::new(r#"(?i)authorization\\*["']?\s*[:=]\s*\\*["']?(?<hidden>(?:(?:bearer|basic|digest|token)\s+)?[^\s"',\\]+)"#).ok(),
    bearer: Regex::new(r"(?i)\bbearer\s+(?<hidden>[a-z0-9._~+/-]{16,}=*)").ok(),
    known: Regex::new(
        r"(?<hidden>\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}|\bxox[abprs]-[\w-]{10,})",
    )
    .ok(),
    data_source: Regex::new(r"[\w.-]+:(?<hidden>[^\s:@/]+)@(?:tcp|unix)\(").ok(),
    mysql: CommandPattern::new(
        r"(?:mysql|mariadb)[a-z_-]*",
        r#"\s-p(?<hidden>"[^"$\n][^"\n]*"|'[^'\n]+'|[^\s"'$]\S*)"#,
    ),
    // Options that take nothing may stand before `u`: `-fsSu`.
    curl: CommandPattern::new(
        "curl",
        r#"(?x)\s(?:-[sSfkLivgjlqaGIJNOR46]*[uU]\ ?|--(?:proxy-)?user[\ =])
            (?:\\+"[^:"\n]+:([^"\\$][^"\\]*)|"[^:"\n]+:([^"$][^"]*)|'[^:'\n]+:([^'$\n][^'\n]*)|[^\s:"']+:([^\s"'$][^\s"']*))"#,
    ),
    option: Regex::new(
        r#"(?i)(?:^|[\s"'(])(?<option>--?[\w-]*(?:password|passwd|passphrase|pwd|secret|token|api-?key|access-?key|private-?key))\s+(?<hidden>"[^"]*"|'[^']*'|[^\s"'$-]\S*)"#,
    )
    .ok(),
    // A quote that is not closed holds all of its line.
    assignment: Regex::new(
        r#"(?i)(?<slash>/?)\b(?<name>[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)(?:[_-][\w-]+)?)(?<sign>\\*["']?\s*(?:=|:)\s*)(?<hidden>\\+"[^"]*"|"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|["'][^\n]*|[^\s,;&"')}\]]+)"#,
    )
    .ok(),
}
});

/// The text without what looks like a secret: passwords in URLs, tokens of authorization headers, JSON web tokens, and what is
/// assigned to a name such as `password`. It knows only forms, and ends a value where many secrets go on: known secrets must have
/// been replaced before, which is why only [`Redactor`](super::Redactor) may call it.
pub(super) fn mask(text: &str) -> String {
    replace(text, &secret_parts(text))
}

/// Where in a text something stands that looks like a secret: from where to where in bytes, in order, none overlapping another.
pub fn secret_parts(text: &str) -> Vec<(usize, usize)> {
    let p = &*PATTERNS;
    let mut parts = url_parts(text);
    parts.extend(p.mysql.secret_parts(text));
    parts.extend(p.curl.secret_parts(text));
    for pattern in
        [&p.authorization, &p.bearer, &p.known, &p.data_source, &p.option, &p.assignment].into_iter().flatten()
    {
        let found = pattern.captures_iter(text).filter(|found| !is_kept(found));
        parts.extend(found.filter_map(|found| found.name("hidden")).map(|hidden| (hidden.start(), hidden.end())));
    }
    apart(parts)
}

/// In order, and those that overlap as one.
pub(super) fn apart(mut parts: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    parts.sort_unstable();
    parts.into_iter().fold(Vec::new(), |mut apart: Vec<(usize, usize)>, (from, to)| {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
        apart
    })
}

/// Stars in place of these parts.
fn replace(text: &str, parts: &[(usize, usize)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for (from, to) in parts {
        out.push_str(&text[rest..*from]);
        out.push_str(STARS);
        rest = *to;
    }
    out.push_str(&text[rest..]);
    out
}

/// Replaces `user:password@` after `://`, and what a URL's query calls a token or a signature.
pub(super) fn redact_urls(text: &str) -> String {
    replace(text, &url_parts(text))
}

/// Where URLs stand in a text, each from behind its `://` to its end. None overlaps another, so that all of them are read once: a
/// URL in a query is looked at by itself.
fn urls(text: &str) -> Vec<(usize, usize)> {
    let starts: Vec<usize> = text.match_indices("://").map(|(at, sign)| at + sign.len()).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([text.len()]);
    let url = |(start, next): (usize, usize)| {
        let end = text[start..next].find(|c: char| c.is_whitespace() || "\"'`<>".contains(c));
        (start, end.map_or(next, |at| start + at))
    };
    starts.iter().copied().zip(ends).map(url).collect()
}

fn url_parts(text: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    for (start, end) in urls(text) {
        let mut pair = text[start..end].find(['/', '?', '#']).map_or(end, |at| start + at);
        if let Some(at) = text[start..pair].rfind('@') {
            parts.push((start, start + at));
        }
        while pair < end {
            let after = pair + text[pair..end].find(['?', '&', ';', '#', '\\']).unwrap_or(end - pair);
            if let Some((name, value)) = text[pair..after].split_once('=')
                && is_secret_parameter(name)
                && !matches!(value, "" | STARS | "true" | "false")
                && !value.starts_with('$')
            {
                parts.push((after - value.len(), after));
            }
            pair = after + 1;
        }
    }
    parts
}

/// Whether a parameter of a URL's query is a secret: those of signed URLs grant what the signer may do.
fn is_secret_parameter(name: &str) -> bool {
    const SECRETS: [&str; 6] = ["sig", "signature", "auth", "jwt", "pw", "authorization"];
    let last = name.rsplit(['-', '_', '.']).next().unwrap_or(name).to_ascii_lowercase();
    // `&` in JSON that Go has written is `\u0026`.
    let last = last.strip_prefix("u0026").unwrap_or(&last);
    is_secret_name(name) || SECRETS.contains(&last) || matches!(name, "key" | "u0026key")
}

/// Whether what is assigned is a word of a sentence, or the whole is the name of something: `token-issuer-x7: started`,
/// `registry/secret:1.2`.
fn is_kept(found: &Captures<'_>) -> bool {
    let part = |name: &str| found.name(name).map_or("", |part| part.as_str());
    if found.name("option").is_some() {
        // Sentences speak of options: `--token flag is required`.
        return !is_telling(part("hidden").trim_matches(['"', '\'']));
    }
    let Some(name) = found.name("name") else { return false };
    let (sign, value) = (part("sign"), part("hidden"));
    // What opens something in YAML is no value.
    let is_word = ["true", "false", "null", "{", "[", "|", ">", "|-", ">-"].contains(&value.trim_matches(['"', '\'']));
    is_word
        || sign.contains(':')
            && !value.starts_with(['"', '\'', '\\'])
            && (!part("slash").is_empty() || is_hyphened_on(name.as_str()) || is_word_about(value))
}

/// Whether what makes a name one of a secret is followed by something else: `secret-sync-7d9f`.
fn is_hyphened_on(name: &str) -> bool {
    const ENDS: [&str; 6] = ["password", "passwd", "passphrase", "secret", "token", "key"];
    name.rsplit_once('-').is_some_and(|(_, last)| !ENDS.iter().any(|end| last.to_ascii_lowercase().contains(end)))
}

/// Whether the name of an option, a variable or a key says that its value is a secret, and not where one is or how it is called.
pub fn is_secret_name(name: &str) -> bool {
    const SECRETS: [&str; 14] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "privatekey",
        "secretkey",
        "credential",
        "credentials",
        "pass",
        "authkey",
    ];
    let plain: String = name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    SECRETS.iter().any(|secret| plain.ends_with(secret))
}

fn is_word_about(value: &str) -> bool {
    WORDS_ABOUT.contains(&value.trim_end_matches('.').to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn every_pattern_compiles() {
        let p = &*PATTERNS;
        let of_commands = [&p.mysql.command, &p.mysql.option, &p.curl.command, &p.curl.option];
        let all = [&p.authorization, &p.bearer, &p.known, &p.data_source, &p.option, &p.assignment];
        let all = all.into_iter().chain(of_commands).collect::<Vec<_>>();
        assert!(all.iter().all(|p| p.is_some()));
    }

    #[rstest]
    #[case("Get https://joe:s3cret@registry.example/v2/: denied", "Get https://***@registry.example/v2/: denied")]
    #[case("postgres://app:hunter22@db:5432/app?sslmode=off", "postgres://***@db:5432/app?sslmode=off")]
    #[case("Authorization: Bearer abc.def", "Authorization: ***")]
    #[case("{\"authorization\":\"Basic am9lOnNlY3JldA==\"}", "{\"authorization\":\"***\"}")]
    #[case("sent bearer 0123456789abcdefXYZ to it", "sent bearer *** to it")]
    #[case("bearer token is missing", "bearer token is missing")]
    #[case("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1 here", "got *** here")]
    #[case("key AKIAABCDEFGHIJKLMNOP", "key ***")]
    #[case("app:hunter22@tcp(db:3306)/app", "app:***@tcp(db:3306)/app")]
    #[case("DB_PASSWORD=hunter22 DB_HOST=db", "DB_PASSWORD=*** DB_HOST=db")]
    #[case("password: hunter22", "password: ***")]
    #[case("{\"clientSecret\": \"a b\", \"x\": 1}", "{\"clientSecret\": ***, \"x\": 1}")]
    #[case("GET /x?access_token=abc&y=1", "GET /x?access_token=***&y=1")]
    #[case("dsn user=app password='a b' host=db", "dsn user=app password=*** host=db")]
    #[case("GET https://h/a?x=1&token=abc&y=2#z", "GET https://h/a?x=1&token=***&y=2#z")]
    #[case(
        "\"https://s3/b?X-Amz-Credential=AK%2F1&X-Amz-Signature=0a1b\"",
        "\"https://s3/b?X-Amz-Credential=***&X-Amz-Signature=***\""
    )]
    #[case("https://a.blob/c?sv=1&sig=a%2Bb%3D&se=2", "https://a.blob/c?sv=1&sig=***&se=2")]
    #[case(r"https://h/?a=1\u0026sig=abc\u0026key=AIza1", r"https://h/?a=1\u0026sig=***\u0026key=***")]
    #[case("https://h/cb#access_token=abc&state=1", "https://h/cb#access_token=***&state=1")]
    #[case("https://h/?next=https://u:p@i/?jwt=abc", "https://h/?next=https://***@i/?jwt=***")]
    #[case("https://h/?sort=key&monkey=1&token=$TOKEN", "https://h/?sort=key&monkey=1&token=***")]
    #[case("mysqldump -uapp -phunter22 db; ls -p x", "mysqldump -uapp -p*** db; ls -p x")]
    #[case("curl -s -u joe:hunter22 h; docker run -u 1000:1000", "curl -s -u joe:*** h; docker run -u 1000:1000")]
    // Every option of a command, and of no other: `&` in an address, a line that goes on, and what is in quotes end none.
    #[case(
        "curl -s -u joe:hunter22 h && docker run -u 1000:1000 x",
        "curl -s -u joe:*** h && docker run -u 1000:1000 x"
    )]
    #[case("curl -u joe:hunter22 h & docker run -u 1000:1000", "curl -u joe:*** h & docker run -u 1000:1000")]
    #[case("curl -u joe:hunter22 h --proxy-user p:s2 -U q:s3 h", "curl -u joe:*** h --proxy-user p:*** -U q:*** h")]
    #[case("curl h?a=1&b=2 -fsSu joe:hunter22 2>&1 && x -u 10:10", "curl h?a=1&b=2 -fsSu joe:*** 2>&1 && x -u 10:10")]
    #[case("curl -H 'A: b;q=1' 'h?a|b' \\\n  -u joe:hunter22", "curl -H 'A: b;q=1' 'h?a|b' \\\n  -u joe:***")]
    #[case("curl h\nx -u 10:10; curl -u a:b1 h | curl -u c:d1", "curl h\nx -u 10:10; curl -u a:*** h | curl -u c:***")]
    #[case("mysql -phunter22 -e 'a; b' -pother9 && mkdir -pa", "mysql -p*** -e 'a; b' -p*** && mkdir -pa")]
    #[case("mysql -p'hunter 22' a; mysqldump -p\"$PW\" -p db", "mysql -p*** a; mysqldump -p\"$PW\" -p db")]
    #[case("curl -u \"joe:two words\" h", "curl -u \"joe:***\" h")]
    #[case("curl -u 'joe doe:two words' h -u'a:b c'", "curl -u 'joe doe:***' h -u'a:***'")]
    #[case("curl --user=\"joe:two words\" -ujoe:hunter22 h", "curl --user=\"joe:***\" -ujoe:*** h")]
    #[case(r#"sh -c \"curl -u \\\"joe:two words\\\" h\""#, r#"sh -c \"curl -u \\\"joe:***\\\" h\""#)]
    #[case(r#"sh -c "curl -u \"joe:two words\" h""#, r#"sh -c "curl -u \"joe:***\" h""#)]
    #[case("curl -u \"joe:$PW\" -u 'joe:' h", "curl -u \"joe:$PW\" -u 'joe:' h")]
    #[case("x --password hunter22 --db-token 'a b2' y", "x --password *** --db-token *** y")]
    #[case("the --token flag is required, as --password $PW is", "the --token flag is required, as --password $PW is")]
    #[case("password: \"hunter22 c\nb", "password: ***\nb")]
    #[case(r#"{"password": "a\"b c", "x": 1}"#, r#"{"password": ***, "x": 1}"#)]
    #[case(r#""{\"password\": \"hunter 22\", \"x\": 1}""#, r#""{\"password\": ***, \"x\": 1}""#)]
    #[case("password: 'it''s hunter 22', x", "password: ***, x")]
    // What messages of Kubernetes and helm say about secrets stays as it is.
    #[case("secret \"db\" not found", "secret \"db\" not found")]
    #[case("couldn't find key password in Secret web/db", "couldn't find key password in Secret web/db")]
    #[case("references non-existent secret key: password", "references non-existent secret key: password")]
    #[case(
        "requested: secrets=1, used: secrets=10, limited: secrets=10",
        "requested: secrets=1, used: secrets=10, limited: secrets=10"
    )]
    #[case("- password: Invalid type. Expected: string", "- password: Invalid type. Expected: string")]
    #[case("invalid token: expired", "invalid token: expired")]
    #[case("pod secret-sync-7d9f: started", "pod secret-sync-7d9f: started")]
    #[case("image registry.example/vault-secret:1.2 is there", "image registry.example/vault-secret:1.2 is there")]
    #[case("x-vault-token: s.abc", "x-vault-token: ***")]
    #[case("automount_token: false, use_secret=true", "automount_token: false, use_secret=true")]
    fn masked(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(mask(text), expected);
        assert_eq!(mask(expected), expected, "masking twice is masking once");
    }

    /// However many there are, the text is read once.
    #[rstest]
    #[case("a://b/", 1000)]
    #[case("a://b/?c=d://", 2000)]
    #[case("://", 1000)]
    #[case("a://b c://d\"", 2000)]
    fn urls_do_not_overlap(#[case] text: &str, #[case] expected: usize) {
        let text = text.repeat(1000);
        let urls = urls(&text);
        assert_eq!(urls.len(), expected);
        let read: usize = urls.iter().map(|(start, end)| end - start).sum();
        assert!(read <= text.len() && urls.windows(2).all(|two| two[0].1 <= two[1].0), "{read}");
    }

    proptest! {
        #[test]
        fn passwords_do_not_survive(before in "[a-z ]{0,20}", secret in "[a-zA-Z0-9+]{8,30}", after in "( [a-z ]{0,20})?") {
            for text in [format!("{before} password={secret}{after}"), format!("{before} https://u:{secret}@h/{after}"), format!("{before} Authorization: Bearer {secret}{after}")] {
                prop_assert!(!mask(&text).contains(&secret));
            }
        }
    }
}
