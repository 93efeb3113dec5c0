//! Secrets are planted in everything the program reads, and looked for in everything it writes: what it prints in every form
//! and at every log level, its journal on disk and in the cluster.

use crate::case;
use crate::prepare;
use crate::run::finish;
use crate::world;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use pilothouse_kube::{Cluster, ClusterClient, ListQuery};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{Fault, FaultKind};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// The namespace of the release, in which all containers end with a log full of secrets.
const NAMESPACE: &str = "canary";
/// The namespace of the program's own lock and journal.
const STATE: &str = "secretive";

/// A value that the stack file calls sensitive.
const SENSITIVE: &str = "canary-sensitive-q8Zr2";
/// In the template of a Secret.
const CHART: &str = "canary-in-the-chart";
/// In a Secret of the cluster that the pods refer to.
const CLUSTER: &str = "canary-in-the-cluster";
/// In the environment of a command.
const COMMAND: &str = "canary-of-a-command";
/// In the URL of a chart repository.
const URL: &str = "canary-in-a-url";
/// The token of a kubeconfig.
const TOKEN: &str = "canary-of-a-kubeconfig";
/// In lines of a log, each in a form that gives it away.
const LOGGED: &str = "canary-in-a-log";

const CANARIES: [&str; 7] = [SENSITIVE, CHART, CLUSTER, COMMAND, URL, TOKEN, LOGGED];

/// What a secret looks like where it is not hidden.
const WORD: &str = "canary-";

pub(crate) fn faults() -> Vec<Fault> {
    let log = vec![
        format!("connecting with {SENSITIVE}"),
        format!("connecting to postgres://shop:{LOGGED}@db:5432/shop"),
        format!("Authorization: Bearer {LOGGED}"),
        format!("password={LOGGED}"),
        "cannot connect".to_owned(),
    ];
    vec![Fault::by_namespace(NAMESPACE, FaultKind::CrashLoop { exit_code: 1, log })]
}

/// Everything that was written, with where.
#[derive(Default)]
struct Written(Vec<(String, String)>);

impl Written {
    fn add(&mut self, place: impl Into<String>, text: String) {
        self.0.push((place.into(), text));
    }

    /// Where a secret stands, plain or in base64, packed or not.
    fn leaks(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for (place, text) in &self.0 {
            for canary in CANARIES {
                let line = text.lines().find(|line| line.contains(canary) || line.contains(&STANDARD.encode(canary)));
                if let Some(line) = line {
                    leaks.push(format!("{canary} in {place}: {line}"));
                }
            }
        }
        leaks
    }
}

/// A folder with a stack file of one release of the chart that puts its password everywhere.
struct World(tempfile::TempDir);

impl World {
    fn new(stack: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pilothouse.yaml"), format!("{stack:#}")).unwrap();
        Self(folder)
    }

    /// Runs the program, and keeps what it printed.
    fn run(&self, written: &mut Written, kubeconfig: &Path, args: &[&str]) -> String {
        let mut command = world::program(self.0.path(), &world::helm(Tool::Helm4), kubeconfig);
        command.args(args).env("SHOP_PASSWORD", SENSITIVE);
        let (_, stdout, stderr) = finish(command, self.0.path());
        written.add(format!("standard output of {args:?}"), stdout.clone());
        written.add(format!("standard error of {args:?}"), stderr);
        stdout
    }
}

fn stack(name: &str, chart: &Value, more: &[(&str, Value)]) -> Value {
    let mut values = vec![json!({ "key": "password", "from_env": "SHOP_PASSWORD", "sensitive": true })];
    values.extend(more.iter().map(|(key, value)| json!({ "key": key, "value": value })));
    let print = "echo env $TOKEN >/dev/null; echo password=$TOKEN >&2; exit 1";
    json!({
        "version": 1,
        "name": name,
        "state_namespace": STATE,
        "releases": [{
            "name": "leaky",
            "namespace": NAMESPACE,
            "chart": chart,
            "timeout_in_seconds": 10,
            "values": values,
            "pre_exec": [{ "command": { "run": ["true"], "env": { "TOKEN": COMMAND } } }],
            "on_deploy_failure": [{ "command": { "run": ["sh", "-c", print], "env": { "TOKEN": COMMAND } } }],
        }],
    })
}

/// The forms and levels in which everything is asked for.
const FORMS: [&[&str]; 5] = [&[], &["-v"], &["-vv"], &["-vv", "--output", "json"], &["-vv", "--output", "jsonl"]];

#[test]
fn no_secret_is_written_anywhere() {
    let plane = world::simulated();
    let config = plane.client_config();
    let mut written = Written::default();
    let elsewhere = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "elsewhere", "namespace": NAMESPACE },
        "stringData": { "pass": CLUSTER },
    });
    prepare::namespace(&config, NAMESPACE, &[elsewhere]);
    let leaky = json!({ "path": case::folder("charts/leaky") });

    // Containers that end, with secrets in their logs, annotations, environment and arguments.
    let crashing = World::new(&stack("crashing", &leaky, &[]));
    let mut last = String::new();
    for form in FORMS {
        last = crashing.run(&mut written, plane.kubeconfig(), &[form, &["apply", "--yes"]].concat());
        for command in
            [&["lint"][..], &["render", "leaky"], &["graph"], &["status"], &["history"], &["diagnose"], &["validate"]]
        {
            crashing.run(&mut written, plane.kubeconfig(), &[form, command].concat());
        }
    }
    let run =
        last.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["run"].as_str().map(str::to_owned));
    crashing.run(&mut written, plane.kubeconfig(), &["history", &run.unwrap(), "-vv"]);

    // A template, and the API server, that say the password in their refusals; a repository and a kubeconfig with secrets.
    let refusing = World::new(&stack("refusing", &leaky, &[("refuses", json!(true))]));
    let labelled = World::new(&stack("labelled", &leaky, &[("label", json!(true))]));
    let url = format!("http://deployer:{URL}@127.0.0.1:1/charts");
    let remote = World::new(&stack("remote", &json!({ "repo": url, "name": "web", "version": "1.0.0" }), &[]));
    let stranger = crashing.0.path().join("stranger");
    std::fs::write(&stranger, kubeconfig_of_a_stranger(&config.cluster_url.to_string())).unwrap();
    for form in FORMS {
        let apply = [form, &["apply", "--yes"]].concat();
        for world in [&refusing, &labelled, &remote] {
            world.run(&mut written, plane.kubeconfig(), &apply);
        }
        crashing.run(&mut written, &stranger, &apply);
        crashing.run(&mut written, &stranger, &[form, &["diagnose"]].concat());
    }
    crashing.run(&mut written, plane.kubeconfig(), &["destroy", "--yes", "-vv"]);

    for world in [&crashing, &refusing, &labelled, &remote] {
        files(&world.0.path().join("state"), &mut written);
    }
    of_cluster(&config, &mut written);

    let leaks = written.leaks();
    assert!(leaks.is_empty(), "{} leaks\n{}", leaks.len(), leaks.join("\n"));
    assert_was_looked_at(&written);
}

