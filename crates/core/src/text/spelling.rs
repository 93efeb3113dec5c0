//! The ways in which programs write a text into another one: escapes, percent-encoding, entities, quotes, hex, base64, folded lines.
//!
//! A text is read back as each of them, and each byte knows where it stood: a secret is found in whatever spelling, also in
//! several at once, and in those that differ from program to program (`\"` or `\u0022`, `%2f` or `%2F`).

use super::control::colours;

/// Ways one in another: JSON in base64 in a URL.
const DEEPEST: usize = 3;
/// How often in a row the same way is read back: JSON in JSON in JSON. Backslashes halve each time.
const MOST_IN_A_ROW: usize = 16;
/// The shortest text that is looked into where digits were read.
const SHORTEST_TEXT: usize = 5;
/// Bytes that are looked at in all readings of a text before the deepest are left out.
const BUDGET: usize = 8 << 20;

/// A text as it reads in some spelling.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    pub(super) bytes: Vec<u8>,
    /// From where to where in the original each byte stands.
    spans: Vec<(u32, u32)>,
    /// Whether it was made by reading digits: then nearly all of it is noise.
    pub(super) of_digits: bool,
    /// Whether it has lost its white space.
    pub(super) is_squeezed: bool,
}

/// A way of writing: what it cannot be without, how it is read, and whether that is of digits.
struct Spelling {
    mark: Option<u8>,
    read: Read,
}

enum Read {
    /// What each part that is written that way stands for.
    Parts(Way),
    /// Characters that have so many bits each.
    Digits(Digits),
    /// A list of bytes in decimal: `[90 113 55]` as Go prints it, `[90, 113, 55]` as others do.
    Decimals,
}

struct Digits {
    bits: usize,
    /// So many are whole bytes.
    group: usize,
    /// The shortest run that is looked into.
    shortest: usize,
    value: fn(u8) -> Option<u8>,
    /// How long what may stand between the digits of a run is, when so many have come: how lines are wrapped, and bytes set apart.
    between: fn(&[u8], usize) -> usize,
}

const SPELLINGS: [Spelling; 10] = [
    Spelling { mark: Some(b'\\'), read: Read::Parts(escape) },
    Spelling { mark: Some(b'%'), read: Read::Parts(percent) },
    Spelling { mark: Some(b'+'), read: Read::Parts(query) },
    Spelling { mark: Some(b'&'), read: Read::Parts(entity) },
    Spelling { mark: Some(b'\''), read: Read::Parts(quote) },
    Spelling { mark: Some(b'\''), read: Read::Parts(doubled) },
    Spelling {
        mark: None,
        read: Read::Digits(Digits { bits: 6, group: 4, shortest: 8, value: of_base64, between: wrapped }),
    },
    Spelling {
        mark: None,
        read: Read::Digits(Digits { bits: 5, group: 8, shortest: 12, value: of_base32, between: wrapped }),
    },
    Spelling {
        mark: None,
        read: Read::Digits(Digits { bits: 4, group: 2, shortest: 8, value: of_hex, between: apart }),
    },
    Spelling { mark: None, read: Read::Decimals },
];

impl Reading {
    /// The text itself, without colours in the midst of words.
    pub(super) fn plain(text: &str) -> Self {
        let mut plain = Self::default();
        let mut rest = 0;
        for (from, to) in colours(text).chain([(text.len(), text.len())]) {
            plain.bytes.extend_from_slice(&text.as_bytes()[rest..from]);
            plain.spans.extend((place(rest)..place(from)).map(|at| (at, at + 1)));
            rest = to;
        }
        plain
    }

    /// Where a part of it stands in the original.
    pub(super) fn original(&self, from: usize, to: usize) -> (usize, usize) {
        let (start, end) = self.span(from, to);
        (start as usize, end as usize)
    }

    fn span(&self, from: usize, to: usize) -> (u32, u32) {
        let start = self.spans.get(from).map_or(0, |span| span.0);
        (start, to.checked_sub(1).and_then(|last| self.spans.get(last)).map_or(start, |span| span.1))
    }

    fn push(&mut self, byte: u8, span: (u32, u32)) {
        self.bytes.push(byte);
        self.spans.push(span);
    }

    /// Hands every reading of this one to `look`, itself first.
    pub(super) fn every(&self, look: &mut impl FnMut(&Self)) {
        let mut budget = BUDGET.saturating_sub(self.bytes.len());
        look(self);
        self.deeper(DEEPEST, None, &mut budget, look);
    }

