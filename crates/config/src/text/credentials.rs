//! What of a stack file is hidden where its lines are shown: a problem is shown with the lines around it, which have nothing to do
//! with it and may hold anything.

use super::tree::{Content, Node};
use pilothouse_core::{is_secret_name, secret_parts, secrets_in_arguments};
use pilothouse_yaml::Span;

/// Where something stands that looks like a credential: by its form, by the name of its key, as an argument of a program, or as
/// data of a Secret.
pub(crate) fn credentials(text: &str, documents: &[Node]) -> Vec<Span> {
    let mut found: Vec<Span> = lines(text).flat_map(|(start, line)| by_form(start, line)).collect();
    for document in documents {
        document.walk(&mut |node| match &node.content {
            Content::Mapping(entries) => {
                let name = node.get("name").or_else(|| node.get("key")).and_then(Node::scalar);
                let is_named = name.is_some_and(|name| name.text().split(['.', '[', ']']).any(is_secret_name));
                let is_secret = node.get("kind").and_then(Node::scalar).is_some_and(|kind| kind.text() == "Secret");
                for entry in entries {
                    let is_data = is_secret && matches!(entry.key.as_str(), "data" | "stringData");
                    if is_data || is_named && entry.key == "value" {
                        entry.value.walk(&mut |value| hide_scalar(value, &mut found));
                    } else if is_secret_name(&entry.key) {
                        hide_own(&entry.value, &mut found);
                    }
                }
            }
            Content::List(items) => {
                let texts: Vec<&str> = items.iter().map(|item| item.scalar().map_or("", |text| text.text())).collect();
                for (item, secret) in items.iter().zip(secrets_in_arguments(&texts)) {
                    if secret.is_some() {
                        found.push(item.span);
                    }
                }
            }
            // An escape may keep a form from being seen in the text.
            Content::Scalar(scalar) => {
                let written = text.get(node.span.offset..node.span.offset + node.span.len).unwrap_or_default();
                if secret_parts(written).is_empty() && !secret_parts(scalar.text()).is_empty() {
                    found.push(node.span);
                }
            }
        });
    }
    found
}

/// The same of a text that is no YAML, where something is wrong at a place. Nobody can tell what belongs to what in it: of other
/// lines only keys are shown, and of this one nothing that may be a value of a credential.
pub(crate) fn credentials_of_lines(text: &str, wrong: Span) -> Vec<Span> {
    let mut found = Vec::new();
    let mut is_followed_by_secret = false;
    for (start, line) in lines(text) {
        let is_wrong = start <= wrong.offset + wrong.len && wrong.offset <= start + line.len();
        let value = value_of(line);
        if !is_wrong || is_followed_by_secret {
            found.extend(value.map(|at| Span { offset: start + at, len: line.len() - at }));
        }
        found.extend(by_form(start, line));
        found.extend(after_secret_words(line).map(|at| Span { offset: start + at, len: line.len() - at }));
        if !line.trim().is_empty() {
            // A block of text, or the next argument of a list.
            let last = line.trim_end().trim_end_matches(['|', '>', '-', '+', ':', ',', '"', '\'', ' ']);
            let last = last.rsplit([' ', '"', '\'', ',', '.', '{', '[']).next().unwrap_or(last);
            is_followed_by_secret =
                is_secret_name(last) || is_followed_by_secret && value.is_none_or(|_| key_of(line).is_none());
        }
    }
    found
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n').scan(0, |next, line| {
        let start = *next;
        *next += line.len() + 1;
        Some((start, line))
    })
}

fn by_form(start: usize, line: &str) -> impl Iterator<Item = Span> {
    secret_parts(line).into_iter().map(move |(from, to)| Span { offset: start + from, len: to - from })
}

/// The key that a line begins with, and where what follows it begins.
fn key_of(line: &str) -> Option<usize> {
    let key = line.trim_start_matches([' ', '-', '\t']);
    let len = key.find(|c: char| !c.is_ascii_alphanumeric() && !"-_./".contains(c)).filter(|len| *len > 0)?;
    key[len..].starts_with(':').then(|| line.len() - key.len() + len + 1)
}

/// Where a line has something besides a key and brackets.
fn value_of(line: &str) -> Option<usize> {
    let at = key_of(line).unwrap_or_default();
    let found = line[at..].find(|c: char| !" -[]{},|>\t\r".contains(c))?;
    Some(at + found)
}

/// What follows a word of a line that is called like a secret: a value, or the argument after it.
fn after_secret_words(line: &str) -> Option<usize> {
    const ENDS: &str = " \t\"',[]{}:=";
    let mut at = 0;
    while at < line.len() {
        let word = line[at..].find(|c| ENDS.contains(c)).unwrap_or(line.len() - at);
        let is_about_words = line[at..at + word].starts_with('#');
        if is_about_words {
            return None;
        }
        if is_secret_name(&line[at..at + word]) {
            let rest = &line[at + word..];
            let value = rest.find(|c| !ENDS.contains(c))?;
            return Some(at + word + value);
        }
        at += word + line[at + word..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// A value that stands by itself, or each of a list; what is in a mapping has keys of its own.
fn hide_own(node: &Node, found: &mut Vec<Span>) {
    match &node.content {
        Content::List(items) => items.iter().for_each(|item| hide_own(item, found)),
        Content::Scalar(_) | Content::Mapping(_) => hide_scalar(node, found),
    }
}

fn hide_scalar(node: &Node, found: &mut Vec<Span>) {
    let is_shown = |text: &str| matches!(text, "" | "true" | "false") || text.starts_with('$');
    if node.scalar().is_some_and(|scalar| !is_shown(scalar.text())) {
        found.push(node.span);
    }
}
