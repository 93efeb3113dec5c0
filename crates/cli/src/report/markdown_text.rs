//! Text from elsewhere inside Markdown, such that it stays text.

use crate::terminal::text::one_line;

/// Text among other text: nothing in it is markup, a link or a mention.
pub(super) fn prose(text: &str) -> String {
    let mut escaped = String::new();
    let mut before = ' ';
    for c in one_line(text).chars() {
        match c {
            // Entities never act as markup, not even in a table.
            '&' | '<' | '>' | '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '#' | '!' => {
                escaped.extend(["&#", &u32::from(c).to_string(), ";"]);
            }
            // An invisible space behind it keeps a name from being called; digests of images stay as they are.
            '@' if !before.is_alphanumeric() => escaped.push_str("@&#8203;"),
            c => escaped.push(c),
        }
        before = c;
    }
    escaped
}

/// A name to be copied.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text);
    if text.contains(['`', '|']) || text.trim() != text || text.is_empty() {
        return format!("<code>{}</code>", prose(&text));
    }
    format!("`{text}`")
}

/// Lines in a block of their own, whose fence is longer than any in them.
pub(super) fn block(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain text, 1.2.3-rc.1", "plain text, 1.2.3-rc.1")]
    #[case("a | b", "a &#124; b")]
    #[case("<b>&amp;</b>", "&#60;b&#62;&#38;amp;&#60;/b&#62;")]
    #[case("`x` **y** __z__", "&#96;x&#96; &#42;&#42;y&#42;&#42; &#95;&#95;z&#95;&#95;")]
    #[case("![a](http://b)", "&#33;&#91;a&#93;(http://b)")]
    #[case("ask @ops", "ask @&#8203;ops")]
    #[case("podinfo@sha256:00", "podinfo@sha256:00")]
    #[case("two\nlines", "two lines")]
    fn text_stays_text(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(prose(text), expected);
    }

    #[rstest]
    #[case("Service web/a_b", "`Service web/a_b`")]
    #[case("a|b", "<code>a&#124;b</code>")]
    #[case("a`<b>", "<code>a&#96;&#60;b&#62;</code>")]
    #[case("", "<code></code>")]
    fn names_stay_names(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(code(text), expected);
    }

    #[rstest]
    #[case("plain", "```diff\nplain\n```\n")]
    #[case("``` and ````", "`````diff\n``` and ````\n`````\n")]
    fn a_block_cannot_be_left(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(block("diff", &[line.to_owned()]), expected);
    }
}
