//! Which pieces of a secret tell something of it: those that no other text has.
//!
//! A piece that is an ordinary word, a host, an address or a kind stands in many texts that are no secret. To hide it there would
//! make messages useless, and the reader would know it all the same.

use super::finder::SHORTEST_PART;
use std::collections::BTreeSet;

/// What stands between words.
const PLAIN: &str = "-_./:";
/// What holds texts together.
const STRUCTURE: &str = "{}[]()<>\"'=,";
/// A piece of a secret that is not its beginning or its end is hidden from this size on, if it looks random.
const RANDOM: usize = 16;
/// No single word is so long.
const UNBROKEN: usize = 32;
/// Whatever it looks like, a piece of this size is hidden.
const ANY: usize = 64;
/// In what looks random, at least every so many characters another sort of them begins.
const TURN: usize = 5;

/// How much of the beginning of a secret at least tells that it is cut there: what other texts begin with too does not.
pub(super) fn beginning(secret: &str) -> Option<usize> {
    if secret.contains('\n') || secret.contains(": ") || head_of(secret) > 0 {
        return None;
    }
    let least = (secret.find(is_telling)? + 1).max(SHORTEST_PART);
    let mut ends = (least..secret.len().min(least + ANY)).filter(|at| secret.is_char_boundary(*at));
    ends.find(|at| tells_of_edge(secret, 0, *at))
}

/// From where the end of a secret tells that its beginning is cut off. The end of an address is that of others too.
pub(super) fn end(secret: &str) -> Option<usize> {
    const DASHES: [&str; 4] = ["---", "LS0t", "tLS0", "0tLS"];
    if secret.contains('\n') || secret.contains("://") {
        return None;
    }
    let unpadded = secret.trim_end_matches('=');
    let least = unpadded.rfind(is_telling)?.min(unpadded.len().checked_sub(SHORTEST_PART)?);
    let mut begins = (least.saturating_sub(ANY).max(1)..=least).rev().filter(|at| unpadded.is_char_boundary(*at));
    let at = begins.find(|at| tells_of_edge(unpadded, *at, unpadded.len()))?;
    (!DASHES.iter().any(|dashes| unpadded[at..].contains(dashes))).then_some(at)
}

fn tells_of_edge(secret: &str, from: usize, to: usize) -> bool {
    let edge = &secret[from..to];
    is_various(edge.as_bytes()) && !is_text(edge) && !is_ordinary(secret, from, to)
}

/// Whether a part of a secret consists of words, host names, addresses, ports and dates only, which other texts contain too. A word that
/// goes on in the secret is judged whole.
fn is_ordinary(secret: &str, from: usize, to: usize) -> bool {
    let ends_word = |c: char| !c.is_alphanumeric();
    let from = secret[..from].char_indices().rfind(|(_, c)| ends_word(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let to = secret[to..].find(ends_word).map_or(secret.len(), |len| to + len);
    let piece = &secret[from..to];
    let is_of_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let domain = secret[from..].split_once('@').map(|(_, domain)| domain);
    let is_mail = domain.is_some_and(|domain| domain.contains('.') && domain.chars().all(is_of_domain));
    let mut rest = &secret[from..];
    piece.split(|c| PLAIN.contains(c) || is_mail && c == '@').all(|word| {
        let after = &rest[word.len()..];
        rest = after.get(1..).unwrap_or_default();
        is_word(word) || is_number(word) || is_label(word, after)
    })
}

fn is_word(word: &str) -> bool {
    let is_random = !word.is_empty() && is_random(word.as_bytes());
    word.len() < UNBROKEN && word.chars().all(char::is_alphabetic) && !is_random
}

/// A port, a year, a part of an address, a time with what stands around it: `8080`, `30T10`, `00Z`.
fn is_number(word: &str) -> bool {
    const LONGEST: usize = 5;
    word.len() <= LONGEST && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'T' | b'Z'))
}

/// Whether this is a part of the name of a host that is numbered: `db1.shop`, `redis12:6379`.
fn is_label(word: &str, after: &str) -> bool {
    const MOST_DIGITS: usize = 3;
    let digits = word.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let is_numbered = digits.len() <= MOST_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |port: &str| port.starts_with(|c: char| c.is_ascii_digit());
    is_numbered && (after.starts_with('.') || after.strip_prefix(':').is_some_and(is_port))
}

/// Whether a piece of a secret that others may have too is worth hiding.
pub(super) fn tells(piece: &[u8]) -> bool {
    piece.len() >= ANY
        || piece.len() >= UNBROKEN && piece.iter().all(|byte| Sort::of(*byte) != Sort::Between)
        || piece.len() >= RANDOM && is_random(piece)
}

fn is_random(piece: &[u8]) -> bool {
    let turns = piece.windows(2).filter(|two| Sort::of(two[0]).turns_to(Sort::of(two[1]))).count();
    turns * TURN >= piece.len()
}

/// Whether a chunk is no line of dashes, padding or blanks, which are everywhere.
pub(super) fn is_various(chunk: &[u8]) -> bool {
    chunk.iter().collect::<BTreeSet<_>>().len() > 3
}

/// Whether this in another case would be a word that other texts have too: `production`.
pub(super) fn is_word_in_any_case(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphabetic() || PLAIN.as_bytes().contains(byte) || *byte == b' ';
    let is_humped = text.windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
    text.len() < SHORTEST_PART || text.len() < RANDOM && text.iter().all(is_plain) && !is_humped
}

/// The sort of a character, as far as words have one sort and random text has all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Small,
    Capital,
    Digit,
    Sign,
    Between,
}

impl Sort {
    fn of(byte: u8) -> Self {
        match byte {
            b'A'..=b'Z' => Self::Capital,
            b'0'..=b'9' => Self::Digit,
            byte if byte.is_ascii_lowercase() || !byte.is_ascii() => Self::Small,
            byte if byte.is_ascii_whitespace() => Self::Between,
            byte if PLAIN.as_bytes().contains(&byte) || STRUCTURE.as_bytes().contains(&byte) => Self::Between,
            _ => Self::Sign,
        }
    }

    /// A word begins with a capital: what follows one is no turn.
    fn turns_to(self, after: Self) -> bool {
        self != after
            && self != Self::Between
            && after != Self::Between
            && (self, after) != (Self::Capital, Self::Small)
    }
}

fn is_telling(c: char) -> bool {
    !c.is_ascii_lowercase() && !PLAIN.contains(c)
}

/// Whether this holds a text together rather than being a secret itself.
fn is_text(piece: &str) -> bool {
    piece.contains(|c: char| c.is_whitespace() || STRUCTURE.contains(c)) && !is_random(piece.as_bytes())
}

/// How much of a secret all others of its format begin with.
pub(super) fn head_of(secret: &str) -> usize {
    // `-----BEGIN RSA PRIVATE KEY-----`, and that in base64.
    let head = [("-----BEGIN", 32), ("LS0tLS1CRUdJTi", 44)].into_iter().find(|(head, _)| secret.starts_with(head));
    head.map_or(0, |(_, len)| len)
}
