//! What `helm template` prints, taken apart.

use crate::yaml::{self, YamlError};
use serde_json::Value;
use std::fmt;

/// One object that helm rendered.
#[derive(Clone, PartialEq)]
pub struct RenderedDoc {
    /// The template or file it comes from, as `podinfo/templates/service.yaml`.
    pub source: Option<String>,
    /// What kind of file that is.
    pub origin: Origin,
    /// The object.
    pub object: Value,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for RenderedDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RenderedDoc");
        shown.field("source", &self.source).field("origin", &self.origin);
        let text = |at: &str| self.object.pointer(at).and_then(Value::as_str).unwrap_or_default();
        shown.field("object", &format_args!("{} {}", text("/kind"), text("/metadata/name"))).finish()
    }
}

/// What an object is to helm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Part of the release.
    Template,
    /// From a `crds/` folder of the chart or of a subchart: not part of the release.
    Crd,
    /// A hook: not part of the release either.
    Hook {
        /// When it runs: `pre-install`, `test`.
        events: Vec<String>,
        /// Hooks of one event run by weight, then by name.
        weight: i32,
        /// When it is deleted; empty means `before-hook-creation`.
        delete_policies: Vec<String>,
    },
}

/// The objects in what `helm template --include-crds` printed, in its order. Objects in lists stand for themselves.
///
/// # Errors
/// The first document that is not YAML or not a mapping, with its template.
pub fn split_manifests(text: &str) -> Result<Vec<RenderedDoc>, YamlError> {
    let mut docs = Vec::new();
    let mut source: Option<String> = None;
    for part in yaml::parts(text) {
        if let Some(named) = named_source(part.text, source.as_deref()) {
            source = Some(named.to_owned());
        }
        let with_source = |error: YamlError| YamlError { source_path: source.clone(), ..error };
        for value in yaml::read(part).map_err(with_source)? {
            for object in objects(value, part.line).map_err(with_source)? {
                docs.push(RenderedDoc { origin: origin(source.as_deref(), &object), source: source.clone(), object });
            }
        }
    }
    Ok(docs)
}

/// The objects in YAML text with any number of documents. Objects in lists stand for themselves.
///
/// # Errors
/// The first document that is not YAML or not a mapping.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut all = Vec::new();
    for part in yaml::parts(text) {
        for value in yaml::read(part)? {
            all.extend(objects(value, part.line)?);
        }
    }
    Ok(all)
}

/// The source helm names in the first line. Helm puts none before the second document of a file in `crds/`, so the one
/// before holds until another is named; and since such a document may have a comment that looks alike, it must be of
/// the same chart.
fn named_source<'a>(text: &'a str, before: Option<&str>) -> Option<&'a str> {
    let first = text.trim_start().lines().next()?;
    let named = first.strip_prefix("# Source: ")?.trim_end();
    let root = |path: &str| path.split('/').next().map(str::to_owned);
    match before {
        Some(before) if root(before) != root(named) => None,
        _ => Some(named),
    }
}

/// An object, or the objects in a list, as kubectl's resource builder flattens them.
fn objects(value: Value, line: usize) -> Result<Vec<Value>, YamlError> {
    let error = |why: &str| YamlError { source_path: None, line: line + 1, why: why.to_owned() };
    let Value::Object(mut map) = value else { return Err(error("a document is not a mapping")) };
    let is_list = map.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match map.get_mut("items") {
        Some(Value::Array(items)) if is_list => Ok(std::mem::take(items)),
        _ => Ok(vec![Value::Object(map)]),
    }
}

fn origin(source: Option<&str>, object: &Value) -> Origin {
    if source.is_some_and(is_crd_source) {
        return Origin::Crd;
    }
    let annotation = |name: &str| object.get("metadata")?.get("annotations")?.get(name)?.as_str();
    let list =
        |text: &str| text.split(',').map(|item| item.trim().to_lowercase()).filter(|item| !item.is_empty()).collect();
    match annotation("helm.sh/hook") {
        None => Origin::Template,
        Some(events) => Origin::Hook {
            events: list(events),
            weight: annotation("helm.sh/hook-weight").and_then(|weight| weight.parse().ok()).unwrap_or(0),
            delete_policies: annotation("helm.sh/hook-delete-policy").map(list).unwrap_or_default(),
        },
    }
}

/// Whether a source is in the `crds/` folder of the chart or of a subchart (which may itself be called `crds`).
fn is_crd_source(source: &str) -> bool {
    let mut segments = source.split('/').skip(1);
    loop {
        match segments.next() {
            Some("charts") => {
                segments.next();
            }
            first => return first == Some("crds") && segments.next().is_some(),
        }
    }
}
