//! The second `apply` of charts whose templates are no pure functions of their values.

use crate::second_apply::definition;
use crate::support::{World, fake_helm, helm, in_runtime, plane, writes};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, PostParams};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use std::fmt::Write as _;

/// A chart with these templates and, where it is named, a definition of its own, in a namespace of its own.
fn world(name: &str, templates: &str, crd: Option<&str>) -> World {
    let world = World::with_stack(&format!(
        "version: 1\nname: {name}\ndefaults: {{ namespace: {name}, create_namespace: true }}\nreleases:\n  \
         - {{ name: web, chart: {{ path: chart }} }}\n"
    ));
    write_chart(&world, "chart", templates, crd);
    world
}

fn write_chart(world: &World, folder: &str, templates: &str, crd: Option<&str>) {
    world.write(&format!("{folder}/Chart.yaml"), "apiVersion: v2\nname: impure\nversion: 1.0.0\n");
    world.write(&format!("{folder}/templates/all.yaml"), templates);
    if let Some(group) = crd {
        world.write(&format!("{folder}/crds/crd.yaml"), &definition(group).to_string());
    }
}

fn config(name: &str, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\ndata: {{ text: {{{{ {text} | toString | quote }}}} }}\n---\n"
    )
}

fn apply(world: &World, tool: Tool) -> String {
    world.transcript(world.on_plane(&["apply", "--yes"]).env("PILOTHOUSE_HELM", helm(tool)))
}

/// Applies it with a helm that can do nothing but tell its version.
fn apply_without_helm(world: &World, tool: Tool) -> String {
    let version = if tool == Tool::Helm3 { "v3.21.4" } else { "v4.2.4" };
    let fake = fake_helm(world, version);
    world.transcript(world.on_plane(&["apply", "--yes"]).env("PILOTHOUSE_HELM", fake))
}

fn assert_unchanged(transcript: &str) {
    assert!(transcript.starts_with("exit code: 0\n"), "{transcript}");
    assert!(transcript.contains("unchanged") && !transcript.contains("upgraded"), "{transcript}");
}

/// Name, templates, and the group of a kind that the chart defines. `GROUP` stands for it in the templates.
fn charts() -> Vec<(&'static str, String, bool)> {
    let first = "{{ if .Release.IsInstall }}\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: first }\n{{ end }}";
    let policy = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { text: {{ if not .Release.IsUpgrade }}Ignore{{ else }}Fail{{ end }} }";
    let own = |version: &str| config("a", &format!(".Capabilities.APIVersions.Has \"GROUP/{version}\""));
    vec![
        ("random", [config("a", "randAlphaNum 8"), config("b", "uuidv4")].concat(), false),
        ("certificates", config("a", "(genCA \"ca\" 365).Cert"), false),
        ("htpasswd", config("a", "htpasswd \"a\" \"b\""), false),
        ("clock", config("a", "now"), false),
        ("install", first.to_owned(), false),
        ("upgrade", policy.to_owned(), false),
        ("revision", config("a", ".Release.Revision"), false),
        ("version", config("a", ".Capabilities.KubeVersion.Version"), false),
        ("own-kind", own("v1/Widget"), true),
        ("own-and-chance", [own("v1"), config("b", "uuidv4")].concat(), true),
    ]
}

/// All in one stack, each in a namespace of its own. (What is looked up: `second_apply`.)
#[rstest]
#[ignore = "every function by itself: second_apply does it every day with one helm"]
#[case::helm_3(Tool::Helm3)]
#[ignore = "every function by itself: second_apply does it every day with one helm"]
#[case::helm_4(Tool::Helm4)]
fn nothing_is_to_be_done(#[case] tool: Tool) {
    let prefix = format!("pure-{}", tool.name());
    let mut stack = format!("version: 1\nname: {prefix}\ndefaults: {{ create_namespace: true }}\nreleases:\n");
    let world = World::new();
    for (name, templates, defines) in charts() {
        let group = format!("{name}.{}.example", tool.name());
        writeln!(stack, "  - {{ name: {name}, namespace: {prefix}-{name}, chart: {{ path: {name} }} }}").unwrap();
        write_chart(&world, name, &templates.replace("GROUP", &group), defines.then_some(group.as_str()));
    }
    world.write("pilothouse.yaml", &stack);
    let written = || charts().iter().map(|(name, ..)| writes(&format!("{prefix}-{name}"))).collect::<Vec<_>>();
    let first = apply(&world, tool);
    assert!(first.starts_with("exit code: 0\n"), "{first}");
    let before = written();
    assert!(before.iter().all(|writes| !writes.is_empty()), "{before:?}");
    let second = apply_without_helm(&world, tool);
    assert!(second.starts_with("exit code: 0\n") && second.contains("10 unchanged"), "{second}");
    assert_eq!(written(), before, "nothing is written");
}

/// A definition of anybody's costs a chart that lists what is served one rendering, and a chart that asks for something else
/// nothing; the certificates they make stay. (Other tests bring definitions to the same plane meanwhile.)
#[test]
fn a_kind_of_somebody_elses() {
    let tool = Tool::Helm4;
    let certificate = config("ca", "(genCA \"ca\" 365).Cert");
    let asks = world(
        "anybody-asks",
        &[&config("a", ".Capabilities.APIVersions.Has \"nobody/v1\""), certificate.as_str()].concat(),
        None,
    );
    let lists = world(
        "anybody-lists",
        &[&config("a", "eq 0 (len .Capabilities.APIVersions)"), certificate.as_str()].concat(),
        None,
    );
    for world in [&asks, &lists] {
        let first = apply(world, tool);
        assert!(first.starts_with("exit code: 0\n"), "{first}");
    }
    let crds = || Api::<CustomResourceDefinition>::all(kube::Client::try_from(plane().client_config()).unwrap());
    let crd: CustomResourceDefinition = serde_json::from_value(definition("anybody.example")).unwrap();
    in_runtime(async {
        crds().create(&PostParams::default(), &crd).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    });
    assert_unchanged(&apply_without_helm(&asks, tool));
    assert_unchanged(&apply(&lists, tool));
    in_runtime(async { crds().delete("widgets.anybody.example", &DeleteParams::default()).await.unwrap() });
}
