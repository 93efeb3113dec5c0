//! What is told to do about codes that no release of the corpus has: found before anything is changed, or in what comes after a
//! deploy. Each is brought about, told, followed to the letter, and then the same command ends well.

use crate::case;
use crate::{prepare, world};
use pilothouse_core::ObjectRef;
use pilothouse_kube::{ApplyOptions, Cluster, ClusterClient, Precondition, Propagation};
use pilothouse_plane::provision::Tool;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The codes, and how what is told about them is followed.
pub(crate) const BY_HAND: &[(&str, Follow)] = &[
    ("API_NOT_SERVED", api_not_served),
    ("BACKUP_IMPOSSIBLE", backup_impossible),
    ("CHART_DEPENDENCY_MISSING", chart_dependency_missing),
    ("CHART_INVALID", chart_invalid),
    ("CHART_SCHEMA_UNUSABLE", chart_schema_unusable),
    ("CHART_TEMPLATE_FAILED", chart_template_failed),
    ("CHECK_FAILED", check_failed),
    ("CLUSTER_MISMATCH", cluster_mismatch),
    ("CRD_FIELDS_REMOVED", crd_fields_removed),
    ("CRD_IN_USE", crd_in_use),
    ("DATA_ATTACHED", data_attached),
    ("DOWNGRADE_BREAKING", downgrade_breaking),
    ("FILE_NOT_READABLE", file_not_readable),
    ("NAMESPACE_MISSING", namespace_missing),
    ("OBJECT_MISSING", object_missing),
    ("OBJECT_TERMINATING", object_terminating),
    ("PLAN_OUTDATED", plan_outdated),
    ("RELEASE_FOREIGN", release_foreign),
    ("RELEASE_NAME_INVALID", release_name_invalid),
    ("RELEASE_STALE_LOCK", release_stale_lock),
    ("ROLLBACK_IMPOSSIBLE", rollback_impossible),
    ("ROLLOUT_STUCK", old_pod_in_the_way),
    ("SECRET_REGENERATED", secret_regenerated),
    ("SERVICE_ACCOUNT_MISSING", service_account_missing),
    ("STACK_FILE_MISMATCH", stack_file_mismatch),
    ("STEP_OUTPUT_UNTRUSTED", step_output_untrusted),
    ("STEP_UNCERTAIN", step_uncertain),
    ("UNREADABLE", unreadable),
    ("VERSION_INVALID", version_invalid),
];

/// Brings a code about, and follows what is told.
pub(crate) type Follow = fn(&Hand);

/// A folder and a namespace for one code.
pub(crate) struct Hand {
    code: &'static str,
    folder: tempfile::TempDir,
    namespace: String,
}

impl Hand {
    /// `of` keeps the tests apart that follow the same code.
    pub(crate) fn new(code: &'static str, of: &str) -> Self {
        let namespace = format!("{of}-{}", code.to_lowercase().replace('_', "-"));
        Self { code, folder: tempfile::tempdir().unwrap(), namespace }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A chart with one template.
    fn chart(&self, name: &str, version: &str, template: &str) {
        self.write(&format!("{name}/Chart.yaml"), &format!("apiVersion: v2\nname: {name}\nversion: {version}\n"));
        self.write(&format!("{name}/templates/all.yaml"), template);
    }

    /// The stack file: one release of this chart, with more keys.
    fn stack(&self, chart: &str, more: &Value) {
        self.stack_file("pilothouse.yaml", chart, more);
    }

    fn stack_file(&self, file: &str, chart: &str, more: &Value) {
        let mut release = json!({ "name": "web", "namespace": self.namespace, "chart": { "path": chart } });
        release.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if release.get("timeout_in_seconds").is_none() {
            release["timeout_in_seconds"] = json!(15);
        }
        let stack = json!({ "version": 1, "name": self.namespace, "releases": [release] });
        self.write(file, &stack.to_string());
    }

    /// The stack file with the corpus' own chart and these objects.
    fn objects(&self, objects: &Value, more: &Value) {
        let chart = case::folder("charts").join("web");
        let mut more = more.clone();
        let values = json!({ "kind": "", "objects": objects });
        more["yaml_files_content"] = json!([{ "name": "values.yaml", "content": values }]);
        self.stack(&chart.display().to_string(), &more);
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let kubeconfig = world::simulated().kubeconfig();
        let output = self.command(args, kubeconfig).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code(), text)
    }

