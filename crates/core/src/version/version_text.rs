//! The parts of a version's text, as Masterminds/semver takes them apart.

use semver::{BuildMetadata, Prerelease, Version};

/// Longer versions are refused, as by Masterminds.
const MAX_LENGTH: usize = 256;

/// The parts of a version's text. The first three may be wildcards, or nonsense like `1x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VersionText<'a> {
    pub(crate) major: &'a str,
    pub(crate) minor: Option<&'a str>,
    pub(crate) patch: Option<&'a str>,
    /// Without its `-`; empty when there is none.
    pub(crate) pre: &'a str,
    /// Without its `+`; empty when there is none.
    pub(crate) build: &'a str,
}

impl VersionText<'_> {
    /// Whether a part is a wildcard.
    #[expect(clippy::unused_self, reason = "reads as a question about this text")]
    pub(crate) fn is_wild(&self, part: &str) -> bool {
        matches!(part, "x" | "X" | "*")
    }

    /// The version, when no part is a wildcard. Parts that are left out are 0.
    pub(crate) fn exact(&self) -> Option<Version> {
        let number = |part: Option<&str>| part.map_or(Some(0), |part| part.parse::<u64>().ok());
        Some(Version {
            major: number(Some(self.major))?,
            minor: number(self.minor)?,
            patch: number(self.patch)?,
            pre: Prerelease::new(self.pre).ok()?,
            build: BuildMetadata::new(self.build).ok()?,
        })
    }
}

/// The version at the beginning of a text, and how many bytes of it that is. Takes as much as it can.
pub(crate) fn scan_version(text: &str) -> Option<(VersionText<'_>, usize)> {
    let mut at = usize::from(text.starts_with('v'));
    let major = part(text, &mut at)?;
    let minor = dotted(text, &mut at);
    let patch = minor.and_then(|_| dotted(text, &mut at));
    let pre = suffix(text, &mut at, b'-');
    let build = suffix(text, &mut at, b'+');
    (at <= MAX_LENGTH).then_some((VersionText { major, minor, patch, pre, build }, at))
}

fn run<'a>(text: &'a str, at: &mut usize, allowed: fn(u8) -> bool) -> Option<&'a str> {
    let start = *at;
    *at += text.as_bytes()[start..].iter().take_while(|&&byte| allowed(byte)).count();
    (*at > start).then(|| &text[start..*at])
}

fn part<'a>(text: &'a str, at: &mut usize) -> Option<&'a str> {
    // The bar is in Masterminds' character class too, where it makes `1||2 - 3` mean `>=1||2, <=3`.
    run(text, at, |byte| byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|'))
}

fn dotted<'a>(text: &'a str, at: &mut usize) -> Option<&'a str> {
    after(text, at, b'.', part)
}

/// What follows a separator; nothing is consumed when it does not follow.
fn after<'a>(
    text: &'a str,
    at: &mut usize,
    separator: u8,
    what: fn(&'a str, &mut usize) -> Option<&'a str>,
) -> Option<&'a str> {
    if text.as_bytes().get(*at) != Some(&separator) {
        return None;
    }
    let mut next = *at + 1;
    let found = what(text, &mut next)?;
    *at = next;
    Some(found)
}

/// Identifiers joined by dots, after their sign.
fn suffix<'a>(text: &'a str, at: &mut usize, sign: u8) -> &'a str {
    let start = *at + 1;
    if after(text, at, sign, identifier).is_none() {
        return "";
    }
    while after(text, at, b'.', identifier).is_some() {}
    &text[start..*at]
}

fn identifier<'a>(text: &'a str, at: &mut usize) -> Option<&'a str> {
    run(text, at, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
