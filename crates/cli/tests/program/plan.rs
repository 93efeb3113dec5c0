//! `pilothouse plan`, and carrying out what it has saved.

use crate::support::{World, in_runtime, kubectl_get, plane, settings};
use pilothouse_testkit::repository;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Secret values, of which nothing may show anywhere.
const CANARIES: [&str; 4] =
    ["canary-of-values-1", "canary-of-values-2", "canary-of-template-1", "canary-of-template-2"];

const CHART: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { text: {{ .Values.text }} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: fixed }
---
apiVersion: v1
kind: Secret
metadata: { name: credentials }
stringData: { password: {{ .Values.password }}, token: canary-of-template-{{ .Values.number }} }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: registry.example.com/web:{{ .Values.number }} }] }
";

/// A world with a stack of one release, planned in its own namespace.
struct Shop {
    world: World,
    name: &'static str,
}

impl Shop {
    fn new(name: &'static str) -> Self {
        let world = World::new();
        world.write("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
        world.write("chart/templates/all.yaml", CHART);
        let shop = Self { world, name };
        shop.wants(1);
        shop
    }

    /// Writes the stack file for the first state of the release, or the second.
    fn wants(&self, number: u32) {
        let name = self.name;
        self.world.write(
            "pilothouse.yaml",
            &format!(
                "version: 1\nname: {name}\nreleases:\n  - name: shop\n    namespace: {name}\n    chart: {{ path: chart }}\n    \
                 values:\n      - {{ key: text, value: text-{number} }}\n      - {{ key: number, value: {number} }}\n      \
                 - {{ key: password, from_env: PASSWORD, sensitive: true }}\n"
            ),
        );
        self.world.write("number", &number.to_string());
    }

    fn command(&self, args: &[&str]) -> Command {
        let number = std::fs::read_to_string(self.world.path("number")).unwrap();
        let mut command = self.world.on_plane(args);
        command.env("PASSWORD", format!("canary-of-values-{number}"));
        command
    }

    /// What the program says, with nothing secret in it.
    fn says(&self, args: &[&str]) -> String {
        let said = self.world.transcript(&mut self.command(args));
        assert_no_canary(&said);
        said
    }

    fn exit_code(&self, args: &[&str]) -> Option<i32> {
        self.command(args).output().unwrap().status.code()
    }

    fn apply(&self) {
        let said = self.says(&["apply", "--yes"]);
        assert!(said.starts_with("exit code: 0\n"), "{said}");
    }

    fn text(&self) -> Value {
        kubectl_get(plane(), "v1", "ConfigMap", Some(self.name), "settings").unwrap()["data"]["text"].clone()
    }
}

#[track_caller]
fn assert_no_canary(text: &str) {
    for canary in CANARIES {
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, canary);
        assert!(!text.contains(canary) && !text.contains(&encoded), "{canary} in {text}");
    }
}

