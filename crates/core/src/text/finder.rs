//! Where known secrets stand in a text: whole, in pieces, reversed, in another case, in every spelling.

use super::mask::apart;
use super::pieces::{beginning, end, head_of, is_various, is_word_in_any_case, tells};
use super::spelling::Reading;
use aho_corasick::AhoCorasick;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is not itself marked as a secret, a line of one, is not looked for when it is shorter: it would turn ordinary text into
/// stars and protect nothing. Nor is a spelling of so few characters.
pub(super) const SHORTEST_PART: usize = 8;
/// A value of several lines is looked for as a whole up to this size, besides its lines. Longer ones are not looked for reversed.
pub(super) const WHOLE: usize = 1024;
/// What is marked and shorter than this is looked for as a word of its own, not inside of others.
const SHORTEST_INSIDE: usize = 4;
/// A secret is looked for in chunks of this size, from each of which it is followed to both sides: any piece of twice this size has
/// a chunk in it.
const CHUNK: usize = 8;
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Up to this size a secret is looked for as a whole besides its chunks, and so is what cannot be read back: what digits are in
/// another case.
const AT_ONCE: usize = 256;
/// A chunk that is the same in more places of a secret is followed in so many.
const PLACES: usize = 4;
/// Parts of secrets that repeat themselves are everywhere in a text with them: after so many bytes nothing is followed any more.
/// Whatever has a part of a secret in it is hidden then.
const MOST_FOLLOWED: usize = 1 << 20;
/// How much of a text is looked at at a time.
pub(super) const PART: usize = 64 * 1024;
/// More than the longest piece has in any spelling.
const OVERLAP: usize = 16 * WHOLE;

/// Finds all secrets in one pass.
#[derive(Default)]
pub(super) struct Finder {
    /// In any case. `None` when there are too many secrets to look for: then nobody knows what of a text may be shown.
    patterns: Option<AhoCorasick>,
    meant: Vec<Pattern>,
    /// Each secret, and it reversed.
    forms: Vec<String>,
    names: Option<AhoCorasick>,
}

/// What finding a pattern means.
#[derive(Default)]
struct Pattern {
    text: Vec<u8>,
    /// It is all of what is looked for.
    is_whole: bool,
    /// Of what it is a part that may go on in the text as it does there.
    places: Vec<Place>,
}

/// Where a pattern stands in a form of a secret.
struct Place {
    form: usize,
    at: usize,
    /// Its beginning or its end, as it is left where a text is cut.
    is_edge: bool,
}

/// How far a text was followed as a form that begins, or would begin, at a place of it.
#[derive(Default)]
struct Followed {
    to: HashMap<(usize, usize), usize>,
    bytes: usize,
    /// What was hidden last without being followed.
    hidden: (usize, usize),
}

/// All patterns, each once.
#[derive(Default)]
struct Wanted(BTreeMap<Vec<u8>, Pattern>);

impl Wanted {
    fn pattern(&mut self, text: &[u8]) -> &mut Pattern {
        self.0.entry(text.to_owned()).or_insert_with(|| Pattern { text: text.to_owned(), ..Pattern::default() })
    }

    fn whole(&mut self, text: &str) {
        self.pattern(text.as_bytes()).is_whole = true;
    }

    fn place(&mut self, text: &[u8], place: Place) {
        let places = &mut self.pattern(text).places;
        if place.is_edge || places.len() < PLACES {
            places.push(place);
        }
    }

    /// The chunks of a form, or the form.
    fn form(&mut self, form: usize, text: &str) {
        let is_line = !text.contains('\n');
        let after_head = head_of(text).div_ceil(CHUNK);
        let chunks = text.as_bytes().chunks_exact(CHUNK).enumerate().skip(after_head);
        let chunks = chunks.filter(|(_, chunk)| is_various(chunk));
        let chunks: Vec<_> = if is_line && text.len() >= 2 * CHUNK { chunks.collect() } else { Vec::new() };
        if chunks.is_empty() || text.len() <= AT_ONCE {
            self.whole(text);
        }
        for (number, chunk) in chunks {
            self.place(chunk, Place { form, at: number * CHUNK, is_edge: false });
        }
    }

