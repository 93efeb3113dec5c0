//! `pilothouse rehearse --from-cluster`: what it tells is what the cluster then does. The plane of this test binary plays the
//! cluster.

use crate::support::{World, helm, in_runtime, plane, settings};
use kube::config::{AuthInfo, Kubeconfig};
use pilothouse_core::{
    ObjectRef, ObjectSeen, ObjectsSeen, Rehearsal, helm_owner, object_ref, own_content, what_became,
};
use pilothouse_kube::{ApplyOptions, Cluster, ClusterClient, ListQuery};
use pilothouse_plane::AuditLog;
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::path::PathBuf;
use std::process::Command;

/// A value of a Secret, which must not show anywhere.
const CANARY: &str = "canary-of-the-cluster";

const TEMPLATE: &str = "\
{{- range .Values.maps }}
---
apiVersion: v1
kind: ConfigMap
metadata: { name: {{ .name }}, labels: { guarded: {{ .guarded | default \"no\" | quote }} } }
data: { text: {{ .text | default \"-\" | quote }} }
{{- end }}
{{- if .Values.definition }}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: {{ .Values.definition }}s.{{ .Values.definition }}.example.com }
spec:
  group: {{ .Values.definition }}.example.com
  scope: Namespaced
  names: { kind: Thing{{ .Values.definition }}, plural: {{ .Values.definition }}s, singular: {{ .Values.definition }} }
  versions:
    - name: v1
      served: true
      storage: true
      schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
{{- end }}
{{- if .Values.stateful }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: db, image: \"registry.example.com/db:{{ .Values.stateful }}\" }] }
  volumeClaimTemplates:
    - metadata: { name: data }
      spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
{{- end }}
{{- if .Values.replicas }}
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }} }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: {{ .Release.Name }} } }
  template:
    metadata: { labels: { app: {{ .Release.Name }} } }
    spec: { imagePullSecrets: [{ name: pull }], containers: [{ name: web, image: registry.example.com/web:1 }] }
{{- end }}
";

/// A cluster with releases in namespaces of one test, and an account that may only look.
struct Shop {
    world: World,
    name: String,
    tool: Tool,
}

fn on_cluster<T: Send>(work: impl AsyncFnOnce(Cluster) -> T + Send) -> T {
    let config = plane().client_config();
    let work = async move { work(Cluster::from_client(kube::Client::try_from(config).unwrap())).await };
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

pub(super) fn create(objects: &[Value]) {
    let config = plane().client_config();
    let objects = objects.to_vec();
    in_runtime(async move {
        let cluster = Cluster::from_client(kube::Client::try_from(config).unwrap());
        for object in &objects {
            cluster.create(object).await.unwrap();
        }
    });
}

impl Shop {
    fn new(test: &str, tool: Tool) -> Self {
        let world = World::new();
        world.write("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
        world.write("chart/templates/all.yaml", TEMPLATE);
        Self { world, name: format!("{test}-{}", tool.name()), tool }
    }

    /// Writes the stack file of these releases: name, values as JSON, and what else stands there.
    fn wants(&self, releases: &[(&str, Value, &str)]) {
        let mut stack = format!("version: 1\nname: {}\ndefaults: {{ timeout_in_seconds: 60 }}\nreleases:\n", self.name);
        for (release, values, more) in releases {
            let file = format!("{release}.json");
            self.world.write(&file, &values.to_string());
            let place = format!("name: {release}, namespace: {}", self.namespace(release));
            writeln!(stack, "  - {{ {place}, chart: {{ path: chart }}, values_files: [{file}]{more} }}").unwrap();
        }
        self.world.write("pilothouse.yaml", &stack);
    }

    fn namespace(&self, release: &str) -> String {
        format!("{}-{release}", self.name)
    }

    fn program(&self, args: &[&str]) -> Command {
        let mut command = self.world.program(args);
        command.env("PILOTHOUSE_HELM", helm(self.tool));
        command
    }

    fn apply(&self) -> Value {
        let mut command = self.program(&["apply", "--yes", "--keep-going", "--output", "json"]);
        document(command.env("KUBECONFIG", plane().kubeconfig()))
    }

    fn rehearse(&self, kubeconfig: &PathBuf, more: &[&str]) -> Command {
        let args = ["rehearse", "--from-cluster", "--keep-going"];
        let mut command = self.program(&[&args[..], more].concat());
        command.arg("--kubeconfig").arg(kubeconfig);
        command
    }

    /// A kubeconfig of an account that may read everything and write nothing.
    fn reader(&self) -> PathBuf {
        self.reader_of(&["*"])
    }

    /// A kubeconfig of an account that may read these kinds, and nothing else.
    fn reader_of(&self, resources: &[&str]) -> PathBuf {
        let name = self.name.as_str();
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": ["*"], "resources": resources, "verbs": ["get", "list"]}]});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]});
        create(&[account, role, binding]);
        let uri = format!("/api/v1/namespaces/default/serviceaccounts/{name}/token");
        let request = hyper::Request::post(uri).header("content-type", "application/json");
        let request = request.body(json!({"spec": {}}).to_string().into_bytes()).unwrap();
        let config = plane().client_config();
        let answer: Value =
            in_runtime(async { kube::Client::try_from(config).unwrap().request(request).await.unwrap() });
        let mut config = Kubeconfig::read_from(plane().kubeconfig()).unwrap();
        let token = answer["status"]["token"].as_str().unwrap().to_owned();
        config.auth_infos[0].auth_info = Some(AuthInfo { token: Some(token.into()), ..AuthInfo::default() });
        self.world.write("reader", &serde_json::to_string(&config).unwrap())
    }

    /// What the account has asked of the cluster.
    fn asked(&self) -> BTreeSet<String> {
        let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
        let user = format!("system:serviceaccount:default:{}", self.name);
        log.events().iter().filter(|event| event.user == user).map(|event| event.verb.clone()).collect()
    }
}

fn document(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, CANARY);
    assert!(!text.contains(CANARY) && !text.contains(&encoded), "{text}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// How each release ended, without what differs between two clusters: the words of a failure and those of a summary.
fn ends(document: &Value) -> Vec<(String, String, Vec<[String; 2]>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let release = |one: &Value| {
        let result = &one["result"];
        let findings = result["findings"].as_array().into_iter().flatten();
        let findings = findings.map(|finding| [text(&finding["code"]), text(&finding["subject"])]).collect();
        (text(&one["release"]["name"]), text(&result["outcome"]), findings)
    };
    document["releases"].as_array().unwrap().iter().map(release).collect()
}

/// How objects stand in the cluster.
fn look(objects: &[ObjectRef]) -> ObjectsSeen {
    let objects = objects.to_vec();
    on_cluster(async move |cluster| {
        let mut seen = ObjectsSeen::new();
        for object in objects {
            let live = cluster.get(&object).await.ok().flatten();
            let there = live.map_or(ObjectSeen::Absent, |live| ObjectSeen::There {
                uid: live["metadata"]["uid"].as_str().unwrap().to_owned(),
                owner: helm_owner(&live),
                content: own_content(&live).to_string(),
            });
            seen.insert(object, there);
        }
        seen
    })
}

/// What releases have in the namespaces that begin so, whoever knows of it. What controllers make of it is left out.
fn all_within(prefix: &str) -> Vec<ObjectRef> {
    let prefix = prefix.to_owned();
    on_cluster(async move |cluster| {
        let mut all = Vec::new();
        for (api_version, kind) in [("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")] {
            let listed = cluster.list(&ListQuery::new(api_version, kind)).await.unwrap();
            let within = |object: &ObjectRef| object.namespace.as_ref().is_some_and(|own| own.starts_with(&prefix));
            all.extend(listed.iter().filter_map(object_ref).filter(within));
        }
        all
    })
}

fn maps(maps: &Value) -> Value {
    json!({"maps": maps})
}

fn config_map(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})
}

/// One of everything: what the rehearsal says is compared with what the apply after it does, release by release and object by
/// object.
#[rstest]
#[ignore = "one of everything takes half a minute"]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn a_rehearsal_says_what_the_cluster_then_does(#[case] tool: Tool) {
    let shop = Shop::new("copied", tool);
    let kind = format!("thing{}", tool.name());
    let defined = json!({"definition": kind, "maps": []});
    shop.wants(&[
        ("web", maps(&json!([{"name": "text"}, {"name": "old"}, {"name": "remade"}])), ""),
        ("same", maps(&json!([{"name": "text"}])), ""),
        ("foreign", maps(&json!([{"name": "own"}])), ""),
        ("full", json!({"maps": [], "replicas": 1}), ""),
        ("guarded", maps(&json!([{"name": "text"}])), ""),
        ("defined", defined, ""),
        ("scaled", json!({"maps": [], "replicas": 1}), ""),
        ("data", json!({"maps": [], "stateful": 1}), ""),
    ]);
    let first = shop.apply();
    assert_eq!(first["verdict"], "done", "{first:#}");

    // What others have done meanwhile.
    let [web, foreign, full, guarded, defined, scaled] =
        ["web", "foreign", "full", "guarded", "defined", "scaled"].map(|release| shop.namespace(release));
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": full},
            "spec": {"containers": [{"name": "a", "image": "registry.example.com/a:1"}]}})
    };
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": full},
        "spec": {"hard": {"pods": "4"}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", "namespace": scaled},
        "stringData": {"password": CANARY}});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": guarded}, "spec": {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": guarded}},
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
        },
        "validations": [{"expression": "object.metadata.?labels['guarded'].orValue('no') == 'no'", "message": "it is guarded"}],
    }});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": guarded}, "spec": {"policyName": guarded, "validationActions": ["Deny"]}});
    // Nobody has to answer, and nobody is asked in either cluster.
    let webhook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": guarded}, "webhooks": [{
        "name": "guard.example.com", "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "default", "name": "guard"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": guarded}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
    }]});
    let custom = json!({"apiVersion": format!("{kind}.example.com/v1"), "kind": format!("Thing{kind}"),
        "metadata": {"name": "mine", "namespace": defined}, "spec": {"a": 1}});
    create(&[
        config_map(&web, "taken"),
        config_map(&foreign, "theirs"),
        quota,
        secret,
        policy,
        binding,
        webhook,
        custom,
        pod("one"),
        pod("two"),
    ]);
    let options =
        ApplyOptions { field_manager: "kubectl".to_owned(), force: true, dry_run: false, default_namespace: None };
    let replicas = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scaled", "namespace": scaled},
        "spec": {"replicas": 3}});
    on_cluster(async move |cluster| cluster.apply(&replicas, &options).await.unwrap());

    let steps = ", pre_exec: [{ adopt: { objects: [configmap/taken] } }, { delete: { objects: [configmap/remade] } }]";
    let consent = format!(", consent: [crd/{kind}s.{kind}.example.com]");
    shop.wants(&[
        (
            "web",
            maps(&json!([{"name": "text", "text": "new"}, {"name": "remade"}, {"name": "taken"}, {"name": "more"}])),
            steps,
        ),
        ("same", maps(&json!([{"name": "text"}])), ""),
        ("foreign", maps(&json!([{"name": "own"}, {"name": "theirs"}])), ""),
        ("full", json!({"maps": [], "replicas": 3}), ""),
        ("guarded", maps(&json!([{"name": "text", "guarded": "yes"}])), ""),
        ("defined", maps(&json!([])), &consent),
        ("scaled", json!({"maps": [], "replicas": 2}), ""),
        ("data", json!({"maps": [], "stateful": 2}), ""),
    ]);
    let reader = shop.reader();
    let rehearsed = document(&mut shop.rehearse(&reader, &["--output", "json"]));
    assert_eq!(shop.asked(), ["get", "list"].map(str::to_owned).into());
    let told: Rehearsal = serde_json::from_value(rehearsed["rehearsal"].clone()).unwrap();
    assert_eq!((&told.not_copied, &told.unknown), (&Vec::new(), &Vec::new()), "{told:#?}");

    let adopted = told.adopts.iter().map(|adopted| &adopted.object);
    let lists = [&told.recreates, &told.deletes, &told.changes, &told.creates];
    let mut objects: Vec<ObjectRef> = lists.into_iter().flatten().chain(adopted).cloned().collect();
    // And what the rehearsal may have left out.
    let of_releases = format!("{}-", shop.name);
    objects.extend(all_within(&of_releases));
    let mut before = look(&objects);
    let applied = shop.apply();
    let later = all_within(&of_releases);
    for object in &later {
        before.entry(object.clone()).or_insert(ObjectSeen::Absent);
    }
    objects.extend(later);
    assert_eq!(ends(&rehearsed), ends(&applied), "{rehearsed:#} {applied:#}");
    assert_eq!((&rehearsed["verdict"], &rehearsed["exit_code"]), (&applied["verdict"], &applied["exit_code"]));
    let became = what_became(&before, &look(&objects));
    let lists = |of: &Rehearsal| {
        [&of.recreates, &of.deletes, &of.changes, &of.creates].map(|list| {
            let mut list: Vec<String> = list.iter().map(ToString::to_string).collect();
            list.sort();
            list
        })
    };
    assert_eq!((lists(&told), &told.adopts), (lists(&became), &became.adopts));

    // And it is what it should be.
    let of = |objects: &[ObjectRef]| -> BTreeSet<String> { objects.iter().map(ToString::to_string).collect() };
    let set = |objects: &[String]| -> BTreeSet<String> { objects.iter().cloned().collect() };
    assert_eq!(of(&told.recreates), set(&[format!("ConfigMap {web}/remade")]));
    assert_eq!(
        of(&told.deletes),
        set(&[
            format!("ConfigMap {web}/old"),
            format!("CustomResourceDefinition {kind}s.{kind}.example.com"),
            format!("Thing{kind} {defined}/mine"),
        ])
    );
    let refused: Vec<(&str, &str)> =
        told.refuses.iter().map(|one| (one.release.name.as_str(), one.code.as_deref().unwrap_or_default())).collect();
    let mut expected =
        vec![("foreign", "OWNERSHIP_CONFLICT"), ("full", "QUOTA_EXCEEDED"), ("guarded", "POLICY_DENIED")];
    // helm 3 takes the field back.
    if tool == Tool::Helm4 {
        expected.push(("scaled", "FIELD_CONFLICT"));
    }
    assert_eq!(refused, expected);
    let line = format!("ValidatingWebhookConfiguration {guarded} is not called (guard.example.com)");
    assert!(told.not_exercised.contains(&line), "{:?}", told.not_exercised);
}

