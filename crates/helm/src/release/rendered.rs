//! What `helm template` prints, taken apart.

use super::unusable;
use crate::yaml::{self, YamlError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// One object that helm rendered.
#[derive(Clone, PartialEq)]
pub struct RenderedDoc {
    /// The template or file it comes from, as `podinfo/templates/service.yaml`.
    pub source: Option<String>,
    /// What kind of file that is.
    pub origin: Origin,
    /// The annotations of its document that helm acts on (`helm.sh/…`): of what is in a list, those of the list.
    pub directives: BTreeMap<String, Value>,
    /// Why helm fails on it whatever the cluster holds: a name that is not text, a list in a list.
    pub unusable: Option<String>,
    /// The object; the whole list where helm cannot use that.
    pub object: Value,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for RenderedDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RenderedDoc");
        shown.field("source", &self.source).field("origin", &self.origin);
        let text = |at: &str| self.object.pointer(at).and_then(Value::as_str).unwrap_or_default();
        shown.field("object", &format_args!("{} {}", text("/kind"), text("/metadata/name"))).finish_non_exhaustive()
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
        /// The kind of the document: `List` for what is in one.
        kind: String,
        /// When it runs: `pre-install`, `test`.
        events: Vec<String>,
        /// Hooks of one event run by weight, then by name.
        weight: i32,
        /// When it is deleted; empty means `before-hook-creation`.
        delete_policies: Vec<String>,
    },
}

/// The objects in what `helm template --include-crds` printed, in its order. Objects in lists stand for themselves; whether they
/// are hooks is said by the annotations of the list alone, as to helm.
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
            let (origin, directives) = (origin(source.as_deref(), &value), directives(&value));
            // Helm deletes a hook by its name before it makes it, unless it is told something else.
            let may_be_nameless = matches!(&origin, Origin::Hook { delete_policies, .. }
                if !delete_policies.is_empty() && !delete_policies.iter().any(|policy| policy == "before-hook-creation"));
            let mut add = |object: Value, unusable: Option<String>| {
                let (origin, directives) = (origin.clone(), directives.clone());
                docs.push(RenderedDoc { origin, directives, source: source.clone(), unusable, object });
            };
            if let Some(why) = unusable::list(&value) {
                add(value, Some(why));
                continue;
            }
            for object in objects(value, part.line).map_err(with_source)? {
                let why = unusable::object(&object, may_be_nameless);
                add(object, why);
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
    Ok(parse_by_document(text)?.into_iter().flat_map(|document| document.objects).collect())
}

/// A document of a manifest.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// Its own metadata: of a list, the list's. To helm, annotations of documents say what is a hook and what an uninstall keeps
    /// (`pkg/releaseutil/manifest_sorter.go`, `pkg/action/resource_policy.go`), not those of what is in them.
    pub metadata: Value,
    /// The object, or the objects of a list.
    pub objects: Vec<Value>,
}

/// As [`parse_documents`], document by document.
///
/// # Errors
/// As [`parse_documents`].
pub fn parse_by_document(text: &str) -> Result<Vec<Document>, YamlError> {
    let mut all = Vec::new();
    for part in yaml::parts(text) {
        for value in yaml::read(part)? {
            let metadata = value.get("metadata").cloned().unwrap_or_default();
            all.push(Document { metadata, objects: objects(value, part.line)? });
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

/// An object, or the objects in a list.
fn objects(value: Value, line: usize) -> Result<Vec<Value>, YamlError> {
    if !value.is_object() {
        return Err(YamlError { source_path: None, line: line + 1, why: "a document is not a mapping".to_owned() });
    }
    let mut all = Vec::new();
    flatten(value, &mut all);
    Ok(all)
}

/// As kubectl's resource builder does it (`FlattenListVisitor`, and `decodeToList` of `UnstructuredJSONScheme`): whatever has items
/// is a list, lists in lists are too, and what is in a list of one kind (`ConfigMapList`) need not say what it is.
fn flatten(value: Value, all: &mut Vec<Value>) {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let (kind, api_version) = (text("kind").unwrap_or_default(), text("apiVersion"));
    let items = match value {
        Value::Object(mut map) => match map.get_mut("items") {
            Some(Value::Array(items)) if items.iter().all(Value::is_object) => std::mem::take(items),
            _ => return all.push(Value::Object(map)),
        },
        value => return all.push(value),
    };
    let of_kind = kind.strip_suffix("List").unwrap_or(&kind);
    for mut item in items {
        if let Value::Object(map) = &mut item
            && !of_kind.is_empty()
            && !map.contains_key("kind")
            && !map.contains_key("apiVersion")
        {
            map.insert("kind".to_owned(), Value::from(of_kind));
            map.extend(api_version.clone().map(|version| ("apiVersion".to_owned(), Value::from(version))));
        }
        flatten(item, all);
    }
}

fn directives(document: &Value) -> BTreeMap<String, Value> {
    let annotations = document.pointer("/metadata/annotations").and_then(Value::as_object);
    let own = annotations.into_iter().flatten().filter(|(name, _)| name.starts_with("helm.sh/"));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
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
            kind: object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned(),
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
