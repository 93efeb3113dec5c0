//! Values that must never be shown.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// A value that prints as `***`. There is no `Serialize`: it cannot get into a journal, an event or a report.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Marks a value as sensitive.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place to review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Replaces known secrets in text that comes from elsewhere (helm's stderr, a command's output, logs).
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<String>,
}

/// Shorter strings are not looked for: they would turn ordinary text into stars and protect nothing.
const SHORTEST: usize = 4;

impl Redactor {
    /// A redactor for these secrets. Each line of a secret with several is looked for too.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret.as_ref());
        }
        redactor
    }

    /// Adds one more secret.
    pub fn add(&mut self, secret: &str) {
        let lines = secret.lines().filter(|line| line.trim() != secret).map(str::trim);
        for part in std::iter::once(secret.trim()).chain(lines) {
            if part.len() >= SHORTEST && !self.secrets.iter().any(|known| known == part) {
                self.secrets.push(part.to_owned());
            }
        }
        // A secret that contains another one must be replaced first.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The text with every known secret, and the password of every URL, replaced by `***`.
    pub fn redact(&self, text: &str) -> String {
        let replaced = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        redact_urls(&replaced)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

/// Replaces `user:password@` after `://`.
pub(crate) fn redact_urls(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Sensitive::new("hunter22")), "***");
        assert_eq!(format!("{:?}", Redactor::new(["hunter22"])), "Redactor(1 secrets)");
    }

    #[rstest]
    #[case("pull https://joe:s3cr3t@host/x failed", "pull https://***@host/x failed")]
    #[case("pull https://token@host failed", "pull https://***@host failed")]
    #[case("see https://host/a@b", "see https://host/a@b")]
    #[case("a hunter22 b hunter2266 c", "a *** b *** c")]
    #[case("line-one-secret then line-two-secret", "*** then ***")]
    #[case("abc is short", "abc is short")]
    fn redacted_text(#[case] text: &str, #[case] expected: &str) {
        let redactor = Redactor::new(["hunter22", "hunter2266", "line-one-secret\nline-two-secret", "abc"]);
        assert_eq!(redactor.redact(text), expected);
    }

    proptest! {
        #[test]
        fn no_secret_survives(before in ".{0,20}", secret in "[a-zA-Z0-9+/]{8,30}", after in ".{0,20}") {
            let redacted = Redactor::new([&secret]).redact(&format!("{before}{secret}{after}"));
            prop_assert!(!redacted.contains(&secret));
        }
    }
}
