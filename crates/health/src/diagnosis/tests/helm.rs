//! Helm's words, of versions 3.19 to 4.3.

use super::{ago, all, now, object};
use crate::diagnosis::{HelmEvidence, LockSeen, Want, helm_causes, helm_wanted};
use pilothouse_core::{Certainty, ReleaseKey, code};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

fn of(text: &str) -> HelmEvidence {
    HelmEvidence::new(ReleaseKey::new("shop", "web"), text)
}

/// Code, object, why.
fn told(evidence: &HelmEvidence) -> Vec<(String, Option<String>, String)> {
    let told = |cause: pilothouse_core::Cause| (cause.code, cause.object.map(|object| object.to_string()), cause.why);
    helm_causes(evidence, now()).into_iter().map(told).collect()
}

#[rstest]
#[case::locked(
    "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
    code::RELEASE_LOCKED,
    None,
    "another operation of helm is in progress on the release, or was killed"
)]
#[case::no_deployed(
    "Error: UPGRADE FAILED: \"web\" has no deployed releases",
    code::RELEASE_STALE_LOCK,
    None,
    "helm has records of the release, but none that it could upgrade: an uninstall or first install was interrupted"
)]
#[case::owned_by_another(
    "Error: Unable to continue with install: Service \"web\" in namespace \"shop\" exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"web\": current value is \"old\"",
    code::OWNERSHIP_CONFLICT,
    Some("Service shop/web"),
    "Service shop/web exists already, and it belongs to release shop/old"
)]
#[case::owned_by_nobody(
    "Error: unable to continue with install: ConfigMap \"settings\" in namespace \"shop\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"; annotation validation error: missing key \"meta.helm.sh/release-name\": must be set to \"web\"",
    code::OWNERSHIP_CONFLICT,
    Some("ConfigMap shop/settings"),
    "ConfigMap shop/settings exists already, and it belongs to no release"
)]
#[case::owned_in_the_cluster(
    "Error: Unable to continue with install: ClusterRole \"web\" in namespace \"\" exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key \"meta.helm.sh/release-namespace\" must equal \"shop\": current value is \"other\"",
    code::OWNERSHIP_CONFLICT,
    Some("ClusterRole web"),
    "ClusterRole web exists already, and it belongs to a release in namespace other"
)]
#[case::unreachable(
    "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:1/version\": dial tcp 127.0.0.1:1: connect: connection refused",
    code::API_UNREACHABLE,
    None,
    "the API server does not answer: Get \"https://127.0.0.1:1/version\": dial tcp 127.0.0.1:1: connect: connection refused"
)]
#[case::credentials(
    "Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials",
    code::API_UNREACHABLE,
    None,
    "the API server refuses the credentials: the server has asked for the client to provide credentials"
)]
#[case::kube_version(
    "Error: chart requires kubeVersion: >=99.0.0 which is incompatible with Kubernetes v1.36.2",
    code::KUBE_VERSION_UNSUPPORTED,
    None,
    "the chart requires Kubernetes >=99.0.0 which is incompatible with Kubernetes v1.36.2"
)]
#[case::dependency(
    "Error: An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: redis, db",
    code::CHART_DEPENDENCY_MISSING,
    None,
    "the chart lacks its dependencies redis, db"
)]
#[case::no_chart(
    "Error: path \"./web\" not found",
    code::CHART_NOT_FOUND,
    None,
    "the chart is not there: path \"./web\" not found"
)]
#[case::template_of_a_folder_api(
    "Error: parse error at (app/templates/api/deployment.yaml:12): unexpected EOF",
    code::CHART_TEMPLATE_FAILED,
    None,
    "a template fails at app/templates/api/deployment.yaml:12: parse error at (app/templates/api/deployment.yaml:12): unexpected EOF"
)]
#[case::template_named_version(
    "Error: parse error at (app/templates/version.yaml:3): unclosed action started at app/templates/version.yaml:2: EOF",
    code::CHART_TEMPLATE_FAILED,
    None,
    "a template fails at app/templates/version.yaml:3: parse error at (app/templates/version.yaml:3): unclosed action started at app/templates/version.yaml:2: EOF"
)]
#[case::not_decoded(
    "Error: INSTALLATION FAILED: 1 error occurred:\n\t* Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string\n\n",
    code::OBJECT_INVALID,
    None,
    "release shop/web is not accepted: Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string"
)]
#[case::not_built_in(
    "Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"web\" namespace: \"\" from \"\": no matches for kind \"VerticalPodAutoscaler\" in version \"autoscaling.k8s.io/v1\"\nensure CRDs are installed first",
    code::API_NOT_SERVED,
    Some("VerticalPodAutoscaler shop/web"),
    "the cluster does not serve VerticalPodAutoscaler of autoscaling.k8s.io/v1"
)]
#[case::schema(
    "Error: UPGRADE FAILED: values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- at '/replicas': got string, want integer\n",
    code::VALUES_INVALID,
    None,
    "the values do not fit the chart's schema: web:; - at '/replicas': got string, want integer"
)]
#[case::template(
    "Error: execution error at (web/templates/a.yaml:1:4): name is required",
    code::CHART_TEMPLATE_FAILED,
    None,
    "a template fails at web/templates/a.yaml:1:4: execution error at (web/templates/a.yaml:1:4): name is required"
)]
#[case::values(
    "Error: failed parsing --set data: key \"a\" has no value",
    code::VALUES_INVALID,
    None,
    "the values cannot be read: failed parsing --set data: key \"a\" has no value"
)]
#[case::too_large(
    "Error: create: failed to create: Secret \"sh.helm.release.v1.web.v1\" is invalid: data: Too long: may not be more than 1048576 bytes",
    code::RELEASE_TOO_LARGE,
    Some("Secret shop/sh.helm.release.v1.web.v1"),
    "helm's record of the release does not fit into a Secret (1 MiB)"
)]
#[case::webhook_denied(
    "Error: UPGRADE FAILED: failed to create resource: admission webhook \"guard.example.com\" denied the request: no",
    code::WEBHOOK_DENIED,
    None,
    "the admission webhook guard.example.com refuses it: no"
)]
#[case::policy(
    "Error: failed to create resource: deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'few' with binding 'few' denied request: failed expression: object.spec.replicas <= 5",
    code::POLICY_DENIED,
    Some("Deployment shop/web"),
    "ValidatingAdmissionPolicy few refuses it: failed expression: object.spec.replicas <= 5"
)]
#[case::quota(
    "Error: failed to create resource: services \"web\" is forbidden: exceeded quota: objects, requested: services=1, used: services=2, limited: services=2",
    code::QUOTA_EXCEEDED,
    Some("Service shop/web"),
    "ResourceQuota shop/objects does not allow it: services: 1 asked for, 2 of 2 used"
)]
#[case::rbac(
    "Error: UPGRADE FAILED: could not get information about the resource: services \"web\" is forbidden: User \"jane\" cannot get resource \"services\" in API group \"\" in the namespace \"shop\"",
    code::RBAC_FORBIDDEN,
    Some("Service shop/web"),
    "jane may not get services in namespace shop"
)]
#[case::rbac_of_records(
    "Error: query: failed to query with labels: secrets is forbidden: User \"jane\" cannot list resource \"secrets\" in API group \"\" in the namespace \"shop\"",
    code::RBAC_FORBIDDEN,
    None,
    "jane may not list secrets in namespace shop"
)]
#[case::rbac_in_the_cluster(
    "Error: clusterroles.rbac.authorization.k8s.io \"web\" is forbidden: User \"jane\" cannot get resource \"clusterroles\" in API group \"rbac.authorization.k8s.io\" at the cluster scope",
    code::RBAC_FORBIDDEN,
    Some("ClusterRole web"),
    "jane may not get clusterroles.rbac.authorization.k8s.io in the whole cluster"
)]
#[case::namespace_missing(
    "Error: create: failed to create: namespaces \"shop\" not found",
    code::NAMESPACE_MISSING,
    Some("Namespace shop"),
    "Namespace shop does not exist"
)]
#[case::terminating(
    "Error: failed to create resource: serviceaccounts \"web\" is forbidden: unable to create new content in namespace shop because it is being terminated",
    code::NAMESPACE_TERMINATING,
    Some("ServiceAccount shop/web"),
    "Namespace shop is being deleted, and takes nothing new"
)]
#[case::definition_terminating(
    "Error: failed to create resource: create not allowed while custom resource definition is terminating",
    code::CRD_NOT_ESTABLISHED,
    None,
    "the definition of its kind is being deleted, and takes nothing new"
)]
#[case::definition_terminating_4(
    "Error: server-side apply failed for object shop/web example.com/v1, Kind=Widget: create not allowed while custom resource definition is terminating",
    code::CRD_NOT_ESTABLISHED,
    Some("Widget shop/web"),
    "the definition of its kind is being deleted, and takes nothing new"
)]
#[case::leftover(
    "Error: UPGRADE FAILED: pre-upgrade hooks failed: warning: Hook pre-upgrade web/templates/job.yaml failed: 1 error occurred:\n\t* jobs.batch \"migrate\" already exists\n\n",
    code::HOOK_LEFTOVER,
    Some("Job shop/migrate"),
    "Job shop/migrate exists already: a hook of an earlier operation has left it, and the chart does not delete it before"
)]
#[case::exists(
    "Error: failed to create resource: services \"web\" already exists",
    code::OWNERSHIP_CONFLICT,
    Some("Service shop/web"),
    "Service shop/web exists already, and the release does not have it"
)]
#[case::no_definition(
    "Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"web\" namespace: \"\" from \"\": no matches for kind \"Certificate\" in version \"cert-manager.io/v1\"\nensure CRDs are installed first",
    code::API_NOT_SERVED,
    Some("Certificate shop/web"),
    "the cluster does not serve Certificate of cert-manager.io/v1"
)]
#[case::removed(
    "Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"web\" namespace: \"\" from \"\": no matches for kind \"PodDisruptionBudget\" in version \"policy/v1beta1\"\nensure CRDs are installed first",
    code::API_NOT_SERVED,
    Some("PodDisruptionBudget shop/web"),
    "the cluster does not serve PodDisruptionBudget of policy/v1beta1: Kubernetes has removed it"
)]
#[case::conflict(
    "Error: UPGRADE FAILED: conflict occurred while applying object shop/web apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas",
    code::FIELD_CONFLICT,
    Some("Deployment shop/web"),
    "Deployment shop/web belongs to kubectl in the fields .spec.replicas"
)]
#[case::conflicts(
    "Error: UPGRADE FAILED: conflict occurred while applying object shop/settings /v1, Kind=ConfigMap: Apply failed with 3 conflicts: conflicts with \"kubectl-edit\" using v1:\n- .data.a\n- .data.b\nconflict with \"operator\" using v1: .data.c",
    code::FIELD_CONFLICT,
    Some("ConfigMap shop/settings"),
    "ConfigMap shop/settings belongs to kubectl-edit, operator in the fields .data.a, .data.b, .data.c"
)]
#[case::strict(
    "Error: server-side apply failed for object shop/web /v1, Kind=Service: .spec.x: field not declared in schema",
    code::OBJECT_INVALID,
    Some("Service shop/web"),
    "Service shop/web is not accepted: server-side apply failed for object shop/web /v1, Kind=Service: .spec.x: field not declared in schema"
)]
#[case::immutable_3(
    "Error: UPGRADE FAILED: cannot patch \"web\" with kind Deployment: Deployment.apps \"web\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
    code::IMMUTABLE_FIELD,
    Some("Deployment shop/web"),
    "Deployment shop/web: spec.selector must not change once the object exists: spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"
)]
#[case::immutable_4(
    "Error: UPGRADE FAILED: server-side apply failed for object shop/db apps/v1, Kind=StatefulSet: StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template' are forbidden",
    code::IMMUTABLE_FIELD,
    Some("StatefulSet shop/db"),
    "StatefulSet shop/db: spec must not change once the object exists: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template' are forbidden"
)]
#[case::immutable_role(
    "Error: UPGRADE FAILED: cannot patch \"web\" with kind RoleBinding: RoleBinding.rbac.authorization.k8s.io \"web\" is invalid: roleRef: Invalid value: {\"name\":\"b\"}: cannot change roleRef",
    code::IMMUTABLE_FIELD,
    Some("RoleBinding shop/web"),
    "RoleBinding shop/web: roleRef must not change once the object exists: roleRef: Invalid value: {\"name\":\"b\"}: cannot change roleRef"
)]
#[case::hook_3(
    "Error: UPGRADE FAILED: pre-upgrade hooks failed: 1 error occurred:\n\t* job migrate failed: BackoffLimitExceeded\n\n",
    code::HOOK_FAILED,
    Some("Job shop/migrate"),
    "the pre-upgrade hook failed: job migrate failed: BackoffLimitExceeded"
)]
#[case::hook_4(
    "Error: failed pre-install: resource Job/shop/migrate not ready. status: Failed, message: Job Failed. failed: 1/1",
    code::HOOK_FAILED,
    Some("Job shop/migrate"),
    "the pre-install hook failed: failed pre-install: resource Job/shop/migrate not ready. status: Failed, message: Job Failed. failed: 1/1"
)]
#[case::hook_late(
    "Error: UPGRADE FAILED: post-upgrade hooks failed: 1 error occurred:\n\t* timed out waiting for the condition\n\n",
    code::HOOK_FAILED,
    None,
    "the post-upgrade hook did not end in time: timed out waiting for the condition"
)]
#[case::hook_denied(
    "Error: failed pre-install: warning: Hook pre-install web/templates/job.yaml failed: 1 error occurred:\n\t* admission webhook \"guard.example.com\" denied the request: no\n\n",
    code::WEBHOOK_DENIED,
    None,
    "the admission webhook guard.example.com refuses it: no"
)]
#[case::invalid(
    "Error: failed to create resource: Service \"web\" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    code::OBJECT_INVALID,
    Some("Service shop/web"),
    "Service shop/web is not accepted: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"
)]
#[case::not_ready(
    "Error: resource Deployment/shop/web not ready. status: InProgress, message: Available: 0/1\ncontext deadline exceeded",
    code::UNKNOWN,
    Some("Deployment shop/web"),
    "helm says: resource Deployment/shop/web not ready. status: InProgress, message: Available: 0/1 context deadline exceeded"
)]
#[case::nothing("", code::UNKNOWN, None, "helm failed and said nothing")]
fn texts(#[case] text: &str, #[case] code: &str, #[case] object: Option<&str>, #[case] why: &str) {
    assert_eq!(told(&of(text)), [(code.to_owned(), object.map(str::to_owned), why.to_owned())]);
}