/// Without the time at which a plan was made, and what it was made with.
fn timeless() -> insta::Settings {
    let mut settings = settings();
    settings.add_filter(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z", "TIME");
    settings.add_filter(r"Kubernetes v[0-9.]+", "Kubernetes VERSION");
    settings
}

#[test]
fn an_install_an_upgrade_and_nothing_to_do() {
    let shop = Shop::new("planned");
    timeless().bind(|| insta::assert_snapshot!("plan_install", shop.says(&["plan"])));
    assert_eq!(shop.exit_code(&["plan", "--detailed-exitcode"]), Some(2));
    shop.apply();
    timeless().bind(|| insta::assert_snapshot!("plan_nothing", shop.says(&["plan"])));
    assert_eq!(shop.exit_code(&["plan", "--detailed-exitcode"]), Some(0));
    shop.wants(2);
    timeless().bind(|| {
        insta::assert_snapshot!("plan_upgrade", shop.says(&["plan"]));
        insta::assert_snapshot!("plan_upgrade_markdown", shop.says(&["plan", "--format", "markdown"]));
    });
    assert_eq!(shop.exit_code(&["plan"]), Some(0));
    // Bad input must not look like a plan with changes.
    assert_eq!(
        ["a*", "shop"].map(|only| shop.exit_code(&["plan", "--detailed-exitcode", "--only", only])),
        [Some(1), Some(2)]
    );
}

#[test]
fn the_document_follows_its_schema() {
    let shop = Shop::new("planned-json");
    let schema = std::fs::read(repository().join("docs/plan.schema.json")).unwrap();
    let schema = jsonschema::draft202012::new(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let document = || {
        let output = shop.command(&["plan", "--output", "json"]).output().unwrap();
        assert_no_canary(&String::from_utf8_lossy(&output.stdout));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        if let Err(error) = schema.validate(&document) {
            panic!("{error} in {document:#}");
        }
        let objects = document["releases"][0]["objects"].as_array().unwrap().len();
        (document["releases"][0]["does"].clone(), objects)
    };
    assert_eq!(document(), (json!("install"), 4));
    shop.apply();
    assert_eq!(document(), (json!("nothing"), 0));
    shop.wants(2);
    assert_eq!(document(), (json!("upgrade"), 3));
}

#[test]
fn a_saved_plan_is_carried_out_or_refused() {
    let shop = Shop::new("saved");
    shop.apply();
    shop.wants(2);
    let saved = shop.says(&["plan", "--out", "shop.plan"]);
    assert!(saved.ends_with("saved: `pilothouse apply shop.plan` carries out exactly this"), "{saved}");
    let file = shop.world.path("shop.plan");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_no_canary(&std::fs::read_to_string(&file).unwrap());

    timeless().bind(|| {
        insta::assert_snapshot!("plan_selected", shop.says(&["apply", "shop.plan", "--only", "shop"]));
    });
    annotate();
    timeless().bind(|| insta::assert_snapshot!("plan_outdated", shop.says(&["apply", "shop.plan"])));
    assert_eq!(shop.text(), "text-1");

    shop.says(&["plan", "--out", "shop.plan"]);
    timeless().bind(|| insta::assert_snapshot!("plan_carried_out", shop.says(&["apply", "shop.plan"])));
    assert_eq!(shop.text(), "text-2");
}

/// Changes the Deployment as a person with kubectl does, without a conflict with helm.
fn annotate() {
    let patch = json!({"metadata": {"annotations": {"note": "mine"}}});
    let request = http_patch("/apis/apps/v1/namespaces/saved/deployments/web?fieldManager=kubectl-edit", &patch);
    let config = plane().client_config();
    in_runtime(async {
        // The server notes in whole seconds who has written: later than the plan.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let client = kube::Client::try_from(config).unwrap();
        client.request::<Value>(request).await.unwrap();
    });
}

fn http_patch(path: &str, body: &Value) -> hyper::Request<Vec<u8>> {
    let request = hyper::Request::patch(path).header("Content-Type", "application/merge-patch+json");
    request.body(body.to_string().into_bytes()).unwrap()
}

/// What would go and what would stay, saved and carried out.
#[test]
fn a_destroy_is_planned_and_carried_out() {
    let world = World::new();
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: kept\nversion: 1.0.0\n");
    let kept =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: kept, annotations: { helm.sh/resource-policy: keep } }\n";
    world.write("chart/templates/kept.yaml", kept);
    world.write("chart/templates/goes.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: goes }\n");
    let chart = "version: 1\nname: end\nreleases:\n  - { name: kept, namespace: end, chart: { path: chart } }\n";
    world.write("pilothouse.yaml", chart);
    let says = |args: &[&str]| world.transcript(&mut world.on_plane(args));
    let is_there = |name: &str| kubectl_get(plane(), "v1", "ConfigMap", Some("end"), name).is_some();
    says(&["apply", "--yes"]);
    timeless().bind(|| insta::assert_snapshot!("plan_destroy", says(&["destroy", "--plan", "--out", "end.plan"])));
    let exit = world.on_plane(&["destroy", "--plan", "--detailed-exitcode"]).output().unwrap().status.code();
    assert_eq!((exit, is_there("goes")), (Some(2), true));
    // Each plan has its own command.
    let wrong = says(&["apply", "end.plan"]);
    assert!(wrong.starts_with("exit code: 2\n") && wrong.contains("pilothouse destroy end.plan"), "{wrong}");
    says(&["plan", "--out", "apply.plan"]);
    let wrong = says(&["destroy", "apply.plan"]);
    assert!(wrong.starts_with("exit code: 2\n") && wrong.contains("pilothouse apply apply.plan"), "{wrong}");
    // A new revision may have other objects.
    world.write("chart/templates/new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: new }\n");
    says(&["apply", "--yes"]);
    let outdated = says(&["destroy", "end.plan"]);
    assert!(outdated.starts_with("exit code: 3\n") && outdated.contains("PLAN_OUTDATED"), "{outdated}");
    assert!(is_there("goes") && is_there("new"));
    says(&["destroy", "--plan", "--out", "end.plan"]);
    timeless().bind(|| insta::assert_snapshot!("plan_destroy_carried_out", says(&["destroy", "end.plan"])));
    assert_eq!((is_there("goes"), is_there("new"), is_there("kept")), (false, false, true));
}

#[test]
fn help() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["plan", "--help"])));
}
