//! What `helm template` prints, document by document.

use serde_json::Value;

/// One rendered document.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedDoc {
    /// The template it comes from, as helm's `# Source:` comment says (`podinfo/templates/deployment.yaml`).
    pub source: Option<String>,
    /// What it is to helm.
    pub origin: Origin,
    /// The object.
    pub object: Value,
}

/// What a rendered document is to helm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An object of the release.
    Template,
    /// A definition from a `crds/` folder of the chart or a subchart.
    Crd,
    /// A hook, with its events (`pre-install`, `test`).
    Hook {
        /// When helm runs it.
        events: Vec<String>,
    },
}

/// Text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("document {number}{} is not valid YAML: {why}", source_file.as_ref().map(|source| format!(" ({source})")).unwrap_or_default())]
pub struct DocumentError {
    /// Which document, from 1.
    pub number: usize,
    /// The template it comes from, if helm says so.
    pub source_file: Option<String>,
    /// What is wrong.
    pub why: String,
}

/// Reads the documents of a YAML text. Empty documents are left out; the items of a `List` stand for themselves.
///
/// # Errors
/// The first document that is not YAML.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, DocumentError> {
    let mut objects = Vec::new();
    for (i, document) in documents(text).into_iter().enumerate() {
        collect(parse(document, i + 1)?, &mut objects);
    }
    Ok(objects)
}

/// Reads what `helm template --include-crds` printed.
///
/// # Errors
/// The first document that is not YAML.
pub fn split_manifests(text: &str) -> Result<Vec<RenderedDoc>, DocumentError> {
    let mut rendered = Vec::new();
    for (i, document) in documents(text).into_iter().enumerate() {
        let source = source_of(document);
        let mut objects = Vec::new();
        collect(parse(document, i + 1)?, &mut objects);
        rendered.extend(objects.into_iter().map(|object| {
            let origin = origin(&object, source.as_deref());
            RenderedDoc { source: source.clone(), origin, object }
        }));
    }
    Ok(rendered)
}

/// Splits at lines that are document markers. Helm itself splits so (`pkg/releaseutil/manifest.go`).
fn documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push(&text[start..at]);
            start = at + 3;
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| {
        document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

fn parse(document: &str, number: usize) -> Result<Value, DocumentError> {
    let options = serde_saphyr::options! {
        budget: None,
        strict_booleans: false,
    };
    serde_saphyr::from_str_with_options::<Value>(document, options).map_err(|error| DocumentError {
        number,
        source_file: source_of(document),
        why: error.to_string(),
    })
}

fn collect(object: Value, objects: &mut Vec<Value>) {
    let is_list = object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match object.get("items").and_then(Value::as_array) {
        Some(items) if is_list => objects.extend(items.iter().cloned()),
        _ if object.is_null() => {}
        _ => objects.push(object),
    }
}

fn source_of(document: &str) -> Option<String> {
    document.lines().find_map(|line| line.strip_prefix("# Source: ")).map(|source| source.trim().to_owned())
}

fn origin(object: &Value, source: Option<&str>) -> Origin {
    let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
    if let Some(events) = annotations.and_then(|a| a.get("helm.sh/hook")).and_then(Value::as_str) {
        return Origin::Hook { events: events.split(',').map(|event| event.trim().to_owned()).collect() };
    }
    if source.is_some_and(in_crds_folder) { Origin::Crd } else { Origin::Template }
}

/// Whether a source lies in the `crds/` folder of a chart or subchart: `a/crds/x.yaml`, `a/charts/crds/crds/x.yaml`; not
/// `a/charts/crds/templates/x.yaml`.
fn in_crds_folder(source: &str) -> bool {
    let mut parts = source.split('/').skip(1);
    loop {
        match parts.next() {
            Some("charts") => drop(parts.next()),
            Some("crds") => return true,
            Some(_) | None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a/crds/x.yaml", true)]
    #[case("a/charts/crds/crds/x.yaml", true)]
    #[case("a/charts/b/charts/c/crds/d/x.yaml", true)]
    #[case("a/charts/crds/templates/x.yaml", false)]
    #[case("a/templates/crds/x.yaml", false)]
    #[case("crds/templates/x.yaml", false)]
    fn crds_folders(#[case] source: &str, #[case] expected: bool) {
        assert_eq!(in_crds_folder(source), expected);
    }

    #[test]
    fn documents_of_each_origin() {
        let text = "---\n# Source: a/crds/w.yaml\nkind: CustomResourceDefinition\n---\n# Source: a/templates/c.yaml\n\
                    kind: ConfigMap\ndata:\n  text: |\n    one\n    --- no marker\n---\n# only a comment\n---\n\
                    # Source: a/templates/j.yaml\nkind: Job\nmetadata: {annotations: {helm.sh/hook: \"pre-install, test\"}}\n";
        let rendered = split_manifests(text).unwrap();
        let origins: Vec<_> = rendered.iter().map(|doc| doc.origin.clone()).collect();
        let events = vec!["pre-install".to_owned(), "test".to_owned()];
        assert_eq!(origins, [Origin::Crd, Origin::Template, Origin::Hook { events }]);
        assert_eq!(rendered[1].object["data"]["text"], "one\n--- no marker\n");
    }

    #[test]
    fn the_items_of_a_list_stand_for_themselves() {
        let text = "kind: List\nitems:\n- kind: A\n- kind: B\n";
        let kinds: Vec<_> = parse_documents(text).unwrap().iter().map(|object| object["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B"]);
    }
}