    /// What can only be looked for as it is written: nothing can be read back from it.
    fn unreadable(&mut self, secret: &str) {
        if !secret.is_ascii() {
            for changed in [secret.to_uppercase(), secret.to_lowercase()] {
                self.whole(&reversed(&changed));
                self.whole(&changed);
            }
        }
        for (alphabet, bits, offsets) in [(BASE64, 6, 3), (BASE32, 5, 5)] {
            for before in 0..offsets {
                self.whole(&encoded(secret.as_bytes(), before * 8, alphabet, bits));
            }
        }
    }
}

/// The digits a text has in whatever is encoded, so many bits after its beginning. Those that have bits of what stands before or
/// after it are left out.
fn encoded(text: &[u8], before: usize, alphabet: &[u8], bits: usize) -> String {
    let bit = |at: usize| usize::from(text[at / 8] >> (7 - at % 8) & 1);
    let digit = |at: usize| char::from(alphabet[(at..at + bits).fold(0, |value, at| value << 1 | bit(at))]);
    let digits = (before.next_multiple_of(bits) - before..).step_by(bits);
    digits.take_while(|at| at + bits <= text.len() * 8).map(digit).collect()
}

impl Finder {
    /// Finds these, where they are no names.
    pub(super) fn new(secrets: &BTreeSet<String>, names: &BTreeSet<String>) -> Self {
        let mut forms = Vec::new();
        let mut wanted = Wanted::default();
        for secret in secrets {
            let bytes = secret.as_bytes();
            if let Some(len) = beginning(secret) {
                wanted.place(&bytes[..len], Place { form: forms.len(), at: 0, is_edge: true });
            }
            if let Some(at) = end(secret) {
                wanted.place(&bytes[at..], Place { form: forms.len(), at, is_edge: true });
            }
            wanted.form(forms.len(), secret);
            forms.push(secret.clone());
            // As it is found where lines are folded.
            if secret.contains(char::is_whitespace) {
                let squeezed: String = secret.split_whitespace().collect();
                if squeezed.len() >= SHORTEST_PART {
                    wanted.whole(&squeezed);
                }
            }
            // Digits reversed match numbers that are no secret: `10000000` reversed is in every other UUID.
            let is_number = bytes.iter().all(u8::is_ascii_digit);
            if (SHORTEST_PART..=WHOLE).contains(&secret.len()) && !secret.contains('\n') && !is_number {
                wanted.form(forms.len(), &reversed(secret));
                forms.push(reversed(secret));
            }
            if (SHORTEST_PART..=AT_ONCE).contains(&secret.len()) {
                wanted.unreadable(secret);
            }
        }
        let patterns = AhoCorasick::builder().ascii_case_insensitive(true).build(wanted.0.keys()).ok();
        let meant = wanted.0.into_values().collect();
        Self { patterns, meant, forms, names: AhoCorasick::new(names).ok() }
    }