    /// Reads it in each way but the one it was just read in, as often as that changes it.
    fn deeper(&self, depth: usize, but: Option<usize>, budget: &mut usize, look: &mut impl FnMut(&Self)) {
        if !self.of_digits
            && self.bytes.contains(&b'\n')
            && let Some(squeezed) = self.squeezed()
        {
            look(&squeezed);
        }
        if depth == 0 {
            return;
        }
        for (number, spelling) in SPELLINGS.iter().enumerate().filter(|(number, _)| Some(*number) != but) {
            let is_digits = matches!(spelling.read, Read::Digits(_) | Read::Decimals);
            let mut next = self.read_in(spelling);
            for time in 0..MOST_IN_A_ROW {
                // What is written once in one way is always found.
                let Some(reading) = next.filter(|next| depth == DEEPEST && time == 0 || next.bytes.len() <= *budget)
                else {
                    break;
                };
                *budget = budget.saturating_sub(reading.bytes.len());
                look(&reading);
                // Nearly all of what digits give is noise, full of what looks like escapes.
                let depth = if reading.of_digits { 1.min(depth - 1) } else { depth - 1 };
                reading.deeper(depth, Some(number).filter(|_| !is_digits), budget, look);
                next = if is_digits { None } else { reading.read_in(spelling) };
            }
        }
    }

    /// Itself read in some way; `None` when nothing in it is written that way.
    fn read_in(&self, spelling: &Spelling) -> Option<Self> {
        if spelling.mark.is_some_and(|mark| !self.bytes.contains(&mark)) {
            return None;
        }
        match &spelling.read {
            Read::Parts(way) => self.read_parts(*way),
            Read::Digits(digits) => self.read_digits(digits),
            Read::Decimals => self.read_decimals(),
        }
    }

    fn read_parts(&self, way: Way) -> Option<Self> {
        let mut read = Self { of_digits: self.of_digits, ..Self::default() };
        let (mut at, mut changed) = (0, false);
        while at < self.bytes.len() {
            if let Some((len, decoded)) = way(&self.bytes[at..]) {
                let span = self.span(at, at + len);
                decoded.bytes().iter().for_each(|byte| read.push(*byte, span));
                (at, changed) = (at + len, true);
            } else {
                read.push(self.bytes[at], self.spans[at]);
                at += 1;
            }
        }
        changed.then_some(read)
    }

    /// Without white space: lines may be folded where a text has blanks, or wrapped where it has none.
    fn squeezed(&self) -> Option<Self> {
        let mut read = Self { is_squeezed: true, ..Self::default() };
        for (byte, span) in self.bytes.iter().zip(&self.spans).filter(|(byte, _)| !byte.is_ascii_whitespace()) {
            read.push(*byte, *span);
        }
        (read.bytes.len() != self.bytes.len()).then_some(read)
    }