/// That nothing is found means something only if the secrets were where they could have been.
fn assert_was_looked_at(written: &Written) {
    let somewhere = |place: &str, text: &str| {
        assert!(
            written.0.iter().any(|(of, all)| of.contains(place) && all.contains(text)),
            "{text:?} is not in what {place} says"
        );
    };
    // The log was shown, without its secrets; so were the refusals.
    somewhere("\"apply\"", "cannot connect");
    somewhere("\"apply\"", "CRASH_LOOP");
    somewhere("\"diagnose\"", "cannot connect");
    somewhere("\"apply\"", "is too short");
    somewhere("state", "release_finished");
    somewhere("cluster", "leaky");
    assert!(!written.0.iter().any(|(_, all)| all.contains(WORD)), "a part of a secret is shown");
}

fn kubeconfig_of_a_stranger(server: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "stranger",
        "contexts": [{ "name": "stranger", "context": { "cluster": "plane", "user": "stranger" } }],
        "clusters": [{ "name": "plane", "cluster": { "server": server, "insecure-skip-tls-verify": true } }],
        "users": [{ "name": "stranger", "user": { "token": TOKEN } }],
    })
    .to_string()
}

/// Every file below a folder.
fn files(folder: &Path, written: &mut Written) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, written);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            written.add(format!("state file {}", path.display()), unpacked(&bytes));
        }
    }
}

/// All that the program keeps in the cluster: whatever is in its own namespace.
fn of_cluster(config: &kube::Config, written: &mut Written) {
    let objects = crate::world::in_runtime(async {
        let cluster = Cluster::from_client(kube::Client::try_from(config.clone()).unwrap());
        let mut objects = Vec::new();
        for (api_version, kind) in
            [("v1", "Secret"), ("v1", "ConfigMap"), ("v1", "Event"), ("coordination.k8s.io/v1", "Lease")]
        {
            let query = ListQuery {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: Some(STATE.to_owned()),
                label_selector: None,
                page: None,
            };
            objects.extend(cluster.list(&query).await.unwrap());
        }
        objects
    });
    for object in objects {
        let place = format!("cluster: {} {}", object["kind"], object["metadata"]["name"]);
        let data = object["data"].as_object().into_iter().flatten();
        for text in data.filter_map(|(_, value)| value.as_str()) {
            written.add(place.clone(), unpacked(text.as_bytes()));
        }
        written.add(place, object.to_string());
    }
}

/// A text, taken out of as much base64 and gzip as it is in.
fn unpacked(bytes: &[u8]) -> String {
    let trimmed = bytes.trim_ascii();
    if let Ok(inner) = STANDARD.decode(trimmed)
        && !trimmed.is_empty()
    {
        return unpacked(&inner);
    }
    let mut inflated = Vec::new();
    if GzDecoder::new(bytes).read_to_end(&mut inflated).is_ok() && !inflated.is_empty() {
        return unpacked(&inflated);
    }
    String::from_utf8_lossy(bytes).into_owned()
}