    /// Where secrets stand, in order, none overlapping another. A long text is looked at part by part, each a bit longer than to
    /// where the next one begins: all its readings at once would need many times its memory.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let Some(patterns) = &self.patterns else { return vec![(0, text.len())] };
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut from = 0;
        loop {
            let to = boundary(text, text.len().min(from + PART + OVERLAP));
            found.extend(
                self.find_in(patterns, &text[from..to]).into_iter().map(|(start, end)| (from + start, from + end)),
            );
            if to == text.len() {
                break;
            }
            from = boundary(text, from + PART);
        }
        apart(found)
    }

    fn find_in(&self, patterns: &AhoCorasick, text: &str) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let names = self.names_in(text);
        Reading::plain(text).every(&mut |reading| {
            for place in self.places_in(patterns, &reading.bytes) {
                let (from, to) = reading.original(place.0, place.1);
                let len = place.1 - place.0;
                let is_meant = if reading.of_digits {
                    len > SHORTEST_INSIDE && to - from >= SHORTEST_PART - 1
                } else if reading.is_squeezed {
                    len >= SHORTEST_PART
                } else {
                    len >= SHORTEST_INSIDE || is_word(&reading.bytes, place)
                };
                if is_meant && !is_in_one(&names, from, to) {
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

    /// Where names stand that are words of their own, each with the end of it or of a longer one that began before.
    fn names_in(&self, text: &str) -> Vec<(usize, usize)> {
        let found = self.names.iter().flat_map(|names| names.find_overlapping_iter(text));
        let found = found.map(|name| (name.start(), name.end()));
        let mut names: Vec<_> = found.filter(|name| is_word(text.as_bytes(), *name)).collect();
        names.sort_unstable();
        let mut furthest = 0;
        for (_, end) in &mut names {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        names
    }

    /// Where secrets, and pieces of them that tell something, stand in a reading of a text.
    fn places_in(&self, patterns: &AhoCorasick, text: &[u8]) -> Vec<(usize, usize)> {
        let mut followed = Followed::default();
        let mut found = Vec::new();
        for at in patterns.find_overlapping_iter(text) {
            let pattern = &self.meant[at.pattern()];
            let here = (at.start(), at.end());
            let is_exact = text[at.range()] == pattern.text;
            if pattern.is_whole && (is_exact || !is_word_in_any_case(&pattern.text)) {
                found.push(here);
            }
            for place in pattern.places.iter().filter(|place| is_exact || !place.is_edge) {
                if followed.bytes < MOST_FOLLOWED {
                    let goes_on = self.follow(text, here, place, &mut followed);
                    found.extend(goes_on.filter(|(from, to)| place.is_edge || tells(&text[*from..*to])));
                } else if here.0 < followed.hidden.0 || followed.hidden.1 < here.1 {
                    followed.hidden = unbroken(text, here);
                    found.push(followed.hidden);
                }
            }
        }
        found
    }

    /// From where to where a text goes on as the form of which a part stands in it; `None` when that was seen before.
    fn follow(
        &self,
        text: &[u8],
        (from, to): (usize, usize),
        place: &Place,
        done: &mut Followed,
    ) -> Option<(usize, usize)> {
        let begun = (place.form, from.wrapping_sub(place.at));
        // An edge is meant in any length, a piece is not.
        if !place.is_edge && done.to.get(&begun).is_some_and(|done| to <= *done) {
            return None;
        }
        let (before, after) = self.forms[place.form].as_bytes().split_at(place.at);
        let is_same = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
        let back = text[..from].iter().rev().zip(before.iter().rev()).take_while(is_same).count();
        let on = text[from..].iter().zip(after).take_while(is_same).count();
        done.to.insert(begun, from + on);
        done.bytes += back + on;
        Some((from - back, from + on))
    }
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// Whether this lies in one of some places that are in order, each of which ends no sooner than those before it.
fn is_in_one(places: &[(usize, usize)], from: usize, to: usize) -> bool {
    let begun = places.partition_point(|place| place.0 <= from);
    places[..begun].last().is_some_and(|place| to <= place.1)
}

/// A place with all that stands around it up to the next blank.
fn unbroken(text: &[u8], (from, to): (usize, usize)) -> (usize, usize) {
    let goes_on = |byte: &&u8| **byte != 0 && !byte.is_ascii_whitespace();
    let before = text[..from].iter().rev().take_while(goes_on).count();
    (from - before, to + text[to..].iter().take_while(goes_on).count())
}

/// Whether neither a letter nor a digit is next to it.
fn is_word(text: &[u8], (from, to): (usize, usize)) -> bool {
    let before = from.checked_sub(1).and_then(|at| text.get(at));
    !before.into_iter().chain(text.get(to)).any(u8::is_ascii_alphanumeric)
}

/// The end of a character at or before a place.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}