    fn command(&self, args: &[&str], kubeconfig: &Path) -> Command {
        let mut command = world::program(self.folder.path(), &self.helm_binary(), kubeconfig);
        command.args(args);
        command
    }

    /// A helm of this folder, if there is one.
    fn helm_binary(&self) -> PathBuf {
        let own = self.path("helm.sh");
        if own.exists() { own } else { world::helm(Tool::Helm4) }
    }

    /// What somebody does with helm by hand; whether that went well.
    fn helm(&self, args: &[&str]) -> bool {
        let mut helm = Command::new(world::helm(Tool::Helm4));
        helm.args(args).args(["--namespace", &self.namespace]).env("KUBECONFIG", world::simulated().kubeconfig());
        helm.env("HELM_CACHE_HOME", self.path("helm")).output().unwrap().status.success()
    }

    fn done(&self, args: &[&str]) -> String {
        let (code, text) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}\n{text}");
        text
    }

    /// The command does not end well, names the code, and says this to do.
    fn told(&self, args: &[&str], says: &str) -> String {
        let (code, text) = self.run(args);
        assert!(code.is_some_and(|code| code != 0), "{args:?} ended with {code:?}\n{text}");
        // An error of the program has its code for programs.
        let coded = text.contains(self.code) || self.run(&[args, &["--output", "json"]].concat()).1.contains(self.code);
        assert!(coded, "{text}");
        assert!(text.contains(says), "nobody was told `{says}`:\n{text}");
        text
    }

    /// What somebody does in the cluster, by the words of a case's `follow`.
    fn kubectl(&self, work: &Value) {
        let mut work = work.clone();
        work["says"] = json!([]);
        let follow: case::Follow = serde_json::from_value(work).unwrap();
        prepare::follow(&world::simulated().client_config(), &self.namespace, &follow);
    }

    /// The consent that a hint asks for.
    fn consent(text: &str) -> &str {
        let rest = text.split("--consent ").nth(1).unwrap_or_else(|| panic!("{text}"));
        rest.split([' ', ',', ';', '\n', '`']).next().unwrap()
    }
}

const UP: &[&str] = &["apply", "--yes"];

fn config_map(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

/// A definition of widgets in a group of the namespace, with these fields of text.
fn definition(hand: &Hand, fields: &[&str]) -> Value {
    let group = format!("{}.example.com", hand.namespace);
    let fields: serde_json::Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), json!({ "type": "string" }))).collect();
    let spec = json!({ "type": "object", "properties": fields });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
            }],
        },
    })
}

fn widget(hand: &Hand) -> Value {
    json!({
        "apiVersion": format!("{}.example.com/v1", hand.namespace),
        "kind": "Widget",
        "metadata": { "name": "one" },
        "spec": { "colour": "blue", "size": "7" },
    })
}

/// The release that brings the definitions is needed by the one that uses them.
fn api_not_served(hand: &Hand) {
    hand.objects(&json!([widget(hand)]), &json!({}));
    hand.told(UP, "install what brings its definition first");
    hand.kubectl(&json!({ "apply": [definition(hand, &["colour", "size"])] }));
    hand.done(UP);
    // Later the definition goes, and with it the kind of what is deployed.
    hand.kubectl(&json!({ "delete": [format!("CustomResourceDefinition/widgets.{}.example.com", hand.namespace)] }));
    let is_told = || hand.run(&["destroy", "--plan"]).1.contains("bring its definition back for a while");
    assert!((0..60).any(|_| is_told()), "{}", hand.run(&["destroy", "--plan"]).1);
    let told = hand.told(&["destroy", "--yes"], "--consent Widget/one");
    hand.done(&["destroy", "--yes", "--consent", Hand::consent(&told)]);
}

fn claim() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    })
}

fn backup_impossible(hand: &Hand) {
    hand.objects(&json!([claim()]), &json!({ "before_destructive": "backup" }));
    hand.done(UP);
    let consent = format!("pvc/{}/data", hand.namespace);
    let destroy = ["destroy", "--yes", "--consent", &consent];
    hand.told(&destroy, "`before_destructive: proceed`");
    hand.objects(&json!([claim()]), &json!({ "before_destructive": "proceed" }));
    hand.done(&destroy);
}

