//! Charts nobody here owns, through real helm 3 and 4 on a real control plane.
#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "helm needs the environment; steps are told")]

use crate::aws_vpc_cni::AwsVpcCni;
use crate::prometheus_operator::PrometheusOperator;
use pilothouse::helm::{Helm, HelmClient, HelmConfig, HelmDriver};
use pilothouse::kubernetes::{Cluster, ClusterClient, Rules};
use pilothouse::steps::{AdoptStep, On, StepKind, StepSpec, built_in};
use pilothouse::{
    ChartInfo, ChartRef, CrdPolicy, HelmAction, HelmChart, Namespace, ObjectRef, Payload, Phase, Redactor,
    ReleaseOutcome, RunConfig, RunId, Session, SessionConfig, SetValue, Step,
};
use pilothouse_core::RevisionStatus;
use pilothouse_helm::{Origin, TemplateRequest, TestRequest, Values, split_manifests};
use pilothouse_kube::{ApplyOptions, ListQuery};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Plane, PlaneConfig};
use pilothouse_testkit::{SharedPlane, community_chart};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// What kube-prometheus-stack brings along.
const CRDS: [&str; 10] = [
    "alertmanagerconfigs.monitoring.coreos.com",
    "alertmanagers.monitoring.coreos.com",
    "podmonitors.monitoring.coreos.com",
    "probes.monitoring.coreos.com",
    "prometheusagents.monitoring.coreos.com",
    "prometheuses.monitoring.coreos.com",
    "prometheusrules.monitoring.coreos.com",
    "scrapeconfigs.monitoring.coreos.com",
    "servicemonitors.monitoring.coreos.com",
    "thanosrulers.monitoring.coreos.com",
];

static PLANE: SharedPlane = SharedPlane::new();
/// Held by tests whose charts have objects outside of namespaces, for each such chart.
static PROMETHEUS: Mutex<()> = Mutex::const_new(());
static AWS: Mutex<()> = Mutex::const_new(());
static CERT_MANAGER: Mutex<()> = Mutex::const_new(());
static INGRESS: Mutex<()> = Mutex::const_new(());

fn plane() -> &'static Plane {
    PLANE.get(PlaneConfig::default)
}

struct World {
    cluster: Arc<Cluster>,
    helm: Arc<Helm>,
    session: Arc<Session>,
    _folder: tempfile::TempDir,
}

async fn world(tool: Tool) -> World {
    let plane = plane();
    let folder = tempfile::tempdir().unwrap();
    // A client of this test's own runtime: the plane's lives on another one.
    let cluster = Arc::new(Cluster::from_client(kube::Client::try_from(plane.client_config()).unwrap()));
    let mut config = HelmConfig::new(pilothouse_testkit::helm(tool).await, folder.path().join("helm"));
    config.kubeconfig = Some(plane.kubeconfig().to_owned());
    let helm = Arc::new(Helm::discover(config).await.unwrap());
    let session = Session::new(SessionConfig {
        cluster: cluster.clone(),
        helm: helm.clone(),
        driver: HelmDriver::Secret,
        cancel: CancellationToken::new(),
        terminate: CancellationToken::new(),
        redactor: Redactor::default(),
        chart_cache: folder.path().join("charts"),
        scratch: folder.path().join("scratch"),
        backups: None,
        command_env: std::env::vars_os().collect(),
        grace: Duration::from_secs(5),
        rules: Rules::default(),
    });
    World { cluster, helm, session, _folder: folder }
}

impl World {
    async fn run(&self, chart: impl HelmChart + 'static) -> ReleaseOutcome {
        let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
        // A session renders for a target it asks once; kinds come and go between the runs of a test.
        let outcome =
            pilothouse::run(&RunConfig::new("test", RunId(uuid::Uuid::now_v7())), &charts, &self.session, |event| {
                eprintln!("{}", serde_json::to_string(event).unwrap());
            })
            .await
            .unwrap();
        outcome.releases.into_iter().next().unwrap().1
    }

    async fn get(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let object = ObjectRef {
            api_version: Some(api_version.to_owned()),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        self.cluster.get(&object).await.unwrap()
    }

    async fn crd(&self, name: &str) -> Option<Value> {
        self.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, name).await
    }

