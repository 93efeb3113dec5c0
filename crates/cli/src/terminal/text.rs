//! Small pure pieces of text.

use unicode_width::UnicodeWidthStr;

/// A duration for people: `0.4 s`, `12 s`, `3 m 05 s`.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        _ => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

/// That the deploy is tried again: `attempt 2 of 3 in 10 s`.
pub(crate) fn next_attempt(attempt: u32, of: u32, wait_ms: u64) -> String {
    format!("attempt {attempt} of {of} in {}", duration(wait_ms))
}

/// The text in one line, cut to `width` columns, with an ellipsis where something was cut. Line breaks and other control
/// characters become spaces; colour is taken away.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = one_line(text);
    if text.width() <= width {
        return text;
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        // Some characters make those before them wider or narrower, so the whole is measured.
        if cut.width() + 1 > width {
            cut.pop();
            break;
        }
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// As [`fit`], but what is cut is the beginning: the end of a name tells more.
pub(crate) fn fit_end(text: &str, width: usize) -> String {
    let text = one_line(text);
    if text.width() <= width {
        return text;
    }
    let tail = text.char_indices().map(|(at, _)| &text[at..]).find(|tail| tail.width() < width);
    if width > 0 { format!("…{}", tail.unwrap_or_default()) } else { String::new() }
}

/// The text without line breaks, other control characters and colour.
pub(crate) fn one_line(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    plain.replace(|c: char| c.is_control(), " ")
}

/// A name as it is where a shell leaves it alone: those of RBAC may hold almost anything.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

/// In quotes, so that a shell takes it as it is.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let shown = [0, 149, 9_999, 10_000, 59_999, 60_000, 185_000].map(duration);
        assert_eq!(shown, ["0.0 s", "0.1 s", "9.9 s", "10 s", "59 s", "1 m 00 s", "3 m 05 s"]);
    }

    #[test]
    fn fitted_text_is_never_wider_than_asked() {
        for text in [
            "",
            "short",
            "a line that is too long",
            "wide 漢字漢字漢字 text",
            "two\nlines",
            "\u{1b}[1mbold",
            "👩‍👩‍👧 ❤️❤️❤️❤️",
        ] {
            for width in 0..30 {
                for fitted in [fit(text, width), fit_end(text, width)] {
                    assert!(fitted.width() <= width, "{fitted:?} in {width}");
                    assert!(!fitted.contains(char::is_control));
                }
            }
        }
        assert_eq!(fit("a line that is too long", 10), "a line th…");
        assert_eq!(fit_end("monitoring/kube-state-metrics", 10), "…e-metrics");
        assert_eq!(fit("\u{1b}[31mred\u{1b}[0m\ttext", 20), "red text");
    }
}
