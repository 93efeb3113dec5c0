//! The examples of the library, run as they are, and the guide that shows them.

use super::bare_plane::plane;
use pilothouse::kubernetes::{ApplyOptions, Cluster, ClusterClient, ConnectOptions};
use pilothouse::{Environment, Session};
use pilothouse_plane::provision::Tool;
use pilothouse_testkit::repository;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

macro_rules! example {
    ($name:ident, $path:literal) => {
        #[path = $path]
        #[expect(dead_code, reason = "it is a program by itself")]
        mod $name;
    };
}

example!(adopting, "../../examples/adopting.rs");
example!(check, "../../examples/check.rs");
example!(clusters, "../../examples/clusters.rs");
example!(failing_well, "../../examples/failing_well.rs");
example!(first_chart, "../../examples/first_chart.rs");
example!(own_step, "../../examples/own_step.rs");
example!(service, "../../examples/service.rs");

/// A session as a program of a user has it, whose home is this folder.
async fn session(home: &Path) -> Arc<Session> {
    let helm = pilothouse_testkit::helm(Tool::Helm4).await;
    let environment = Environment::new([("HOME", home)]);
    let builder = Session::builder().environment(environment).kubeconfig(plane().kubeconfig()).helm(helm);
    builder.connect().await.unwrap()
}

#[tokio::test]
async fn each_example_does_what_it_says() {
    let home = tempfile::tempdir().unwrap();
    let session = session(home.path()).await;
    let cluster = Cluster::connect(ConnectOptions::kubeconfig(plane().kubeconfig())).await.unwrap();
    let service = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "adopting"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "adopting"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
    ];
    for object in &service {
        let options =
            ApplyOptions { field_manager: "somebody".into(), force: false, dry_run: false, default_namespace: None };
        cluster.apply(object, &options).await.unwrap();
    }
    let (adopted, first, step, checked, failed) = tokio::join!(
        adopting::run(session.clone()),
        first_chart::run(session.clone()),
        own_step::run(session.clone()),
        check::run(session.clone()),
        failing_well::run(session.clone()),
    );
    for (name, result) in [
        ("adopting", adopted),
        ("first_chart", first),
        ("own_step", step),
        ("check", checked),
        ("failing_well", failed),
    ] {
        assert!(result.is_ok(), "{name}: {}", result.unwrap_err());
    }
    // Two sessions; that they are of one cluster does not matter to the program.
    clusters::run([session.clone(), session.clone()]).await.unwrap();
    // It ends all runs of its session.
    service::run(session).await.unwrap();
}

/// Each example is in the guide as it is. `PILOTHOUSE_BLESS=1` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "whether to write is asked for in the environment")]
fn the_guide_shows_the_examples() {
    let examples = repository().join("crates/pilothouse/examples");
    let guide = repository().join("docs/rust-guide.md");
    let text = std::fs::read_to_string(&guide).unwrap();
    let mut shown = String::new();
    let mut rest = text.as_str();
    let mut names = Vec::new();
    while let Some((before, after)) = rest.split_once("<!-- example ") {
        let (name, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once("```rust\n").unwrap().1.split_once("```\n").unwrap();
        let source = std::fs::read_to_string(examples.join(format!("{name}.rs"))).unwrap();
        write!(shown, "{before}<!-- example {name} -->\n```rust\n{source}```\n").unwrap();
        names.push(name.to_owned());
        rest = after;
    }
    shown += rest;
    let files = std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned)).collect();
    files.sort();
    names.sort();
    assert_eq!(names, files, "each example has its page");
    if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
        return std::fs::write(&guide, &shown).unwrap();
    }
    assert!(shown == text, "docs/rust-guide.md is out of date: run this test with PILOTHOUSE_BLESS=1");
}