    async fn apply(&self, object: Value) {
        self.cluster.discovery(true).await.unwrap();
        self.apply_in("default", object).await;
    }

    async fn apply_in(&self, namespace: &str, object: Value) {
        let options = ApplyOptions {
            field_manager: "someone".to_owned(),
            force: true,
            dry_run: false,
            default_namespace: Some(namespace.to_owned()),
        };
        self.cluster.apply(&object, &options).await.unwrap();
    }
}

#[track_caller]
fn done(outcome: &ReleaseOutcome) -> &str {
    match outcome {
        ReleaseOutcome::Done { summary } => summary,
        other => panic!("{}", serde_json::to_string_pretty(other).unwrap()),
    }
}

fn info(name: &str, namespace: &str, chart: &Path) -> ChartInfo {
    ChartInfo {
        name: name.to_owned(),
        namespace: Namespace::from(namespace),
        chart: ChartRef::path(chart),
        timeout_in_seconds: 120,
        ..ChartInfo::default()
    }
}

struct Plain(ChartInfo);

impl HelmChart for Plain {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }
}

fn operator_version(crd: &Value) -> String {
    crd["metadata"]["annotations"]["operator.prometheus.io/version"].as_str().unwrap().to_owned()
}

/// Installed in an old version, upgraded with its definitions, refused to be destroyed while somebody's custom resources
/// exist, destroyed with its definitions.
/// (Every day its upgrade is planned and carried out: `a_large_chart`.)
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
#[ignore = "the largest chart once more"]
async fn kube_prometheus_stack(#[case] tool: Tool) {
    let Some(old) = community_chart("kube-prometheus-stack-75.17.0", "kube_prometheus_stack") else { return };
    let Some(new) = community_chart("kube-prometheus-stack-88.5.3", "kube_prometheus_stack") else { return };
    let _alone = PROMETHEUS.lock().await;
    let world = world(tool).await;
    let chart = |path: &Path, action| PrometheusOperator::new(ChartRef::path(path), action);

    let installed = world.run(chart(&old, HelmAction::Deploy)).await;
    assert_eq!(done(&installed), "installed kube-prometheus-stack 75.17.0, 10 CRDs applied");
    let before = operator_version(&world.crd(CRDS[1]).await.unwrap());

    let upgraded = world.run(chart(&new, HelmAction::Deploy)).await;
    assert_eq!(done(&upgraded), "upgraded kube-prometheus-stack 88.5.3, 10 CRDs applied");
    let after = operator_version(&world.crd(CRDS[1]).await.unwrap());
    let version = |text: &str| semver::Version::parse(text).unwrap();
    assert!(version(&before) < version(&after), "{before} is not older than {after}");

    world
        .apply(json!({
            "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
            "metadata": {"name": "somebodys", "namespace": "default"}, "spec": {"selector": {}, "endpoints": []},
        }))
        .await;
    let refused = world.run(chart(&new, HelmAction::Destroy)).await;
    let ReleaseOutcome::Refused { findings } = &refused else { panic!("{refused:?}") };
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "CustomResourceDefinition servicemonitors.monitoring.coreos.com: deleting it deletes 1 custom resource of it: \
             ServiceMonitor default/somebodys"
        ]
    );
    assert!(world.get("apps/v1", "Deployment", Some("monitoring"), "kube-prometheus-stack-operator").await.is_some());

    let mut consented = chart(&new, HelmAction::Destroy);
    consented.0.consent = vec![ObjectRef::parse("crd/servicemonitors.monitoring.coreos.com").unwrap()];
    assert_eq!(done(&world.run(consented).await), "uninstalled");
    for crd in CRDS {
        assert!(world.crd(crd).await.is_none(), "{crd} is still there");
    }
    let left = world.cluster.release_revisions(HelmDriver::Secret, Some("monitoring")).await.unwrap();
    assert_eq!(left, []);
}