fn data_attached(hand: &Hand) {
    hand.objects(&json!([claim()]), &json!({}));
    hand.done(UP);
    let told = hand.told(&["destroy", "--yes"], &format!("--consent PersistentVolumeClaim/{}/data", hand.namespace));
    hand.done(&["destroy", "--yes", "--consent", Hand::consent(&told)]);
}

fn chart_dependency_missing(hand: &Hand) {
    hand.chart("lib", "1.0.0", "");
    hand.chart("shop", "1.0.0", "");
    let needs = "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n  - { name: lib, version: 1.0.0, repository: 'file://../lib' }\n";
    hand.write("shop/Chart.yaml", needs);
    hand.stack("shop", &json!({}));
    hand.told(UP, "run `helm dependency build` in the chart's folder");
    let built = Command::new(world::helm(Tool::Helm4))
        .args(["dependency", "build"])
        .current_dir(hand.path("shop"))
        .env("HELM_CACHE_HOME", hand.path("helm"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    hand.done(UP);
}

fn chart_invalid(hand: &Hand) {
    hand.chart("shop", "1.0.0", "");
    let package = || {
        let helm = Command::new(world::helm(Tool::Helm4)).args(["package", "shop"]).current_dir(hand.path("")).output();
        assert!(helm.unwrap().status.success());
    };
    package();
    let whole = std::fs::read(hand.path("shop-1.0.0.tgz")).unwrap();
    std::fs::write(hand.path("shop-1.0.0.tgz"), &whole[..whole.len() / 2]).unwrap();
    hand.stack("shop-1.0.0.tgz", &json!({}));
    hand.told(UP, "fetch or package the chart again");
    package();
    hand.done(UP);
}

fn chart_schema_unusable(hand: &Hand) {
    hand.chart("shop", "1.0.0", "");
    hand.write("shop/values.schema.json", r#"{"$ref": "https://127.0.0.1:1/values.json"}"#);
    hand.stack("shop", &json!({}));
    hand.told(UP, "say `skip_schema_validation: true` for this release");
    hand.stack("shop", &json!({ "skip_schema_validation": true }));
    hand.done(UP);
}

fn chart_template_failed(hand: &Hand) {
    hand.chart("shop", "1.0.0", "{{ required \"a colour is missing\" .Values.colour }}: {}\n");
    hand.write("shop/templates/all.yaml", "{{- $_ := required \"a colour is missing\" .Values.colour }}\n");
    hand.stack("shop", &json!({}));
    hand.told(UP, "`pilothouse render` shows the rendering without a cluster");
    let (_, rendered) = hand.run(&["render"]);
    assert!(rendered.contains("a colour is missing"), "{rendered}");
    hand.stack("shop", &json!({ "values": [{ "key": "colour", "value": "blue" }] }));
    hand.done(&["render"]);
    hand.done(UP);
}

fn check_failed(hand: &Hand) {
    hand.objects(&json!([]), &json!({ "check_prerequisites": [{ "command": { "run": ["test", "-f", "ready"] } }] }));
    hand.told(UP, "test -f ready");
    hand.write("ready", "");
    hand.done(UP);
}

fn cluster_mismatch(hand: &Hand) {
    let text = std::fs::read_to_string(world::simulated().kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
    let mut other = kubeconfig["contexts"][0].clone();
    other["name"] = json!("other");
    let right = kubeconfig["contexts"][0]["name"].as_str().unwrap().to_owned();
    kubeconfig["contexts"].as_array_mut().unwrap().push(other);
    kubeconfig["current-context"] = json!("other");
    hand.write("kubeconfig", &kubeconfig.to_string());
    hand.objects(&json!([]), &json!({}));
    let stack = std::fs::read_to_string(hand.path("pilothouse.yaml")).unwrap();
    let mut stack: Value = serde_json::from_str(&stack).unwrap();
    stack["cluster"] = json!({ "context": right });
    hand.write("pilothouse.yaml", &stack.to_string());
    let wrong = ["apply", "--yes", "--kubeconfig", "kubeconfig", "--context", "other"];
    hand.told(&wrong, "choose the cluster with --kubeconfig and --context");
    hand.done(&["apply", "--yes", "--kubeconfig", "kubeconfig", "--context", &right]);
}

fn crd_fields_removed(hand: &Hand) {
    hand.objects(&json!([definition(hand, &["colour", "size"])]), &json!({}));
    hand.done(UP);
    hand.kubectl(&json!({ "apply": [widget(hand)] }));
    hand.objects(&json!([definition(hand, &["colour"])]), &json!({}));
    let name = format!("CustomResourceDefinition/widgets.{}.example.com", hand.namespace);
    let told = hand.told(UP, &format!("--consent {name}"));
    hand.done(&["apply", "--yes", "--consent", Hand::consent(&told)]);
}

fn crd_in_use(hand: &Hand) {
    hand.objects(&json!([definition(hand, &["colour", "size"])]), &json!({}));
    hand.done(UP);
    hand.kubectl(&json!({ "apply": [widget(hand)] }));
    let name = format!("CustomResourceDefinition/widgets.{}.example.com", hand.namespace);
    let told = hand.told(&["destroy", "--yes"], &format!("--consent {name}"));
    hand.done(&["destroy", "--yes", "--consent", Hand::consent(&told)]);
}

fn downgrade_breaking(hand: &Hand) {
    for (name, version) in [("old", "1.0.0"), ("new", "2.0.0")] {
        hand.chart(
            name,
            version,
            "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { of: {{ .Chart.Version }} }\n",
        );
        hand.write(&format!("{name}/Chart.yaml"), &format!("apiVersion: v2\nname: shop\nversion: {version}\n"));
    }
    let breaking = json!({ "last_breaking_version_requiring_restart": "2.0.0" });
    hand.stack("new", &breaking);
    hand.done(UP);
    hand.stack("old", &breaking);
    hand.told(UP, "keep the deployed version, or a newer one");
    hand.stack("new", &breaking);
    hand.done(UP);
    // Or the other way that is told.
    let mut gone = breaking.clone();
    gone["action"] = json!("destroy");
    hand.stack("old", &gone);
    hand.done(UP);
    hand.stack("old", &breaking);
    hand.done(UP);
}

fn file_not_readable(hand: &Hand) {
    hand.chart("shop", "1.0.0", "");
    hand.stack("shop", &json!({ "values_files": ["extra/values.yaml"] }));
    hand.told(UP, "paths start at the stack file's folder");
    hand.write("extra/values.yaml", "colour: blue\n");
    hand.done(UP);
}

fn namespace_missing(hand: &Hand) {
    hand.objects(&json!([]), &json!({ "create_namespace": false }));
    let told = hand.told(UP, &format!("`kubectl create namespace {}`", hand.namespace));
    assert!(told.contains("set create_namespace: true"), "{told}");
    prepare::namespace(&world::simulated().client_config(), &hand.namespace, &[]);
    hand.done(UP);
}

fn object_missing(hand: &Hand) {
    let objects = json!([config_map("a", &json!({})), config_map("b", &json!({}))]);
    hand.objects(&objects, &json!({}));
    hand.done(UP);
    hand.kubectl(&json!({ "delete": ["ConfigMap/b"] }));
    hand.told(&["validate"], "run apply, which makes it again with an upgrade");
    hand.done(UP);
    hand.done(&["validate"]);
    // A claim would be empty.
    hand.objects(&json!([claim()]), &json!({}));
    hand.done(UP);
    hand.kubectl(&json!({ "delete": ["PersistentVolumeClaim/data"] }));
    let is_told = || hand.run(&["validate"]).1.contains("bring it back with its data");
    assert!((0..60).any(|_| is_told()), "{}", hand.run(&["validate"]).1);
    assert!(hand.done(UP).contains("unchanged"));
    let told = hand.told(&["validate"], "which makes it again, empty");
    hand.done(&["apply", "--yes", "--consent", Hand::consent(&told)]);
    hand.done(&["validate"]);
}

fn object_terminating(hand: &Hand) {
    let mut held = config_map("held", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    hand.objects(&json!([held]), &json!({}));
    hand.done(UP);
    let target = ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: "ConfigMap".to_owned(),
        namespace: Some(hand.namespace.clone()),
        name: "held".to_owned(),
    };
    world::in_runtime(async {
        let client = kube::Client::try_from(world::simulated().client_config()).unwrap();
        let cluster = Cluster::from_client(client);
        cluster.delete(&target, &Precondition::default(), Propagation::Background).await.unwrap();
    });
    let told = hand.told(&["validate"], "look whether the controllers of these finalizers run");
    assert!(told.contains("when it is gone, an apply makes it again"), "{told}");
    // The controller is back, and lets it go.
    hand.kubectl(&json!({ "patch": { "ConfigMap/held": { "metadata": { "finalizers": null } } } }));
    hand.objects(&json!([held]), &json!({ "drift": "correct" }));
    hand.done(UP);
    hand.done(&["validate"]);
}

fn plan_outdated(hand: &Hand) {
    hand.objects(&json!([config_map("a", &json!({ "colour": "blue" }))]), &json!({}));
    hand.done(&["plan", "--out", "web.plan"]);
    hand.objects(&json!([config_map("a", &json!({ "colour": "red" }))]), &json!({}));
    hand.told(&["apply", "web.plan"], "look at another plan: `pilothouse plan --out FILE` where one was saved");
    hand.done(&["plan", "--out", "web.plan"]);
    hand.done(&["apply", "web.plan"]);
    hand.done(&["destroy", "--plan", "--out", "gone.plan"]);
    hand.objects(&json!([config_map("a", &json!({ "colour": "green" }))]), &json!({}));
    hand.done(UP);
    hand.told(&["destroy", "gone.plan"], "`pilothouse destroy --plan --out FILE` for a destroy");
    hand.done(&["destroy", "--plan", "--out", "gone.plan"]);
    hand.done(&["destroy", "gone.plan"]);
}

fn release_foreign(hand: &Hand) {
    hand.objects(&json!([config_map("a", &json!({ "colour": "blue" }))]), &json!({}));
    hand.done(UP);
    // The times of field managers are whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world::in_runtime(async {
        let client = kube::Client::try_from(world::simulated().client_config()).unwrap();
        let cluster = Cluster::from_client(client);
        let record = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "sh.helm.release.v1.web.v1",
                "namespace": hand.namespace,
                "labels": { "touched": "yes" },
            },
        });
        let options = ApplyOptions {
            field_manager: "terraform-provider-helm".to_owned(),
            force: true,
            dry_run: false,
            default_namespace: None,
        };
        cluster.apply(&record, &options).await.unwrap();
    });
    let objects = json!([config_map("a", &json!({ "colour": "red" }))]);
    hand.objects(&objects, &json!({}));
    hand.told(UP, "say `take_over: true` for this release");
    hand.objects(&objects, &json!({ "take_over": true }));
    hand.done(UP);
}

