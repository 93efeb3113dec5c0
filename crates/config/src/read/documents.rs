//! YAML inside the file: values documents and manifests, as mappings or as text that holds YAML.

use super::fields::{Fields, Sink, wrong_type};
use crate::keys::YAML_FILE;
use crate::text::{Content, Node, Problem, parse};
use pilothouse_core::{YamlFile, is_secret_name};
use pilothouse_yaml::Meaning;
use pilothouse_yaml::Span;

/// Reads `yaml_files_content` of a release.
pub(crate) fn read_yaml_files(release: &Fields<'_>, out: &mut Sink) -> Vec<YamlFile> {
    let mut files = Vec::new();
    for (index, node) in release.items("yaml_files_content", out).iter().enumerate() {
        let what = format!("item {} of `yaml_files_content`", index + 1);
        let Some(fields) = Fields::open(node, &YAML_FILE, what, out) else { continue };
        let name = fields.text("name", out).unwrap_or_default().to_owned();
        let Some(content) = fields.node("content") else { continue };
        match &content.content {
            Content::Mapping(_) => {
                warn_of_other_readings(content, out);
                tell_floats(content, false, out);
                files.push(YamlFile { name, content: as_text(content) });
            }
            Content::Scalar(scalar) if *scalar.meaning() == Meaning::Text => {
                check_values_text(scalar.text(), content.span, out);
                files.push(YamlFile { name, content: scalar.text().to_owned() });
            }
            Content::Scalar(_) | Content::List(_) => {
                fields.wrong_type("content", "a mapping, or text that holds one in YAML", None, out);
            }
        }
    }
    files
}

/// Values given as text must be one mapping.
fn check_values_text(text: &str, span: Span, out: &mut Sink) {
    let Some(documents) = parse_text(text, span, out) else { return };
    let good = match &documents[..] {
        [] => true,
        [one] => one.is_null() || matches!(one.content, Content::Mapping(_)),
        _ => false,
    };
    refuse_lost_digits(text, &documents, span, out);
    if !good {
        out.push(
            Problem::error("WRONG_TYPE", span, "the text must hold one YAML document with a mapping")
                .label("this text does not"),
        );
    }
}

/// Reads `manifests` of an `apply` step.
pub(crate) fn read_manifests(apply: &Fields<'_>, out: &mut Sink) -> Vec<String> {
    let mut manifests = Vec::new();
    for node in apply.items("manifests", out) {
        match &node.content {
            Content::Mapping(entries) => {
                let place = entries.first().map_or(node.span, |entry| entry.key_span);
                check_manifest(node, place, out);
                warn_of_other_readings(node, out);
                manifests.push(as_text(node));
            }
            Content::Scalar(scalar) if *scalar.meaning() == Meaning::Text => {
                let documents = parse_text(scalar.text(), node.span, out).unwrap_or_default();
                for document in documents.iter().filter(|document| !document.is_null()) {
                    check_manifest(document, node.span, out);
                }
                refuse_lost_digits(scalar.text(), &documents, node.span, out);
                manifests.push(scalar.text().to_owned());
            }
            Content::Scalar(_) | Content::List(_) => {
                wrong_type(node, "an item of `manifests`", "a mapping, or text that holds YAML", None, out);
            }
        }
    }
    manifests
}

/// One mapping, or text that holds one in YAML.
pub(crate) fn read_document(fields: &Fields<'_>, key: &str, out: &mut Sink) -> Option<String> {
    let node = fields.node(key)?;
    match &node.content {
        Content::Mapping(_) => {
            warn_of_other_readings(node, out);
            Some(as_text(node))
        }
        Content::Scalar(scalar) if *scalar.meaning() == Meaning::Text => {
            check_values_text(scalar.text(), node.span, out);
            Some(scalar.text().to_owned())
        }
        Content::Scalar(_) | Content::List(_) => {
            fields.wrong_type(key, "a mapping, or text that holds one in YAML", None, out);
            None
        }
    }
}

/// What every object needs to be applied. A `List` has items instead of a name.
fn check_manifest(manifest: &Node, place: Span, out: &mut Sink) {
    let given = |node: Option<&Node>| {
        node.and_then(Node::scalar).is_some_and(|scalar| !scalar.is_null() && !scalar.text().is_empty())
    };
    let name = manifest.get("metadata").and_then(|metadata| metadata.get("name"));
    let is_list = manifest.get("items").is_some();
    let missing: Vec<&str> = [
        ("apiVersion", given(manifest.get("apiVersion"))),
        ("kind", given(manifest.get("kind"))),
        ("metadata.name", is_list || given(name)),
    ]
    .into_iter()
    .filter_map(|(key, given)| (!given).then_some(key))
    .collect();
    if !missing.is_empty() {
        out.push(
            Problem::error("MANIFEST_INVALID", place, format!("the manifest has no {}", missing.join(", ")))
                .label("not an object of Kubernetes")
                .help("for example `{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }`"),
        );
    }
}