/// A breaking version between what is deployed and what is wanted: uninstalled first, so revisions begin anew. (With small charts every day: `disasters`.)
#[tokio::test]
#[ignore = "the largest chart once more"]
async fn kube_prometheus_stack_over_a_breaking_version() {
    let test = "kube_prometheus_stack_over_a_breaking_version";
    let Some(old) = community_chart("kube-prometheus-stack-75.17.0", test) else { return };
    let Some(new) = community_chart("kube-prometheus-stack-88.5.3", test) else { return };
    let _alone = PROMETHEUS.lock().await;
    let world = world(Tool::Helm4).await;
    let chart = |path: &Path, action| {
        let mut chart = PrometheusOperator::new(ChartRef::path(path), action);
        chart.0.last_breaking_version_requiring_restart = Some(semver::Version::new(80, 0, 0));
        // The chart makes up grafana's password.
        chart.0.consent = vec![ObjectRef::parse("secret/kube-prometheus-stack-grafana").unwrap()];
        chart
    };
    assert_eq!(
        done(&world.run(chart(&old, HelmAction::Deploy)).await),
        "installed kube-prometheus-stack 75.17.0, 10 CRDs applied"
    );
    let reinstalled = world.run(chart(&new, HelmAction::Deploy)).await;
    assert_eq!(done(&reinstalled), "uninstalled 75.17.0 and installed kube-prometheus-stack 88.5.3, 10 CRDs applied");
    let revisions = world.cluster.release_revisions(HelmDriver::Secret, Some("monitoring")).await.unwrap();
    assert_eq!(revisions.iter().map(|meta| meta.revision).collect::<Vec<_>>(), [1]);
    assert_eq!(done(&world.run(chart(&new, HelmAction::Destroy)).await), "uninstalled");
}

/// The four objects of the time before helm, as they are in production: same names, same selector.
fn before_helm(namespace: &str) -> Vec<Value> {
    let labels = json!({"k8s-app": "aws-node"});
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "aws-node", "namespace": namespace, "labels": labels}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "aws-node", "labels": labels},
            "rules": [{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch", "get"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "aws-node", "labels": labels},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "aws-node"},
            "subjects": [{"kind": "ServiceAccount", "name": "aws-node", "namespace": namespace}]}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "aws-node", "namespace": namespace, "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"serviceAccountName": "aws-node", "containers": [{"name": "aws-node", "image": "registry.example.com/cni:v1.10"}]}}}}),
    ]
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn aws_vpc_cni_is_adopted_and_keeps_its_daemon_set(#[case] tool: Tool) {
    let Some(package) = community_chart("aws-vpc-cni-1.22.4", "aws_vpc_cni_is_adopted_and_keeps_its_daemon_set") else {
        return;
    };
    let _alone = AWS.lock().await;
    let world = world(tool).await;
    for object in before_helm("kube-system") {
        world.apply(object).await;
    }
    let daemon_set = async || world.get("apps/v1", "DaemonSet", Some("kube-system"), "aws-node").await.unwrap();
    let before = daemon_set().await;

    let outcome = world.run(AwsVpcCni::new(ChartRef::path(&package), HelmAction::Deploy)).await;
    // The definition it also brings stays when it is destroyed, so the second helm does not apply it again.
    let summary = done(&outcome);
    assert_eq!(summary.trim_end_matches(", 1 CRD applied"), "installed aws-vpc-cni 1.22.4");
    let after = daemon_set().await;
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert_eq!(before["spec"]["selector"], after["spec"]["selector"]);
    assert_ne!(
        before["spec"]["template"]["spec"]["containers"][0]["image"],
        after["spec"]["template"]["spec"]["containers"][0]["image"]
    );

    // Only these four were touched: nothing else of the namespace got the keys of the release.
    let all = world.cluster.list_metadata(&ListQuery::new("v1", "ServiceAccount").within("kube-system")).await.unwrap();
    let owned: Vec<&str> = all
        .iter()
        .filter(|object| object["metadata"]["annotations"]["meta.helm.sh/release-name"] == "aws-vpc-cni")
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    assert_eq!(owned, ["aws-node"]);

    let destroyed = world.run(AwsVpcCni::new(ChartRef::path(&package), HelmAction::Destroy)).await;
    assert_eq!(done(&destroyed), "uninstalled");
}

