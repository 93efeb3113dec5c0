//! Both real helms on a real control plane.

use crate::support::{LIMIT, Tried, chart, helm, key, never, plane, program, values};
use kube::Client;
use pilothouse_core::{ReleaseKey, RevisionStatus, SetValue};
use pilothouse_helm::{
    GetRequest, Helm, HelmClient, HelmConfig, HelmError, Kind, ReleaseRecord, RollbackRequest, TemplateRequest,
    TestRequest, UninstallRequest, UpgradeRequest, Values, decode_release, parse_documents, same_result,
    split_manifests,
};
use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One helm with a namespace of its own.
struct Setting {
    tried: Tried,
    client: Client,
    namespace: String,
}

impl Setting {
    async fn new(major: u64, name: &str) -> Self {
        let tried = helm(major, Some(plane().kubeconfig())).await;
        let client = Client::try_from(plane().client_config()).unwrap();
        Self { tried, client, namespace: format!("{name}-{major}") }
    }

    fn key(&self, name: &str) -> ReleaseKey {
        key(&self.namespace, name)
    }

    fn request(&self, name: &str, chart_name: &str, settings: Vec<SetValue>) -> UpgradeRequest {
        let mut request = UpgradeRequest::new(self.key(name), chart(chart_name), values(settings), LIMIT);
        request.create_namespace = true;
        request
    }

    async fn deploy(&self, name: &str, chart: &str, settings: Vec<SetValue>) -> Result<String, HelmError> {
        self.tried.helm.upgrade_install(&self.request(name, chart, settings), &never()).await
    }

