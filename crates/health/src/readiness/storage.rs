//! PersistentVolumeClaim and PersistentVolume.

use crate::conventions::fields::{array, group_and_kind, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

pub(super) fn claim(object: &Value) -> ObjectStatus {
    match text(object, "/status/phase") {
        "Bound" => ObjectStatus::new(Readiness::Current, "it is bound"),
        "Lost" => ObjectStatus::new(Readiness::Failed, "its volume is lost").because("Lost"),
        _ => ObjectStatus::new(Readiness::InProgress, "it is not bound to a volume"),
    }
}

/// A claim that a storage class binds only when a pod uses it, and that no pod of `others` uses: it is as it should be.
pub(super) fn unused_claim(claim: &Value, others: &[&Value]) -> Option<ObjectStatus> {
    if group_and_kind(claim) != ("", "PersistentVolumeClaim") || text(claim, "/status/phase") != "Pending" {
        return None;
    }
    // Without a name it gets the default class; with an empty one it is never to get any.
    let name = claim.pointer("/spec/storageClassName").and_then(Value::as_str);
    let is_class = |object: &&&Value| {
        group_and_kind(object) == ("storage.k8s.io", "StorageClass")
            && match name {
                None => text(object, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true",
                Some("") => false,
                Some(name) => text(object, "/metadata/name") == name,
            }
    };
    let class = others.iter().find(is_class)?;
    let waits = text(class, "/volumeBindingMode") == "WaitForFirstConsumer";
    if !waits || others.iter().any(|other| uses_claim(other, claim)) {
        return None;
    }
    let message = "it is bound when a pod uses it, and none does";
    Some(ObjectStatus::new(Readiness::Current, message).because("WaitForFirstConsumer"))
}

/// Whether the pods of `object` use the claim, by name or as one of the claims a StatefulSet makes.
fn uses_claim(object: &Value, claim: &Value) -> bool {
    if text(object, "/metadata/namespace") != text(claim, "/metadata/namespace") {
        return false;
    }
    let name = text(claim, "/metadata/name");
    let specs = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let mut volumes = specs.into_iter().flat_map(|spec| array(object, &format!("{spec}/volumes")));
    if volumes.any(|volume| text(volume, "/persistentVolumeClaim/claimName") == name) {
        return true;
    }
    let owner = text(object, "/metadata/name");
    let made = |template: &Value| format!("{}-{owner}-", text(template, "/metadata/name"));
    group_and_kind(object) == ("apps", "StatefulSet")
        && array(object, "/spec/volumeClaimTemplates").iter().any(|template| {
            let number = name.strip_prefix(&made(template));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        })
}

pub(super) fn volume(object: &Value) -> ObjectStatus {
    match text(object, "/status/phase") {
        phase @ ("Available" | "Bound" | "Released") => {
            ObjectStatus::new(Readiness::Current, format!("it is {}", phase.to_lowercase()))
        }
        "Failed" => ObjectStatus::new(Readiness::Failed, text(object, "/status/message")).because("Failed"),
        _ => ObjectStatus::new(Readiness::InProgress, "it is not available yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress};
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({}), InProgress, InProgress)]
    #[case(json!({"phase": "Pending"}), InProgress, InProgress)]
    #[case(json!({"phase": "Bound"}), Current, Current)]
    #[case(json!({"phase": "Available"}), InProgress, Current)]
    #[case(json!({"phase": "Released"}), InProgress, Current)]
    #[case(json!({"phase": "Lost"}), Failed, InProgress)]
    #[case(json!({"phase": "Failed"}), InProgress, Failed)]
    fn phases(#[case] status: Value, #[case] as_claim: Readiness, #[case] as_volume: Readiness) {
        let object = json!({"status": status});
        assert_eq!((claim(&object).readiness, volume(&object).readiness), (as_claim, as_volume));
    }

    /// An empty name asks for no class at all, also not for the default one.
    #[rstest]
    #[case(json!({}), Some(Current))]
    #[case(json!({"storageClassName": null}), Some(Current))]
    #[case(json!({"storageClassName": ""}), None)]
    fn claims_of_the_default_class(#[case] spec: Value, #[case] expected: Option<Readiness>) {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "n"},
            "spec": spec, "status": {"phase": "Pending"}});
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "volumeBindingMode": "WaitForFirstConsumer",
            "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}});
        assert_eq!(unused_claim(&claim, &[&class]).map(|status| status.readiness), expected);
    }

    /// A claim that waits for its first pod is as it should be only when no pod is to use it.
    #[rstest]
    #[case("Immediate", json!({}), None)]
    #[case("WaitForFirstConsumer", json!({}), Some(Current))]
    #[case("WaitForFirstConsumer", json!({"kind": "Deployment", "spec": {"template": {"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data-db-0"}}]}}}}), None)]
    #[case("WaitForFirstConsumer", json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}), None)]
    #[case("WaitForFirstConsumer", json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "log"}}]}}), Some(Current))]
    fn claims_that_wait_for_a_pod(#[case] mode: &str, #[case] mut user: Value, #[case] expected: Option<Readiness>) {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0", "namespace": "n"},
            "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}});
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}, "volumeBindingMode": mode});
        user["apiVersion"] = json!("apps/v1");
        user["metadata"] = json!({"name": "db", "namespace": "n"});
        assert_eq!(unused_claim(&claim, &[&class, &user]).map(|status| status.readiness), expected);
        assert_eq!(unused_claim(&claim, &[&user]), None);
    }
}
