//! YAML as helm and kubectl read it, into JSON.
//!
//! Both read YAML 1.1 with Go's `yaml.v2` (through `sigs.k8s.io/yaml`), and charts rely on it: `defaultMode: 0644` is
//! octal, `yes` is a boolean, and `<<` merges. A YAML 1.2 reader would apply other objects than helm does.

use pilothouse_yaml::{Limits, Meaning, Pair, Refused, Schema, Span, Tag, Written, compose, yaml_1_1};
use serde_json::{Map, Value};

/// How many nodes aliases may add to a document, how many it may have without them, and how deep it may be nested.
const LIMITS: Limits = Limits { nodes: 600_000, copies: 500_000, depth: 200 };

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
    let documents = compose(part.text, &mut GoReader::default(), LIMITS).map_err(|error| YamlError {
        source_path: None,
        line: part.line + error.span.line(part.text),
        why: error.fault.to_string(),
    })?;
    Ok(documents.into_iter().filter(|value| !value.is_null()).collect())
}

/// Whether a values file has documents behind its first one. Helm 3 leaves them out without a word, helm 4 merges them.
pub fn has_more_documents(text: &str) -> bool {
    let documents = compose(text, &mut GoReader::default(), LIMITS).unwrap_or_default();
    documents.iter().skip(1).any(|document| !document.is_null())
}

/// Reads what is given to every helm alike: one document, without whole numbers that lose digits. What is no YAML is `None`: helm tells.
pub(crate) fn read_values(text: &str) -> Result<Option<Value>, YamlError> {
    let mut reader = GoReader::default();
    let Ok(documents) = compose(text, &mut reader, LIMITS) else { return Ok(None) };
    let error = |line, why: &str| Err(YamlError { source_path: None, line, why: why.to_owned() });
    if let Some(at) = reader.too_large {
        let why = "a whole number of more than 64 bits would lose digits: write it in quotes";
        return error(at.line(text), why);
    }
    let mut documents = documents.into_iter().filter(|document| !document.is_null());
    let first = documents.next();
    match documents.next() {
        None => Ok(first),
        Some(_) => error(1, "it has more than one document: helm 3 reads the first one alone"),
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

/// Nodes as Go's `yaml.v2` makes them, without places: tags other than those of the core schema mean text, a key given twice counts
/// as it stands last, a merge counts where it stands.
#[derive(Default)]
struct GoReader {
    /// The first whole number that is too large for one.
    too_large: Option<Span>,
}

impl Schema for GoReader {
    type Node = Value;
    type Refusal = String;

    fn scalar(&mut self, written: Written<'_>, span: Span) -> Result<Value, Refused<String>> {
        let text = &written.text;
        let meaning = match written.tag {
            None if written.plain => yaml_1_1(text),
            Some(Tag::Core(core)) if ["int", "float", "bool", "null"].contains(&core.as_str()) => yaml_1_1(text),
            None | Some(Tag::Core(_) | Tag::NonSpecific | Tag::Other(_)) => Meaning::Text,
        };
        if meaning.is_too_large(text) {
            self.too_large.get_or_insert(span);
        }
        meaning.to_json(text).ok_or_else(|| Refused { span, why: format!("`{text}` is a number JSON does not have") })
    }

    fn list(&mut self, items: Vec<Value>, _span: Span) -> Value {
        Value::Array(items)
    }

    fn mapping(&mut self, pairs: Vec<Pair<Value>>, _span: Span) -> Result<Value, Refused<String>> {
        let mut map = Map::new();
        for pair in pairs {
            let refused = |why: &str| Refused { span: pair.value_span, why: why.to_owned() };
            if pair.is_merge {
                merge(&mut map, pair.value)
                    .map_err(|NoMapping| refused("`<<` merges something that is not a mapping"))?;
                continue;
            }
            let key = match pair.key {
                Value::String(key) => key,
                Value::Bool(_) | Value::Number(_) => pair.key.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(refused("a key is neither text nor a number nor a boolean"));
                }
            };
            map.insert(key, pair.value);
        }
        Ok(Value::Object(map))
    }
}

struct NoMapping;

fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), NoMapping> {
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
            _ => Err(NoMapping),
        }),
        _ => Err(NoMapping),
    }
}