/// What the account may read is not enough for a copy, and is told before anything is started.
#[test]
fn without_the_records_of_helm_there_is_no_rehearsal() {
    let shop = Shop::new("unreadable", Tool::Helm4);
    shop.wants(&[("web", maps(&json!([{"name": "text"}])), "")]);
    let reader = shop.reader_of(&["namespaces", "configmaps"]);
    let said = shop.world.transcript(&mut shop.rehearse(&reader, &[]));
    settings().bind(|| insta::assert_snapshot!(said));
}

/// What people see, and what they are told of what could not be read.
#[test]
fn what_is_told_of_a_cluster_that_is_read_in_part() {
    let shop = Shop::new("in-part", Tool::Helm4);
    shop.wants(&[("web", maps(&json!([{"name": "text"}])), "")]);
    assert_eq!(shop.apply()["verdict"], "done");
    let namespace = shop.namespace("web");
    create(&[config_map(&namespace, "taken")]);
    let steps = ", pre_exec: [{ adopt: { objects: [configmap/taken] } }]";
    shop.wants(&[("web", maps(&json!([{"name": "taken"}, {"name": "more"}])), steps)]);
    let reader =
        shop.reader_of(&["namespaces", "configmaps", "secrets", "nodes", "persistentvolumeclaims", "serviceaccounts"]);
    let said = shop.world.transcript(&mut shop.rehearse(&reader, &[]));
    let mut settings = settings();
    settings.add_filter(
        r"Kubernetes v[0-9.]+; \d+ objects of it copied to v[0-9.]+",
        "Kubernetes VERSION; N objects of it copied to VERSION",
    );
    settings.add_filter(r"Kubernetes v[0-9.]+", "Kubernetes VERSION");
    settings.add_filter(r"\d+ objects read", "N objects read");
    // Other tests bring definitions.
    settings.add_filter(r"(?m)^  not shown  served by the cluster and not by the copy: .*\n", "");
    settings.bind(|| insta::assert_snapshot!(said));
}

