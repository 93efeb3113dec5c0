//! YAML text as a tree that knows where everything stands.
//!
//! YAML 1.2 with its core schema, plus merge keys (`<<`). Aliases are copied; the size and the depth of the result are
//! bounded, so that no file can blow up (a few lines of aliases to aliases can stand for billions of nodes).

use crate::problem::{Problem, Span};
use crate::scalar::{Meaning, Scalar};
use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The most nodes a file may have, copies of aliases included.
const MAX_NODES: usize = 100_000;
/// How deep collections may be nested, copies of aliases included.
const MAX_DEPTH: usize = 100;

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

    fn count(&self) -> usize {
        let mut count = 0;
        self.walk(&mut |_| count += 1);
        count
    }

    fn height(&self) -> usize {
        match &self.content {
            Content::Scalar(_) => 1,
            Content::List(items) => 1 + items.iter().map(Node::height).max().unwrap_or(0),
            Content::Mapping(entries) => 1 + entries.iter().map(|entry| entry.value.height()).max().unwrap_or(0),
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
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax_error(text, &error))?;
        let span = span.byte_range().map_or_else(Span::default, |range| Span {
            offset: range.start,
            // A block text ends where the next thing begins; the space between belongs to neither.
            len: text.get(range).map_or(0, |text| text.trim_end().len()),
        });
        builder.event(event, span)?;
    }
    Ok(Parsed { documents: builder.documents, problems: builder.problems })
}

/// A collection that is being read.
struct Open {
    span: Span,
    anchor: usize,
    /// Keys and values by turns for a mapping.
    children: Vec<Node>,
    mapping: bool,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: Vec<Problem>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let forced = match tag.as_deref().map(|tag| (tag.core_suffix().map(str::to_owned), tag.original())) {
                    None => false,
                    Some((Some(core), _)) => core == "str",
                    Some((None, tag)) => {
                        // `!` alone means "not plain".
                        if tag != "!" {
                            self.unknown_tag(&tag, span);
                        }
                        true
                    }
                };
                let plain = style == ScalarStyle::Plain && !forced;
                self.add(Node { span, content: Content::Scalar(Scalar::new(text.into_owned(), plain)) }, anchor)
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.open.len() >= MAX_DEPTH => Err(too_deep(span)),
            Event::SequenceStart(_, anchor, tag) => {
                if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
                    self.unknown_tag(&tag.original(), span);
                }
                self.open.push(Open { span, anchor, children: Vec::new(), mapping: false });
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
                    self.unknown_tag(&tag.original(), span);
                }
                self.open.push(Open { span, anchor, children: Vec::new(), mapping: true });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn unknown_tag(&mut self, tag: &str, span: Span) {
        self.problems.push(
            Problem::error("YAML_TAG", span, format!("the tag `{tag}` is not supported"))
                .label("this value has a tag")
                .help("a text that begins with `!` must be in quotes"),
        );
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Box<Problem>> {
        let Some(target) = self.anchors.get(&anchor) else {
            let problem = Problem::error("YAML_ALIAS", span, "this alias refers to a node that contains it");
            return Err(Box::new(problem));
        };
        self.nodes += target.count();
        if self.nodes > MAX_NODES {
            return Err(too_large(span));
        }
        if self.open.len() + target.height() > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let copy = Node { span, content: target.content.clone() };
        self.add(copy, 0)
    }

    fn close(&mut self, end: Span) -> Result<(), Box<Problem>> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let last = open.children.last().map_or(open.span, |child| child.span);
        // A block collection ends with its last child; a flow collection with its bracket.
        let end = if end.len > 0 { end } else { last };
        let len = (end.offset + end.len).saturating_sub(open.span.offset);
        let span = Span { offset: open.span.offset, len: len.max(open.span.len) };
        let content =
            if open.mapping { Content::Mapping(self.entries(open.children)) } else { Content::List(open.children) };
        self.add(Node { span, content }, open.anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Box<Problem>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(too_large(node.span));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += node.count();
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }

    /// Pairs keys and values, reports duplicates and fills in merge keys.
    fn entries(&mut self, children: Vec<Node>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(children.len() / 2);
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut merges = Vec::new();
        let mut children = children.into_iter();
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            let Some(scalar) = key.scalar() else {
                self.problems.push(
                    Problem::error("YAML_KEY", key.span, format!("a key must be text, this is {}", key.describe()))
                        .label("not a text"),
                );
                continue;
            };
            if scalar.is_merge_key() {
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

fn too_large(span: Span) -> Box<Problem> {
    let problem = Problem::error("YAML_TOO_LARGE", span, format!("the file has more than {MAX_NODES} values"))
        .label("the limit is reached here")
        .help("copies made by aliases count too");
    Box::new(problem)
}

fn too_deep(span: Span) -> Box<Problem> {
    let problem =
        Problem::error("YAML_TOO_DEEP", span, format!("the file is nested more than {MAX_DEPTH} levels deep"))
            .label("the limit is reached here");
    Box::new(problem)
}

fn syntax_error(text: &str, error: &ScanError) -> Box<Problem> {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let len = text.get(at..).and_then(|rest| rest.chars().next()).filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let message = format!("this is not valid YAML: {}", error.info());
    Box::new(Problem::error("YAML_SYNTAX", Span { offset: at, len }, message).maybe_help(syntax_help(text, at)))
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
