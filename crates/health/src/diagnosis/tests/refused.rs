//! What the API server refuses to controllers, in the words of Kubernetes 1.36.

use super::{Of, ago, object, there};
use crate::diagnosis::line::Line;
use crate::diagnosis::{Want, Whereabouts};
use pilothouse_core::code;
use rstest::rstest;
use serde_json::json;

fn set() -> Of {
    Of::web().owns(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-6d4", "namespace": "web"},
    }))
}

#[rstest]
#[case::quota_used_up(
    "pods \"web-6d4-x\" is forbidden: exceeded quota: compute, requested: limits.cpu=1,pods=1, used: limits.cpu=2,pods=2, limited: limits.cpu=2,pods=2",
    Line::QuotaUsedUp,
    "ResourceQuota web/compute does not allow it: limits.cpu: 1 asked for, 2 of 2 used; pods: 1 asked for, 2 of 2 used"
)]
#[case::quota_too_small(
    "pods \"web-6d4-x\" is forbidden: exceeded quota: compute, requested: limits.cpu=2, used: limits.cpu=0, limited: limits.cpu=1500m",
    Line::QuotaTooSmall,
    "ResourceQuota web/compute does not allow it: limits.cpu: 2 asked for, 0 of 1500m used"
)]
#[case::quota_without_requests(
    "pods \"web-6d4-x\" is forbidden: failed quota: compute: must specify limits.cpu for: web; requests.cpu for: web",
    Line::QuotaTooSmall,
    "ResourceQuota web/compute counts what the containers do not say: must specify limits.cpu for: web; requests.cpu for: web"
)]
#[case::limit_range(
    "pods \"web-6d4-x\" is forbidden: [maximum cpu usage per Container is 500m, but limit is 2, minimum memory usage per Container is 64Mi, but request is 8Mi]",
    Line::LimitRange,
    "a LimitRange of namespace web does not allow it: maximum cpu usage per Container is 500m, but limit is 2, minimum memory usage per Container is 64Mi, but request is 8Mi"
)]
#[case::pod_security(
    "pods \"web-6d4-x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"web\" must set securityContext.allowPrivilegeEscalation=false)",
    Line::PodSecurity,
    "namespace web enforces the level restricted of Pod Security: allowPrivilegeEscalation != false (container \"web\" must set securityContext.allowPrivilegeEscalation=false)"
)]
#[case::service_account(
    "pods \"web-6d4-\" is forbidden: error looking up service account web/app: serviceaccount \"app\" not found",
    Line::ServiceAccountMissing,
    "ServiceAccount web/app does not exist"
)]
#[case::priority_class(
    "pods \"web-6d4-\" is forbidden: no PriorityClass with name high was found",
    Line::ClassMissing,
    "PriorityClass high does not exist"
)]
#[case::runtime_class(
    "pods \"web-6d4-x\" is forbidden: pod rejected: RuntimeClass \"kata\" not found",
    Line::ClassMissing,
    "RuntimeClass kata does not exist"
)]
#[case::policy(
    "pods \"web-6d4-x\" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'no-latest' denied request: images need a tag",
    Line::PolicyDenied,
    "ValidatingAdmissionPolicy no-latest refuses it: images need a tag"
)]
#[case::namespace(
    "pods \"web-6d4-x\" is forbidden: unable to create new content in namespace web because it is being terminated",
    Line::NamespaceTerminating,
    "Namespace web is being deleted, and takes nothing new"
)]
#[case::permission(
    "pods is forbidden: User \"system:serviceaccount:a:b\" cannot create resource \"pods\" in API group \"\" in the namespace \"web\"",
    Line::RbacForbidden,
    "system:serviceaccount:a:b may not create pods in namespace web"
)]
#[case::invalid(
    "Pod \"web-6d4-x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
    Line::ObjectInvalid,
    "Error creating: Pod \"web-6d4-x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"
)]
fn pods_that_cannot_be_made(#[case] message: &str, #[case] line: Line, #[case] why: &str) {
    let of = set().events("ReplicaSet/web-6d4", "FailedCreate", &format!("Error creating: {message}"), 4, 40);
    of.tells(line, why);
}

