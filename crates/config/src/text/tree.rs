//! YAML text as a tree that knows where everything stands.
//!
//! YAML 1.2 with its core schema, plus merge keys (`<<`).

use super::problem::Problem;
use super::scalar::Scalar;
use pilothouse_yaml::{Limits, Meaning, Pair, Refused, Schema, Span, Tag, Written, YamlError, YamlFault, compose};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::convert::Infallible;

/// How large a stack file may be.
const LIMITS: Limits = Limits { nodes: 100_000, copies: 100_000, depth: 100 };

/// A node of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key and its value. Keys of a mapping differ from each other.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// What it is, for messages: `a list`, `the number 7`.
    pub(crate) fn describe(&self) -> String {
        match &self.content {
            Content::Scalar(scalar) => scalar.describe(),
            Content::List(_) => "a list".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
        }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.content {
            Content::Scalar(scalar) => Some(scalar),
            Content::List(_) | Content::Mapping(_) => None,
        }
    }

    /// What it means, when it is a scalar.
    pub(crate) fn meaning(&self) -> Option<&Meaning> {
        self.scalar().map(Scalar::meaning)
    }

    /// Whether nothing was written (`key:`) or `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// The value of a key, when this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Mapping(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// The same as JSON. Numbers that JSON does not have (`.inf`, `.nan`) become `null`; whoever reads values reports
    /// them before.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.to_json(),
            Content::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Content::Mapping(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// Calls `visit` for this node and every node in it.
    pub(crate) fn walk<'t>(&'t self, visit: &mut dyn FnMut(&'t Node)) {
        visit(self);
        match &self.content {
            Content::Scalar(_) => {}
            Content::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Content::Mapping(entries) => entries.iter().for_each(|entry| entry.value.walk(visit)),
        }
    }
}

/// What was read of a text.
pub(crate) struct Parsed {
    /// The root node of each document.
    pub(crate) documents: Vec<Node>,
    /// Everything wrong that could be read over.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a text. Syntax errors and exceeded bounds end the reading; duplicate keys and the like are collected.
pub(crate) fn parse(text: &str) -> Result<Parsed, Box<Problem>> {
    let mut reader = Reader::default();
    let documents = compose(text, &mut reader, LIMITS).map_err(|error| Box::new(problem(text, error)))?;
    Ok(Parsed { documents, problems: reader.problems })
}

/// Keeps places, and collects what is wrong but can be read over.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
}

impl Schema for Reader {
    type Node = Node;
    type Refusal = Infallible;

    fn scalar(&mut self, written: Written<'_>, span: Span) -> Result<Node, Refused<Infallible>> {
        let forced = match written.tag {
            None => false,
            Some(Tag::Core(core)) => core == "str",
            Some(Tag::NonSpecific) => true,
            Some(Tag::Other(tag)) => {
                self.unknown_tag(&tag, span);
                true
            }
        };
        let scalar = Scalar::new(written.text.into_owned(), written.plain && !forced);
        Ok(Node { span, content: Content::Scalar(scalar) })
    }

    fn list(&mut self, items: Vec<Node>, span: Span) -> Node {
        Node { span, content: Content::List(items) }
    }

    fn mapping(&mut self, pairs: Vec<Pair<Node>>, span: Span) -> Result<Node, Refused<Infallible>> {
        Ok(Node { span, content: Content::Mapping(self.entries(pairs)) })
    }

    fn alias(&mut self, copy: Node, span: Span) -> Node {
        Node { span, ..copy }
    }

    fn collection_tag(&mut self, tag: &Tag, span: Span) {
        match tag {
            Tag::Core(_) => {}
            Tag::NonSpecific => self.unknown_tag("!", span),
            Tag::Other(tag) => self.unknown_tag(tag, span),
        }
    }
}

