//! The ways in which programs write a text into another one: escapes, percent-encoding, entities, quotes, base64.
//!
//! A text is read back as each of them, and each byte knows where it stood: a secret is found in whatever spelling, also in
//! several at once, and in those that differ from program to program (`\"` or `\u0022`, `%2f` or `%2F`).

use super::control::colours;

/// The shortest base64 that is looked into.
const SHORTEST_BASE64: usize = 8;
/// Ways one in another: JSON in JSON in a URL.
const DEEPEST: usize = 3;
/// Bytes that are looked at in all readings of a text before the deepest are left out.
const BUDGET: usize = 8 << 20;

/// A text as it reads in some spelling.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    pub(super) bytes: Vec<u8>,
    /// From where to where in the original each byte stands.
    spans: Vec<(usize, usize)>,
    /// Whether it was made by reading base64: then nearly all of it is noise.
    pub(super) of_base64: bool,
}

impl Reading {
    /// The text itself, without colours in the midst of words.
    pub(super) fn plain(text: &str) -> Self {
        let mut plain = Self::default();
        let mut rest = 0;
        for (from, to) in colours(text).chain([(text.len(), text.len())]) {
            for at in rest..from {
                plain.bytes.push(text.as_bytes()[at]);
                plain.spans.push((at, at + 1));
            }
            rest = to;
        }
        plain
    }

    /// Where a part of it stands in the original.
    pub(super) fn original(&self, from: usize, to: usize) -> (usize, usize) {
        let start = self.spans.get(from).map_or(0, |span| span.0);
        (start, to.checked_sub(1).and_then(|last| self.spans.get(last)).map_or(start, |span| span.1))
    }

    fn push(&mut self, byte: u8, span: (usize, usize)) {
        self.bytes.push(byte);
        self.spans.push(span);
    }

    /// Hands every reading of this one to `look`, itself first.
    pub(super) fn every(&self, look: &mut impl FnMut(&Self)) {
        let mut budget = BUDGET.saturating_sub(self.bytes.len());
        look(self);
        self.deeper(DEEPEST, &mut budget, look);
    }

    fn deeper(&self, depth: usize, budget: &mut usize, look: &mut impl FnMut(&Self)) {
        if depth == 0 {
            return;
        }
        let ways: [Way; 6] = [escape, percent, query, entity, quote, doubled];
        let texts = ways.into_iter().filter_map(|way| self.read_as(way));
        for reading in texts.chain(self.base64()) {
            // What is written once in one way is always found.
            if depth < DEEPEST && *budget < reading.bytes.len() {
                continue;
            }
            *budget = budget.saturating_sub(reading.bytes.len());
            look(&reading);
            // Nearly all of what base64 gives is noise, full of what looks like escapes.
            reading.deeper(if reading.of_base64 { 1.min(depth - 1) } else { depth - 1 }, budget, look);
        }
    }

    /// Itself read in some way; `None` when nothing in it is written that way.
    fn read_as(&self, way: Way) -> Option<Self> {
        let mut read = Self { of_base64: self.of_base64, ..Self::default() };
        let (mut at, mut changed) = (0, false);
        while at < self.bytes.len() {
            if let Some((len, decoded)) = way(&self.bytes[at..]) {
                let span = self.original(at, at + len);
                decoded.bytes().iter().for_each(|byte| read.push(*byte, span));
                (at, changed) = (at + len, true);
            } else {
                read.push(self.bytes[at], self.spans[at]);
                at += 1;
            }
        }
        changed.then_some(read)
    }

    /// What is written in base64, from each of the four places a group of characters may begin at. Lines may be wrapped.
    fn base64(&self) -> Option<Self> {
        let mut read = Self { of_base64: true, ..Self::default() };
        let mut at = 0;
        while at < self.bytes.len() {
            let run = self.base64_run(at);
            at = run.last().map_or(at, |(last, _)| *last) + 1;
            if run.len() < SHORTEST_BASE64 {
                continue;
            }
            for skipped in 0..4 {
                for group in run[skipped..].chunks(4) {
                    let value = group.iter().fold(0_u32, |value, (_, six)| value << 6 | u32::from(*six));
                    let value = value << (6 * (4 - group.len()));
                    let span = self.original(group[0].0, group[group.len() - 1].0 + 1);
                    let bytes = value.to_be_bytes();
                    bytes[1..].iter().take(group.len() * 6 / 8).for_each(|byte| read.push(*byte, span));
                }
                // No secret goes over from one run to the next.
                read.push(0, self.original(at - 1, at));
            }
        }
        (!read.bytes.is_empty()).then_some(read)
    }

    /// The characters of base64 that follow each other from here, with their places and values.
    fn base64_run(&self, from: usize) -> Vec<(usize, u8)> {
        let mut run = Vec::new();
        let mut at = from;
        while let Some(byte) = self.bytes.get(at) {
            match six_bits(*byte) {
                Some(six) => run.push((at, six)),
                None if !run.is_empty() && matches!(byte, b'\n' | b'\r' | b' ' | b'\t') => {
                    let white = self.bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace());
                    let white: Vec<u8> = white.copied().collect();
                    if !white.contains(&b'\n') {
                        return run;
                    }
                    at += white.len() - 1;
                }
                None => return run,
            }
            at += 1;
        }
        run
    }
}