#[rstest]
#[case("serviceaccount \"app\" not found", Line::ServiceAccountMissingYet)]
#[case("no PriorityClass with name high was found", Line::ClassMissingYet)]
#[case("admission webhook \"a.example\" denied the request: no", Line::WebhookDeniedOnce)]
#[case("ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no", Line::PolicyDeniedOnce)]
fn what_may_pass_at_first(#[case] message: &str, #[case] line: Line) {
    assert_eq!(set().event("ReplicaSet/web-6d4", "FailedCreate", message).told()[0].0, line);
}

/// The names of pods that could not be made differ, so that each is an event of its own.
#[test]
fn refusals_of_several_pods_count_together() {
    let refused = |pod: &str| {
        format!("Error creating: pods \"{pod}\" is forbidden: admission webhook \"a.example\" denied the request: no")
    };
    let of = set().event("ReplicaSet/web-6d4", "FailedCreate", &refused("web-6d4-a")).event(
        "ReplicaSet/web-6d4",
        "FailedCreate",
        &refused("web-6d4-b"),
    );
    of.tells(Line::WebhookDenied, "the admission webhook a.example refuses it: no");
}

#[test]
fn what_was_made_since_is_not_refused_any_more() {
    let of = set().event("ReplicaSet/web-6d4", "FailedCreate", "serviceaccount \"app\" not found").event(
        "ReplicaSet/web-6d4",
        "SuccessfulCreate",
        "Created pod: web-6d4-x",
    );
    assert_eq!(of.told()[0].0, Line::Unknown);
}

#[test]
fn the_condition_of_a_deployment_tells_it_too() {
    let message =
        "pods \"web-6d4-x\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2";
    let of = Of::object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message, "lastTransitionTime": ago(9)}]},
    }));
    of.tells(Line::QuotaUsedUp, "ResourceQuota web/pods does not allow it: pods: 1 asked for, 2 of 2 used");
    assert_eq!(of.roots(), ["ResourceQuota web/pods"]);
}

/// What a controller said before the run, and not since, may have been put right.
#[rstest]
#[case::before(Some(20), 40, false)]
#[case::since(Some(20), 10, true)]
#[case::nobody_is_at_work(None, 40, true)]
fn what_was_refused_before_the_run(#[case] since: Option<i64>, #[case] condition: i64, #[case] certain: bool) {
    let message = "pods \"web-6d4-x\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let of = Of::object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": message, "lastTransitionTime": ago(condition)}]},
    }));
    let of = match since {
        Some(seconds) => of.since(seconds),
        None => of,
    };
    assert_eq!((of.told()[0].0, of.certain()), (Line::PodSecurity, certain));
    // An event tells of each time.
    let again = of.owns(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-6d4", "namespace": "web"},
    }));
    assert!(again.event("ReplicaSet/web-6d4", "FailedCreate", &format!("Error creating: {message}")).certain());
}

/// What a refusal was for is looked for: what is there by now is no cause, and what is not is one, whenever that was told.
#[rstest]
#[case::account(
    "error looking up service account web/app: serviceaccount \"app\" not found",
    object("v1", "ServiceAccount/web/app"),
    code::SERVICE_ACCOUNT_MISSING
)]
#[case::priority(
    "no PriorityClass with name high was found",
    object("scheduling.k8s.io/v1", "PriorityClass/high"),
    code::CLASS_MISSING
)]
#[case::runtime(
    "pod rejected: RuntimeClass \"kata\" not found",
    object("node.k8s.io/v1", "RuntimeClass/kata"),
    code::CLASS_MISSING
)]
fn what_was_missing_is_looked_for(
    #[case] message: &str,
    #[case] missing: pilothouse_core::ObjectRef,
    #[case] code: &str,
    #[values(None, Some(20))] since: Option<i64>,
) {
    let failed = || {
        let of = Of::object(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
            "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": message, "lastTransitionTime": ago(50)}]},
        }));
        match since {
            Some(seconds) => of.since(seconds),
            None => of,
        }
    };
    failed().wants(&[Want::Keys(missing.clone())]);
    let found = |whereabouts| {
        let mut of = failed();
        of.0.referred.push(crate::Referred { object: missing.clone(), whereabouts });
        let cause = crate::causes(&of.0, super::now()).remove(0);
        (cause.code, of.certain(), cause.why, cause.next)
    };
    let gone = found(Whereabouts::Missing);
    assert_eq!((gone.0.as_str(), gone.1), (code, true));
    let (told, certain, why, next) = found(there(&[]));
    assert_eq!((told.as_str(), certain), (code, false));
    assert!(why.ends_with("is there now, and its controller has not tried again yet"), "{why}");
    assert_eq!(next, ["kubectl rollout restart deployment -n web web has it tried at once"]);
}