/// Networks recover, whoever did not answer; what an answer says does not change.
#[rstest]
#[case(
    "looks like \"https://charts.example\" is not a valid chart repository or cannot be reached: Get \"https://charts.example/index.yaml\": dial tcp: lookup charts.example: no such host",
    Certainty::Passing
)]
#[case(
    "looks like \"https://gitlab.example/api/v4/projects/1/packages/helm/stable\" is not a valid chart repository or cannot be reached: Get \"https://gitlab.example/api/v4/projects/1/packages/helm/stable/index.yaml\": dial tcp: lookup gitlab.example: no such host",
    Certainty::Passing
)]
#[case("failed to download \"https://charts.example/web-1.tgz\": 503 Service Unavailable", Certainty::Passing)]
#[case(
    "looks like \"https://charts.example\" is not a valid chart repository or cannot be reached: failed to fetch https://charts.example/index.yaml : 404 Not Found",
    Certainty::Certain
)]
#[case("path \"./web\" not found", Certainty::Certain)]
fn charts(#[case] text: &str, #[case] certainty: Certainty) {
    let causes = helm_causes(&of(&format!("Error: INSTALLATION FAILED: {text}")), now());
    let told: Vec<_> = causes.iter().map(|cause| (cause.code.as_str(), cause.certainty)).collect();
    assert_eq!(told, [(code::CHART_NOT_FOUND, certainty)]);
}

