//! Commands that need no cluster.

use crate::support::{World, helm};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::repository;
use std::process::Command;

const STACK: &str = "\
version: 1
name: demo
releases:
  - name: data
    namespace: demo
    chart: { path: CHARTS/data }
  - name: node-agent
    namespace: demo
    chart: { path: CHARTS/node-agent }
    values: [{ key: clusterRole, value: another }]
";

/// A trace that cannot be written is told beside the result, which stays one document.
#[test]
fn a_trace_that_finds_no_room() {
    let world = World::with_stack(STACK);
    let program = world.program(&["graph", "--output", "json", "--trace", "trace.json"]);
    let mut full = Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""]);
    full.arg(program.get_program()).args(program.get_args()).current_dir(world.path(""));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => full.env(name, value),
            None => full.env_remove(name),
        };
    }
    let output = full.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let document: serde_json::Value =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    assert!(document.get("error").is_none(), "{document}");
    assert!(stderr.contains("the trace is not whole: "), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn lint_of_the_quickstart_is_clean() {
    let world = World::new();
    let stack = repository().join("examples/quickstart");
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint", stack.to_str().unwrap()])));
}

#[test]
fn lint_tells_every_release() {
    let world = World::with_stack(&STACK.replace("CHARTS/data", "none"));
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint"])));
}

/// A template that has to find something renders with a cluster alone.
#[test]
fn lint_of_a_chart_that_must_find_something() {
    let world =
        World::with_stack("version: 1\nname: demo\nreleases: [{ name: a, namespace: demo, chart: { path: chart } }]\n");
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { uid: {{ (lookup \"v1\" \"Namespace\" \"\" \"kube-system\").metadata.uid }} }\n";
    world.write("chart/templates/a.yaml", template);
    let output = world.program(&["lint"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("demo/a: not checked: it could not be checked without a cluster"), "{told}");
    assert!(told.contains("nil pointer"), "{told}");
    // What no cluster could put right.
    world.write("chart/values.schema.json", r#"{"required": ["size"]}"#);
    assert_eq!(world.program(&["lint"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn lint_warns_of_what_helm_deploys_all_the_same() {
    let world = World::with_stack(
        "version: 1\nname: demo\nreleases: [{ name: a, namespace: demo, chart: { path: chart }, values_files: [values.yaml] }]\n",
    );
    let needs = "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{ name: sub, version: ^2.0.0, repository: 'file://../sub' }]\n";
    world.write("chart/Chart.yaml", needs);
    world.write("chart/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n");
    world.write("values.yaml", "a: 1\n---\nb: 2\n");
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint"])), @"
    exit code: 0
    ----- stdout -----
    demo/a: ok
      warning: chart a: charts/ has sub 1.0.0, Chart.yaml asks for ^2.0.0 (`helm dependency update` mends it)
    ");
    let mut with_helm_3 = world.program(&["lint"]);
    with_helm_3.env("PILOTHOUSE_HELM", helm(Tool::Helm3));
    insta::assert_snapshot!(world.transcript(&mut with_helm_3), @"
    exit code: 0
    ----- stdout -----
    demo/a: ok
      warning: ./values.yaml holds more than one YAML document: helm 3 reads the first one only
      warning: chart a: charts/ has sub 1.0.0, Chart.yaml asks for ^2.0.0 (`helm dependency update` mends it)
    ");
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint", "--output", "json"])), @r#"
    exit code: 0
    ----- stdout -----
    {
      "stack": "demo",
      "releases": [
        {
          "release": {
            "namespace": "demo",
            "name": "a"
          },
          "findings": [],
          "warnings": [
            "chart a: charts/ has sub 1.0.0, Chart.yaml asks for ^2.0.0 (`helm dependency update` mends it)"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn lint_as_json() {
    let world = World::with_stack(&STACK.replace("CHARTS/data", "none"));
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint", "--output", "json"])));
}

#[test]
fn render_one_release() {
    let world = World::with_stack(STACK);
    insta::assert_snapshot!(world.transcript(&mut world.program(&["render", "--only", "node-agent"])));
}

#[test]
fn render_of_an_unknown_release() {
    let world = World::with_stack(STACK);
    insta::assert_snapshot!(world.transcript(&mut world.program(&["render", "--only", "agent"])));
}

#[test]
fn render_of_selected_releases() {
    let world = World::with_stack(STACK);
    let kinds = |args: &[&str]| {
        let all = [&["render"], args].concat();
        let shown = world.transcript(&mut world.program(&all));
        shown.lines().filter_map(|line| line.strip_prefix("kind: ").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&["--only", "demo/d*"]), ["PersistentVolumeClaim"]);
    let both = ["--only", "data", "--only", "*/node-agent"];
    assert_eq!(kinds(&both), kinds(&[]));
}

/// The charts are not looked at.
const GRAPH: &str = "\
version: 1
name: shop
defaults: { namespace: shop }
releases:
  - { name: web, chart: { path: none }, needs: [api, { release: cache, until: deployed }], labels: { team: front } }
  - { name: api, chart: { path: none }, needs: [db], labels: { team: back } }
  - { name: db, chart: { path: none }, labels: { team: back } }
  - { name: cache, chart: { path: none }, enabled: has(env.CACHE) }
";

#[test]
fn graph_of_a_stack() {
    let world = World::with_stack(GRAPH);
    insta::assert_snapshot!(world.transcript(world.program(&["graph"]).env("CACHE", "1")));
}

#[test]
fn graph_of_selected_releases() {
    let world = World::with_stack(GRAPH);
    let args = ["graph", "-l", "team=back,!tier", "--only", "a*", "--with-needs", "--format", "dot"];
    insta::assert_snapshot!(world.transcript(&mut world.program(&args)));
}

#[test]
fn graph_as_json() {
    let world = World::with_stack(GRAPH);
    let args = ["graph", "--only", "cache", "--with-dependants", "--output", "json"];
    insta::assert_snapshot!(world.transcript(world.program(&args).env_remove("CACHE")));
}

#[test]
fn graph_of_a_selection_that_is_none() {
    let world = World::with_stack(GRAPH);
    insta::assert_snapshot!(world.transcript(&mut world.program(&["graph", "-l", "team in (a, b)"])));
}

#[test]
fn no_stack_file() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint"])));
}

#[test]
fn help() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["--help"])));
}

#[test]
fn completions_and_schema_are_printed() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.transcript(&mut world.program(&["completions", shell]));
        assert!(script.starts_with("exit code: 0\n") && script.contains("rehearse"), "{script}");
    }
    let schema = world.program(&["schema"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert_eq!(schema, pilothouse_config::schema());
    let events = world.program(&["schema", "--of", "events"]).output().unwrap();
    let published = std::fs::read(repository().join("docs/events.schema.json")).unwrap();
    assert_eq!(events.stdout, published);
}

#[test]
fn an_error_is_a_line_among_events() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["lint", "--output", "jsonl"])));
}

const OBJECTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop, generation: 1 }
spec: { replicas: 2, strategy: { rollingUpdate: { maxUnavailable: 2 } } }
status: { observedGeneration: 1, replicas: 2, updatedReplicas: 2 }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: shop }
---
apiVersion: example.com/v1
kind: Backup
metadata: { name: nightly, namespace: shop, creationTimestamp: \"2026-01-01T00:00:00Z\" }
status: { phase: Kept }
";

#[test]
fn ready_tells_each_object() {
    let world = World::new();
    world.write("objects.yaml", OBJECTS);
    insta::assert_snapshot!(world.transcript(&mut world.program(&["ready", "-f", "objects.yaml", "--rules"])));
}

#[test]
fn ready_by_the_rules_of_a_stack_as_json() {
    let world = World::with_stack(&format!(
        "{STACK}readiness:\n  - {{ kind: Backup.example.com, failed: status.phase == 'Kept', message: \"'kept too long'\" }}\n"
    ));
    world.write("objects.yaml", OBJECTS);
    let args = ["ready", "-f", "objects.yaml", "--stack", ".", "--output", "json"];
    insta::assert_snapshot!(world.transcript(&mut world.program(&args)));
}

#[test]
fn ready_with_what_cannot_be_read() {
    let world = World::new();
    world.write("objects.json", "{\"apiVersion\": \"v1\",\n \"kind\": }");
    insta::assert_snapshot!(world.transcript(&mut world.program(&["ready", "-f", "objects.json"])));
}

/// The values are not to blame for a schema that nobody can load, and there is a way on.
#[test]
fn a_schema_that_cannot_be_loaded() {
    let stack = |key: &str| {
        format!("version: 1\nname: demo\nreleases: [{{ name: a, namespace: demo, chart: {{ path: chart }}{key} }}]\n")
    };
    let world = World::with_stack(&stack(""));
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n");
    world.write("chart/values.yaml", "a: 1\n");
    world.write(
        "chart/templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { a: {{ .Values.a | quote }} }\n",
    );
    for (schema, told) in [
        (
            r#"{ "properties": { "a": { "$ref": "http://127.0.0.1:9/defs.json#/a" } } }"#,
            "the chart's schema cannot be loaded: http://127.0.0.1:9/defs.json: ",
        ),
        (
            r#"{ "$schema": "http://127.0.0.1:9/meta.json" }"#,
            "the chart's schema cannot be loaded: http://127.0.0.1:9/meta.json: ",
        ),
        (
            r#"{ "properties": { "a": { "$ref": "defs.json" } } }"#,
            "the chart's schema cannot be loaded: file:///defs.json: ",
        ),
        (
            r##"{ "properties": { "a": { "$ref": "#/definitions/none" } } }"##,
            "the chart's schema cannot be used: json-pointer in ",
        ),
        ("{", "the chart's schema cannot be used: unexpected EOF"),
    ] {
        for tool in [Tool::Helm3, Tool::Helm4] {
            let says = |args: &[&str]| {
                let mut command = world.program(args);
                command.env("PILOTHOUSE_HELM", helm(tool));
                world.transcript(&mut command)
            };
            world.write("chart/values.schema.json", schema);
            world.write("pilothouse.yaml", &stack(""));
            let said = says(&["lint"]);
            assert!(
                said.starts_with("exit code: 2\n") && said.contains("CHART_SCHEMA_UNUSABLE") && said.contains(told),
                "{said}"
            );
            assert!(said.contains("skip_schema_validation: true") && !said.contains("don't meet"), "{said}");
            // The hint followed.
            world.write("pilothouse.yaml", &stack(", skip_schema_validation: true"));
            let said = says(&["lint"]);
            assert!(said.starts_with("exit code: 0\n"), "{said}");
            assert!(says(&["render"]).contains("a: '1'") || says(&["render"]).contains("a: \"1\""));
        }
    }
}
