//! Webhooks that refuse or cannot be asked, and policy engines behind them.

use super::{Of, Want, all, object};
use crate::diagnosis::line::Line;
use pilothouse_core::{ObjectStatus, Readiness};
use rstest::rstest;
use serde_json::{Value, json};

const UNREACHABLE: &str = "Error creating: Internal error occurred: failed calling webhook \"pods.example.com\": failed to call webhook: Post \"https://guard.policies.svc:443/validate?timeout=10s\": no endpoints available for service \"guard\"";

fn refused(message: &str, times: i64) -> Of {
    Of::object(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "web"}}))
        .events("ReplicaSet/web", "FailedCreate", message, times, 40)
}

fn endpoints() -> Want {
    Want::All {
        api_version: "discovery.k8s.io/v1".to_owned(),
        kind: "EndpointSlice".to_owned(),
        namespace: Some("policies".to_owned()),
        labels: Some("kubernetes.io/service-name=guard".to_owned()),
    }
}

fn service() -> Want {
    Want::Object(object("v1", "Service/policies/guard"))
}

#[test]
fn what_is_read_of_a_webhook() {
    let configurations = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]
        .map(|kind| all("admissionregistration.k8s.io/v1", kind, None));
    let [validating, mutating] = configurations;
    refused(UNREACHABLE, 1).wants(&[validating, mutating, service(), endpoints()]);
}

fn slice(ready: &[bool]) -> Value {
    let endpoints: Vec<Value> = ready.iter().map(|ready| json!({"conditions": {"ready": ready}})).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "guard-1", "namespace": "policies", "labels": {"kubernetes.io/service-name": "guard"}}, "endpoints": endpoints,
    })
}

fn guard() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard", "namespace": "policies"}})
}

const CANNOT: &str =
    "the admission webhook pods.example.com cannot be asked: no endpoints available for service \"guard\"";

#[test]
fn a_webhook_that_cannot_be_asked() {
    let of = || refused(UNREACHABLE, 3);
    of().tells(Line::WebhookUnreachable, &format!("{CANNOT}; its Service is policies/guard"));
    of().read(service()).tells(Line::WebhookNobody, &format!("{CANNOT}; its Service policies/guard does not exist"));
    let with = |slice: Value| of().read(service()).around(guard()).read(endpoints()).around(slice);
    with(slice(&[false])).tells(
        Line::WebhookUnreachable,
        &format!("{CANNOT}; its Service policies/guard has no endpoints that are ready"),
    );
    with(slice(&[true, false]))
        .tells(Line::WebhookUnreachable, &format!("{CANNOT}; its Service policies/guard has 1 endpoint that is ready"));
    with(slice(&[true, true])).tells(
        Line::WebhookUnreachable,
        &format!("{CANNOT}; its Service policies/guard has 2 endpoints that are ready"),
    );
    assert_eq!(of().roots(), ["webhook pods.example.com"]);
}

#[test]
fn a_service_that_could_not_be_read_is_not_missing() {
    let mut of = refused(UNREACHABLE, 3).read(service());
    of.0.unanswered.push(service());
    of.tells(Line::WebhookUnreachable, &format!("{CANNOT}; its Service is policies/guard"));
}

#[rstest]
#[case::webhook(
    "admission webhook \"guard.example.com\" denied the request: colour must be blue",
    Line::WebhookDenied,
    "the admission webhook guard.example.com refuses it: colour must be blue",
    "webhook guard.example.com"
)]
#[case::gatekeeper(
    "admission webhook \"validation.gatekeeper.sh\" denied the request: [must-have-owner] you must provide labels: {\"owner\"}",
    Line::PolicyDenied,
    "the policy must-have-owner refuses it: [must-have-owner] you must provide labels: {\"owner\"}",
    "policy must-have-owner"
)]
#[case::kyverno(
    "admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Pod/web/web-1 was blocked due to the following policies \n\nrequire-labels:\n  check: 'validation error: label app is required'",
    Line::PolicyDenied,
    "the policy require-labels refuses it: resource Pod/web/web-1 was blocked due to the following policies require-labels: check: 'validation error: label app is required'",
    "policy require-labels"
)]
fn refusals(#[case] message: &str, #[case] line: Line, #[case] why: &str, #[case] root: &str) {
    let of = refused(message, 2);
    of.tells(line, why);
    assert_eq!(of.roots(), [root]);
}

