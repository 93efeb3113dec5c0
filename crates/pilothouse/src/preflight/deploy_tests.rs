//! What speaks against a deploy before it begins.

#[path = "deploy_hooks_tests.rs"]
mod hooks;

use super::*;
use crate::context::Rendering;
use crate::helm::HelmDriver;
use crate::steps::{StepSpec, built_in};
use crate::test_world::{fake, over, release};
use pilothouse_core::{
    ApplyStep, ChartInfo, CrdPolicy, On, ReinstallReason, RevisionStatus, StepKind, WaitFor, WaitStep,
};
use pilothouse_kube::ClusterError;
use pilothouse_testkit::{FakeCluster, FakeHelm, release_secret};
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

fn invalid(message: &'static str) -> impl Fn() -> ClusterError + Send + Clone + 'static {
    move || ClusterError::Invalid { object: ObjectRef::parse("it/x").unwrap(), message: message.to_owned() }
}

fn forbidden(message: &'static str) -> impl Fn() -> ClusterError + Send + Clone + 'static {
    move || ClusterError::Forbidden { verb: "patch".to_owned(), what: "it".to_owned(), message: message.to_owned() }
}

fn failing(message: &'static str) -> impl Fn() -> ClusterError + Send + Clone + 'static {
    move || ClusterError::Api { status: 500, what: "patch it".to_owned(), message: message.to_owned() }
}

/// What is told of a reinstall with this chart: findings, and what was not checked.
async fn told(cluster: &Arc<FakeCluster>, steps: &Steps, chart: &str) -> (Vec<(String, String)>, Vec<String>) {
    told_by(cluster, steps, chart, false).await
}

async fn told_by(
    cluster: &Arc<FakeCluster>,
    steps: &Steps,
    chart: &str,
    force: bool,
) -> (Vec<(String, String)>, Vec<String>) {
    let found = foreseen(cluster, steps, chart, force).await;
    let of_objects = |preview: &crate::context::DeployPreview| {
        preview.compared.iter().filter_map(|one| one.not_checked.clone()).collect()
    };
    let not_checked = found.preview.as_deref().map_or_else(Vec::new, of_objects);
    (found.findings.into_iter().map(|finding| (finding.code, finding.subject)).collect(), not_checked)
}

async fn findings_in_full(cluster: &Arc<FakeCluster>, chart: &str) -> Vec<Finding> {
    foreseen(cluster, &Steps::default(), chart, false).await.findings
}

async fn foreseen(cluster: &Arc<FakeCluster>, steps: &Steps, chart: &str, force: bool) -> Foresight {
    foreseen_of(cluster, steps, chart, reinstall(), |info| info.force_upgrade = force).await
}

fn reinstall() -> Change {
    let version = semver::Version::new(1, 0, 0);
    Change::Reinstall(ReinstallReason::Breaking { deployed: version.clone(), breaking: version })
}

async fn foreseen_of(
    cluster: &Arc<FakeCluster>,
    steps: &Steps,
    chart: &str,
    change: Change,
    info: impl FnOnce(&mut ChartInfo),
) -> Foresight {
    let helm = Arc::new(FakeHelm::new(cluster.clone(), "", "1.0.0"));
    let world = over(cluster.clone(), helm, HelmDriver::Secret, info);
    let wanted = Wanted { rendering: Rendering::new(chart).unwrap(), ..Wanted::default() };
    let decision = Decision::Change(change);
    let brought = crate::preflight::look_at_applied(steps, &world.ctx, &decision).await.kinds;
    let found = deploy_findings(steps, &world.ctx, &wanted, &decision, &[], &brought).await;
    let calls = cluster.failures.calls();
    let written: Vec<&String> =
        calls.iter().filter(|call| call.starts_with("patch") || call.starts_with("delete")).collect();
    assert_eq!(written, Vec::<&String>::new());
    found
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
#[case::the_only_default(
    Some("PriorityClass \"web\" is invalid: value: Forbidden: may not be changed in an update."),
    Some("priorityclasses \"pilothouse-dry-run\" is forbidden: PriorityClass web is already marked as default"),
    &[]
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
    assert!(!cluster.failures.calls().iter().any(|call| call.starts_with("apply Service default/web")));
}

/// What goes first is not in the way of what comes.
#[rstest]
#[case::port("provided port is already allocated", true)]
#[case::quota("pods \"x\" is forbidden: exceeded quota: small, requested: pods=1", true)]
#[case::named_by_chance("spec.selector: Invalid value: \"old\"", false)]
#[case::by_a_policy("admission webhook \"n\" denied the request: image docker.io/default/old:7 has no digest", false)]
#[case::by_a_policy_with_the_quoted_name(
    "admission webhook \"n\" denied the request: label \"old\" is not allowed",
    false
)]
#[tokio::test]
async fn a_new_object_in_the_way_of_which_is_what_goes(#[case] message: &'static str, #[case] goes: bool) {
    let cluster = deployed(&manifest("v1", "Service", "old", ""));
    cluster.refuse("apply Service", invalid(message));
    let (found, not_checked) = told(&cluster, &Steps::default(), &manifest("v1", "Service", "new", "")).await;
    assert_eq!((found.is_empty(), not_checked.len()), (goes, usize::from(goes)), "{found:?} {not_checked:?}");
}

/// The host of an Ingress is free once the one that has it is gone: that very one, not one whose name begins alike.
#[rstest]
#[case::goes("default/old", true)]
#[case::goes_and_the_text_goes_on("default/old, and path \"/\"", true)]
#[case::somebody_elses("default/other", false)]
#[case::begins_alike("default/old-2", false)]
#[case::ends_alike("default/very.old", false)]
#[case::in_another_namespace("web/old", false)]
#[case::ends_alike_in_its_namespace("my-default/old", false)]
#[case::is_part_of_a_path("docker.io/default/old:7", false)]
#[case::is_itself("default/new", false)]
#[tokio::test]
async fn a_host_that_is_taken(#[case] by: &str, #[case] goes: bool) {
    let ingress = |name: &str| manifest("networking.k8s.io/v1", "Ingress", name, "");
    let cluster = deployed(&(ingress("old") + &manifest("v1", "Service", "other", "")));
    cluster.serve("networking.k8s.io", "Ingress");
    let message = format!("admission webhook \"n\" denied the request: host \"h\" is already defined in ingress {by}");
    let message: &'static str = Box::leak(message.into_boxed_str());
    cluster.refuse("apply Ingress", invalid(message));
    let (found, not_checked) = told(&cluster, &Steps::default(), &ingress("new")).await;
    assert_eq!((found.is_empty(), not_checked.len()), (goes, usize::from(goes)), "{found:?} {not_checked:?}");
}

/// Names of one release begin alike, and images are called as what runs them.
#[tokio::test]
async fn a_policy_that_refuses_beside_what_goes() {
    let cluster = deployed(&(manifest("v1", "Secret", "redis", "") + &manifest("v1", "Service", "redis", "")));
    for message in [
        "admission webhook \"p\" denied the request: resource StatefulSet/default/redis-master was blocked",
        "admission webhook \"p\" denied the request: container \"redis\": image docker.io/bitnami/redis:7 is not allowed",
    ] {
        cluster.refuse("apply StatefulSet", invalid(message));
        let found = findings(&cluster, &manifest("apps/v1", "StatefulSet", "redis-master", "")).await;
        let [(_, object)] = found.as_slice() else { panic!("{message}: {found:?}") };
        assert_eq!(object, "StatefulSet default/redis-master");
    }
}

/// Who judges admission and is part of the release goes with it, and is not asked again.
#[rstest]
#[case::webhook(invalid("admission webhook \"own.example.com\" denied the request: no"), true)]
#[case::mutating(invalid("admission webhook \"changes.example.com\" denied the request: no"), true)]
#[case::dead(failing("Internal error occurred: failed calling webhook \"own.example.com\": no endpoints"), true)]
#[case::policy(invalid("ValidatingAdmissionPolicy 'own' with binding 'b' denied request: no"), true)]
#[case::binding(invalid("ValidatingAdmissionPolicy 'p' with binding 'own-binding' denied request: no"), true)]
#[case::webhook_of_others(
    invalid("admission webhook \"not-own.example.com\" denied the request: own.example.com"),
    false
)]
#[case::policy_of_others(invalid("ValidatingAdmissionPolicy 'owner' with binding 'b' denied request: no"), false)]
#[case::dead_of_others(
    failing("Internal error occurred: failed calling webhook \"x.example.com\": no endpoints"),
    false
)]
#[tokio::test]
async fn admission_that_goes_too(
    #[case] refusal: impl Fn() -> ClusterError + Send + Clone + 'static,
    #[case] goes: bool,
    #[values("ConfigMap", "PersistentVolumeClaim")] kind: &str,
    #[values("new", "there", "stays")] name: &str,
    #[values(true, false)] force: bool,
) {
    let api = "admissionregistration.k8s.io";
    let of = |kind: &str, name: &str, more: &str| manifest(&format!("{api}/v1"), kind, name, more);
    let old = of("ValidatingWebhookConfiguration", "v", "webhooks: [{name: own.example.com}]")
        + &of("MutatingWebhookConfiguration", "m", "webhooks: [{name: changes.example.com}]")
        + &of("ValidatingAdmissionPolicy", "own", "")
        + &of("ValidatingAdmissionPolicyBinding", "own-binding", "");
    let wanted = if name == "stays" { kept(kind, name, "") } else { manifest("v1", kind, name, "") };
    let is_there = if name == "new" { "" } else { wanted.as_str() };
    let cluster = deployed(&(old + is_there));
    for kind in [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ] {
        cluster.serve(api, kind);
    }
    for verb in ["apply", "update", "dry-create"] {
        cluster.refuse(format!("{verb} {kind}"), refusal.clone());
    }
    let (found, not_checked) = told_by(&cluster, &Steps::default(), &wanted, force).await;
    // What goes of it holds data, which is another matter.
    let refused = found.iter().filter(|(code, _)| code != "DATA_ATTACHED").count();
    // What could not be looked at stops what may hold data.
    let stops = !matches!(refusal(), ClusterError::Api { .. }) || kind == "PersistentVolumeClaim";
    let expected = if goes { (0, 1) } else { (usize::from(stops), 0) };
    assert_eq!((refused, not_checked.len()), expected, "{found:?} {not_checked:?}");
}

