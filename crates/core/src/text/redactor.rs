//! The one way for text of others to leave: known secrets first, then what looks like one, and only then is it cut.

use super::control::only_colours;
use super::finder::{Finder, SHORTEST_PART, WHOLE};
use super::mask::{mask, redact_urls};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// What takes the place of a secret.
const STARS: &[u8] = b"***";
/// Words that are no secrets, whoever marks them: nobody could read a sentence any more.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "nil", "none", "~"];

/// Replaces known secrets in text that comes from elsewhere (helm's stderr, a command's output, logs). Clones know the same: what
/// one of them is told of while a run goes on, all of them replace from then on.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    secrets: BTreeSet<String>,
    /// Names that are shown anyway.
    names: BTreeSet<String>,
    /// Made when it is needed, after the last secret that was added.
    finder: Option<Arc<Finder>>,
}

impl Redactor {
    /// A redactor for these secrets. Each line of a secret with several is looked for too.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let redactor = Self::default();
        for secret in secrets {
            redactor.add(secret.as_ref());
        }
        redactor
    }

    /// Adds one more secret.
    pub fn add(&self, secret: &str) {
        let secret = secret.trim();
        if secret.is_empty() || WORDS.contains(&secret.to_ascii_lowercase().as_str()) {
            return;
        }
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_PART && !is_key(line));
        let whole = (secret.len() <= WHOLE || !secret.contains('\n')).then_some(secret);
        let parts = whole.into_iter().chain(lines).map(str::to_owned);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.secrets.len();
        known.secrets.extend(parts);
        if known.secrets.len() != before {
            known.finder = None;
        }
    }

    /// Says that this is a name, of a release, an object, a key: it is shown also when a secret is the same or a part of it.
    pub fn spare(&self, name: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !name.is_empty() && known.names.insert(name.to_owned()) {
            known.finder = None;
        }
    }

    /// The text with every known secret in every spelling, and the password of every URL, replaced by `***`. Of terminal control
    /// sequences only colours are left.
    pub fn redact(&self, text: &str) -> String {
        let text = only_colours(text);
        let Some(finder) = self.finder() else { return redact_urls(&text) };
        let found = finder.find(&text);
        if found.is_empty() {
            return redact_urls(&text);
        }
        let mut redacted = Vec::with_capacity(text.len());
        let mut rest = 0;
        for (from, to) in found {
            redacted.extend_from_slice(&text.as_bytes()[rest..from]);
            redacted.extend_from_slice(STARS);
            rest = to;
        }
        redacted.extend_from_slice(&text.as_bytes()[rest..]);
        let redacted = String::from_utf8_lossy(&redacted);
        // A secret may have swallowed the end of a colour.
        redact_urls(&only_colours(&redacted))
    }

    /// The text without known secrets, and then without what looks like one: for what programs and clusters say, of which nobody
    /// knows what they print of their environment.
    pub fn clean(&self, text: &str) -> CleanText {
        CleanText(mask(&self.redact(text)))
    }

    /// Whether this is, or holds, something that must not be shown.
    pub fn knows(&self, text: &str) -> bool {
        self.finder().is_some_and(|finder| !finder.find(text).is_empty())
    }

    fn finder(&self) -> Option<Arc<Finder>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.secrets.is_empty() || known.finder.is_some() {
            return known.finder.clone();
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.finder.is_none() {
            known.finder = Some(Arc::new(Finder::new(&known.secrets, &known.names)));
        }
        known.finder.clone()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Redactor({} secrets)", known.secrets.len())
    }
}

/// Whether a line is nothing but a key of YAML or a header of an INI file.
fn is_key(line: &str) -> bool {
    let name = line.strip_suffix(':').or_else(|| line.strip_prefix('[')?.strip_suffix(']'));
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./\" ".contains(c)))
}

/// Text of others that may be shown. It can only be made by a [`Redactor`], and only cut from here on: a secret is never masked
/// or cut in part before it was looked for as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CleanText(String);

impl CleanText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Its lines, each of at most so many characters.
    pub fn lines(&self, longest: usize) -> Vec<String> {
        self.0.lines().map(|line| cut(line, longest)).collect()
    }

    /// Its last lines.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let lines: Vec<&str> = self.0.trim_end().lines().collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| only_colours(line).into_owned()).collect()
    }

    /// It in one line of at most so many characters.
    pub fn in_one_line(&self, longest: usize) -> String {
        cut(&self.0.split_whitespace().collect::<Vec<_>>().join(" "), longest)
    }
}

impl fmt::Display for CleanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn cut(line: &str, longest: usize) -> String {
    let cut = match line.char_indices().nth(longest) {
        Some((end, _)) => &format!("{}…", &line[..end]),
        None => line,
    };
    only_colours(cut).into_owned()
}

#[cfg(test)]
#[path = "redactor_tests.rs"]
mod tests;
