//! Fields that are known to be filled by something else than the chart: changes of them are no drift.

use pilothouse_core::{FieldChange, ObjectRef};
use serde_json::Value;

/// Kinds with a certificate of an authority that operators write.
const WITH_CA: [&str; 4] =
    ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "CustomResourceDefinition", "APIService"];

/// Annotations by which cert-manager's cainjector and OpenShift's service-ca are asked for it.
const ASKS_FOR_CA: [&str; 4] = [
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "cert-manager.io/inject-apiserver-ca",
    "service.beta.openshift.io/inject-cabundle",
];

/// Who fills the changed field of an object, where that is known.
pub(crate) fn injector(object: &ObjectRef, live: &Value, change: &FieldChange) -> Option<&'static str> {
    if WITH_CA.contains(&object.kind.as_str())
        && (change.path == "spec.caBundle" || change.path.ends_with(".clientConfig.caBundle"))
    {
        let annotations = live.pointer("/metadata/annotations");
        let is_asked_for = ASKS_FOR_CA.iter().any(|name| annotations.is_some_and(|all| all.get(name).is_some()));
        // A chart that leaves it empty leaves it to whoever serves the webhook.
        let is_left_open = change.old.as_ref().is_none_or(|old| old.as_str() == Some("")) && change.new.is_some();
        return (is_asked_for || is_left_open).then_some("an injector of certificates");
    }
    (change.path == "spec.replicas" && is_scaled_by_autoscaler(live)).then_some("a HorizontalPodAutoscaler")
}

/// Whether the field belongs to the controller of autoscalers: it writes through the subresource, as nothing else in the controller
/// manager does.
fn is_scaled_by_autoscaler(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let mut owners = entries.filter(|entry| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some());
    owners.any(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        text("manager") == Some("kube-controller-manager") && text("subresource") == Some("scale")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const OPEN: &str = "webhooks[name=a].clientConfig.caBundle";

    #[rstest]
    #[case::left_open("ValidatingWebhookConfiguration", OPEN, None, json!({}), true)]
    #[case::left_empty("MutatingWebhookConfiguration", OPEN, Some(""), json!({}), true)]
    #[case::given_by_the_chart("MutatingWebhookConfiguration", OPEN, Some("LS0t"), json!({}), false)]
    #[case::asked_for("MutatingWebhookConfiguration", OPEN, Some("LS0t"), json!({"cert-manager.io/inject-ca-from": "a/b"}), true)]
    #[case::of_a_conversion("CustomResourceDefinition", "spec.conversion.webhook.clientConfig.caBundle", Some("Cg=="),
        json!({"service.beta.openshift.io/inject-cabundle": "true"}), true)]
    #[case::of_an_api("APIService", "spec.caBundle", None, json!({}), true)]
    #[case::another_field("APIService", "spec.service.name", Some(""), json!({"cert-manager.io/inject-ca-from": "a/b"}), false)]
    #[case::another_kind("ConfigMap", "spec.caBundle", None, json!({}), false)]
    fn certificates(
        #[case] kind: &str,
        #[case] path: &str,
        #[case] old: Option<&str>,
        #[case] annotations: Value,
        #[case] expected: bool,
    ) {
        let object = ObjectRef { api_version: None, kind: kind.to_owned(), namespace: None, name: "a".to_owned() };
        let change = FieldChange {
            path: path.to_owned(),
            old: old.map(Value::from),
            new: Some(json!("LS0tLS1")),
            written_by: None,
        };
        let live = json!({"metadata": {"annotations": annotations}});
        assert_eq!(injector(&object, &live, &change).is_some(), expected);
    }

    #[rstest]
    #[case::autoscaler("kube-controller-manager", Some("scale"), true)]
    #[case::somebody("kubectl", Some("scale"), false)]
    #[case::another_controller("kube-controller-manager", None, false)]
    fn replicas(#[case] manager: &str, #[case] subresource: Option<&str>, #[case] expected: bool) {
        let object = ObjectRef {
            api_version: Some("apps/v1".to_owned()),
            kind: "Deployment".to_owned(),
            namespace: None,
            name: "a".to_owned(),
        };
        let path = "spec.replicas".to_owned();
        let change = FieldChange { path, old: Some(json!(1)), new: Some(json!(3)), written_by: None };
        let live = json!({"metadata": {"managedFields": [{"manager": manager, "subresource": subresource,
            "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        assert_eq!(injector(&object, &live, &change).is_some(), expected);
    }
}
