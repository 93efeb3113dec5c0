//! Runs that find nothing to do, or less than an upgrade, and what others do to a release meanwhile.

use crate::support::{World, fake_helm, helm, in_runtime, kubectl_get, plane, settings, writes};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use pilothouse_plane::AuditLog;
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

/// A release in a namespace of its own.
struct Story {
    world: World,
    tool: Tool,
    namespace: String,
}

impl Story {
    fn new(name: &str, tool: Tool) -> Self {
        let story = Self { world: World::new(), tool, namespace: format!("{name}-{}", tool.name()) };
        story.wants("");
        story
    }

    /// From now on these keys are wanted too.
    fn wants(&self, keys: &str) {
        let name = &self.namespace;
        let text = format!(
            "version: 1\nname: {name}\nreleases:\n  - name: web\n    namespace: {name}\n    chart: {{ path: CHARTS/config }}\n    \
             validate: [{{ name: look, command: {{ run: [\"true\"] }} }}]\n{keys}"
        );
        self.world.write("pilothouse.yaml", &text);
    }

    /// Applies it; the transcript is the same with both helms and in every namespace.
    fn apply(&self) -> String {
        let mut program = self.world.on_plane(&["apply", "--yes"]);
        let transcript = self.world.transcript(program.env("PILOTHOUSE_HELM", helm(self.tool)));
        transcript.replace(&self.namespace, "NAMESPACE")
    }

    fn applied(&self) {
        let transcript = self.apply();
        assert!(transcript.starts_with("exit code: 0\n"), "{transcript}");
    }