#[tokio::test]
async fn objects_that_nobody_adopts_are_told_all_together() {
    let test = "objects_that_nobody_adopts_are_told_all_together";
    let Some(package) = community_chart("aws-vpc-cni-1.22.4", test) else { return };
    let _alone = AWS.lock().await;
    let world = world(Tool::Helm4).await;
    for object in before_helm("kube-system") {
        world.apply(object).await;
    }
    let outcome = world.run(Plain(info("aws-vpc-cni", "kube-system", &package))).await;
    let ReleaseOutcome::Refused { findings } = &outcome else { panic!("{outcome:?}") };
    let told: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(
        told,
        [
            "ServiceAccount kube-system/aws-node",
            "ClusterRole aws-node",
            "ClusterRoleBinding aws-node",
            "DaemonSet kube-system/aws-node"
        ]
    );
    assert!(findings.iter().all(|finding| finding.code == "OWNERSHIP_CONFLICT"));
    for object in before_helm("kube-system") {
        let object = pilothouse_core::object_ref(&object).unwrap();
        world
            .cluster
            .delete(&object, &pilothouse_kube::Precondition::default(), pilothouse_kube::Propagation::Background)
            .await
            .unwrap();
    }
    let gone = before_helm("kube-system");
    let gone: Vec<_> =
        gone.iter().filter_map(pilothouse_core::object_ref).map(pilothouse_kube::Leaving::named).collect();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    pilothouse_kube::wait_deleted(world.cluster.as_ref(), &gone, deadline, &CancellationToken::new(), |_| {})
        .await
        .unwrap();
}

#[rstest]
#[ignore = "a large chart"]
#[case::helm_4(Tool::Helm4)]
#[ignore = "a large chart"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn cert_manager_is_upgraded(#[case] tool: Tool) {
    let Some(old) = community_chart("cert-manager-v1.18.2", "cert_manager_is_upgraded") else { return };
    let Some(new) = community_chart("cert-manager-v1.20.0", "cert_manager_is_upgraded") else { return };
    let _alone = CERT_MANAGER.lock().await;
    let world = world(tool).await;
    let chart = |path: &Path, action| {
        Plain(ChartInfo {
            action,
            // Its definitions are templates; without `keep` an uninstall takes them along.
            values: vec![SetValue::auto("crds.enabled", "true"), SetValue::auto("crds.keep", "false")],
            crds: CrdPolicy::Upgrade,
            ..info("cert-manager", "cert-manager", path)
        })
    };
    assert_eq!(done(&world.run(chart(&old, HelmAction::Deploy)).await), "installed cert-manager v1.18.2");
    assert_eq!(done(&world.run(chart(&new, HelmAction::Deploy)).await), "upgraded cert-manager v1.20.0");
    assert_eq!(done(&world.run(chart(&new, HelmAction::Destroy)).await), "uninstalled");
    assert!(world.crd("certificates.cert-manager.io").await.is_none());
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
async fn ingress_nginx_with_its_hooks(#[case] tool: Tool) {
    let Some(package) = community_chart("ingress-nginx-4.15.1", "ingress_nginx_with_its_hooks") else { return };
    let _alone = INGRESS.lock().await;
    let world = world(tool).await;
    let chart = |action| Plain(ChartInfo { action, ..info("ingress-nginx", "ingress-nginx", &package) });
    assert_eq!(done(&world.run(chart(HelmAction::Deploy)).await), "installed ingress-nginx 4.15.1");
    let service = world.get("v1", "Service", Some("ingress-nginx"), "ingress-nginx-controller").await.unwrap();
    assert!(service["status"]["loadBalancer"]["ingress"][0].is_object(), "{}", service["status"]);
    assert_eq!(done(&world.run(chart(HelmAction::Destroy)).await), "uninstalled");
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn podinfo_passes_its_tests(#[case] tool: Tool) {
    let Some(package) = community_chart("podinfo-6.14.1", "podinfo_passes_its_tests") else { return };
    let world = world(tool).await;
    let podinfo = info("podinfo", &format!("podinfo-{}", tool.name()), &package);
    assert_eq!(done(&world.run(Plain(podinfo.clone())).await), "installed podinfo 6.14.1");
    let mut request = TestRequest::new(podinfo.key(), Duration::from_secs(60));
    request.logs = false;
    world.helm.test(&request, &CancellationToken::new()).await.unwrap();
    let revisions =
        world.cluster.release_revisions(HelmDriver::Secret, Some(podinfo.namespace.as_str())).await.unwrap();
    let payload =
        world.cluster.release_payload(HelmDriver::Secret, podinfo.namespace.as_str(), "podinfo", 1).await.unwrap();
    let record = pilothouse_helm::decode_release(&payload.unwrap()).unwrap();
    let tests = record.hooks.iter().filter(|hook| hook.events.iter().any(|event| event == "test"));
    let phases: Vec<&str> = tests.map(|hook| hook.last_run.phase.as_str()).collect();
    assert_eq!((revisions.len(), phases), (1, vec!["Succeeded"; 3]));
}

/// A chart all of whose objects are given to its release, whoever has made them by hand.
struct Adopting(ChartInfo);

impl HelmChart for Adopting {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let adopt = StepSpec {
            name: None,
            on: On::Deploy,
            point_of_no_return: false,
            every_run: false,
            kind: StepKind::Adopt(AdoptStep { objects: Vec::new(), unowned: true }),
        };
        if phase == Phase::PreExec { vec![built_in(&adopt)] } else { Vec::new() }
    }
}

