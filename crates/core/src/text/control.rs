//! Terminal control sequences in text of others: only colours pass.

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// What ends all colours.
const RESET: &str = "\u{1b}[0m";

/// Sequences of ECMA-48, and single characters that move, hide or turn around what is shown. The first group is a colour (SGR).
static CONTROL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(\x1b\[[0-9;:]*m)",
        // Commands: clear, move, scroll; also with the one-character introducer.
        r"|(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]",
        // Strings up to their end: titles, links, device control.
        r"|(?:\x1b[\]PX^_k]|[\x{9d}\x{90}\x{98}\x{9e}\x{9f}])[^\x07\x1b\x{9c}\n]*(?:\x07|\x1b\\|\x{9c})",
        // Other escapes: character sets, saved cursors.
        r"|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\`-~]",
        r"|\r\n|[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]",
    ))
    .ok()
});

/// The text without control sequences but colours, which end where the text ends. A carriage return becomes a space: what stood
/// before it stays to be seen.
pub fn only_colours(text: &str) -> Cow<'_, str> {
    // Bytes of C1 controls and of bidirectional ones are no ASCII.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let Some(control) = &*CONTROL else { return Cow::Owned(text.chars().filter(|c| !c.is_control()).collect()) };
    let mut open = false;
    let clean = control.replace_all(text, |found: &Captures<'_>| {
        let Some(colour) = found.get(1) else {
            return match &found[0] {
                "\r\n" => "\n",
                "\r" => " ",
                _ => "",
            }
            .to_owned();
        };
        open = !matches!(colour.as_str(), RESET | "\u{1b}[m" | "\u{1b}[00m");
        colour.as_str().to_owned()
    });
    if open { Cow::Owned(format!("{clean}{RESET}")) } else { clean }
}

/// Where colours stand in a text, to look at it without them.
pub(super) fn colours(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let found = CONTROL.iter().flat_map(|control| control.find_iter(text));
    found.map(|found| (found.start(), found.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("a\tb\nc ä 漢", "a\tb\nc ä 漢")]
    #[case::colour("\u{1b}[1;32mok\u{1b}[0m.", "\u{1b}[1;32mok\u{1b}[0m.")]
    #[case::colour_left_open("\u{1b}[38:5:1mred", "\u{1b}[38:5:1mred\u{1b}[0m")]
    #[case::title("before\u{1b}]0;pwned title\u{7}after", "beforeafter")]
    #[case::title_ended_by_st("a\u{1b}]2;t\u{1b}\\b", "ab")]
    #[case::link("\u{1b}]8;;http://evil\u{1b}\\here\u{1b}]8;;\u{1b}\\", "here")]
    #[case::title_without_end("a\u{1b}]0;text", "a]0;text")]
    #[case::clear_and_move("\u{1b}[2J\u{1b}[1;1Hx\u{1b}[?25l", "x")]
    #[case::not_quite_a_colour("\u{1b}[>4;2mx\u{1b}[?1m", "x")]
    #[case::one_character_introducer("a\u{9b}2Jb\u{9d}0;t\u{9c}c", "abc")]
    #[case::device_control("\u{1b}P1$r0m\u{1b}\\x\u{1b}_apc\u{1b}\\y\u{1b}^pm\u{1b}\\z", "xyz")]
    #[case::character_set("\u{1b}(0x\u{1b}(B\u{1b}7y\u{1b}8\u{1b}cz", "xyz")]
    #[case::return_line("10%\r20%\r\nend", "10% 20%\nend")]
    #[case::bell_backspace_delete("a\u{7}\u{8}\u{7f}b\u{b}\u{c}", "ab")]
    #[case::turned_around("a\u{202e}b\u{2066}c", "abc")]
    #[case::lone_escape("a\u{1b}", "a")]
    fn only_colours_pass(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(only_colours(text), expected);
        assert_eq!(only_colours(expected), expected, "once is enough");
    }
}