#[rstest]
#[case("Error: failed to create resource: services \"web\" already exists", "kubectl get service -n shop web")]
#[case(
    "Error: unable to continue with install: Service \"web\" in namespace \"shop\" exists and cannot be imported into the current release: invalid ownership metadata",
    "kubectl delete service -n shop web"
)]
fn commands(#[case] text: &str, #[case] command: &str) {
    let next = helm_causes(&of(text), now()).remove(0).next;
    assert!(next.iter().any(|line| line.contains(command)), "{next:?}");
}

/// RBAC refuses more than verbs: what nobody may give who does not have it, and owners that nobody may name who may not delete them.
#[rstest]
#[case::a_role(
    "Error: server-side apply failed for object shop/web rbac.authorization.k8s.io/v1, Kind=Role: roles.rbac.authorization.k8s.io \"web\" is forbidden: user \"deployer\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"policy\"], Resources:[\"poddisruptionbudgets\"], Verbs:[\"create\" \"delete\"]}",
    "Role shop/web",
    "deployer may not give away what it does not have itself: {APIGroups:[\"policy\"], Resources:[\"poddisruptionbudgets\"], Verbs:[\"create\" \"delete\"]}"
)]
#[case::a_binding(
    "Error: INSTALLATION FAILED: clusterrolebindings.rbac.authorization.k8s.io \"web\" is forbidden: user \"system:serviceaccount:ci:deployer\" (groups=[\"system:serviceaccounts\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}; resolution errors: [clusterroles.rbac.authorization.k8s.io \"gone\" not found]",
    "ClusterRoleBinding web",
    "system:serviceaccount:ci:deployer may not give away what it does not have itself: {APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}; resolution errors: [clusterroles.rbac.authorization.k8s.io \"gone\" not found]"
)]
#[case::an_owner(
    "Error: INSTALLATION FAILED: configmaps \"web\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: no RBAC policy matched",
    "ConfigMap shop/web",
    "it may not be made so: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: no RBAC policy matched"
)]
fn permissions_that_are_no_verbs(#[case] text: &str, #[case] object: &str, #[case] why: &str) {
    let expected = (code::RBAC_FORBIDDEN.to_owned(), Some(object.to_owned()), why.to_owned());
    assert_eq!(told(&of(text)), [expected]);
}