/// An update and a creation accept it; helm 4 applies on the server's side, which does not.
#[tokio::test]
async fn what_only_an_apply_refuses() {
    let web = manifest("v1", "Service", "web", "spec: {ports: []}");
    let cluster = deployed(&web);
    cluster.refuse(
        "apply Service default/pilothouse-dry-run",
        invalid("failed to create typed patch object (default/pilothouse-dry-run; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=53,protocol=\"TCP\"]"),
    );
    let found = findings_in_full(&cluster, &web).await;
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.subject.as_str(), finding.class), ("Service default/web", Class::Blocked));
    assert!(
        finding.message.contains("(default/web; /v1, Kind=Service): .spec.ports: duplicate entries"),
        "{finding:?}"
    );
}

/// What an apply is refused for beside, an update was asked about; and a right that is missing is told.
#[rstest]
#[case::its_name_is_made_up(invalid("admission webhook \"n\" denied the request: its name is no good"), 0)]
#[case::may_not_ask(
    forbidden("services \"pilothouse-dry-run\" is forbidden: User \"ci\" cannot patch resource \"services\""),
    1
)]
#[tokio::test]
async fn an_apply_of_a_copy(#[case] refusal: impl Fn() -> ClusterError + Send + 'static, #[case] expected: usize) {
    let web = manifest("v1", "Service", "web", "spec: {ports: []}");
    let cluster = deployed(&web);
    cluster.refuse("apply Service default/pilothouse-dry-run", refusal);
    let (found, not_checked) = told(&cluster, &Steps::default(), &web).await;
    assert_eq!((found, not_checked.len()), (Vec::new(), expected), "{not_checked:?}");
}