const CONVERTS: &str = "conversion webhook for diag.example.com/v1, Kind=Gadget failed: Post \"https://converter.gadget-system.svc:443/convert?timeout=30s\": service \"converter\" not found";

fn definition(plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.diag.example.com")},
        "spec": {"group": "diag.example.com", "names": {"plural": plural, "kind": "Gadget", "listKind": "GadgetList"},
            "conversion": {"webhook": {"clientConfig": {"service": {"namespace": "gadget-system", "name": "converter"}}}}},
    })
}

fn converter(kind: &str) -> Want {
    Want::Object(object("v1", &format!("{kind}/gadget-system/converter")))
}

/// What the API server says when it cannot convert an object, whoever had asked for it.
#[rstest]
#[case::it_has_no_service(
    CONVERTS,
    "cannot be asked: service \"converter\" not found; its Service is gadget-system/converter"
)]
#[case::of_a_list(&CONVERTS.replace("Kind=Gadget ", "Kind=GadgetList "), "cannot be asked: service \"converter\" not found; its Service is gadget-system/converter")]
#[case::refused(&CONVERTS.replace("service \"converter\" not found", "dial tcp 10.0.0.1:443: connect: connection refused"),
    "cannot be asked: dial tcp 10.0.0.1:443: connect: connection refused; its Service is gadget-system/converter")]
#[case::an_error_of_its_own(
    "conversion webhook for diag.example.com/v1, Kind=Gadget failed: no such field spec.size",
    "fails: no such field spec.size; its Service is gadget-system/converter"
)]
#[case::a_wrong_answer(
    "conversion webhook for diag.example.com/v1, Kind=Gadget returned 0 objects, expected 1",
    "fails: returned 0 objects, expected 1; its Service is gadget-system/converter"
)]
fn a_webhook_that_does_not_convert(#[case] message: &str, #[case] expected: &str) {
    let of = refused(&format!("Error creating: Internal error occurred: {message}"), 3).around(definition("gadgets"));
    let why = format!("the conversion webhook of CustomResourceDefinition gadgets.diag.example.com {expected}");
    of.tells(Line::WebhookUnreachable, &why);
    assert_eq!(of.roots(), ["CustomResourceDefinition gadgets.diag.example.com"]);
}

#[test]
fn what_is_read_of_a_webhook_that_converts() {
    let definition =
        Want::Object(object("apiextensions.k8s.io/v1", "CustomResourceDefinition/gadgets.diag.example.com"));
    let endpoints = Want::All {
        api_version: "discovery.k8s.io/v1".to_owned(),
        kind: "EndpointSlice".to_owned(),
        namespace: Some("gadget-system".to_owned()),
        labels: Some("kubernetes.io/service-name=converter".to_owned()),
    };
    refused(CONVERTS, 1).wants(&[definition, converter("Service"), endpoints]);
}

#[test]
fn a_webhook_that_converts_and_whose_service_does_not_exist() {
    let of = refused(CONVERTS, 3).read(converter("Service"));
    of.tells(
        Line::WebhookNobody,
        "the conversion webhook of the definition of Gadget (diag.example.com) cannot be asked: service \"converter\" not found; its Service gadget-system/converter does not exist",
    );
}

/// An object that cannot be read for it says so in its status alone.
#[test]
fn an_object_that_cannot_be_converted_is_not_read() {
    let mut of = Of::object(
        json!({"apiVersion": "diag.example.com/v2", "kind": "Gadget", "metadata": {"name": "main", "namespace": "web"}}),
    );
    of.0.live = None;
    of.0.status = ObjectStatus::new(Readiness::Unknown, format!("it cannot be read: {CONVERTS}")).because("Unreadable");
    let of = of.around(definition("gadgets"));
    assert_eq!(of.roots(), ["CustomResourceDefinition gadgets.diag.example.com"]);
    assert!(crate::wanted(&of.0, super::now()).contains(&converter("Service")));
}

