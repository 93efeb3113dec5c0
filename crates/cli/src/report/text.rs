//! Small pure pieces of text.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A duration for people: `0.4 s`, `12 s`, `3 m 05 s`.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        _ => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

/// The text cut to `width` columns, with an ellipsis where something was cut. Line breaks become spaces.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    if text.width() <= width {
        return text;
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
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
        for text in ["", "short", "a line that is too long", "wide 漢字漢字漢字 text", "two\nlines"] {
            for width in 0..30 {
                let fitted = fit(text, width);
                assert!(fitted.width() <= width, "{fitted:?} in {width}");
                assert!(!fitted.contains('\n'));
            }
        }
        assert_eq!(fit("a line that is too long", 10), "a line th…");
    }
}
