//! The one way for text of others to leave: known secrets first, then what looks like one, and only then is it cut.

use super::control::only_colours;
use super::mask::{apart, mask, redact_urls};
use super::spelling::Reading;
use aho_corasick::AhoCorasick;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// What takes the place of a secret.
const STARS: &[u8] = b"***";
/// What is not itself marked as a secret, a line of one, is not looked for when it is shorter: it would turn ordinary text into
/// stars and protect nothing. Nor is a spelling of so few characters.
const SHORTEST_PART: usize = 8;
/// What is marked and shorter than this is looked for as a word of its own, not inside of others.
const SHORTEST_INSIDE: usize = 4;
/// A value of several lines is looked for as a whole up to this size, besides its lines.
const WHOLE: usize = 1024;
/// What is in one line and longer than two of these is looked for in chunks of this size, from each of which it is followed to both
/// sides: any cut of twice this size has a chunk in it.
const CHUNK: usize = 32;
/// A chunk that is the same in more places of a secret is followed in so many.
const PLACES: usize = 4;
/// Parts of secrets that repeat themselves are everywhere in a text with them: after so many they are no longer followed.
const MOST_FOLLOWED: usize = 1000;
/// How much of a text is looked at at a time.
const PART: usize = 64 * 1024;
/// More than the longest piece has in any spelling.
const OVERLAP: usize = 16 * WHOLE;
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

/// How far a text was followed as a secret that begins, or would begin, at a place of it.
type Followed = HashMap<(usize, usize), usize>;

/// Finds all secrets in one pass.
struct Finder {
    patterns: AhoCorasick,
    /// Of which secrets each pattern is a part that goes on in the text as it does there, and where in them. What is looked for as a
    /// whole has none.
    parts: Vec<Vec<(usize, usize)>>,
    secrets: Vec<String>,
    names: AhoCorasick,
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
            known.finder = Finder::new(&known).map(Arc::new);
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

impl Finder {
    fn new(known: &Known) -> Option<Self> {
        let secrets: Vec<String> = known.secrets.iter().cloned().collect();
        let mut wanted: BTreeMap<Vec<u8>, Vec<(usize, usize)>> = BTreeMap::new();
        let mut part = |text: &[u8], secret: usize, at: usize| {
            let places = wanted.entry(text.to_owned()).or_default();
            if places.len() < PLACES {
                places.push((secret, at));
            }
        };
        let mut wholes: Vec<String> = Vec::new();
        for (number, secret) in secrets.iter().enumerate() {
            if let Some(len) = shortest_beginning(secret) {
                part(&secret.as_bytes()[..len], number, 0);
            }
            let is_line = !secret.contains('\n');
            let chunks = secret.as_bytes().chunks_exact(CHUNK).enumerate().filter(|(_, chunk)| is_various(chunk));
            let chunks: Vec<_> = if is_line && secret.len() >= 2 * CHUNK { chunks.collect() } else { Vec::new() };
            if chunks.is_empty() {
                wholes.push(secret.clone());
            }
            for (at, chunk) in chunks {
                part(chunk, number, at * CHUNK);
            }
            // As it is found where lines are folded.
            if secret.contains(char::is_whitespace) {
                let squeezed: String = secret.split_whitespace().collect();
                wholes.extend((squeezed.len() >= SHORTEST_PART).then_some(squeezed));
            }
        }
        for whole in wholes {
            wanted.entry(whole.into_bytes()).or_default();
        }
        let patterns = AhoCorasick::new(wanted.keys()).ok()?;
        let parts = wanted.into_values().collect();
        Some(Self { patterns, parts, secrets, names: AhoCorasick::new(&known.names).ok()? })
    }

    /// Where secrets stand, in order, none overlapping another. A long text is looked at part by part, each a bit longer than to
    /// where the next one begins: all its readings at once would need many times its memory.
    fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut from = 0;
        loop {
            let to = boundary(text, text.len().min(from + PART + OVERLAP));
            found.extend(self.find_in(&text[from..to]).into_iter().map(|(start, end)| (from + start, from + end)));
            if to == text.len() {
                break;
            }
            from = boundary(text, from + PART);
        }
        apart(found)
    }