fn six_bits(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Reads what a text begins with: how long that is, and what it stands for.
type Way = fn(&[u8]) -> Option<(usize, Decoded)>;

/// What an escape stands for: no byte, one, or a character.
struct Decoded([u8; 4], usize);

impl Decoded {
    const NOTHING: Self = Self([0; 4], 0);

    fn byte(byte: u8) -> Self {
        Self([byte, 0, 0, 0], 1)
    }

    fn char(code: u32) -> Option<Self> {
        let mut bytes = [0; 4];
        let len = char::from_u32(code)?.encode_utf8(&mut bytes).len();
        Some(Self(bytes, len))
    }

    fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

fn number(digits: Option<&[u8]>, radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits?).ok().filter(|digits| !digits.starts_with(['+', '-']))?, radix).ok()
}

/// Backslashes, as JSON, YAML, Go's `%q`, Python, Rust and shells write them.
fn escape(text: &[u8]) -> Option<(usize, Decoded)> {
    let [b'\\', kind, rest @ ..] = text else { return None };
    let hex = |len: usize| number(rest.get(..len), 16);
    let simple = |byte: u8| Some((2, Decoded::byte(byte)));
    match kind {
        b'n' => simple(b'\n'),
        b't' => simple(b'\t'),
        b'r' => simple(b'\r'),
        b'a' => simple(7),
        b'b' => simple(8),
        b'e' | b'E' => simple(27),
        b'f' => simple(12),
        b'v' => simple(11),
        b'\n' => Some((2, Decoded::NOTHING)),
        b'x' => hex(2).and_then(|byte| u8::try_from(byte).ok()).map(|byte| (4, Decoded::byte(byte))),
        // As Rust and JavaScript write it.
        b'u' if rest.starts_with(b"{") => {
            let len = rest.iter().take(9).position(|byte| *byte == b'}')?;
            Decoded::char(number(rest.get(1..len), 16)?).map(|char| (len + 3, char))
        }
        b'u' => {
            let code = hex(4)?;
            if let (0xd800..=0xdbff, Some(b"\\u")) = (code, rest.get(4..6)) {
                let low = number(rest.get(6..10), 16).filter(|low| (0xdc00..=0xdfff).contains(low))?;
                return Decoded::char(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)).map(|char| (12, char));
            }
            Decoded::char(code).map(|char| (6, char))
        }
        b'U' => hex(8).and_then(Decoded::char).map(|char| (10, char)),
        b'0'..=b'7' => {
            let digits = rest.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
            let code = number(text.get(1..2 + digits), 8)?;
            u8::try_from(code).ok().map(|byte| (2 + digits, Decoded::byte(byte)))
        }
        other => simple(*other),
    }
}

/// `%2F`
fn percent(text: &[u8]) -> Option<(usize, Decoded)> {
    let [b'%', rest @ ..] = text else { return None };
    let byte = number(rest.get(..2), 16).and_then(|byte| u8::try_from(byte).ok())?;
    Some((3, Decoded::byte(byte)))
}

/// `%2F`, and `+` for a blank.
fn query(text: &[u8]) -> Option<(usize, Decoded)> {
    match text {
        [b'+', ..] => Some((1, Decoded::byte(b' '))),
        _ => percent(text),
    }
}

/// `&quot;`, `&#39;`, `&#x27;`
fn entity(text: &[u8]) -> Option<(usize, Decoded)> {
    let [b'&', rest @ ..] = text else { return None };
    let len = rest.iter().take(10).position(|byte| *byte == b';')?;
    let decoded = match &rest[..len] {
        b"amp" => Decoded::byte(b'&'),
        b"lt" => Decoded::byte(b'<'),
        b"gt" => Decoded::byte(b'>'),
        b"quot" => Decoded::byte(b'"'),
        b"apos" => Decoded::byte(b'\''),
        [b'#', b'x' | b'X', hex @ ..] => Decoded::char(number(Some(hex), 16)?)?,
        [b'#', decimal @ ..] => Decoded::char(number(Some(decimal), 10)?)?,
        _ => return None,
    };
    Some((len + 2, decoded))
}

/// A quote in quotes of shells: `'\''`, `'"'"'`.
fn quote(text: &[u8]) -> Option<(usize, Decoded)> {
    let quoted = [br"'\''".as_slice(), br#"'"'"'"#].into_iter().find(|quoted| text.starts_with(quoted))?;
    Some((quoted.len(), Decoded::byte(b'\'')))
}

/// A quote in quotes of YAML and SQL: `''`.
fn doubled(text: &[u8]) -> Option<(usize, Decoded)> {
    text.starts_with(b"''").then(|| (2, Decoded::byte(b'\'')))
}