/// A copy says something else where the name says something; what it is refused for then is nothing of the object's.
#[rstest]
#[case::rule_by_its_words(
    "ConfigMap \"pilothouse-dry-run\" is invalid: <nil>: Invalid value: failed rule: self.metadata.name == 'only'",
    true
)]
#[case::rule_by_the_name(
    "ConfigMap \"pilothouse-dry-run\" is invalid: <nil>: Invalid value: \"object\": must be called web",
    true
)]
#[case::the_only_one(
    "configmaps \"pilothouse-dry-run\" is forbidden: ConfigMap web is already marked as default",
    true
)]
#[case::by_prefix("admission webhook \"n\" denied the request: pilothouse-dry-run does not begin with team-", true)]
#[case::another_is_the_only_one(
    "configmaps \"pilothouse-dry-run\" is forbidden: ConfigMap other is already marked as default",
    false
)]
#[case::of_itself("ConfigMap \"pilothouse-dry-run\" is invalid: data: Invalid value: no", false)]
#[case::begins_alike("ConfigMap \"pilothouse-dry-run\" is invalid: data[web-2]: Invalid value: no", false)]
#[case::of_its_namespace("ConfigMap \"pilothouse-dry-run\" is invalid: metadata.namespace: Invalid value: no", false)]
#[case::of_both("ConfigMap \"pilothouse-dry-run\" is invalid: data[web]: Invalid value: no", false)]
#[tokio::test]
async fn a_name_that_means_something(#[case] create: &'static str, #[case] is_of_name: bool) {
    let web = manifest("v1", "ConfigMap", "web", "");
    let cluster = deployed(&web);
    cluster.refuse("update ConfigMap", invalid(
        "ConfigMap \"web\" is invalid: [data[web]: Invalid value: no, data: Forbidden: field is immutable when `immutable` is set]",
    ));
    cluster.refuse("dry-create ConfigMap", invalid(create));
    let (found, not_checked) = told(&cluster, &Steps::default(), &web).await;
    let told: Vec<usize> = vec![found.len(), not_checked.len()];
    assert_eq!(told, [usize::from(!is_of_name), usize::from(is_of_name)], "{found:?} {not_checked:?}");
    let found = findings_in_full(&cluster, &web).await;
    let words = format!("{found:?} {not_checked:?}");
    assert!(!words.contains("pilothouse-dry-run"), "{words}");
}