fn release_name_invalid(hand: &Hand) {
    hand.objects(&json!([]), &json!({ "name": "Web_1" }));
    hand.told(UP, "Web_1");
    hand.objects(&json!([]), &json!({}));
    hand.done(UP);
}

fn secret_regenerated(hand: &Hand) {
    let template = "apiVersion: v1\nkind: Secret\nmetadata: { name: login }\nstringData: { password: {{ randAlphaNum 12 }} }\n---\n\
                    apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { colour: {{ .Values.colour }} }\n";
    hand.chart("shop", "1.0.0", template);
    hand.stack("shop", &json!({ "values": [{ "key": "colour", "value": "blue" }] }));
    hand.done(UP);
    hand.stack("shop", &json!({ "values": [{ "key": "colour", "value": "red" }] }));
    let told = hand.told(UP, &format!("--consent Secret/{}/login", hand.namespace));
    hand.done(&["apply", "--yes", "--consent", Hand::consent(&told)]);
}

fn stack_file_mismatch(hand: &Hand) {
    hand.chart("shop", "1.0.0", "");
    let more = json!({ "post_exec": [{ "command": { "run": ["test", "-f", "ready"] } }] });
    hand.stack_file("one.yaml", "shop", &more);
    assert_eq!(hand.run(&["apply", "one.yaml", "--yes"]).0, Some(1));
    hand.stack_file("two.yaml", "shop", &json!({}));
    let file = hand.path("one.yaml").canonicalize().unwrap().display().to_string();
    let says = format!("pilothouse resume --stack {file}");
    hand.told(&["resume", "--stack", "two.yaml", "--yes"], &says);
    hand.write("ready", "");
    hand.done(&["resume", "--stack", &file, "--yes"]);
}