/// What is put right in the cluster is not seen by a controller that has been refused for long before many minutes.
#[rstest]
#[case::webhook(
    "failed calling webhook \"a.example.com\": failed to call webhook: Post \"https://a.b.svc:443/?timeout=10s\": x",
    code::WEBHOOK_UNREACHABLE,
    true
)]
#[case::denied("admission webhook \"a.example.com\" denied the request: no", code::WEBHOOK_DENIED, true)]
#[case::policy("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", code::POLICY_DENIED, true)]
#[case::quota(
    "pods \"web-1\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
    code::QUOTA_EXCEEDED,
    true
)]
#[case::range("maximum cpu usage per Container is 500m, but limit is 2", code::LIMIT_RANGE, true)]
#[case::security("violates PodSecurity \"restricted:latest\": runAsNonRoot != true (x)", code::POD_SECURITY, true)]
#[case::values("Pod \"web-1\" is invalid: spec.x: Invalid value", code::OBJECT_INVALID, false)]
fn how_a_controller_is_made_to_try_again(#[case] message: &str, #[case] code: &str, #[case] by_restart: bool) {
    let of = |kind: &str| {
        let of = Of::object(json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "namespace": "web"},
            "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": message, "lastTransitionTime": ago(50)}]},
        }));
        let cause = crate::causes(&of.0, super::now()).remove(0);
        (cause.code, cause.next.into_iter().find(|line| line.contains("rollout restart")))
    };
    let restart = |kind: &str| {
        format!(
            "once it is put right without other values: kubectl rollout restart {kind} -n web web has it tried at once"
        )
    };
    assert_eq!(of("Deployment"), (code.to_owned(), by_restart.then(|| restart("deployment"))));
    assert_eq!(of("StatefulSet"), (code.to_owned(), by_restart.then(|| restart("statefulset"))));
    assert_eq!(of("ReplicaSet").1, None, "it has no template that may be changed so");
}

/// What was wrong with an earlier version says nothing about this one.
#[test]
fn events_of_old_replica_sets_do_not_count() {
    let set = |name: &str, revision: &str| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {
            "name": name, "namespace": "web", "uid": name, "annotations": {"deployment.kubernetes.io/revision": revision},
        }})
    };
    let failed =
        |of: Of, set: &str| of.event(&format!("ReplicaSet/{set}"), "FailedCreate", "serviceaccount \"app\" not found");
    assert_eq!(failed(Of::web(), "web-6d4").told()[0].0, Line::Unknown, "nobody knows whose it is");
    let both = || Of::web().owns(set("web-1", "1")).owns(set("web-2", "2"));
    assert_eq!(failed(both(), "web-1").told()[0].0, Line::Unknown);
    failed(both(), "web-2").tells(Line::ServiceAccountMissingYet, "ServiceAccount web/app does not exist");
}

/// A StatefulSet says what it could not change of a pod.
#[test]
fn an_update_that_is_refused() {
    let message = "update Pod db-0 in StatefulSet db failed error: admission webhook \"guard.example.com\" denied the request: no";
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "web"}});
    let of = Of::object(set).events("StatefulSet/db", "FailedUpdate", message, 4, 40);
    of.tells(Line::WebhookDenied, "the admission webhook guard.example.com refuses it: no");
}