    /// The object at a path of the API, or `None`.
    async fn get(&self, path: &str) -> Option<Value> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(value) => Some(value),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    async fn send(&self, method: &str, path: &str, content: &str, body: &Value) {
        let request = http::Request::builder().method(method).uri(path).header("Content-Type", content);
        let request = request.body(body.to_string().into_bytes()).unwrap();
        self.client.request::<Value>(request).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    async fn create_namespace(&self) {
        let body = json!({"metadata": {"name": self.namespace}});
        self.send("POST", "/api/v1/namespaces", "application/json", &body).await;
    }

    async fn payload(&self, name: &str, revision: u32) -> Option<Vec<u8>> {
        let path = format!("/api/v1/namespaces/{}/secrets/sh.helm.release.v1.{name}.v{revision}", self.namespace);
        let secret = self.get(&path).await?;
        Some(serde_json::from_value::<k8s_openapi::ByteString>(secret["data"]["release"].clone()).unwrap().0)
    }

    async fn record(&self, name: &str, revision: u32) -> ReleaseRecord {
        decode_release(&self.payload(name, revision).await.expect("a record")).unwrap()
    }

    /// Waits until the first revision has this status.
    async fn until(&self, name: &str, status: RevisionStatus) {
        loop {
            if let Some(payload) = self.payload(name, 1).await
                && decode_release(&payload).unwrap().info.status == status
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the kind `Thing` of a group is served with this type of its only field, in both places where helm looks.
    async fn until_served(&self, group: &str, size: &str) {
        let field = format!("/components/schemas/{}.v1.Thing/properties/spec/properties/size/type", reversed(group));
        loop {
            let schema = self.get(&format!("/openapi/v3/apis/{group}/v1")).await.unwrap_or_default();
            let is_there = self.get(&format!("/apis/{group}/v1")).await.is_some();
            if is_there && schema.pointer(&field) == Some(&json!(size)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn get_request(&self, name: &str) -> GetRequest {
        GetRequest::new(self.key(name), LIMIT)
    }
}

/// A group as the names of schemas have it.
fn reversed(group: &str) -> String {
    group.rsplit('.').collect::<Vec<_>>().join(".")
}

/// The error's kind, and its text without what differs from run to run.
fn told(error: &HelmError, setting: &Setting) -> String {
    format!("{:?}\n{error}", error.kind()).replace(&setting.namespace, "NS")
}

#[rstest]
#[tokio::test]
async fn a_release_from_install_to_uninstall(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "life").await;
    let (helm, cancel) = (&setting.tried.helm, never());
    let mut request = setting.request("web", "web", vec![SetValue::sensitive("password", "hunter22")]);
    request.description = Some("the first".to_owned());
    request.labels.insert("team".to_owned(), "a".to_owned());
    helm.upgrade_install(&request, &cancel).await.unwrap();

    let first = setting.record("web", 1).await;
    assert_eq!((first.info.status, first.info.description.as_str()), (RevisionStatus::Deployed, "the first"));
    assert_eq!((first.name.as_str(), first.version, first.chart_version()), ("web", 1, "1.2.3"));
    assert_eq!(first.config, json!({"password": "hunter22"}));
    assert_eq!(first.info.notes, "Say hello.\n");
    assert_eq!(first.apply_method.as_deref(), (major == 4).then_some("ssa"));
    assert_eq!(parse_documents(&first.manifest).unwrap().len(), 5);
    let hooks: Vec<_> = first.hooks.iter().map(|hook| (hook.name.as_str(), hook.last_run.phase.as_str())).collect();
    assert_eq!(hooks.iter().find(|hook| hook.0 == "web-prepare"), Some(&("web-prepare", "Succeeded")));
    // Definitions are not helm's business.
    assert_eq!(setting.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com").await, None);

    // Without values, nothing of the first revision's comes back.
    let plain = UpgradeRequest { values: Values::default(), description: None, ..request };
    helm.upgrade_install(&plain, &cancel).await.unwrap();
    assert_eq!(setting.record("web", 2).await.config, Value::Null);
    assert_eq!(helm.get_values(&setting.get_request("web"), &cancel).await.unwrap(), Value::Null);
    let secret = setting.get(&format!("/api/v1/namespaces/{}/secrets/web-secret", setting.namespace)).await.unwrap();
    assert_eq!(secret["data"]["password"], json!(""));

    helm.rollback(&RollbackRequest::new(setting.key("web"), 1, LIMIT), &cancel).await.unwrap();
    let history = helm.history(&setting.get_request("web"), &cancel).await.unwrap();
    let short: Vec<_> = history.iter().map(|entry| (entry.revision, entry.status, entry.chart.as_str())).collect();
    let (superseded, deployed) = (RevisionStatus::Superseded, RevisionStatus::Deployed);
    assert_eq!(short, [(1, superseded, "web-1.2.3"), (2, superseded, "web-1.2.3"), (3, deployed, "web-1.2.3")]);
    assert!(history.iter().all(|entry| entry.updated.is_some()));

    let metadata = helm.get_metadata(&setting.get_request("web"), &cancel).await.unwrap();
    assert_eq!((metadata.chart.as_str(), metadata.version.as_str(), metadata.revision), ("web", "1.2.3", 3));
    assert_eq!((metadata.app_version.as_str(), metadata.status), ("9.8", deployed));
    let first_only = GetRequest { revision: Some(1), ..setting.get_request("web") };
    let manifest = helm.get_manifest(&first_only, &cancel).await.unwrap();
    assert_eq!(parse_documents(&manifest).unwrap(), parse_documents(&first.manifest).unwrap());

    helm.test(&TestRequest { logs: false, ..TestRequest::new(setting.key("web"), LIMIT) }, &cancel).await.unwrap();
    let record = setting.record("web", 3).await;
    let test = record.hooks.iter().find(|hook| hook.events == ["test"]).unwrap();
    assert_eq!((test.kind.as_str(), test.last_run.phase.as_str()), ("Pod", "Succeeded"));
    assert!(test.last_run.completed_at.is_some());

    helm.uninstall(&UninstallRequest::new(setting.key("web"), LIMIT), &cancel).await.unwrap();
    assert_eq!(setting.payload("web", 3).await, None);
    let again = helm.uninstall(&UninstallRequest::new(setting.key("web"), LIMIT), &cancel).await.unwrap_err();
    assert_eq!(again.kind(), Some(&Kind::NotFound), "{again}");
    let gone = helm.history(&setting.get_request("web"), &cancel).await.unwrap_err();
    assert_eq!(gone.kind(), Some(&Kind::NotFound), "{gone}");
    let gone = helm.rollback(&RollbackRequest::new(setting.key("web"), 9, LIMIT), &cancel).await.unwrap_err();
    assert_eq!(gone.kind(), Some(&Kind::NotFound), "{gone}");
}

#[rstest]
#[tokio::test]
async fn what_helm_says_when_it_fails(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "fails").await;
    setting.create_namespace().await;
    let mut lines = Vec::new();

    let foreign = json!({"metadata": {"name": "web-config"}});
    let path = format!("/api/v1/namespaces/{}/configmaps", setting.namespace);
    setting.send("POST", &path, "application/json", &foreign).await;
    lines.push(told(&setting.deploy("web", "web", vec![]).await.unwrap_err(), &setting));

    setting.deploy("immutable", "immutable", vec![]).await.unwrap();
    let changed = vec![SetValue::string("selector", "b")];
    lines.push(told(&setting.deploy("immutable", "immutable", changed).await.unwrap_err(), &setting));

    lines.push(told(&setting.deploy("thing", "unknown-kind", vec![]).await.unwrap_err(), &setting));
    match setting.deploy("bogus", "bogus", vec![]).await {
        // Helm 3 only warns of a field the schema does not have.
        Ok(_) => assert_eq!(major, 3),
        Err(error) => lines.push(told(&error, &setting)),
    }
    lines.push(told(&setting.deploy("newer", "newer", vec![]).await.unwrap_err(), &setting));

    for event in ["pre-install", "post-install"] {
        let settings = vec![SetValue::string("event", event)];
        lines.push(told(&setting.deploy(event, "hooked", settings).await.unwrap_err(), &setting));
        assert_eq!(setting.record(event, 1).await.info.status, RevisionStatus::Failed);
    }
    let event = vec![SetValue::string("event", "post-upgrade")];
    setting.deploy("later", "hooked", event.clone()).await.unwrap();
    lines.push(told(&setting.deploy("later", "hooked", event).await.unwrap_err(), &setting));

    // Random text, which does not compress to less than a Secret may hold.
    let random: String =
        (0..300_000_u64).map(|i| format!("{:06x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)).collect();
    let too_large = vec![SetValue::string("large", random)];
    lines.push(told(&setting.deploy("large", "immutable", too_large).await.unwrap_err(), &setting));

    insta::assert_snapshot!(format!("fails_{major}"), lines.join("\n\n"));
}

#[rstest]
#[tokio::test]
async fn a_field_that_someone_else_has_taken(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "fields").await;
    setting.deploy("web", "web", vec![]).await.unwrap();
    let path =
        format!("/api/v1/namespaces/{}/configmaps/web-config?fieldManager=someone&force=true", setting.namespace);
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-config"}, "data": {"greeting": "mine"}});
    setting.send("PATCH", &path, "application/apply-patch+yaml", &theirs).await;
    let result = setting.deploy("web", "web", vec![SetValue::string("greeting", "good evening")]).await;
    if major == 3 {
        // A three-way merge does not know of owners.
        result.unwrap();
        return;
    }
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Some(&Kind::FieldConflict), "{error}");
}

/// A release whose hook never ends.
fn hanging(setting: &Setting, event: &str, timeout: Duration) -> UpgradeRequest {
    let settings = vec![SetValue::string("event", event), SetValue::string("image", "example.com/hangs:1")];
    UpgradeRequest { timeout, ..setting.request("hangs", "hooked", settings) }
}

#[rstest]
#[tokio::test]
async fn a_helm_that_is_stopped_marks_the_release_failed(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "stopped").await;
    let (helm, cancel) = (&setting.tried.helm, never());
    let request = hanging(&setting, "pre-install", LIMIT);
    let (result, ()) = tokio::join!(helm.upgrade_install(&request, &cancel), async {
        setting.until("hangs", RevisionStatus::PendingInstall).await;
        // Helm 3 writes its record once more right before it makes the hook: stopped then, that may come after the mark that it failed.
        let job = format!("/apis/batch/v1/namespaces/{}/jobs/hangs-fails", setting.namespace);
        while setting.get(&job).await.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cancel.cancel();
    });
    assert!(result.unwrap_err().is_interrupted());
    assert_eq!(setting.record("hangs", 1).await.info.status, RevisionStatus::Failed);

    let limited = hanging(&setting, "pre-upgrade", Duration::from_secs(5));
    let error = helm.upgrade_install(&limited, &never()).await.unwrap_err();
    assert!(matches!(error, HelmError::Timeout { .. }), "{error}");
    assert_eq!(setting.record("hangs", 2).await.info.status, RevisionStatus::Failed);
}

#[rstest]
#[tokio::test]
async fn a_helm_that_is_killed_leaves_the_release_locked(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "killed").await;
    let (request, cancel) = (hanging(&setting, "pre-install", LIMIT), never());
    tokio::select! {
        result = setting.tried.helm.upgrade_install(&request, &cancel) => panic!("{result:?}"),
        // The other branch is dropped then, which kills helm with SIGKILL.
        () = setting.until("hangs", RevisionStatus::PendingInstall) => {}
    }
    let error = setting.tried.helm.upgrade_install(&request, &cancel).await.unwrap_err();
    assert_eq!(error.kind(), Some(&Kind::Locked), "{error}");
    assert_eq!(setting.record("hangs", 1).await.info.status, RevisionStatus::PendingInstall);
}

#[rstest]
#[tokio::test]
async fn an_uninstall_that_is_killed_can_only_be_repeated(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "half").await;
    let (request, cancel) = (hanging(&setting, "pre-delete", LIMIT), never());
    let helm = &setting.tried.helm;
    helm.upgrade_install(&request, &cancel).await.unwrap();
    let uninstall = UninstallRequest::new(setting.key("hangs"), LIMIT);
    tokio::select! {
        result = helm.uninstall(&uninstall, &cancel) => panic!("{result:?}"),
        () = setting.until("hangs", RevisionStatus::Uninstalling) => {}
    }
    let error = helm.upgrade_install(&request, &cancel).await.unwrap_err();
    assert_eq!(error.kind(), Some(&Kind::NoDeployedReleases), "{error}");
    helm.uninstall(&UninstallRequest { no_hooks: true, ..uninstall }, &cancel).await.unwrap();
    assert_eq!(setting.payload("hangs", 1).await, None);
}

async fn with_kubeconfig(major: u64, text: &str) -> HelmError {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("kubeconfig");
    fs::write(&path, text).unwrap();
    let mut config = HelmConfig::new(program(major).await, home.path().join("helm"));
    config.kubeconfig = Some(path);
    let helm = Helm::discover(config).await.unwrap();
    let request = UpgradeRequest::new(key("default", "web"), chart("web"), Values::default(), LIMIT);
    helm.upgrade_install(&request, &never()).await.unwrap_err()
}

#[rstest]
#[tokio::test]
async fn clusters_that_are_not_there_or_do_not_let_us_in(#[values(3, 4)] major: u64) {
    let text = fs::read_to_string(plane().kubeconfig()).unwrap();
    let unreachable = text.replace(plane().url().trim_end_matches('/'), "https://127.0.0.1:1");
    assert_ne!(unreachable, text);
    let error = with_kubeconfig(major, &unreachable).await;
    assert_eq!(error.kind(), Some(&Kind::Unreachable), "{error}");

    let mut config: Value = parse_documents(&text).unwrap().remove(0);
    config["users"][0]["user"]["as"] = json!("nobody");
    let error = with_kubeconfig(major, &config.to_string()).await;
    assert_eq!(error.kind(), Some(&Kind::Forbidden), "{error}");

    config["users"][0]["user"] = json!({"token": "wrong"});
    let error = with_kubeconfig(major, &config.to_string()).await;
    assert_eq!(error.kind(), Some(&Kind::Forbidden), "{error}");
    assert!(Path::new(plane().kubeconfig()).exists());
}

/// What `TemplateRequest::lookup` says of both helms.
#[rstest]
#[tokio::test]
async fn a_rendering_that_looks_something_up(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "lookup").await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: look\nversion: 1.0.0\n").unwrap();
    let template = r#"
kind: ConfigMap
apiVersion: v1
metadata: {name: look}
data:
  found: {{ dig "metadata" "name" "" (lookup "v1" "Namespace" "" "default") | quote }}
  kube: {{ .Capabilities.KubeVersion.Version | quote }}
  widgets: {{ .Capabilities.APIVersions.Has "example.com/v1/Widget" | quote }}
{{- if .Values.widget }}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
{{- end }}
"#;
    fs::write(folder.path().join("templates/a.yaml"), template).unwrap();
    let rendered = async |lookup: bool, settings: Vec<SetValue>| {
        let request = TemplateRequest {
            kube_version: Some("v1.33.4".to_owned()),
            api_versions: vec!["example.com/v1/Widget".to_owned()],
            is_upgrade: true,
            lookup,
            ..TemplateRequest::new(setting.key("look"), folder.path(), values(settings), LIMIT)
        };
        let text = setting.tried.helm.template(&request, &never()).await?;
        Ok::<_, HelmError>(split_manifests(&text).unwrap().remove(0).object["data"].clone())
    };
    let offline = json!({"found": "", "kube": "v1.33.4", "widgets": "true"});
    assert_eq!(rendered(false, vec![]).await.unwrap(), offline);
    let found = rendered(true, vec![]).await.unwrap();
    let widget = rendered(true, vec![SetValue::auto("widget", "true")]).await;
    if major == 3 {
        let expected = json!({"found": "default", "kube": "v1.33.4", "widgets": "true"});
        assert_eq!((found, widget.unwrap()), (expected.clone(), expected));
    } else {
        let version = setting.get("/version").await.unwrap()["gitVersion"].clone();
        assert_eq!(found, json!({"found": "default", "kube": version, "widgets": "false"}));
        assert_eq!(widget.unwrap_err().kind(), Some(&Kind::NoMatchesForKind));
    }
}

/// Helm's record of what it deployed is what it renders.
#[rstest]
#[tokio::test]
async fn a_rendering_is_what_was_recorded(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "same").await;
    setting.deploy("web", "web", vec![]).await.unwrap();
    setting.deploy("web", "web", vec![]).await.unwrap();
    let record = setting.record("web", 2).await;
    let version = setting.get("/version").await.unwrap()["gitVersion"].as_str().unwrap().to_owned();
    let result = async |is_upgrade: bool| {
        let request = TemplateRequest {
            kube_version: Some(version.clone()),
            is_upgrade,
            ..TemplateRequest::new(setting.key("web"), chart("web"), Values::default(), LIMIT)
        };
        let text = setting.tried.helm.template(&request, &never()).await.unwrap();
        same_result(&split_manifests(&text).unwrap(), &record).unwrap()
    };
    let same = result(true).await;
    assert!(same.is_same(), "{same:?}");
    let changed: Vec<String> = result(false).await.changed.into_iter().map(|object| object.name).collect();
    assert_eq!(changed, ["web-config"]);
}

