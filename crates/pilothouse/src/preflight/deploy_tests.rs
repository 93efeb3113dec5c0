use super::*;
use crate::context::Rendering;
use crate::test_world::{fake, release};
use crate::{HelmDriver, StepSpec, built_in};
use pilothouse_core::{On, ReinstallReason, RevisionStatus, StepKind, WaitFor, WaitStep};
use pilothouse_kube::ClusterError;
use pilothouse_testkit::{FakeCluster, release_secret};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

const KEPT: &str = "helm.sh/resource-policy: keep";

fn manifest(api_version: &str, kind: &str, name: &str, more: &str) -> String {
    format!("---\napiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}}}\n{more}\n")
}

fn kept(kind: &str, name: &str, more: &str) -> String {
    format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, annotations: {{{KEPT}}}}}\n{more}\n")
}

/// A cluster where this is deployed.
fn deployed(manifest: &str) -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    cluster.put(release_secret(&release(), 1, RevisionStatus::Deployed, "1.0.0", manifest));
    for mut object in pilothouse_helm::parse_documents(manifest).unwrap() {
        if !["CustomResourceDefinition", "Namespace", "PersistentVolume"].contains(&object["kind"].as_str().unwrap()) {
            object["metadata"]["namespace"] = json!("default");
        }
        object["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
        object["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("demo");
        object["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = json!("default");
        cluster.put(object);
    }
    cluster
}

fn invalid(message: &'static str) -> impl Fn() -> ClusterError + Send + 'static {
    move || ClusterError::Invalid { object: ObjectRef::parse("it/x").unwrap(), message: message.to_owned() }
}

/// What is told of a reinstall with this chart: findings, and what was not checked.
async fn told(cluster: &Arc<FakeCluster>, steps: &Steps, chart: &str) -> (Vec<(String, String)>, Vec<String>) {
    let world = fake(cluster, HelmDriver::Secret);
    let wanted = Wanted { rendering: Rendering::new(chart).unwrap(), ..Wanted::default() };
    let version = semver::Version::new(1, 0, 0);
    let reason = ReinstallReason::Breaking { deployed: version.clone(), breaking: version };
    let decision = Decision::Change(Change::Reinstall(reason));
    let found = deploy_findings(steps, &world.ctx, &wanted, &decision, &[]).await;
    let findings = found.findings.into_iter().map(|finding| (finding.code, finding.subject)).collect();
    let calls = cluster.failures.calls();
    let written: Vec<&String> =
        calls.iter().filter(|call| call.starts_with("patch") || call.starts_with("delete")).collect();
    assert_eq!(written, Vec::<&String>::new());
    let of_objects = |preview: &crate::context::DeployPreview| {
        preview.compared.iter().filter_map(|one| one.not_checked.clone()).collect()
    };
    (findings, found.preview.as_deref().map_or_else(Vec::new, of_objects))
}

async fn findings(cluster: &Arc<FakeCluster>, chart: &str) -> Vec<(String, String)> {
    told(cluster, &Steps::default(), chart).await.0
}

fn refused(code: &str, object: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), object.to_owned())]
}

#[tokio::test]
async fn a_new_object_that_the_server_refuses() {
    let cluster = deployed(&manifest("v1", "ConfigMap", "old", ""));
    cluster.refuse("apply Service", invalid("Service \"web\" is invalid: spec.ports[0].port: Invalid value: 99999"));
    let found = findings(&cluster, &manifest("v1", "Service", "web", "")).await;
    assert_eq!(found, refused("OBJECT_INVALID", "Service default/web"));
}

/// The object that is there goes first.
#[rstest]
#[case::accepted(None, None, &[])]
#[case::cannot_be_changed(Some("spec.template: field is immutable"), None, &[])]
#[case::by_whoever_looks_at_updates(Some("admission webhook \"w\" denied the request: no updates"), None, &[])]
#[case::never(Some("spec.ports: Invalid value"), Some("spec.ports: Invalid value"), &["OBJECT_INVALID Service default/web"])]
#[case::unchangeable_and_invalid(
    Some("spec.template: field is immutable"),
    Some("spec.ports: Invalid value"),
    &["OBJECT_INVALID Service default/web"]
)]
#[case::its_own_port(
    Some("spec.clusterIPs[0]: Invalid value: may not change once set"),
    Some("spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated"),
    &[]
)]
#[tokio::test]
async fn an_object_that_is_created_anew(
    #[case] update: Option<&'static str>,
    #[case] create: Option<&'static str>,
    #[case] expected: &[&str],
) {
    let web = manifest("v1", "Service", "web", "spec: {ports: []}");
    let cluster = deployed(&web);
    if let Some(message) = update {
        cluster.refuse("update Service", invalid(message));
    }
    if let Some(message) = create {
        cluster.refuse("dry-create Service", invalid(message));
    }
    let found = findings(&cluster, &web).await;
    let found: Vec<String> = found.into_iter().map(|(code, subject)| format!("{code} {subject}")).collect();
    assert_eq!(found, expected);
    // An apply would fill what is missing from the one that goes.
    assert!(!cluster.failures.calls().iter().any(|call| call.starts_with("apply Service")));
}