#[test]
fn several_errors_are_several_causes() {
    let text = "Error: UPGRADE FAILED: cannot patch \"a\" with kind Service: Service \"a\" is invalid: spec.clusterIP: Invalid value: \"\": field is immutable && cannot patch \"b\" with kind Job: Job.batch \"b\" is invalid: spec.template: Invalid value: x: field is immutable";
    let objects: Vec<_> = told(&of(text)).into_iter().map(|(_, object, _)| object.unwrap()).collect();
    assert_eq!(objects, ["Service shop/a", "Job shop/b"]);
}

#[test]
fn a_lock_with_its_holder() {
    let text = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress";
    let lock = LockSeen {
        revision: 4,
        status: "pending-upgrade".to_owned(),
        since: Some("2026-11-21T02:00:00Z".parse().unwrap()),
        holder: Some("jane@laptop".to_owned()),
    };
    let mut evidence = of(text);
    evidence.lock = Some(lock);
    let record = "revision 4 is pending-upgrade since 2026-11-21T02:00:00Z, by jane@laptop";
    assert_eq!(told(&evidence)[0].2, format!("another operation of helm is in progress: {record}"));
    assert_eq!(helm_causes(&evidence, now())[0].certainty, Certainty::Passing);
}

#[test]
fn the_object_in_the_way_is_looked_at() {
    let text = "Error: UPGRADE FAILED: pre-upgrade hooks failed: warning: Hook pre-upgrade web/templates/job.yaml failed: jobs.batch \"migrate\" already exists";
    let mut evidence = of(text);
    let want = Want::Object(object("batch/v1", "Job/shop/migrate"));
    assert_eq!(helm_wanted(&evidence), std::slice::from_ref(&want));
    evidence.read.push(want);
    let metadata = json!({"name": "migrate", "namespace": "shop", "creationTimestamp": ago(10_800)});
    evidence.around.push(Arc::new(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})));
    assert_eq!(
        told(&evidence)[0].2,
        "Job shop/migrate exists already (made 3 h ago): a hook of an earlier operation has left it, and the chart does not delete it before"
    );
    assert_eq!(helm_wanted(&evidence), []);
}