/// A step that ends the program that runs it, once.
fn deadly() -> Value {
    json!({ "command": { "run": ["sh", "-c", "[ -e once ] || { touch once; kill -KILL $PPID; sleep 5; }"] } })
}

fn step_uncertain(hand: &Hand) {
    hand.objects(&json!([]), &json!({ "pre_exec": [deadly()] }));
    assert_eq!(hand.run(UP).0, None, "it was not killed");
    let step = format!("{}/web:pre_exec:1", hand.namespace);
    hand.told(UP, &format!("--step-done {step}, or --step-again {step} to run it again"));
    hand.done(&["apply", "--yes", "--step-again", &step]);
}

fn step_output_untrusted(hand: &Hand) {
    let made = json!({ "command": { "run": ["echo", "\"blue\""], "output_to": "colour" } });
    let more = json!({
        "pre_exec": [made, deadly()],
        "values": [{ "key": "colour", "from_payload": "colour" }],
    });
    hand.objects(&json!([]), &more);
    assert_eq!(hand.run(UP).0, None, "it was not killed");
    // Another machine.
    std::fs::remove_dir_all(hand.path("state")).unwrap();
    let again = format!("{}/web:pre_exec:2", hand.namespace);
    let step = format!("{}/web:pre_exec:1", hand.namespace);
    hand.told(&["apply", "--yes", "--step-again", &again], &format!("run the step again: --step-again {step}"));
    hand.done(&["apply", "--yes", "--step-again", &again, "--step-again", &step]);
}