    fn find_in(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let names: Vec<(usize, usize)> = self
            .names
            .find_overlapping_iter(text)
            .map(|name| (name.start(), name.end()))
            .filter(|name| is_word(text.as_bytes(), *name))
            .collect();
        Reading::plain(text).every(&mut |reading| {
            let mut followed = Followed::new();
            for pattern in self.patterns.find_overlapping_iter(&reading.bytes) {
                let parts = &self.parts[pattern.pattern()];
                let place = self.follow(&reading.bytes, (pattern.start(), pattern.end()), parts, &mut followed);
                let (from, to) = reading.original(place.0, place.1);
                let len = place.1 - place.0;
                let is_meant = if reading.of_digits {
                    len > SHORTEST_INSIDE && to - from >= SHORTEST_PART - 1
                } else if reading.is_squeezed {
                    len >= SHORTEST_PART
                } else {
                    len >= SHORTEST_INSIDE || is_word(&reading.bytes, place)
                };
                if is_meant && !names.iter().any(|name| name.0 <= from && to <= name.1) {
                    // What fills up base64 tells how long the secret is.
                    let padding = text.as_bytes()[to..].iter().take_while(|byte| reading.of_digits && **byte == b'=');
                    let to = to + padding.take(6).count();
                    // What is cut in the midst of a character loses all of it.
                    let to = (to..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
                    found.push((boundary(text, from), to));
                }
            }
        });
        found
    }
}

impl Finder {
    /// From where to where a text goes on as the secrets of which a part stands in it. `done` says how far that was followed.
    fn follow(
        &self,
        text: &[u8],
        (from, to): (usize, usize),
        parts: &[(usize, usize)],
        done: &mut Followed,
    ) -> (usize, usize) {
        let mut longest = (from, to);
        for (secret, at) in parts {
            let begun = (*secret, from.wrapping_sub(*at));
            if done.len() >= MOST_FOLLOWED || done.get(&begun).is_some_and(|done| to <= *done) {
                continue;
            }
            let (before, after) = self.secrets[*secret].as_bytes().split_at(*at);
            let back = text[..from].iter().rev().zip(before.iter().rev()).take_while(|(a, b)| a == b).count();
            let on = text[from..].iter().zip(after).take_while(|(a, b)| a == b).count();
            longest = (longest.0.min(from - back), longest.1.max(from + on));
            done.insert(begun, from + on);
        }
        longest
    }
}

/// How much of the beginning of a secret at least tells that it is cut there: what other texts begin with too does not.
fn shortest_beginning(secret: &str) -> Option<usize> {
    const HEADS: [&str; 2] = ["-----BEGIN", "LS0tLS1CRUdJTi"];
    const STRUCTURE: &str = "{}[]()<>\"'=,";
    const PLAIN: &str = "-_./:";
    if secret.contains('\n') || secret.contains(": ") || HEADS.iter().any(|head| secret.starts_with(head)) {
        return None;
    }
    let telling = secret.find(|c: char| !c.is_ascii_lowercase() && !PLAIN.contains(c))?;
    let len = (telling + 1).max(SHORTEST_PART);
    let beginning = secret.get(..(len..secret.len()).find(|at| secret.is_char_boundary(*at))?)?;
    let is_text = beginning.contains(|c: char| c.is_whitespace() || STRUCTURE.contains(c));
    (!is_text).then_some(beginning.len())
}

/// Whether a chunk is no line of dashes, padding or blanks, which are everywhere.
fn is_various(chunk: &[u8]) -> bool {
    chunk.iter().collect::<BTreeSet<_>>().len() > 5
}

/// Whether neither a letter nor a digit is next to it.
fn is_word(text: &[u8], (from, to): (usize, usize)) -> bool {
    let before = from.checked_sub(1).and_then(|at| text.get(at));
    !before.into_iter().chain(text.get(to)).any(u8::is_ascii_alphanumeric)
}

/// Whether a line is nothing but a key of YAML or a header of an INI file.
fn is_key(line: &str) -> bool {
    let name = line.strip_suffix(':').or_else(|| line.strip_prefix('[')?.strip_suffix(']'));
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./\" ".contains(c)))
}

/// The end of a character at or before a place.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
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