#[test]
fn secrets_are_never_read() {
    assert_eq!(helm_wanted(&of("Error: failed to create resource: secrets \"db\" already exists")), []);
}

#[test]
fn what_is_read_of_a_webhook_and_a_namespace() {
    let validating = all("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", None);
    assert_eq!(helm_wanted(&of("Error: admission webhook \"a.example\" denied the request: no"))[0], validating);
    let terminating = of(
        "Error: pods \"a\" is forbidden: unable to create new content in namespace other because it is being terminated",
    );
    assert_eq!(helm_wanted(&terminating), [Want::Object(object("v1", "Namespace/other"))]);
}

#[test]
fn credentials_in_helms_words_are_masked() {
    let causes = helm_causes(
        &of("Error: failed to fetch https://joe:hunter22@charts.example/web.tgz : 401 password=hunter22"),
        now(),
    );
    assert!(!format!("{causes:?}").contains("hunter22"));
}

/// It is not the API server that does not answer.
#[test]
fn a_webhook_that_does_not_convert() {
    let text = "Error: INSTALLATION FAILED: conversion webhook for diag.example.com/v1, Kind=Gadget failed: Post \"https://converter.gadget-system.svc:443/convert?timeout=30s\": dial tcp 10.0.0.1:443: connect: connection refused";
    let cause = helm_causes(&of(text), now()).remove(0);
    assert_eq!(
        (cause.code.as_str(), cause.root.as_str()),
        ("WEBHOOK_UNREACHABLE", "the definition of Gadget (diag.example.com)")
    );
}
