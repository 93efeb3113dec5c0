//! Hides what looks like a secret in text that comes from elsewhere: logs, events, errors.

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

/// Compiled once: masking happens for every line of every log.
struct Patterns {
    /// `Authorization: Bearer abc`, `authorization=Basic abc`.
    authorization: Option<Regex>,
    /// `Bearer abc` without the header's name.
    bearer: Option<Regex>,
    /// Tokens that are known by their form: JSON web tokens, keys of cloud and forge providers.
    known: Option<Regex>,
    /// `user:password@tcp(host)`, as Go's MySQL driver has it.
    data_source: Option<Regex>,
    /// `password=abc`, `"api_key": "abc"`.
    assignment: Option<Regex>,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    Patterns {
    authorization: Regex::new(r#"(?i)(authorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic|digest|token)\s+)?[^\s"',]+"#).ok(),
    bearer: Regex::new(r"(?i)\b(bearer\s+)[a-z0-9._~+/-]{16,}=*").ok(),
    known: Regex::new(
        r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}|\bxox[abprs]-[\w-]{10,}",
    )
    .ok(),
    data_source: Regex::new(r"([\w.-]+):[^\s:@/]+@(tcp|unix)\(").ok(),
    assignment: Regex::new(
        r#"(?i)(/?)\b([\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)(?:[_-][\w-]+)?)(["']?\s*(?:=|:)\s*)("[^"]*"|'[^']*'|[^\s,;&"')}\]]+)"#,
    )
    .ok(),
}
});

/// The text without what looks like a secret: passwords in URLs, tokens of authorization headers, JSON web tokens, and what is
/// assigned to a name such as `password`. It knows only forms, and ends a value where many secrets go on: known secrets must have
/// been replaced before, which is why only [`Redactor`](super::Redactor) may call it.
pub(super) fn mask(text: &str) -> String {
    let mut masked = redact_urls(text);
    let patterns = &*PATTERNS;
    for (pattern, by) in [
        (&patterns.authorization, "${1}***"),
        (&patterns.bearer, "${1}***"),
        (&patterns.known, STARS),
        (&patterns.data_source, "${1}:***@${2}("),
    ] {
        if let Some(pattern) = pattern {
            masked = pattern.replace_all(&masked, by).into_owned();
        }
    }
    match &patterns.assignment {
        Some(pattern) => pattern.replace_all(&masked, assigned).into_owned(),
        None => masked,
    }
}

/// Replaces `user:password@` after `://`.
pub(super) fn redact_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`<>".contains(c)).unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rfind('@') {
            Some(at) => {
                out.push_str("***");
                out.push_str(&authority[at..]);
            }
            None => out.push_str(authority),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// Masks the value of an assignment, unless it is a word of a sentence, or the whole is the name of something: `token-issuer-x7: started`,
/// `registry/secret:1.2`.
fn assigned(found: &Captures<'_>) -> String {
    let part = |n: usize| found.get(n).map_or("", |part| part.as_str());
    let (slash, name, sign, value) = (part(1), part(2), part(3), part(4));
    let is_boolean = ["true", "false", "null"].contains(&value.trim_matches(['"', '\'']));
    let is_kept = is_boolean
        || sign.contains(':')
            && !value.starts_with(['"', '\''])
            && (!slash.is_empty() || is_hyphened_on(name) || is_word_about(value));
    if is_kept { format!("{slash}{name}{sign}{value}") } else { format!("{slash}{name}{sign}{STARS}") }
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
        assert!([&p.authorization, &p.bearer, &p.known, &p.data_source, &p.assignment].iter().all(|p| p.is_some()));
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

    proptest! {
        #[test]
        fn passwords_do_not_survive(before in "[a-z ]{0,20}", secret in "[a-zA-Z0-9+]{8,30}", after in "( [a-z ]{0,20})?") {
            for text in [format!("{before} password={secret}{after}"), format!("{before} https://u:{secret}@h/{after}"), format!("{before} Authorization: Bearer {secret}{after}")] {
                prop_assert!(!mask(&text).contains(&secret));
            }
        }
    }
}
