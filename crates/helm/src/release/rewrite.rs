//! Records written anew for what the cluster serves. Helm builds every object of a stored manifest before it upgrades over it, rolls back
//! to it or uninstalls it, and fails on the first whose kind is not served (`Client.Build` in its `pkg/kube/client.go`).

use super::record::{DecodeError, repacked};
use crate::yaml::{self, YamlError};
use serde_json::Value;

/// What becomes of an object of a stored manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// It stays as it is.
    Keep,
    /// It stands in this API version.
    As(String),
    /// It is in the manifest no more.
    Drop,
}

/// The events of hooks that an uninstall runs.
const OF_UNINSTALL: [&str; 2] = ["pre-delete", "post-delete"];

/// Whether an uninstall runs a hook of these events.
pub fn runs_at_uninstall(events: &[String]) -> bool {
    events.iter().any(|event| OF_UNINSTALL.contains(&event.as_str()))
}

/// Helm's bytes of a record in which objects stand as `rewrite` says: those of its manifest, and of its hooks. A document without a
/// changed object keeps its text, and nothing else of the record changes. What comes back is text (base64), as the payload was.
///
/// # Errors
/// When the payload is not a record, or a manifest in it is not YAML.
pub fn rewrite_objects(payload: &[u8], rewrite: impl Fn(&Value) -> Rewrite) -> Result<String, DecodeError> {
    repacked(payload, |record| {
        if let Some(Value::String(manifest)) = record.get_mut("manifest") {
            *manifest = rewrite_manifest(manifest, &rewrite).map_err(DecodeError::Manifest)?;
        }
        let Some(Value::Array(hooks)) = record.get_mut("hooks") else { return Ok(()) };
        for hook in hooks.iter_mut() {
            if let Some(Value::String(manifest)) = hook.get_mut("manifest") {
                *manifest = rewrite_manifest(manifest, &rewrite).map_err(DecodeError::Manifest)?;
            }
        }
        // One that had an object and has none would make helm fail as well.
        hooks.retain(|hook| hook.get("manifest").and_then(Value::as_str).is_none_or(|text| !text.trim().is_empty()));
        Ok(())
    })
}

/// A manifest with its objects as `rewrite` says. Where none changes, the same text.
///
/// # Errors
/// When it is not YAML.
pub fn rewrite_manifest(manifest: &str, rewrite: impl Fn(&Value) -> Rewrite) -> Result<String, YamlError> {
    let mut text = String::new();
    let mut has_changed = false;
    for part in yaml::parts(manifest) {
        let before = yaml::read(part)?;
        let after: Vec<Value> = before.iter().filter_map(|document| of_document(document.clone(), &rewrite)).collect();
        if after == before {
            text.push_str("---");
            text.push_str(part.text);
            if !text.ends_with('\n') {
                text.push('\n');
            }
            continue;
        }
        has_changed = true;
        let source = part.text.trim_start().lines().next().filter(|line| line.starts_with("# Source: "));
        for document in after {
            // JSON is YAML, and has no anchors, comments or words that another reader takes for something else.
            let document = document.to_string();
            text.extend(["---\n", source.unwrap_or("# written anew"), "\n", document.as_str(), "\n"]);
        }
    }
    Ok(if has_changed { text } else { manifest.to_owned() })
}