/// A definition that goes judges nothing that comes.
#[rstest]
#[case::definition_of_the_templates("templates", "templates", &[])]
#[case::moves_to_crds("templates", "crds", &[])]
#[tokio::test]
async fn custom_resources_of_a_definition_that_goes(#[case] old: &str, #[case] new: &str, #[case] expected: &[&str]) {
    let at = |folder: &str| definition(false).replace("a/templates/", &format!("a/{folder}/"));
    let cluster = deployed(&(at(old) + &manifest("example.com/v1", "Widget", "there", "")));
    for verb in ["apply", "update", "dry-create"] {
        cluster.refuse(format!("{verb} Widget"), invalid("strict decoding error: unknown field \"spec.b\""));
    }
    cluster.refuse(
        "update CustomResourceDefinition",
        invalid("CustomResourceDefinition.apiextensions.k8s.io \"widgets.example.com\" is invalid: status.storedVersions[0]: Invalid value: \"v1beta1\": missing from spec.versions; v1beta1 was previously a storage version, and must remain in spec.versions"),
    );
    let widgets = ["there", "new"].map(|name| manifest("example.com/v1", "Widget", name, "spec: {b: 1}")).concat();
    let wanted = widgets + &at(new);
    let (found, not_checked) = told(&cluster, &Steps::default(), &wanted).await;
    let preview = foreseen(&cluster, &Steps::default(), &wanted, false).await.preview.unwrap();
    let definitions: Vec<String> = preview.definitions.iter().map(|one| format!("{:?}", one.outcome)).collect();
    assert_eq!(definitions, if new == "crds" { vec!["Change(Create)"] } else { Vec::new() });
    let codes: Vec<&str> =
        found.iter().map(|(code, _)| code.as_str()).filter(|code| *code != "API_NOT_SERVED").collect();
    assert_eq!(codes, expected, "{found:?}");
    assert_eq!(not_checked.len(), if new == "crds" { 2 } else { 3 }, "{not_checked:?}");
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
    let found = findings(&cluster, &(manifest(api_version, "Widget", "x", "") + new)).await;
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, Vec::from_iter(expected), "{found:?}");
}

/// The chart's definition is of no use where it does not serve the version of the object.
#[rstest]
#[case::is_not_served("v1", "v2", "", "the cluster serves no kind `Gadget` in `example.com/v2`")]
#[case::it_goes(
    "v2",
    "v1",
    "Gadget",
    "the uninstall that comes first deletes its definition, and that of the chart serves no example.com/v1"
)]
#[tokio::test]
async fn a_definition_that_serves_another_version(
    #[case] brought: &str,
    #[case] version: &str,
    #[case] serves: &str,
    #[case] expected: &str,
) {
    let of = |folder: &str, version: &str| {
        let renamed = definition(false).replace("widgets", "gadgets").replace("Widget", "Gadget");
        renamed.replace("a/templates/", &format!("a/{folder}/")).replace("name: v1", &format!("name: {version}"))
    };
    let cluster = deployed(
        &(if serves.is_empty() { String::new() } else { of("templates", "v1") }
            + &manifest("v1", "ConfigMap", "a", "")),
    );
    if !serves.is_empty() {
        cluster.serve("example.com", serves);
    }
    let chart = manifest(&format!("example.com/{version}"), "Gadget", "x", "") + &of("crds", brought);
    let found = findings_in_full(&cluster, &chart).await;
    let told: Vec<(&str, &str)> = found.iter().map(|one| (one.code.as_str(), one.message.as_str())).collect();
    assert_eq!(told, [("API_NOT_SERVED", expected)]);
}