/// Installed with plain `kubectl apply` of what the chart renders, then made a release: no pod is replaced. (Every day another chart is adopted: the network plugin above.)
#[rstest]
#[case::helm_3(Tool::Helm3)]
#[case::helm_4(Tool::Helm4)]
#[tokio::test]
#[ignore = "the largest chart once more"]
async fn what_kubectl_has_applied_is_adopted_without_a_restart(#[case] tool: Tool) {
    let test = "what_kubectl_has_applied_is_adopted_without_a_restart";
    let Some(package) = community_chart("kube-prometheus-stack-88.5.3", test) else { return };
    let _alone = PROMETHEUS.lock().await;
    let world = world(tool).await;
    let namespace = format!("by-hand-{}", tool.name());
    world.cluster.create_namespace(&namespace).await.unwrap();
    // Otherwise grafana's pods carry the digest of a password that is made up in each rendering.
    let password = SetValue::string("grafana.adminPassword", "given");
    let info = ChartInfo { crds: CrdPolicy::Create, values: vec![password], ..info("stack", &namespace, &package) };
    let target = world.session.target().await.unwrap();
    let values = Values::of(&info, &Payload::default()).unwrap();
    let request = TemplateRequest {
        kube_version: Some(target.kube_version.clone()),
        api_versions: target.api_versions.clone(),
        ..TemplateRequest::new(info.key(), package, values, Duration::from_secs(60))
    };
    let rendered = world.helm.template(&request, &CancellationToken::new()).await.unwrap();
    let mut docs = split_manifests(&rendered).unwrap();
    docs.retain(|doc| !matches!(doc.origin, Origin::Hook { .. }));
    docs.sort_by_key(|doc| doc.origin != Origin::Crd);
    for doc in docs {
        if doc.origin != Origin::Crd {
            established(&world).await;
        }
        world.apply_in(&namespace, doc.object).await;
    }
    let pods = async || {
        let pods = world.cluster.list_metadata(&ListQuery::new("v1", "Pod").within(&namespace)).await.unwrap();
        pods.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let mut before = pods().await;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    // The operator, grafana, the metrics of the cluster and of its node.
    while before.len() < 4 {
        assert!(std::time::Instant::now() < deadline, "{before:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        before = pods().await;
    }

    let outcome = world.run(Adopting(info.clone())).await;
    assert_eq!(done(&outcome), "installed kube-prometheus-stack 88.5.3");
    assert_eq!(pods().await, before);
    let revisions = world.cluster.release_revisions(HelmDriver::Secret, Some(&namespace)).await.unwrap();
    assert_eq!(
        revisions.iter().map(|meta| (meta.revision, meta.status)).collect::<Vec<_>>(),
        [(1, RevisionStatus::Deployed)]
    );
    assert_eq!(done(&world.run(Plain(ChartInfo { action: HelmAction::Destroy, ..info })).await), "uninstalled");
}

/// The definitions of the chart are served; that of the last is enough, they were applied in order.
async fn established(world: &World) {
    for crd in CRDS {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !world.crd(crd).await.is_some_and(|crd| {
            let conditions = crd["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
        }) {
            assert!(std::time::Instant::now() < deadline, "{crd} is not established");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