/// The documents of a text; reports what is wrong with it at `span`, with the line in the text.
fn parse_text(text: &str, span: Span, out: &mut Sink) -> Option<Vec<Node>> {
    let line = |problem: &Problem| text.bytes().take(problem.span.offset).filter(|byte| *byte == b'\n').count() + 1;
    let (documents, problems) = match parse(text) {
        Ok(parsed) => (Some(parsed.documents), parsed.problems),
        Err(problem) => (None, vec![*problem]),
    };
    for inner in problems {
        let message = format!("line {} of this text: {}", line(&inner), inner.message);
        out.push(Problem::error(inner.code, span, message).label("in this text").maybe_help(inner.help));
    }
    documents
}

/// Reports whole numbers in a text that lose digits, at `span`, with the line in the text.
pub(super) fn refuse_lost_digits(text: &str, documents: &[Node], span: Span, out: &mut Sink) {
    for document in documents {
        document.walk(&mut |node| {
            if let Some(problem) = lost_digits(node) {
                let message = format!("line {} of this text: {}", node.span.line(text), problem.message);
                out.push(Problem::error(problem.code, span, message).label("in this text").maybe_help(problem.help));
            }
        });
    }
}

/// From here on Go prints a floating point number with an exponent; from the other one on it lacks whole numbers.
const EXPONENT: u64 = 1_000_000;
const EXACT: u64 = 1 << 53;

/// Tells of whole numbers that stay off helm's command line, since their key is called like a secret: helm reads them from a file,
/// where all numbers are floating point.
pub(super) fn tell_floats(node: &Node, is_secret: bool, out: &mut Sink) {
    match &node.content {
        Content::Mapping(entries) => {
            for entry in entries {
                tell_floats(&entry.value, is_secret || is_secret_name(&entry.key), out);
            }
        }
        Content::List(items) => {
            for item in items {
                tell_floats(item, is_secret, out);
            }
        }
        Content::Scalar(scalar) => {
            if is_secret && scalar.meaning().is_too_large(scalar.text()) {
                out.masked.push(node.span);
            }
            let Meaning::Integer(number) = scalar.meaning() else { return };
            let Some(size) = number.as_i64().map(i64::unsigned_abs).filter(|size| is_secret && *size >= EXPONENT)
            else {
                return;
            };
            out.masked.push(node.span);
            let problem = if size > EXACT {
                Problem::error("NUMBER_TOO_LARGE", node.span, "this number would lose digits")
            } else {
                Problem::warning("NUMBER_AS_FLOAT", node.span, "templates print this number with an exponent, as 1e+06")
            };
            let label = "its key is called like a secret, so helm gets it from a file, as floating point";
            out.push(problem.label(label).help("write it in quotes, as text"));
        }
    }
}

/// The same of a setting that is given as a text, told at `span` with the line in the text.
pub(super) fn tell_floats_in_text(text: &str, documents: &[Node], span: Span, is_secret: bool, out: &mut Sink) {
    let mut told = Sink::default();
    for document in documents {
        tell_floats(document, is_secret, &mut told);
    }
    if !told.masked.is_empty() {
        out.masked.push(span);
    }
    for problem in told.problems {
        let message = format!("line {} of this text: {}", problem.span.line(text), problem.message);
        out.push(Problem { message, span, ..problem });
    }
}

/// A whole number that no reader in Go keeps. It may be a secret, and is not shown.
fn lost_digits(node: &Node) -> Option<Problem> {
    let scalar = node.scalar()?;
    scalar.meaning().is_too_large(scalar.text()).then(|| {
        Problem::error("NUMBER_TOO_LARGE", node.span, "a whole number has more than 64 bits")
            .label("its last digits would be lost")
            .help("write it in quotes, as text")
    })
}

/// A node as text that every YAML reader understands in the same way: JSON.
fn as_text(node: &Node) -> String {
    format!("{:#}", node.to_json())
}

/// Warns where helm's YAML reader would understand something else than this file's, or where digits get lost.
pub(crate) fn warn_of_other_readings(node: &Node, out: &mut Sink) {
    node.walk(&mut |node| {
        let Some(scalar) = node.scalar() else { return };
        let text = scalar.text();
        if let Some(problem) = lost_digits(node) {
            out.push(problem);
        } else if matches!(scalar.meaning(), Meaning::Float(number) if !number.is_finite()) {
            out.push(
                Problem::error("NOT_A_NUMBER", node.span, format!("`{text}` cannot be a value"))
                    .label("JSON has no such number"),
            );
        } else if scalar.is_old_bool() {
            out.push(
                Problem::warning("OLD_BOOLEAN", node.span, format!("`{text}` is text here"))
                    .label("a boolean only in old YAML")
                    .help(format!("write `true` or `false`, or `\"{text}\"` for text")),
            );
        } else if scalar.is_old_octal() {
            out.push(
                Problem::warning("OLD_OCTAL", node.span, format!("`{text}` is a decimal number here"))
                    .label("octal only in old YAML")
                    .help(format!("write `0o{}` for octal, or `\"{text}\"` for text", text.trim_start_matches('0'))),
            );
        } else if scalar.loses_digits() {
            out.push(
                Problem::warning("LOST_DIGITS", node.span, format!("`{text}` is the number {}", scalar.to_json()))
                    .label("a number, so the last digits are lost")
                    .help(format!("write `\"{text}\"` if it is a version")),
            );
        }
    });
}
