//! Which admission webhooks of the cluster would be asked about what the releases are about. Pure.

use crate::copy::object_copy::text;
use crate::preflight::selects;
use pilothouse_core::{ObjectRef, object_ref};
use pilothouse_kube::Discovery;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A line for each webhook that may be asked: by its rules and the labels of namespaces. What objects themselves have is not
/// looked at. `namespaces` has the labels of those that were read.
pub(super) fn not_called(
    configuration: &Value,
    touched: &[ObjectRef],
    served: &Discovery,
    namespaces: &BTreeMap<String, Value>,
) -> Option<String> {
    let named = object_ref(configuration)?;
    let asked = items(configuration, "webhooks").filter(|webhook| {
        touched.iter().any(|object| {
            let selected = object.namespace.as_ref().and_then(|namespace| namespaces.get(namespace));
            let selector = webhook.get("namespaceSelector").unwrap_or(&Value::Null);
            is_about(webhook, object, served) && selected.is_none_or(|labels| selects(selector, labels))
        })
    });
    let webhooks: BTreeSet<&str> = asked.map(|webhook| text(webhook, "/name")).collect();
    let webhooks = Vec::from_iter(webhooks).join(", ");
    (!webhooks.is_empty()).then(|| format!("{named} is not called ({webhooks})"))
}

fn is_about(webhook: &Value, object: &ObjectRef, served: &Discovery) -> bool {
    let Ok(resource) = served.lookup(object) else { return false };
    // Configurations of webhooks and policies are never shown to webhooks.
    if resource.group == "admissionregistration.k8s.io" {
        return false;
    }
    let has = |rule: &Value, list: &str, is: &str| {
        items(rule, list).filter_map(Value::as_str).any(|one| one == "*" || one == "*/*" || one == is)
    };
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    items(webhook, "rules").any(|rule| {
        let fits = rule.get("scope").and_then(Value::as_str).is_none_or(|of| of == "*" || of == scope);
        fits && has(rule, "apiGroups", &resource.group) && has(rule, "resources", &resource.plural)
    })
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::surroundings::core;
    use pilothouse_kube::Resource;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"apiGroups": [""], "resources": ["pods"]}), json!({}), true)]
    #[case(json!({"apiGroups": ["*"], "resources": ["*"]}), json!({}), true)]
    #[case(json!({"apiGroups": [""], "resources": ["pods"], "scope": "Cluster"}), json!({}), false)]
    #[case(json!({"apiGroups": ["apps"], "resources": ["pods"]}), json!({}), false)]
    #[case(json!({"apiGroups": [""], "resources": ["secrets"]}), json!({}), false)]
    #[case(json!({"apiGroups": [""], "resources": ["pods"]}), json!({"matchLabels": {"guarded": "yes"}}), true)]
    #[case(json!({"apiGroups": [""], "resources": ["pods"]}), json!({"matchLabels": {"guarded": "no"}}), false)]
    fn webhooks_that_would_be_asked(#[case] rule: Value, #[case] selector: Value, #[case] expected: bool) {
        let configuration = json!({"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "guard"},
            "webhooks": [{"name": "w.example.com", "rules": [rule], "namespaceSelector": selector}]});
        let pods = Resource {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            plural: "pods".to_owned(),
            singular: "pod".to_owned(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: Vec::new(),
            subresource_kinds: Vec::new(),
        };
        let namespaces = [("web".to_owned(), json!({"guarded": "yes"}))].into();
        let line = "ValidatingWebhookConfiguration guard is not called (w.example.com)".to_owned();
        let touched = [core("Pod", Some("web"), "a")];
        let found = not_called(&configuration, &touched, &Discovery::new(vec![pods]), &namespaces);
        assert_eq!(found, expected.then_some(line));
    }
}
