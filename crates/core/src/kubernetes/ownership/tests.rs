use super::*;
use crate::ids::{ObjectRef, ReleaseKey};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const GONE: &str = "web/gone";

fn release() -> ReleaseKey {
    ReleaseKey::new("web", "mine")
}

fn key(text: &str) -> ReleaseKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ReleaseKey::new(namespace, name)
}

fn records() -> BTreeMap<ReleaseKey, Records> {
    [(key("web/other"), Records::Exist), (key(GONE), Records::Gone)].into()
}

fn owned(namespace: &str, name: &str) -> Value {
    json!({
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace},
    })
}

fn with(mut metadata: Value, field: &str, value: Value) -> Value {
    metadata[field] = value;
    metadata
}

fn controller() -> Value {
    json!([{"kind": "Node", "name": "n"}, {"kind": "ReplicaSet", "name": "web-1", "controller": true}])
}

fn written(managers: &[(&str, &str, &str)]) -> Value {
    let entry = |(manager, time, subresource): &(&str, &str, &str)| json!({"manager": manager, "time": time, "subresource": subresource});
    json!({"managedFields": managers.iter().map(entry).collect::<Vec<_>>()})
}

fn unowned(lacks: &[&str], written_by: &[&str]) -> Ownership {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Ownership::Unowned { lacks: owned(lacks), written_by: owned(written_by) }
}

fn other(release: &str, records: Records) -> Ownership {
    Ownership::OtherRelease { release: key(release), records }
}

fn tool(tool: &str, mark: &str) -> Ownership {
    Ownership::OtherTool { tool: tool.to_owned(), mark: mark.to_owned() }
}

fn controlled() -> Ownership {
    Ownership::ControllerOwned { kind: "ReplicaSet".to_owned(), name: "web-1".to_owned() }
}

#[rstest]
#[case::nothing(json!({}), unowned(&[], &[]))]
#[case::own(owned("web", "mine"), Ownership::Own)]
// What helm takes as its own is its own, whoever else has a hand in it.
#[case::own_and_controlled(with(owned("web", "mine"), "ownerReferences", controller()), Ownership::Own)]
#[case::controlled(json!({"ownerReferences": controller()}), controlled())]
#[case::controlled_of_another(with(owned("web", "other"), "ownerReferences", controller()), controlled())]
#[case::owner_without_control(json!({"ownerReferences": [{"kind": "Node", "name": "n"}]}), unowned(&[], &[]))]
#[case::of_another(owned("web", "other"), other("web/other", Records::Exist))]
#[case::of_one_that_is_gone(owned("web", "gone"), other(GONE, Records::Gone))]
#[case::of_an_unknown_one(owned("far", "away"), other("far/away", Records::Unreadable))]
#[case::same_name_elsewhere(owned("far", "mine"), other("far/mine", Records::Unreadable))]
#[case::annotations_only(
    json!({"annotations": {"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "web"}}),
    other("web/other", Records::Exist)
)]
#[case::own_annotations_only(
    json!({"annotations": {"meta.helm.sh/release-name": "mine", "meta.helm.sh/release-namespace": "web"}}),
    unowned(&["label app.kubernetes.io/managed-by=Helm"], &[])
)]
// `helm template | kubectl apply`
#[case::label_only(
    json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
    unowned(&["annotation meta.helm.sh/release-name", "annotation meta.helm.sh/release-namespace"], &[])
)]
#[case::label_of_another_tool(
    json!({"labels": {"app.kubernetes.io/managed-by": "operator"}}),
    tool("operator", "label app.kubernetes.io/managed-by")
)]
// Argo CD renders charts: what it has looks as what helm has, but for its own mark.
#[case::argo(
    json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/web"}}),
    tool("Argo CD", "annotation argocd.argoproj.io/tracking-id")
)]
#[case::argo_by_label(json!({"labels": {"argocd.argoproj.io/instance": "shop"}}), tool("Argo CD", "label argocd.argoproj.io/instance"))]
#[case::a_label_of_charts(json!({"labels": {"app.kubernetes.io/instance": "shop"}}), unowned(&[], &[]))]
#[case::flux(json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}), tool("Flux", "label kustomize.toolkit.fluxcd.io/name"))]
#[case::flux_release(json!({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}), tool("Flux", "label helm.toolkit.fluxcd.io/name"))]
#[case::kapp(json!({"labels": {"kapp.k14s.io/app": "1"}}), tool("kapp", "label kapp.k14s.io/app"))]
#[case::pulumi(json!({"annotations": {"pulumi.com/autonamed": "true"}}), tool("Pulumi", "annotation pulumi.com/autonamed"))]
#[case::terraform(
    written(&[("kubectl-edit", "2026-11-21T10:00:00Z", ""), ("Terraform", "2026-11-20T10:00:00Z", "")]),
    tool("Terraform", "field manager Terraform")
)]
// The last one first, each once, and not who reports how it is.
#[case::by_hand(
    written(&[
        ("kubectl-client-side-apply", "2026-11-20T10:00:00Z", ""), ("kubectl-edit", "2026-11-21T10:00:00Z", ""),
        ("kubectl-client-side-apply", "2026-11-19T10:00:00Z", ""), ("Terraform", "2026-11-22T10:00:00Z", "status"),
    ]),
    unowned(&[], &["kubectl-edit", "kubectl-client-side-apply"])
)]
// A release that has let go of it, and another tool: that of the release counts, either has to be named.
#[case::gone_and_a_tool(
    with(owned("web", "gone"), "managedFields", json!([{"manager": "Terraform"}])), other(GONE, Records::Gone)
)]
fn whose_it_is(#[case] metadata: Value, #[case] expected: Ownership) {
    let live = json!({"kind": "ConfigMap", "metadata": metadata});
    assert_eq!(ownership(Some(&live), &release(), &records()), expected);
}