    /// Somebody uses helm alone.
    fn helm(&self, args: &[&str]) {
        let mut command = Command::new(helm(self.tool));
        command.args(args).args(["--namespace", &self.namespace]).env("KUBECONFIG", plane().kubeconfig());
        let output = command.current_dir(self.world.path("")).env_remove("HELM_DRIVER").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Somebody changes the text of the ConfigMap, as `kubectl edit` does.
    fn edit(&self, text: &str) {
        let patch = Patch::Merge(json!({"data": {"text": text}}));
        in_runtime(async {
            let configs: Api<ConfigMap> = Api::namespaced(client(), &self.namespace);
            configs.patch("web", &written_by("kubectl-edit"), &patch).await.unwrap();
        });
    }

    fn text(&self) -> Value {
        kubectl_get(plane(), "v1", "ConfigMap", Some(&self.namespace), "web").unwrap()["data"]["text"].clone()
    }

    /// Helm's revisions with their status.
    fn revisions(&self) -> Vec<String> {
        let listed = in_runtime(async {
            let secrets: Api<Secret> = Api::namespaced(client(), &self.namespace);
            secrets.list(&ListParams::default().labels("owner=helm")).await.unwrap()
        });
        let mut revisions: Vec<String> = listed
            .iter()
            .map(|secret| {
                let labels = secret.metadata.labels.as_ref().unwrap();
                format!("{} {}", labels["version"], labels["status"])
            })
            .collect();
        revisions.sort();
        revisions
    }

    fn writes(&self) -> usize {
        writes(&self.namespace).len()
    }
}

/// To be called in the runtime in which it is used.
fn client() -> kube::Client {
    kube::Client::try_from(plane().client_config()).unwrap()
}

fn written_by(manager: &str) -> PatchParams {
    PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn drift_is_told_and_mended(#[case] tool: Tool) {
    let story = Story::new("drift", tool);
    story.applied();
    let written = story.writes();
    settings().bind(|| insta::assert_snapshot!("unchanged", story.apply()));
    assert_eq!(story.writes(), written, "a run that finds nothing to do writes nothing");

    story.edit("edited");
    let mut settings_of_drift = settings();
    settings_of_drift.add_filter(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "TIME");
    settings_of_drift.bind(|| insta::assert_snapshot!("drift_told", story.apply()));
    assert_eq!((story.text(), story.revisions()), (json!("edited"), vec!["1 deployed".to_owned()]));

    story.wants("    drift: correct\n");
    settings().bind(|| insta::assert_snapshot!("drift_corrected", story.apply()));
    assert_eq!((story.text(), story.revisions().len()), (json!("none"), 2));
    settings().bind(|| insta::assert_snapshot!("unchanged", story.apply()));
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
fn somebody_upgrades_with_helm(#[case] tool: Tool) {
    let story = Story::new("upgraded", tool);
    story.applied();
    story.helm(&["upgrade", "web", "charts/config", "--set", "text=theirs"]);
    settings().bind(|| insta::assert_snapshot!("upgraded_back", story.apply()));
    assert_eq!(story.text(), json!("none"));
    assert_eq!(story.revisions(), ["1 superseded", "2 superseded", "3 deployed"]);

    story.helm(&["upgrade", "web", "charts/config"]);
    settings().bind(|| insta::assert_snapshot!("taken_back", story.apply().replace("revision 4", "revision N")));
    settings().bind(|| insta::assert_snapshot!("unchanged", story.apply()));
    assert_eq!(story.revisions().last().unwrap(), "4 deployed");
}

#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
fn a_release_of_plain_helm_is_taken_over(#[case] tool: Tool) {
    let story = Story::new("plain", tool);
    story.helm(&["install", "web", "charts/config", "--create-namespace"]);
    settings().bind(|| insta::assert_snapshot!("taken_over", story.apply().replace("revision 1", "revision N")));
    settings().bind(|| insta::assert_snapshot!("unchanged", story.apply()));
    assert_eq!(story.revisions(), ["1 deployed"]);
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn what_does_not_change_the_result_makes_no_revision(#[case] tool: Tool) {
    let story = Story::new("same", tool);
    story.applied();
    let unused = "    values: [{ key: unused, value: 1 }]\n";
    story.wants(unused);
    settings().bind(|| insta::assert_snapshot!("taken_over", story.apply().replace("revision 1", "revision N")));

    story.wants(&format!("{unused}    post_exec: [{{ name: greet, command: {{ run: [\"true\"] }} }}]\n"));
    settings().bind(|| insta::assert_snapshot!("step_added", story.apply()));
    settings().bind(|| insta::assert_snapshot!("unchanged", story.apply()));

    in_runtime(async {
        let secrets: Api<Secret> = Api::namespaced(client(), &story.namespace);
        secrets.delete("pilothouse.release.web", &DeleteParams::default()).await.unwrap();
    });
    settings().bind(|| insta::assert_snapshot!("without_record", story.apply().replace("revision 1", "revision N")));
    settings().bind(|| insta::assert_snapshot!("unchanged", story.apply()));
    assert_eq!(story.revisions(), ["1 deployed"]);
}

#[test]
fn what_flux_manages_is_left_alone() {
    let story = Story::new("flux", Tool::Helm4);
    story.helm(&["install", "web", "charts/config", "--create-namespace"]);
    // The server notes the times of writes in whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let patch = Patch::Merge(json!({"metadata": {"labels": {"modifiedAt": "1"}}}));
    in_runtime(async {
        let secrets: Api<Secret> = Api::namespaced(client(), &story.namespace);
        secrets.patch("sh.helm.release.v1.web.v1", &written_by("helm-controller"), &patch).await.unwrap();
        helm_release(&story.namespace).await;
    });

    settings().bind(|| insta::assert_snapshot!("foreign", story.apply()));
    assert_eq!(story.revisions(), ["1 deployed"]);
    story.wants("    take_over: true\n");
    settings().bind(|| insta::assert_snapshot!("taken_over", story.apply().replace("revision 1", "revision N")));
    assert_eq!(story.revisions(), ["1 deployed"]);
}

/// A HelmRelease of Flux about the release, and its kind.
async fn helm_release(namespace: &str) {
    let definition = json!({
        "metadata": {"name": "helmreleases.helm.toolkit.fluxcd.io"},
        "spec": {
            "group": "helm.toolkit.fluxcd.io",
            "scope": "Namespaced",
            "names": {"kind": "HelmRelease", "plural": "helmreleases", "singular": "helmrelease"},
            "versions": [{"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(client());
    definitions.create(&PostParams::default(), &serde_json::from_value(definition).unwrap()).await.unwrap();
    let kind = kube::core::GroupVersionKind::gvk("helm.toolkit.fluxcd.io", "v2", "HelmRelease");
    let releases: Api<DynamicObject> =
        Api::namespaced_with(client(), namespace, &kube::core::ApiResource::from_gvk(&kind));
    let release =
        json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web"}});
    let release: DynamicObject = serde_json::from_value(release).unwrap();
    for _ in 0..100 {
        if releases.create(&PostParams::default(), &release).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the definition is not served");
}

/// What a run asks about fifty releases of one namespace that are as they should be. Beside these it asks for the cluster's
/// version and kinds, as other tests on the same plane do meanwhile.
const ASKED: [&str; 3] = [
    "list /api/v1/namespaces/fifty/configmaps?labelSelector=app.kubernetes.io%2Fmanaged-by%3DHelm&limit=500",
    "list /api/v1/namespaces/fifty/secrets?labelSelector=owner%3Dhelm%2Cstatus%21%3Dsuperseded&limit=500",
    "list /api/v1/namespaces/fifty/secrets?labelSelector=pilothouse.dev%2Frecord%3Ddeploy&limit=500",
];

#[test]
#[ignore = "fifty releases; `requests` counts those of twelve every day"]
fn fifty_releases_are_looked_at_with_few_requests_and_no_helm() {
    let mut stack = "version: 1\nname: fifty\ndefaults: { namespace: fifty }\nreleases:\n".to_owned();
    for number in 1..=50 {
        writeln!(stack, "  - {{ name: r{number}, chart: {{ path: CHARTS/config }} }}").unwrap();
    }
    let world = World::with_stack(&stack);
    let first = world.transcript(&mut world.on_plane(&["apply", "--yes", "--concurrency", "4"]));
    assert!(first.starts_with("exit code: 0\n"), "{first}");

    let before = requests();
    // A helm that can only tell its version.
    let fake = fake_helm(&world, "v4.2.4");
    let mut program = world.on_plane(&["apply", "--yes", "--output", "json"]);
    let output = program.env("PILOTHOUSE_HELM", fake).output().unwrap();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(run["verdict"], "done", "{run:#}");
    let unchanged = run["events"].as_array().unwrap().iter().filter(|event| event["outcome"]["outcome"] == "unchanged");
    assert_eq!(unchanged.count(), 50);
    let mut made = requests().split_off(before.len());
    made.sort();
    assert_eq!(made, ASKED);
}

/// What this program has asked about the namespace of the fifty so far.
fn requests() -> Vec<String> {
    let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
    let ours = log
        .events()
        .iter()
        .filter(|event| event.user_agent.starts_with("pilothouse/") && event.namespace.as_deref() == Some("fifty"));
    ours.map(|event| format!("{} {}", event.verb, event.uri)).collect()
}