/// What goes first is not in the way of what comes.
#[rstest]
#[case::port("provided port is already allocated", true)]
#[case::quota("pods \"x\" is forbidden: exceeded quota: small, requested: pods=1", true)]
#[case::named("admission webhook \"n\" denied the request: host is already defined in ingress default/old", true)]
#[case::named_by_chance("spec.selector: Invalid value: \"old\"", false)]
#[case::somebody_elses(
    "admission webhook \"n\" denied the request: host is already defined in ingress default/other",
    false
)]
#[tokio::test]
async fn a_new_object_in_the_way_of_which_is_what_goes(#[case] message: &'static str, #[case] goes: bool) {
    let cluster = deployed(&manifest("v1", "Service", "old", ""));
    cluster.refuse("apply Service", invalid(message));
    let (found, not_checked) = told(&cluster, &Steps::default(), &manifest("v1", "Service", "new", "")).await;
    assert_eq!((found.is_empty(), not_checked.len()), (goes, usize::from(goes)), "{found:?} {not_checked:?}");
}

#[tokio::test]
async fn a_kept_claim_that_cannot_be_changed() {
    let claim = kept("PersistentVolumeClaim", "data", "spec: {storageClassName: a}");
    let cluster = deployed(&claim);
    cluster.refuse("apply PersistentVolumeClaim", invalid("spec: Forbidden: spec is immutable after creation"));
    let chart = claim.replace("storageClassName: a", "storageClassName: b");
    assert_eq!(findings(&cluster, &chart).await, refused("IMMUTABLE_FIELD", "PersistentVolumeClaim default/data"));
}

/// A volume that stays is given away once its claim has gone: by the uninstall.
#[rstest]
#[case::its_claim_is_gone(false, &["DATA_ATTACHED PersistentVolume pv"])]
#[case::its_claim_goes(true, &["DATA_ATTACHED PersistentVolumeClaim default/data", "DATA_ATTACHED PersistentVolume pv"])]
#[tokio::test]
async fn a_kept_volume_that_is_given_away(#[case] has_claim: bool, #[case] expected: &[&str]) {
    let volume = |policy: &str| {
        let spec = format!(
            "spec: {{persistentVolumeReclaimPolicy: {policy}, claimRef: {{namespace: default, name: data, uid: u}}}}\nstatus: {{phase: Bound}}"
        );
        kept("PersistentVolume", "pv", &spec)
    };
    let claim = manifest("v1", "PersistentVolumeClaim", "data", "spec: {volumeName: pv}");
    let cluster = deployed(&if has_claim { volume("Retain") + &claim } else { volume("Retain") });
    if has_claim {
        let uid = cluster.object("PersistentVolumeClaim", Some("default"), "data").unwrap()["metadata"]["uid"].clone();
        let mut live = cluster.object("PersistentVolume", None, "pv").unwrap();
        live["spec"]["claimRef"]["uid"] = uid;
        cluster.put(live);
    }
    let found = findings(&cluster, &volume("Delete").replace(", uid: u", "")).await;
    let found: Vec<String> = found.into_iter().map(|(code, subject)| format!("{code} {subject}")).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_kept_set_that_is_scaled_down_with_its_claims() {
    let set = |replicas: u32| {
        format!(
            "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db, annotations: {{{KEPT}}}}}\nspec: {{replicas: {replicas}, persistentVolumeClaimRetentionPolicy: {{whenScaled: Delete}}, volumeClaimTemplates: [{{metadata: {{name: data}}}}]}}\n"
        )
    };
    let cluster = deployed(&set(2));
    cluster.put(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-1", "namespace": "default"}}));
    assert_eq!(findings(&cluster, &set(1)).await, refused("DATA_ATTACHED", "StatefulSet default/db"));
    assert_eq!(findings(&cluster, &set(3)).await, []);
}

fn definition(keeps: bool) -> String {
    let annotations = if keeps { format!(", annotations: {{{KEPT}}}") } else { String::new() };
    format!(
        "---\n# Source: a/templates/crd.yaml\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.example.com{annotations}}}\nspec: {{group: example.com, scope: Namespaced, names: {{kind: Widget, plural: widgets}}, versions: [{{name: v1, served: true, storage: true}}]}}\n"
    )
}

/// Without its kind, helm comes to nothing; the definition may be of this very release.
#[rstest]
#[case::nobody_has_it("", "", "no.such/v1", Some("API_NOT_SERVED"))]
#[case::it_stays(&definition(true), &definition(true), "example.com/v1", None)]
#[case::it_goes_and_comes_too_late(&definition(false), &definition(false), "example.com/v1", Some("API_NOT_SERVED"))]
#[case::it_goes_and_is_brought(
    &definition(false),
    &definition(false).replace("a/templates/", "a/crds/"),
    "example.com/v1",
    None
)]
#[tokio::test]
async fn an_object_whose_kind_will_not_be_there(
    #[case] old: &str,
    #[case] new: &str,
    #[case] api_version: &str,
    #[case] expected: Option<&str>,
) {
    let cluster = deployed(&(old.to_owned() + &manifest("v1", "ConfigMap", "a", "")));
    let found = findings(&cluster, &(new.to_owned() + &manifest(api_version, "Widget", "x", ""))).await;
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, Vec::from_iter(expected), "{found:?}");
}

#[tokio::test]
async fn a_step_may_bring_the_kind_first() {
    let cluster = deployed(&manifest("v1", "ConfigMap", "a", ""));
    let mut steps = Steps::default();
    let kind = StepKind::Wait(WaitStep { objects: Vec::new(), wait_for: WaitFor::default(), timeout_in_seconds: 1 });
    let spec = StepSpec { name: None, on: On::default(), point_of_no_return: false, every_run: false, kind };
    steps.insert(Phase::PreExec, vec![built_in(&spec)]);
    let chart = manifest("no.such/v1", "Nope", "x", "");
    assert_eq!(told(&cluster, &steps, &chart).await.0, []);
    assert_eq!(told(&cluster, &Steps::default(), &chart).await.0, refused("API_NOT_SERVED", "Nope x"));
}
