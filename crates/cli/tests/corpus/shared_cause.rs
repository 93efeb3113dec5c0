//! Twelve releases suffer from one missing pull secret: it is told once, with twelve names.

use crate::case;
use crate::run::finish;
use crate::world;
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Fault, FaultKind, Plane};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const RELEASES: usize = 12;

/// The image, for simulated nodes.
const IMAGE: &str = "registry.example.com/shop/web:1";

/// What a registry says to pods without credentials.
const DENIED: &str = "failed to pull and unpack image \"registry.example.com/shop/web:1\": failed to resolve reference \
                      \"registry.example.com/shop/web:1\": pull access denied, repository does not exist or may require \
                      authorization: server message: insufficient_scope: authorization failed";

pub(crate) fn faults() -> Vec<Fault> {
    vec![Fault::by_image(IMAGE, FaultKind::ImagePullError { message: DENIED.to_owned() })]
}

/// The same credentials are put into many namespaces: what is missing in each of them is one cause.
#[test]
fn one_missing_pull_secret_is_told_once() {
    assert_told_once(world::simulated(), IMAGE, &["shop-a", "shop-b", "shop-c"], "shops");
}

#[test]
fn one_missing_pull_secret_is_told_once_on_a_real_node() {
    let Some(plane) = world::real("one_missing_pull_secret_is_told_once_on_a_real_node") else { return };
    let image = format!("{}/private/web:1", world::SERVERS.registry);
    assert_told_once(plane, &image, &["shop-real"], "shop-real");
}

/// Twelve releases over these namespaces, as people and programs are told of them.
fn assert_told_once(plane: &Plane, image: &str, namespaces: &[&str], stack: &str) {
    let folder = tempfile::tempdir().unwrap();
    let chart = case::folder("charts/web");
    let names: Vec<(String, String)> = (1..=RELEASES)
        .map(|number| (namespaces[number % namespaces.len()].to_owned(), format!("web-{number:02}")))
        .collect();
    let releases: Vec<Value> = names
        .iter()
        .map(|(namespace, name)| {
            json!({
                "name": name,
                "namespace": namespace,
                "chart": { "path": chart },
                "timeout_in_seconds": 60,
                "yaml_files_content": [{
                    "name": "values.yaml",
                    "content": { "image": image, "pod": { "imagePullSecrets": [{ "name": "registry" }] } },
                }],
            })
        })
        .collect();
    let file = json!({ "version": 1, "name": stack, "releases": releases });
    std::fs::write(folder.path().join("pilothouse.yaml"), file.to_string()).unwrap();
    let run = |args: &[&str]| {
        let mut command = world::program(folder.path(), &world::helm(Tool::Helm4), plane.kubeconfig());
        command.args(args);
        finish(command, folder.path())
    };
    let (code, stdout, stderr) = run(&["apply", "--yes", "--concurrency", "12", "--output", "json"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    let causes: Vec<(String, String, BTreeSet<String>)> =
        told["causes"].as_array().unwrap().iter().map(cause).collect();
    let registry = image.split('/').next().unwrap();
    let all = names.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let expected = ("IMAGE_PULL_DENIED".to_owned(), format!("pull Secret registry for {registry}"), all);
    assert_eq!(causes, [expected], "{stdout}");

    let (_, people, _) = run(&["diagnose"]);
    let codes = people.lines().filter(|line| line.starts_with("IMAGE_PULL_DENIED")).count();
    assert_eq!(codes, 1, "{people}");
    for (_, name) in &names {
        assert!(people.contains(name.as_str()), "{name} is not named in\n{people}");
    }
}

/// Code, root and releases of a cause.
fn cause(cause: &Value) -> (String, String, BTreeSet<String>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let releases = cause["releases"].as_array().unwrap().iter();
    let releases = releases.map(|release| format!("{}/{}", text(&release["namespace"]), text(&release["name"])));
    (text(&cause["code"]), text(&cause["root"]), releases.collect())
}
