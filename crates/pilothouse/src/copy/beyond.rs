//! What of a release a rehearsal cannot exercise, told from its objects before it begins. Pure.

use crate::copy::object_copy::text;
use pilothouse_core::object_ref;
use pilothouse_health::is_built_in;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a control plane without containers cannot do for these objects, a line each: their programs serve no API, convert nothing and
/// report nothing. Webhooks are not called there (`PlaneConfig::webhooks`), which is as if each of them let everything pass.
pub(crate) fn beyond_rehearsal(objects: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut custom = BTreeSet::new();
    for object in objects {
        let Some(named) = object_ref(object) else { continue };
        let program = |at: &str| {
            let service = object.pointer(at).filter(|service| service.is_object())?;
            Some(format!("Service {}/{}", text(service, "/namespace"), text(service, "/name")))
        };
        match (named.group().unwrap_or_default(), named.kind.as_str()) {
            ("apiregistration.k8s.io", "APIService") => lines.extend(program("/spec/service").map(|service| {
                format!("{named}: no program runs behind {service}, so that its API is not served and it never becomes available")
            })),
            ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
                lines.extend(items(object, "webhooks").map(|webhook| {
                    let name = text(webhook, "/name");
                    format!("{named}: {name} is not called: nothing is refused or changed by it")
                }));
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition")
                if text(object, "/spec/conversion/strategy") == "Webhook" =>
            {
                lines.push(format!("{named}: no program answers its webhook for conversions, so that its objects cannot be read in another version"));
            }
            (group, kind) if !group.is_empty() && !is_built_in(group) => {
                custom.insert(format!("{kind}.{group}"));
            }
            _ => {}
        }
    }
    lines.extend(custom.into_iter().map(|kind| {
        format!("{kind}: no controller of it runs, so that nothing is made of its objects and a wait for what it reports fails")
    }));
    lines
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn webhook(policy: Option<&str>, client: &Value) -> Value {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "guard"}, "webhooks": [{"name": "w.example.com", "failurePolicy": policy, "clientConfig": client}]})
    }

    fn api(spec: &Value) -> Value {
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.a"}, "spec": spec})
    }

    fn definition(strategy: &str) -> Value {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a.b"},
            "spec": {"conversion": {"strategy": strategy}}})
    }

    #[rstest]
    #[case::api(api(&json!({"service": {"namespace": "web", "name": "api"}})), Some("Service web/api"))]
    #[case::api_of_the_server_itself(api(&json!({})), None)]
    #[case::webhook(webhook(None, &json!({"service": {"name": "a"}})), Some("w.example.com is not called"))]
    #[case::webhook_that_may_fail(webhook(Some("Ignore"), &json!({"service": {"name": "a"}})), Some("is not called"))]
    #[case::webhook_elsewhere(webhook(None, &json!({"url": "https://example.com"})), Some("is not called"))]
    #[case::conversion(definition("Webhook"), Some("conversions"))]
    #[case::no_conversion(definition("None"), None)]
    #[case::custom(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "a"}}), Some("Certificate.cert-manager.io: "))]
    #[case::built_in(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}), None)]
    #[case::built_in_group(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}), None)]
    fn what_is_told(#[case] object: Value, #[case] expected: Option<&str>) {
        let told = beyond_rehearsal(&[object.clone(), object]);
        match expected {
            None => assert_eq!(told, Vec::<String>::new()),
            Some(part) => assert!(told[0].contains(part), "{told:?}"),
        }
    }

    #[test]
    fn a_kind_is_told_once() {
        let object = |name: &str| json!({"apiVersion": "a.example/v1", "kind": "Widget", "metadata": {"name": name}});
        assert_eq!(beyond_rehearsal(&[object("a"), object("b")]).len(), 1);
    }
}