/// A document as it is to stand; `None` for one that is not to, or that is a list of which nothing is left.
fn of_document(mut document: Value, rewrite: &impl Fn(&Value) -> Rewrite) -> Option<Value> {
    if let Some(Value::Array(items)) = document.get_mut("items")
        && !items.is_empty()
        && items.iter().all(Value::is_object)
    {
        let before = std::mem::take(items);
        items.extend(before.into_iter().filter_map(|item| of_document(item, rewrite)));
        return if items.is_empty() { None } else { Some(document) };
    }
    match rewrite(&document) {
        Rewrite::Keep => Some(document),
        Rewrite::As(version) => {
            document["apiVersion"] = Value::from(version);
            Some(document)
        }
        Rewrite::Drop => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{decode_release, parse_documents};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rstest::rstest;
    use serde_json::json;

    const MANIFEST: &str = "---
# Source: app/templates/a.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {mode: 0644, text: \"--- x\"}
---
# Source: app/templates/b.yaml
apiVersion: policy/v1beta1
kind: Budget
metadata: {name: b}
spec: &spec {max: 0644}
---
# Source: app/templates/c.yaml
apiVersion: gone.example/v1
kind: Policy
metadata: {name: c}
";

    fn rewrite(object: &Value) -> Rewrite {
        match object["apiVersion"].as_str().unwrap() {
            "policy/v1beta1" => Rewrite::As("policy/v1".to_owned()),
            "gone.example/v1" => Rewrite::Drop,
            _ => Rewrite::Keep,
        }
    }

    fn payload(manifest: &str, hooks: &Value) -> Vec<u8> {
        let record = json!({"name": "app", "version": 3, "info": {"status": "deployed", "of_its_own": [1]},
            "manifest": manifest, "hooks": hooks, "more": {"kept": true}});
        STANDARD.encode(record.to_string()).into_bytes()
    }

    #[test]
    fn what_is_not_served_is_mapped_or_goes_and_the_rest_stays_as_it_is() {
        let hook = |manifest: &str| json!({"name": "h", "manifest": manifest, "events": ["pre-delete"]});
        let hooks = json!([
            hook("apiVersion: gone.example/v1\nkind: Policy\nmetadata: {name: d}\n"),
            hook("apiVersion: v1\nkind: Pod\nmetadata: {name: e}\n"),
        ]);
        let before = payload(MANIFEST, &hooks);
        let after = decode_release(rewrite_objects(&before, rewrite).unwrap().as_bytes()).unwrap();
        let first = MANIFEST.split("---\n# Source: app/templates/b.yaml").next().unwrap();
        assert!(after.manifest.starts_with(first), "{}", after.manifest);
        let objects = parse_documents(&after.manifest).unwrap();
        let names: Vec<&Value> = objects.iter().map(|object| &object["metadata"]["name"]).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            objects[1],
            json!({"apiVersion": "policy/v1", "kind": "Budget", "metadata": {"name": "b"}, "spec": {"max": 420}})
        );
        assert!(after.manifest.contains("# Source: app/templates/b.yaml\n{"), "{}", after.manifest);
        let left: Vec<&str> = after.hooks.iter().map(|hook| hook.manifest.as_str()).collect();
        assert_eq!(left, [hooks[1]["manifest"].as_str().unwrap()]);
        assert_eq!((&after.raw["more"], &after.raw["info"]["of_its_own"]), (&json!({"kept": true}), &json!([1])));
    }

    #[rstest]
    #[case::of_some(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: gone.example/v1, kind: Policy, metadata: {name: c}}\n- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n",
        1
    )]
    #[case::of_all(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: gone.example/v1, kind: Policy, metadata: {name: c}}\n",
        0
    )]
    #[case::empty("apiVersion: v1\nkind: List\nitems: []\n", 0)]
    fn of_a_list_what_is_in_it(#[case] manifest: &str, #[case] left: usize) {
        let after = rewrite_objects(&payload(manifest, &Value::Null), rewrite).unwrap();
        let after = decode_release(after.as_bytes()).unwrap();
        assert_eq!(parse_documents(&after.manifest).unwrap().len(), left, "{}", after.manifest);
    }

    #[test]
    fn what_needs_nothing_is_the_same_text() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}";
        let after = rewrite_objects(&payload(text, &json!([])), rewrite).unwrap();
        assert_eq!(decode_release(after.as_bytes()).unwrap().manifest, text);
    }

    #[test]
    fn what_is_no_yaml_is_an_error() {
        let error = rewrite_objects(&payload("a: [", &json!([])), rewrite).unwrap_err();
        assert_eq!(error.to_string(), "the manifest in the record is not YAML");
    }
}