/// What goes gives its ports and addresses back; those of others nobody gets, and a dry run of the server does not say so of all.
#[rstest]
#[case::own_port("nodePort: 31001", None)]
#[case::port_of_another("nodePort: 31002", Some("nodePort 31002 is already allocated: Service elsewhere/other has it"))]
#[case::of_health_checks(
    "nodePort: 31003",
    Some("nodePort 31003 is already allocated: Service elsewhere/other has it")
)]
#[case::own_address("port: 80}], clusterIP: 10.0.0.1, x: [{y: 1", None)]
#[case::address_of_another(
    "port: 80}], clusterIP: 10.0.0.2, x: [{y: 1",
    Some("clusterIP 10.0.0.2 is already allocated: Service elsewhere/other has it")
)]
#[case::headless("port: 80}], clusterIP: None, x: [{y: 1", None)]
#[tokio::test]
async fn a_port_or_an_address_that_another_service_has(
    #[case] asked: &str,
    #[case] expected: Option<&str>,
    #[values("web", "renamed")] name: &str,
) {
    let cluster =
        deployed(&manifest("v1", "Service", "web", "spec: {clusterIP: 10.0.0.1, ports: [{nodePort: 31001}]}"));
    cluster.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": "elsewhere"},
        "spec": {"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"], "healthCheckNodePort": 31003, "ports": [{"nodePort": 31002}]}}));
    let chart = manifest("v1", "Service", name, &format!("spec: {{ports: [{{{asked}}}]}}"));
    let found = findings_in_full(&cluster, &chart).await;
    let told: Vec<(&str, &str)> = found.iter().map(|one| (one.code.as_str(), one.message.as_str())).collect();
    assert_eq!(told, Vec::from_iter(expected.map(|why| ("OBJECT_INVALID", why))));
}

/// A namespace that goes is there until then.
#[tokio::test]
async fn a_namespace_that_goes() {
    let cluster = deployed(&manifest("v1", "Namespace", "own", ""));
    let chart = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: own}\n";
    let told: Vec<String> = findings_in_full(&cluster, chart)
        .await
        .into_iter()
        .filter(|one| one.code == "NAMESPACE_MISSING")
        .map(|one| one.message)
        .collect();
    assert_eq!(told, ["the uninstall that comes first deletes namespace own, and the chart brings none before it"]);
}

/// Helm comes to nothing without a kind or a namespace whatever it does, and earlier releases may be changed by then.
#[rstest]
#[case::kind("---\napiVersion: no.such/v1\nkind: Nope\nmetadata: {name: x}\n", "", &["API_NOT_SERVED Nope x"])]
#[case::kind_of_crds(
    "---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: x}\n",
    &definition(false).replace("a/templates/", "a/crds/"),
    &[]
)]
#[case::namespace(
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n",
    "",
    &["NAMESPACE_MISSING ConfigMap elsewhere/a"]
)]
#[case::own_namespace(
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n",
    &manifest("v1", "Namespace", "elsewhere", ""),
    &[]
)]
#[case::own_namespace_by_a_first_hook(
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n",
    &namespace_hook("pre-install,pre-upgrade"),
    &[]
)]
// It is made once helm has failed on the object.
#[case::own_namespace_by_a_late_hook(
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n",
    &namespace_hook("post-install,post-upgrade"),
    &["NAMESPACE_MISSING ConfigMap elsewhere/a"]
)]
#[case::own_namespace_by_a_hook_of_something_else(
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n",
    &namespace_hook("pre-delete,pre-rollback,test"),
    &["NAMESPACE_MISSING ConfigMap elsewhere/a"]
)]
#[tokio::test]
async fn what_will_not_be_there_for_an_install_or_an_upgrade(
    #[case] chart: &str,
    #[case] brought: &str,
    #[case] expected: &[&str],
    #[values(true, false)] is_upgrade: bool,
) {
    let cluster = if is_upgrade { deployed(&manifest("v1", "ConfigMap", "old", "")) } else { deployed_none() };
    cluster.refuse("apply ConfigMap elsewhere/a", || ClusterError::NotFound {
        object: ObjectRef::parse("Namespace/elsewhere").unwrap(),
    });
    let change = if is_upgrade { Change::Upgrade { last_good: Some(1) } } else { Change::Install };
    let found = foreseen_of(&cluster, &Steps::default(), &(chart.to_owned() + brought), change, |_| {}).await;
    let told: Vec<String> = found.findings.iter().map(|one| format!("{} {}", one.code, one.subject)).collect();
    assert_eq!(told, expected, "{:?}", found.findings);
}