impl Reader {
    fn unknown_tag(&mut self, tag: &str, span: Span) {
        self.problems.push(
            Problem::error("YAML_TAG", span, format!("the tag `{tag}` is not supported"))
                .label("this value has a tag")
                .help("a text that begins with `!` must be in quotes"),
        );
    }

    /// Pairs keys and values, reports duplicates and fills in merge keys.
    fn entries(&mut self, pairs: Vec<Pair<Node>>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut merges = Vec::new();
        for Pair { key, value, is_merge, .. } in pairs {
            let Some(scalar) = key.scalar() else {
                self.problems.push(
                    Problem::error("YAML_KEY", key.span, format!("a key must be text, this is {}", key.describe()))
                        .label("not a text"),
                );
                continue;
            };
            if is_merge {
                merges.push(value);
                continue;
            }
            let key_text = scalar.text().to_owned();
            if let Some(first) = places.get(&key_text).and_then(|place| entries.get(*place)) {
                self.problems.push(
                    Problem::error("DUPLICATE_KEY", key.span, format!("the key `{key_text}` is given twice"))
                        .label("here again")
                        .also(first.key_span, "first here"),
                );
                continue;
            }
            places.insert(key_text.clone(), entries.len());
            entries.push(Entry { key: key_text, key_span: key.span, value });
        }
        for merge in merges {
            self.merge(merge, &mut entries, &mut places);
        }
        entries
    }

    fn merge(&mut self, merge: Node, entries: &mut Vec<Entry>, places: &mut HashMap<String, usize>) {
        let sources = match merge.content {
            Content::List(items) => items,
            Content::Mapping(_) | Content::Scalar(_) => vec![merge],
        };
        for source in sources {
            let Content::Mapping(merged) = source.content else {
                self.problems.push(
                    Problem::error("YAML_MERGE", source.span, "`<<` takes a mapping or a list of mappings")
                        .label("not a mapping"),
                );
                continue;
            };
            for entry in merged {
                if !places.contains_key(&entry.key) {
                    places.insert(entry.key.clone(), entries.len());
                    entries.push(entry);
                }
            }
        }
    }
}

fn problem(text: &str, error: YamlError<Infallible>) -> Problem {
    let span = error.span;
    match error.fault {
        YamlFault::Syntax(what) => Problem::error("YAML_SYNTAX", span, format!("this is not valid YAML: {what}"))
            .maybe_help(syntax_help(text, span.offset)),
        YamlFault::TooLarge(most) | YamlFault::TooManyCopies(most) => {
            Problem::error("YAML_TOO_LARGE", span, format!("the file has more than {most} values"))
                .label("the limit is reached here")
                .help("copies made by aliases count too")
        }
        YamlFault::TooDeep(most) => {
            Problem::error("YAML_TOO_DEEP", span, format!("the file is nested more than {most} levels deep"))
                .label("the limit is reached here")
        }
        YamlFault::AliasInItself => Problem::error("YAML_ALIAS", span, "this alias refers to a node that contains it"),
        YamlFault::Refused(never) => match never {},
    }
}

/// The two mistakes that make most syntax errors.
fn syntax_help(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    // An error is often noticed at the beginning of the next line.
    let previous = before.get(..start.saturating_sub(1)).map_or("", |rest| rest.rsplit('\n').next().unwrap_or(""));
    let line = text.get(start..)?.lines().next().unwrap_or("");
    for line in [line, previous] {
        if line.trim_start_matches(' ').starts_with('\t') {
            return Some("indent with spaces: YAML does not allow tabs".to_owned());
        }
        let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
        let plain_list = value.starts_with("- ");
        if let Some(first) = value.chars().next().filter(|c| "><|*&!%@`".contains(*c)) {
            return Some(format!("a text that begins with `{first}` must be in quotes: \"{value}\""));
        }
        if !plain_list && value.contains(": ") && !value.starts_with(['"', '\'', '{', '[']) {
            return Some(format!("a text that contains `: ` must be in quotes: \"{value}\""));
        }
    }
    None
}