/// What is kept between runs of helm are schemas, whose address has their digest. What is served, and by which schema an object is
/// judged, each run asks the server: definitions come and change between two of them.
#[rstest]
#[tokio::test]
async fn runs_share_schemas_and_each_knows_what_is_served(#[values(3, 4)] major: u64) {
    let setting = Setting::new(major, "schemas").await;
    let group = format!("schemas-{major}.example.com");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: thing\nversion: 1.0.0\n").unwrap();
    let thing = format!(
        "apiVersion: {group}/v1\nkind: Thing\nmetadata: {{ name: a }}\nspec: {{ size: {{{{ .Values.size }}}} }}\n"
    );
    fs::write(folder.path().join("templates/thing.yaml"), thing).unwrap();
    let deploy = async |size: SetValue| {
        let request = UpgradeRequest { chart: folder.path().to_owned(), ..setting.request("thing", "web", vec![size]) };
        setting.tried.helm.upgrade_install(&request, &never()).await
    };

    setting.deploy("web", "web", vec![]).await.unwrap();
    let kept = large_answers(setting.tried.home.path());
    assert!(!kept.is_empty(), "nothing is kept");
    let error = deploy(SetValue::auto("size", "1")).await.unwrap_err();
    assert!(error.to_string().contains("no matches for kind \"Thing\""), "{error}");

    let definition = |size: &str| {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": size}}}}});
        let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("things.{group}")},
            "spec": {
                "group": group,
                "names": {"kind": "Thing", "plural": "things"},
                "scope": "Namespaced",
                "versions": [version],
            },
        })
    };
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    setting.send("POST", definitions, "application/json", &definition("integer")).await;
    setting.until_served(&group, "integer").await;
    deploy(SetValue::auto("size", "1")).await.unwrap();
    deploy(SetValue::string("size", "large")).await.unwrap_err();

    // One of before would not be one any more.
    setting.tried.helm.uninstall(&UninstallRequest::new(setting.key("thing"), LIMIT), &never()).await.unwrap();
    let path = format!("{definitions}/things.{group}");
    setting.send("PATCH", &path, "application/merge-patch+json", &definition("string")).await;
    setting.until_served(&group, "string").await;
    deploy(SetValue::string("size", "large")).await.unwrap();
    deploy(SetValue::auto("size", "1")).await.unwrap_err();

    setting.deploy("another", "web", vec![]).await.unwrap();
    let now = large_answers(setting.tried.home.path());
    // Two schemas, of the core and of jobs; what is served is among the large answers too, and has changed.
    assert!(kept.iter().filter(|known| now.contains(known)).count() >= 2, "{kept:?}\n{now:?}");
    drop(setting.tried.helm);
    assert_eq!(
        fs::read_dir(setting.tried.home.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).count(),
        0
    );
}

/// The large answers of the server that are kept below a folder, with what tells a file from another in its place.
fn large_answers(home: &Path) -> Vec<(PathBuf, u64)> {
    let runs = fs::read_dir(home).unwrap().flatten().map(|run| run.path()).filter(|path| path.is_dir());
    let files = runs.flat_map(|run| fs::read_dir(run).unwrap().flatten().collect::<Vec<_>>());
    let described = files.map(|file| (file.path(), file.metadata().unwrap()));
    let large = described.filter(|(_, about)| about.is_file() && about.len() > 50_000);
    large.map(|(path, about)| (path, about.ino())).collect()
}