fn configuration(kind: &str, name: &str, called: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "webhooks": [{"name": "pods.example.com", "clientConfig": called}],
    })
}

/// The configurations that are named, and what is told to do about them.
fn told(message: &str, configurations: &[Value]) -> (Vec<String>, Vec<String>) {
    let of = configurations.iter().cloned().fold(refused(message, 3), Of::around);
    let cause = crate::causes(&of.0, super::now()).remove(0);
    let named = cause.evidence.iter().filter_map(|line| line.strip_suffix(" has the webhook pods.example.com"));
    let next = cause.next.into_iter().filter(|line| line.contains("webhookconfiguration"));
    (named.map(str::to_owned).collect(), next.collect())
}

const VALIDATING: &str = "ValidatingWebhookConfiguration";

/// A webhook's name is one of its configuration only: which one was called is told by the address.
#[rstest]
#[case::namespace(json!({"service": {"namespace": "others", "name": "guard", "path": "/validate"}}))]
#[case::service(json!({"service": {"namespace": "policies", "name": "other", "path": "/validate"}}))]
#[case::path(json!({"service": {"namespace": "policies", "name": "guard", "path": "/mutate"}}))]
#[case::no_path(json!({"service": {"namespace": "policies", "name": "guard"}}))]
#[case::port(json!({"service": {"namespace": "policies", "name": "guard", "path": "/validate", "port": 8443}}))]
#[case::url(json!({"url": "https://guard.example.com/validate"}))]
fn the_configuration_that_was_called_is_named(#[case] other: Value) {
    let called = json!({"service": {"namespace": "policies", "name": "guard", "path": "/validate", "port": 443}});
    let both = [configuration(VALIDATING, "others", &other), configuration(VALIDATING, "guards", &called)];
    let advice = "if what it belongs to is gone: kubectl delete validatingwebhookconfiguration guards";
    assert_eq!(
        told(UNREACHABLE, &both),
        (vec!["ValidatingWebhookConfiguration guards".to_owned()], vec![advice.to_owned()])
    );
}

#[test]
fn a_configuration_that_calls_an_address_is_named() {
    let message = UNREACHABLE.replace("guard.policies.svc:443/validate", "guard.example.com/validate");
    let called = configuration(VALIDATING, "guards", &json!({"url": "https://guard.example.com/validate"}));
    let other = configuration(VALIDATING, "others", &json!({"url": "https://guard.example.com/other"}));
    assert_eq!(told(&message, &[other, called]).0, ["ValidatingWebhookConfiguration guards"]);
}

/// Which of them it was is not known, and to delete the wrong one would be a hole in the cluster's rules.
#[rstest]
#[case::called_alike(UNREACHABLE.to_owned())]
#[case::no_address(UNREACHABLE.replace("Post \"https://guard.policies.svc:443/validate?timeout=10s\": ", ""))]
fn none_of_several_configurations_is_to_be_deleted(#[case] message: String) {
    let called = json!({"service": {"namespace": "policies", "name": "guard", "path": "validate"}});
    let both = [
        configuration(VALIDATING, "guards", &called),
        configuration("MutatingWebhookConfiguration", "changes", &called),
    ];
    let (named, next) = told(&message, &both);
    assert_eq!(named, ["ValidatingWebhookConfiguration guards", "MutatingWebhookConfiguration changes"]);
    let both = "kubectl get validatingwebhookconfiguration/guards mutatingwebhookconfiguration/changes -o yaml: both have this webhook, and one of them was called";
    assert_eq!(next, [both]);
}

/// It was changed since, or it was another one.
#[test]
fn a_configuration_that_was_not_called_is_not_named() {
    let other = json!({"service": {"namespace": "others", "name": "guard", "path": "/validate"}});
    assert_eq!(told(UNREACHABLE, &[configuration(VALIDATING, "others", &other)]), (Vec::new(), Vec::new()));
}