#[test]
fn what_is_not_there_is_free() {
    assert_eq!(ownership(None, &release(), &records()), Ownership::Free);
}

/// By consent: none, for what is nobody's, by name.
#[rstest]
#[case(Ownership::Free, "- - -")]
#[case(Ownership::Own, "- - -")]
#[case(unowned(&[], &[]), "no_step adopt adopt")]
#[case(other(GONE, Records::Gone), "not_named not_named adopt")]
#[case(tool("Argo CD", "mark"), "not_named not_named adopt")]
#[case(other("web/other", Records::Exist), "never never never")]
#[case(other("web/other", Records::Unreadable), "never never never")]
#[case(controlled(), "never never never")]
fn what_is_adopted(#[case] whose: Ownership, #[case] expected: &str) {
    let verdict = |consent| match whose.adoption(consent) {
        AdoptionVerdict::NotNeeded => "-".to_owned(),
        AdoptionVerdict::Adopt => "adopt".to_owned(),
        AdoptionVerdict::Refuse(why) => serde_json::to_value(why).unwrap().as_str().unwrap().to_owned(),
    };
    let all = [AdoptionConsent::None, AdoptionConsent::Unowned, AdoptionConsent::Named].map(verdict);
    assert_eq!(all.join(" "), expected);
}

#[rstest]
#[case(Ownership::Free, "does not exist")]
#[case(unowned(&[], &["kubectl"]), "exists and belongs to no release")]
#[case(unowned(&["label a", "annotation b"], &[]), "exists and lacks label a, annotation b for Helm to take it over")]
#[case(other("web/other", Records::Exist), "belongs to release web/other")]
#[case(other(GONE, Records::Gone), "belongs to release web/gone, of which Helm has no record any more")]
#[case(other("web/other", Records::Unreadable), "belongs to release web/other, whose records may not be read")]
#[case(tool("Argo CD", "label a"), "is managed by Argo CD (label a), and belongs to no release")]
#[case(controlled(), "is controlled by ReplicaSet web-1")]
fn in_words(#[case] whose: Ownership, #[case] expected: &str) {
    assert_eq!(whose.to_string(), expected);
}

#[rstest]
#[case("terraform-provider-helm_v3.0.2_x5", Some("Terraform"))]
#[case("HashiCorp", Some("Terraform"))]
#[case("pulumi-resource-kubernetes", Some("Pulumi"))]
#[case("pulumi-kubernetes-8f7a", Some("Pulumi"))]
#[case("argocd-controller", Some("Argo CD"))]
#[case("kustomize-controller", Some("Flux"))]
#[case("helm", None)]
#[case("kubectl-client-side-apply", None)]
#[case("kube-controller-manager", None)]
fn tools_by_their_field_managers(#[case] manager: &str, #[case] expected: Option<&str>) {
    assert_eq!(tool_of_manager(manager), expected);
}

#[test]
fn undos_are_kept_together() {
    let object = |name: &str| ObjectRef::parse(&format!("ConfigMap/web/{name}")).unwrap();
    let (none, some) = (json!({"metadata": null}), json!({"metadata": {"labels": {}}}));
    let mut all = Vec::new();
    for (name, patch) in [("a", &none), ("b", &some), ("c", &none), ("b", &none)] {
        AdoptionUndo::add(&mut all, &object(name), patch);
    }
    assert_eq!(all, [AdoptionUndo { patch: none, objects: ["a", "c", "b"].map(object).to_vec() }]);
}