fn version_invalid(hand: &Hand) {
    hand.chart("shop", "1.0.0", "");
    hand.stack("shop", &json!({ "chart": { "path": "shop", "version": "latest" } }));
    hand.told(UP, "for example `1.2.3`");
    hand.stack("shop", &json!({ "chart": { "path": "shop", "version": "1.0.0" } }));
    hand.done(UP);
}

/// Somebody's uninstall has begun, and is killed, right when helm is asked for an upgrade.
fn release_stale_lock(hand: &Hand) {
    let mut held = config_map("held", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    let objects = |colour: &str| json!([held, config_map("a", &json!({ "colour": colour }))]);
    let (helm, namespace) = (world::helm(Tool::Helm4), &hand.namespace);
    let (helm, once) = (helm.display(), hand.path("once"));
    let script = format!(
        "#!/bin/sh\n\
         if [ \"$1\" = upgrade ] && [ -e '{once}' ]; then\n\
         rm '{once}'\n\
         '{helm}' uninstall web --namespace {namespace} --wait --timeout 60s >/dev/null 2>&1 & pid=$!\n\
         until '{helm}' list --uninstalling --short --namespace {namespace} | grep -q web; do sleep 0.1; done\n\
         kill -KILL $pid\n\
         fi\n\
         exec '{helm}' \"$@\"\n",
        once = once.display(),
    );
    hand.write("helm.sh", &script);
    std::fs::set_permissions(hand.path("helm.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let let_go = || hand.kubectl(&json!({ "patch": { "ConfigMap/held": { "metadata": { "finalizers": null } } } }));
    hand.objects(&objects("blue"), &json!({}));
    hand.done(UP);
    let interrupted = |colour: &str, says: &str| {
        hand.objects(&objects(colour), &json!({}));
        hand.write("once", "");
        hand.told(UP, says);
        assert!(!once.exists());
        let_go();
    };
    interrupted(
        "red",
        "once that operation has certainly ended, run again with --consent lock: what was begun is brought to its end first",
    );
    hand.done(&["apply", "--yes", "--consent", "lock"]);
    // Or the other way that is told.
    interrupted("green", &format!("helm uninstall -n {namespace} web"));
    assert!(hand.helm(&["uninstall", "web"]));
    hand.done(UP);
    let_go();
}

/// A rollback by hand has failed: with that, Helm has no revision any more that is deployed, and keeps as few as it may.
fn rollback_impossible(hand: &Hand) {
    let fixed = |colour: &str, immutable: bool| {
        let mut map = config_map("a", &json!({ "colour": colour }));
        map["immutable"] = json!(immutable);
        map
    };
    let keys = |then: &str, most: u32| json!({ "on_failure": { "upgrade": then }, "max_history": most });
    hand.objects(&json!([fixed("blue", false)]), &json!({}));
    hand.done(UP);
    for (name, following) in [("b", keys("rollback", 10)), ("c", keys("leave", 2))] {
        hand.objects(&json!([fixed("red", true)]), &json!({}));
        hand.done(UP);
        assert!(!hand.helm(&["rollback", "web", "1"]), "an immutable object was changed");
        let wanted = json!([fixed("red", true), config_map(name, &json!({}))]);
        hand.objects(&wanted, &keys("rollback", 2));
        let told = hand.told(UP, "mend that (a larger `max_history`");
        assert!(told.contains("or say `on_failure: { upgrade: leave }` for this release"), "{told}");
        hand.objects(&wanted, &following);
        hand.done(UP);
    }
}

/// The stack file with the corpus' own chart and these values.
fn workload(hand: &Hand, values: &Value, seconds: u32) {
    let chart = case::folder("charts").join("web");
    let content = json!([{ "name": "values.yaml", "content": values }]);
    hand.stack(&chart.display().to_string(), &json!({ "yaml_files_content": content, "timeout_in_seconds": seconds }));
}

/// A StatefulSet does not replace a pod that never became ready.
fn old_pod_in_the_way(hand: &Hand) {
    let values = |pod: Value| json!({ "kind": "StatefulSet", "pod": pod });
    workload(hand, &values(json!({ "schedulerName": "nobody" })), 5);
    assert_eq!(hand.run(UP).0, Some(1));
    workload(hand, &values(json!({})), 5);
    hand.told(UP, &format!("kubectl delete pod -n {} web-0", hand.namespace));
    hand.kubectl(&json!({ "delete": ["Pod/web-0"] }));
    workload(hand, &values(json!({})), 15);
    hand.done(UP);
}

/// The account is made, and the release is as it was: what its controller has said before is not what it says.
fn service_account_missing(hand: &Hand) {
    let account = |name: &str| json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
    let values = |name: &str| json!({ "pod": { "serviceAccountName": name } });
    let make = |name: &str| {
        format!(
            "or make it: kubectl create serviceaccount -n {} {name}; then kubectl rollout restart deployment -n {0} web",
            hand.namespace
        )
    };
    workload(hand, &values("runner"), 15);
    hand.told(UP, &make("runner"));
    hand.kubectl(&json!({ "apply": [account("runner")] }));
    // It is tried again after as long as it has been tried.
    workload(hand, &values("runner"), 90);
    hand.done(UP);
    workload(hand, &values("walker"), 15);
    hand.told(UP, &make("walker"));
    hand.kubectl(&json!({ "apply": [account("walker")] }));
    let restarted = json!({ "kubectl.kubernetes.io/restartedAt": jiff::Timestamp::now().to_string() });
    let template = json!({ "metadata": { "annotations": restarted } });
    hand.kubectl(&json!({ "patch": { "Deployment/web": { "spec": { "template": template } } } }));
    hand.done(UP);
}

/// Somebody may write Services, and not read them.
fn unreadable(hand: &Hand) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
    });
    let rules = |verbs: &[&str]| json!({ "apiGroups": [""], "resources": ["services"], "verbs": verbs });
    let all = json!({ "apiGroups": ["", "coordination.k8s.io"], "resources": ["secrets", "leases", "pods", "events"], "verbs": ["*"] });
    let case = json!({
        "code": hand.code,
        "breaks": "",
        "words": [],
        "user": [all, rules(&["create", "patch", "update", "delete"])],
    });
    let case: case::Case = serde_json::from_value(case).unwrap();
    let config = world::simulated().client_config();
    prepare::namespace(&config, &hand.namespace, &[]);
    let kubeconfig =
        prepare::kubeconfig(&config, world::simulated().kubeconfig(), hand.folder.path(), &hand.namespace, &case);
    hand.objects(&json!([service]), &json!({ "create_namespace": false }));
    let stack = std::fs::read_to_string(hand.path("pilothouse.yaml")).unwrap();
    let mut stack: Value = serde_json::from_str(&stack).unwrap();
    stack["state_namespace"] = json!(hand.namespace);
    hand.write("pilothouse.yaml", &stack.to_string());
    let up = ["apply", "--yes", "--kubeconfig", &kubeconfig.display().to_string()];
    let told = hand.told(&up, "have it read: what refuses or does not answer is told above");
    assert!(told.contains("services \"web\" is forbidden"), "{told}");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": "readers" },
        "rules": [rules(&["get", "list", "watch"])],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "readers" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "readers" },
        "subjects": [{ "kind": "ServiceAccount", "name": "deployer", "namespace": hand.namespace }],
    });
    hand.kubectl(&json!({ "apply": [role, binding] }));
    hand.done(&up);
}
