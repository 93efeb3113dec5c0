//! Go's template language, as far as it matters for what a template calls (`text/template/parse/lex.go`).

/// A part of an action that may be a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// An action begins.
    Action,
    /// All that the template is given: `.` or `$` by itself.
    All,
    /// A function or a keyword.
    Word(&'a str),
    /// A chain of fields, as `.Release.Name`. The variable or the parenthesis it belongs to is left out.
    Fields(&'a str),
    /// What stands in quotes or backticks, as it is written.
    Quoted(&'a str),
}

/// The tokens of all actions of a text. Comments have none, and what stands outside of actions neither.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("{{") {
        rest = &rest[at + 2..];
        rest = if let Some(after) = after_comment(rest) {
            after
        } else {
            found.push(Token::Action);
            action(rest, &mut found)
        };
    }
    found
}

/// What follows the comment that a text begins with, if it does.
fn after_comment(text: &str) -> Option<&str> {
    let text = text.strip_prefix('-').map_or(text, str::trim_start).strip_prefix("/*")?;
    Some(text.split_once("*/").map_or("", |(_, after)| after))
}

/// Reads an action to its end. Returns what follows it.
fn action<'a>(text: &'a str, found: &mut Vec<Token<'a>>) -> &'a str {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("}}") {
            return after;
        }
        let inner = &rest[first.len_utf8()..];
        rest = match first {
            '"' | '\'' | '`' => {
                let (quoted, after) = quoted(inner, first);
                // A quoted character is no text.
                found.extend((first != '\'').then_some(Token::Quoted(quoted)));
                after
            }
            '.' if inner.starts_with(is_name) => {
                let end = inner.find(|c| !is_name(c) && c != '.').unwrap_or(inner.len());
                found.push(Token::Fields(&inner[..end]));
                &inner[end..]
            }
            '.' => {
                found.push(Token::All);
                inner
            }
            '$' => {
                let after = inner.trim_start_matches(is_name);
                if after.len() == inner.len() && !after.starts_with('.') {
                    found.push(Token::All);
                }
                after
            }
            first if first.is_numeric() => inner.trim_start_matches(|c| is_name(c) || c == '.'),
            first if is_name(first) => {
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                found.push(Token::Word(&rest[..end]));
                &rest[end..]
            }
            _ => inner,
        };
    }
    rest
}

/// What stands before the closing quote, and what follows it. Nothing is an escape between backticks.
fn quoted(text: &str, quote: char) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != '`' {
            escaped = true;
        } else if c == quote {
            return (&text[..at], &text[at + 1..]);
        }
    }
    (text, "")
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::Token::{All, Fields, Quoted, Word};
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("lookup }} { now", &[])]
    #[case::comments("{{/* now */}}{{- /* now }} */ -}} now {{/* {{ now", &[])]
    #[case::words("{{- now|date -}}x{{ago}}", &[Word("now"), Word("date"), Word("ago")])]
    #[case::fields("{{ $x.now.a $now (.b).c . .d }}", &[Fields("now.a"), Fields("b"), Fields("c"), All, Fields("d")])]
    #[case::all("{{ toYaml . }}{{ $ }}{{ $.a }}{{ $a }}", &[Word("toYaml"), All, All, Fields("a")])]
    #[case::quotes(r#"{{ "a\"}}" `b\` 'c' '\'' d }}"#, &[Quoted(r#"a\"}}"#), Quoted(r"b\"), Word("d")])]
    #[case::numbers("{{ 1e5 0x1F 1.now -3 }}", &[])]
    #[case::braces("{{ `{{` }} now {{ \"}}\" }}", &[Quoted("{{"), Quoted("}}")])]
    #[case::no_end("{{ now \"ago", &[Word("now"), Quoted("ago")])]
    #[case::lines("{{ if\n  now }}", &[Word("if"), Word("now")])]
    fn what_actions_consist_of(#[case] text: &str, #[case] expected: &[Token<'_>]) {
        let found: Vec<Token<'_>> = tokens(text).into_iter().filter(|token| *token != Token::Action).collect();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}/*.$\"'`\\\\ a1ü-]{0,40}") {
            tokens(&text);
        }
    }
}
