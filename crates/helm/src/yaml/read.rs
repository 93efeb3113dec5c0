//! YAML as helm and kubectl read it, into JSON.
//!
//! Both read YAML 1.1 with Go's `yaml.v2` (through `sigs.k8s.io/yaml`), and charts rely on it: `defaultMode: 0644` is
//! octal, `yes` is a boolean, and `<<` merges. A YAML 1.2 reader would apply other objects than helm does.

use super::scalar::{self, Scalar};
use granit_parser::{Event, Options, Parser, ScalarStyle};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// How many nodes aliases may add to a document.
const MAX_COPIED_NODES: usize = 1_000_000;

/// How deep a document may be nested.
const MAX_DEPTH: usize = 200;

/// Text that is not YAML, or not what was expected of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}line {line}: {why}", place(source_path.as_deref()))]
pub struct YamlError {
    /// The template or file it comes from, when helm said so.
    pub source_path: Option<String>,
    /// The line in the whole text, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

fn place(source: Option<&str>) -> String {
    source.map(|source| format!("{source}, ")).unwrap_or_default()
}

/// A part of a text between two document markers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) text: &'a str,
    /// The line it begins on, from 0.
    pub(crate) line: usize,
}

/// Cuts a text at its document markers. `---` at the beginning of a line is always one, also inside block scalars.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker {
            parts.push(Part { text: &text[start..at], line: start_line });
            (start, start_line) = (at + 3, number);
        }
        at += line.len();
    }
    parts.push(Part { text: &text[start..], line: start_line });
    parts.retain(|part| !is_blank(part.text));
    parts
}

/// Whether there is nothing but white space and directives. Comments count: they may tell the source.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.starts_with('%'))
}

/// The documents of one part; usually one, none when there are only comments.
pub(crate) fn read(part: Part<'_>) -> Result<Vec<Value>, YamlError> {
    let only_comments = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
    if part.text.lines().all(only_comments) {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new(part);
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => {
                let value = reader.node(event, 0)?.0;
                if !value.is_null() {
                    documents.push(value);
                }
            }
        }
    }
}

/// Reads one document.
pub(crate) fn read_one(text: &str) -> Result<Value, YamlError> {
    let mut documents = Vec::new();
    for part in parts(text) {
        documents.extend(read(part)?);
    }
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.swap_remove(0)),
        n => {
            Err(YamlError { source_path: None, line: 1, why: format!("there are {n} documents, there should be one") })
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    base: usize,
    line: usize,
    anchors: HashMap<usize, (Value, usize)>,
    copied: usize,
}

impl<'a> Reader<'a> {
    fn new(part: Part<'a>) -> Self {
        let mut options = Options::default();
        options.set_emit_comments(false);
        let parser = Parser::new_from_str_with_options(part.text, options);
        Self { parser, base: part.line, line: 1, anchors: HashMap::new(), copied: 0 }
    }

    fn error(&self, why: impl Into<String>) -> YamlError {
        YamlError { source_path: None, line: self.base + self.line, why: why.into() }
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line();
                Err(self.error(error.info()))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    /// The node that begins with an event, and how many nodes it has.
    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<(Value, usize), YamlError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        let (anchor, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                let plain = style == ScalarStyle::Plain;
                (anchor, (self.scalar(&text, plain, tag)?, 1))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(depth)?),
            _ => return Err(self.error("something that is not a node")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&self, text: &str, plain: bool, tag: Option<&granit_parser::Tag>) -> Result<Value, YamlError> {
        let core = tag.and_then(|tag| tag.core_suffix());
        let resolved = match (tag, core) {
            (None, _) if plain => scalar::resolve(text),
            (Some(_), Some("int" | "float" | "bool" | "null")) => scalar::resolve(text),
            _ => return Ok(Value::from(text)),
        };
        match resolved {
            Scalar::Json(value) => Ok(value),
            Scalar::NotJson => Err(self.error(format!("`{text}` is a number JSON does not have"))),
        }
    }

    fn alias(&mut self, anchor: usize) -> Result<(Value, usize), YamlError> {
        let Some((value, nodes)) = self.anchors.get(&anchor) else {
            return Err(self.error("an alias stands inside what it refers to"));
        };
        self.copied += nodes;
        if self.copied > MAX_COPIED_NODES {
            return Err(self.error(format!("its aliases stand for more than {MAX_COPIED_NODES} nodes")));
        }
        Ok((value.clone(), *nodes))
    }

    fn sequence(&mut self, depth: usize) -> Result<(Value, usize), YamlError> {
        let (mut list, mut count) = (Vec::new(), 1);
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok((Value::Array(list), count)),
                event => {
                    let (value, nodes) = self.node(event, depth + 1)?;
                    list.push(value);
                    count += nodes;
                }
            }
        }
    }

    /// A key given twice counts as it stands last, as in `yaml.v2`; a merge counts where it stands.
    fn mapping(&mut self, depth: usize) -> Result<(Value, usize), YamlError> {
        let (mut map, mut count) = (Map::new(), 1);
        loop {
            let event = match self.next()? {
                Event::MappingEnd => return Ok((Value::Object(map), count)),
                event => event,
            };
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, depth + 1)?.0;
            let event = self.next()?;
            let (value, nodes) = self.node(event, depth + 1)?;
            count += nodes + 1;
            if is_merge {
                self.merge(&mut map, value)?;
                continue;
            }
            let key = match key {
                Value::String(key) => key,
                Value::Bool(_) | Value::Number(_) => key.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(self.error("a key is neither text nor a number nor a boolean"));
                }
            };
            map.insert(key, value);
        }
    }

    fn merge(&self, map: &mut Map<String, Value>, value: Value) -> Result<(), YamlError> {
        match value {
            Value::Object(merged) => {
                map.extend(merged);
                Ok(())
            }
            // Of several, the first counts most.
            Value::Array(list) => list.into_iter().rev().try_for_each(|item| match item {
                Value::Object(merged) => {
                    map.extend(merged);
                    Ok(())
                }
                _ => Err(self.error("`<<` merges something that is not a mapping")),
            }),
            _ => Err(self.error("`<<` merges something that is not a mapping")),
        }
    }
}