#[test]
fn what_does_not_go_together() {
    let world = World::new();
    let says = |args: &[&str]| world.transcript(&mut world.program(&[&["rehearse"], args].concat()));
    insta::assert_snapshot!("copied_and_kept", says(&["--from-cluster", "--keep"]));
    insta::assert_snapshot!("a_cluster_that_is_not_copied", says(&["--context", "prod"]));
}

/// A server that knows little more than its version.
fn server_of(version: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |stream: std::net::TcpStream| {
        let mut reader = std::io::BufReader::new(stream);
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first).unwrap_or_default() == 0 {
                return;
            }
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or_default() > 2 {
                line.clear();
            }
            let body = if first.contains("/version") {
                json!({"gitVersion": version, "major": "1", "minor": "30"})
            } else {
                json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": []})
            };
            let body = body.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = reader.get_mut().write_all(format!("{head}{body}").as_bytes());
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    )
}

#[test]
fn another_minor_version_is_refused() {
    let shop = Shop::new("other-version", Tool::Helm4);
    shop.wants(&[("web", maps(&json!([])), "")]);
    let kubeconfig = shop.world.write("config", &server_of("v1.30.4-eks-1234"));
    let said = shop.world.transcript(&mut shop.rehearse(&kubeconfig, &[]));
    let mut settings = settings();
    settings.add_filter(r"v1\.3[1-9]\.\d+", "VERSION");
    settings.bind(|| insta::assert_snapshot!(said));
}