fn namespace_hook(events: &str) -> String {
    manifest("v1", "Namespace", "elsewhere", "")
        .replace("{name: elsewhere", &format!("{{annotations: {{helm.sh/hook: '{events}'}}, name: elsewhere"))
}

/// A cluster where nothing is deployed.
fn deployed_none() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    cluster
}

/// The steps of `pre_exec` that apply this.
fn applying(manifest: &str) -> Steps {
    let kind = StepKind::Apply(ApplyStep { files: Vec::new(), manifests: vec![manifest.to_owned()] });
    let spec = StepSpec { name: None, on: On::default(), point_of_no_return: false, every_run: false, kind };
    let mut steps = Steps::default();
    steps.insert(Phase::PreExec, vec![built_in(&spec)]);
    steps
}

/// Nothing is open then, not even for a reinstall: the step comes before the uninstall.
#[rstest]
#[case::in_its_version("example.com/v1", true)]
#[case::in_another_version("example.com/v2", false)]
#[tokio::test]
async fn a_step_that_brings_the_kind(#[case] version: &str, #[case] is_brought: bool) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "a", ""));
    let brings = definition(false).replace("widgets", "gadgets").replace("Widget", "Gadget");
    let chart = manifest(version, "Gadget", "x", "");
    for change in [reinstall(), Change::Upgrade { last_good: Some(1) }] {
        let found = foreseen_of(&cluster, &applying(&brings), &chart, change, |_| {}).await;
        assert_eq!(found.findings, []);
        let is_open = found.not_checked.iter().any(|line| line.contains("unless a step of pre_exec brings it"));
        assert_eq!(is_open, !is_brought, "{:?}", found.not_checked);
    }
}

/// One of the two would have to give way in helm's run.
#[rstest]
#[case::same("ConfigMap", "", 1)]
#[case::same_in_its_namespace("ConfigMap", ", namespace: default", 1)]
#[case::elsewhere("ConfigMap", ", namespace: elsewhere", 0)]
#[case::of_another_kind("Service", "", 0)]
#[tokio::test]
async fn an_object_that_a_step_writes_and_the_chart_has_too(
    #[case] kind: &str,
    #[case] more: &str,
    #[case] expected: usize,
) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "a", ""));
    let steps = applying(&format!("{{apiVersion: v1, kind: {kind}, metadata: {{name: a{more}}}, data: {{a: b}}}}"));
    let chart = manifest("v1", "ConfigMap", "a", "data: {a: c}");
    let found = foreseen_of(&cluster, &steps, &chart, Change::Upgrade { last_good: Some(1) }, |_| {}).await;
    assert_eq!(found.warnings.iter().filter(|line| line.contains("the chart has it too")).count(), expected);
}

/// A misspelt kind would seem to be allowed what it is not.
#[rstest]
#[case::served("ConfigMap/a", 0)]
#[case::not_served("Widgte/a", 1)]
#[tokio::test]
async fn consent_to_a_kind_that_is_not_served(#[case] consent: &str, #[case] expected: usize) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "a", ""));
    let consent = ObjectRef::parse(consent).unwrap();
    for change in [reinstall(), Change::Upgrade { last_good: Some(1) }, Change::Uninstall] {
        let info = |info: &mut ChartInfo| info.consent = vec![consent.clone()];
        let found = foreseen_of(&cluster, &Steps::default(), &manifest("v1", "ConfigMap", "a", ""), change, info).await;
        let told = found.warnings.iter().filter(|line| line.ends_with("so that it allows nothing"));
        assert_eq!(told.count(), expected, "{:?}", found.warnings);
    }
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
    // What the uninstall deletes no step before it can bring.
    let cluster = deployed(&manifest("v1", "Namespace", "own", ""));
    let chart = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: own}\n";
    let found = told(&cluster, &steps, chart).await.0;
    assert!(found.iter().any(|(code, _)| code == "NAMESPACE_MISSING"), "{found:?}");
}
