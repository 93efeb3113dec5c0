//! Fields that others fill: they are no drift where that is known, or the user says so.

use super::losses::CONFIG;
use super::{World, world};
use pilothouse::kubernetes::ClusterClient as _;
use pilothouse::{DriftIgnore, ObjectRef};
use pilothouse_kube::Precondition;
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};

/// The server takes nothing but a certificate.
const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJlVENDQVIrZ0F3SUJBZ0lVRFdzNytNZUdNTE9TTC92VCtOd0NQSE5FSFI0d0NnWUlLb1pJemowRUF3SXcKRVRFUE1BMEdBMVVFQXd3R1ptbHNiR1ZrTUNBWERUSTJNVEl3TVRBd05UQXdNVm9ZRHpJeE1qWXhNVEEzTURBMQpNREF4V2pBUk1ROHdEUVlEVlFRRERBWm1hV3hzWldRd1dUQVRCZ2NxaGtqT1BRSUJCZ2dxaGtqT1BRTUJCd05DCkFBUjhlcWNQbmU1YWlQMmEzdlpZdlNsdXFVK1RmQ0pJZCtqR3FYNzJvczVYRE9jL2NBOXhTbkdWdzZwVUpQalYKYm9BMWZ4Z2J4djhmVTduaktQRmZ3Y1A5bzFNd1VUQWRCZ05WSFE0RUZnUVVTVlNLVzd3WjdwTythdU10bzR6ZgpocjFpUVhBd0h3WURWUjBqQkJnd0ZvQVVTVlNLVzd3WjdwTythdU10bzR6ZmhyMWlRWEF3RHdZRFZSMFRBUUgvCkJBVXdBd0VCL3pBS0JnZ3Foa2pPUFFRREFnTklBREJGQWlFQW1rVUhHb0tIdWVRQVlhT045dnM2ajFuZnlIN28KT0xrUEsrVWlFdHVsSW9jQ0lCdzc0aVAvRDVzOGJBenF3MkJKVmVnWEZjeU11M09hUDNXcGhjTjh4SUJHCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K";

impl World {
    async fn others_write(&self, object: &str, patch: &Value) {
        let named = self.cluster.resolve(&ObjectRef::parse(object).unwrap(), &self.namespace).await.unwrap();
        self.cluster.merge_patch(&named, patch, &Precondition::default()).await.unwrap();
    }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_others_fill(#[case] tool: Tool) {
    let world = world("filled", tool).await;
    let webhook = |url: &str, ca: &str| {
        json!([{"name": "a.filled.example", "clientConfig": {"caBundle": ca, "url": url}, "sideEffects": "None",
            "rules": [{"apiGroups": ["filled.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}],
            "admissionReviewVersions": ["v1"]}])
    };
    let url = "https://nobody.example/";
    let name = world.namespace.clone();
    let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": webhook(url, "")});
    let configuration = configuration.to_string();
    let files = [("templates/cm.yaml", CONFIG), ("templates/webhook.yaml", configuration.as_str())];
    let chart = || world.chart("1.0.0", &files);
    let object = format!("validatingwebhookconfiguration/{name}");
    world.done(chart()).await;
    let as_deployed = world.unchanged(chart()).await;
    let filled = CERTIFICATE;
    let patch = json!({"webhooks": webhook(url, filled)});
    world.others_write(&object, &patch).await;
    assert_eq!(world.unchanged(chart()).await, as_deployed, "what an injector fills is no drift");
    world.others_write(&object, &json!({"webhooks": webhook("https://somebody.example/", filled)})).await;
    let drifted = world.unchanged(chart()).await;
    assert_ne!(drifted, as_deployed, "what the chart sets is");
    let ignoring = || {
        chart().with(|info| {
            let (kind, field) =
                ("ValidatingWebhookConfiguration".to_owned(), "webhooks[*].clientConfig.url".to_owned());
            info.drift_ignore = vec![DriftIgnore { kind, field }];
        })
    };
    assert_eq!(world.unchanged(ignoring()).await, as_deployed);
    world.others_write("cm/settings", &json!({"data": {"v": "x"}})).await;
    assert_eq!(world.unchanged(ignoring()).await, drifted, "another kind");
}