    /// What is written in digits, from each of the places a group of whole bytes may begin at.
    fn read_digits(&self, digits: &Digits) -> Option<Self> {
        let mut read = Self { of_digits: true, ..Self::default() };
        let mut run = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            self.run_of(digits, at, &mut run);
            at = run.last().map_or(at, |(last, _)| *last) + 1;
            if run.len() < digits.shortest {
                continue;
            }
            for skipped in 0..digits.group {
                let mut decoded = Self::default();
                for group in run[skipped..].chunks(digits.group) {
                    let value = group.iter().fold(0_u64, |value, (_, digit)| value << digits.bits | u64::from(*digit));
                    let len = group.len() * digits.bits / 8;
                    let value = value >> (group.len() * digits.bits - len * 8);
                    let span = self.span(group[0].0, group[group.len() - 1].0 + 1);
                    value.to_be_bytes()[8 - len..].iter().for_each(|byte| decoded.push(*byte, span));
                }
                read.push_decoded(&decoded);
            }
        }
        (!read.bytes.is_empty()).then_some(read)
    }

    /// Letters of Latin scripts have an empty byte each; what has none is not looked at in that way, since nearly any bytes could be read so.
    fn may_be_utf16(&self) -> bool {
        self.bytes.iter().map(|byte| usize::from(*byte == 0)).sum::<usize>() * 3 >= self.bytes.len()
    }

    /// As Windows and Java hold texts, and as PowerShell wants its encoded commands.
    fn of_utf16(&self, from: usize, unit: UnitOf) -> Self {
        let units = self.bytes.get(from..).unwrap_or_default().chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let mut read = Self::default();
        let mut at = from;
        for char in char::decode_utf16(units) {
            // What is no character parts texts.
            let char = char.unwrap_or('\0');
            let span = self.span(at, at + 2 * char.len_utf16());
            char.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| read.push(byte, span));
            at += 2 * char.len_utf16();
        }
        read
    }

    /// What is written as a list of bytes in decimal.
    fn read_decimals(&self) -> Option<Self> {
        let mut read = Self { of_digits: true, ..Self::default() };
        let mut at = 0;
        while at < self.bytes.len() {
            let mut list = Self::default();
            loop {
                let len = self.bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let byte = number(self.bytes.get(at..at + len), 10).and_then(|number| u8::try_from(number).ok());
                let span = self.span(at, at + len);
                at += len;
                let Some(byte) = byte else { break };
                list.push(byte, span);
                let between = between_decimals(&self.bytes[at..]);
                if between == 0 {
                    break;
                }
                at += between;
            }
            read.push_decoded(&list);
            at += self.bytes[at..].iter().take_while(|byte| !byte.is_ascii_digit()).count();
        }
        (!read.bytes.is_empty()).then_some(read)
    }

    /// Adds what may be text of what was read from digits, as it is and as UTF-16.
    fn push_decoded(&mut self, decoded: &Self) {
        self.push_texts(decoded);
        if decoded.may_be_utf16() {
            for from in [0, 1] {
                self.push_texts(&decoded.of_utf16(from, u16::from_le_bytes));
                self.push_texts(&decoded.of_utf16(from, u16::from_be_bytes));
            }
        }
    }

    /// Adds what may be text of what was read from digits, which is little unless it is. Nothing goes over from one such part to the next.
    fn push_texts(&mut self, decoded: &Self) {
        let mut at = 0;
        for chunk in decoded.bytes.utf8_chunks() {
            for text in chunk.valid().split('\0') {
                if text.len() >= SHORTEST_TEXT {
                    self.bytes.extend_from_slice(text.as_bytes());
                    self.spans.extend_from_slice(&decoded.spans[at..at + text.len()]);
                    self.push(0, decoded.spans[at + text.len() - 1]);
                }
                at += text.len() + 1;
            }
            // Every part but the last ended in a byte that is left out.
            at = at - 1 + chunk.invalid().len();
        }
    }

    /// The digits that follow each other from here, with their places and values.
    fn run_of(&self, digits: &Digits, from: usize, run: &mut Vec<(usize, u8)>) {
        run.clear();
        let mut at = from;
        while let Some(byte) = self.bytes.get(at) {
            if let Some(value) = (digits.value)(*byte) {
                run.push((at, value));
                at += 1;
                continue;
            }
            let between = if run.is_empty() { 0 } else { (digits.between)(&self.bytes[at..], run.len()) };
            if between == 0 {
                return;
            }
            at += between;
        }
    }
}

/// Of which two bytes a unit of UTF-16 is made.
type UnitOf = fn([u8; 2]) -> u16;

/// Texts are read in parts of far fewer bytes than this holds.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Lines of an encoding may be wrapped, and indented then.
fn wrapped(text: &[u8], _: usize) -> usize {
    let white = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if text[..white].contains(&b'\n') { white } else { 0 }
}

/// Bytes in hex may be set apart, one or more at a time: `5a:71`, `5a 71`, `0x5a, 0x71`.
fn apart(text: &[u8], digits: usize) -> usize {
    if digits % 2 == 1 {
        return 0;
    }
    let sign = text.iter().take_while(|byte| matches!(byte, b',' | b':' | b'-')).take(1).count();
    let white = text[sign..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = &text[sign + white..];
    let prefix = if rest.starts_with(b"0x") || rest.starts_with(b"0X") { 2 } else { 0 };
    sign + white + prefix
}

/// Bytes in decimal are set apart by blanks, commas, or as items of a list of YAML.
fn between_decimals(text: &[u8]) -> usize {
    let sign = usize::from(text.starts_with(b","));
    let white = text[sign..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let item = if white > 0 && text[sign + white..].starts_with(b"- ") { 2 } else { 0 };
    sign + white + item
}

fn of_base64(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn of_base32(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    }
}

fn of_hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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
        // A line that is folded in quotes of YAML goes on after the blanks it is indented by.
        b'\n' => {
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            Some((2 + blanks, Decoded::NOTHING))
        }
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
