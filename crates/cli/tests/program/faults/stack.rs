//! The stack that all these runs are about, and what must hold of it in the end.

use crate::support::World;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
pub(crate) use pilothouse_testkit::in_runtime;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Output};

const RELEASES: usize = 6;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

const TEMPLATE: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: '{{ .Release.Name }}' }
data: { text: hello }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: '{{ .Release.Name }}' }
spec:
  replicas: 1
  selector: { matchLabels: { app: '{{ .Release.Name }}' } }
  template:
    metadata: { labels: { app: '{{ .Release.Name }}' } }
    spec: { containers: [{ name: web, image: registry.example.com/web:1 }] }
";

/// A world with a stack of releases in one namespace, some of which need others. Each has steps before and after helm that
/// must not be repeated: they write a line into a file.
pub(crate) fn world(namespace: &str) -> World {
    let mut text = format!("version: 1\nname: {namespace}\ndefaults: {{ namespace: {namespace} }}\nreleases:\n");
    for release in 0..RELEASES {
        let needs = if release >= 4 { format!("[r{}]", release - 4) } else { "[]".to_owned() };
        let step = |phase: &str| {
            format!("    {phase}: [{{ command: {{ run: [sh, -c, \"echo r{release} {phase} >> done\"] }} }}]\n")
        };
        let (before, after) = (step("pre_exec"), step("post_exec"));
        write!(text, "  - name: r{release}\n    needs: {needs}\n    chart: {{ path: web }}\n{before}{after}").unwrap();
    }
    let world = World::with_stack(&text);
    world.write("web/Chart.yaml", CHART);
    world.write("web/templates/all.yaml", TEMPLATE);
    world
}

/// A run of the program that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// Continues, if not everything is done, and only once: nothing is in the way any more. What stopped early has said why.
pub(crate) fn finish(first: &Ran, mut again: impl FnMut() -> Command) {
    if first.code == Some(0) {
        return;
    }
    let says_why = |line: &str| line.contains(" failed in ") || line.starts_with("stopped: ");
    assert_eq!((first.code, first.stdout.lines().any(says_why)), (Some(1), true), "{first:?}");
    let last = ran(&mut again());
    assert_eq!(last.code, Some(0), "{}{}\nafter\n{}{}", last.stdout, last.stderr, first.stdout, first.stderr);
}

/// Every release is deployed and none is pending; every step that must not be repeated was done exactly once.
pub(crate) fn assert_all_done(world: &World, config: kube::Config, namespace: &str) {
    assert_done(world, config, namespace, false);
}

/// The same, where the API server may have died between helm's work and its record. helm ends well then, with its revision
/// pending ("This is a tricky case" in helm's install.go): it is deployed again, and what follows is done again.
pub(crate) fn assert_all_done_at_last(world: &World, config: kube::Config, namespace: &str) {
    assert_done(world, config, namespace, true);
}

fn assert_done(world: &World, config: kube::Config, namespace: &str, unrecorded: bool) {
    let mut steps: Vec<String> =
        std::fs::read_to_string(world.path("done")).unwrap().lines().map(str::to_owned).collect();
    steps.sort();
    if unrecorded {
        steps.dedup_by(|one, other| one == other && one.ends_with("post_exec"));
    }
    let both = |release| [format!("r{release} post_exec"), format!("r{release} pre_exec")];
    assert_eq!(steps, (0..RELEASES).flat_map(both).collect::<Vec<_>>());
    let records = records(config, namespace);
    assert!(records.iter().all(|(_, _, status)| !status.starts_with("pending")), "{records:?}");
    let mut newest: BTreeMap<String, (u32, String)> = BTreeMap::new();
    for (name, revision, status) in records {
        if newest.get(&name).is_none_or(|(known, _)| *known < revision) {
            newest.insert(name, (revision, status));
        }
    }
    let statuses: Vec<(&str, &str)> =
        newest.iter().map(|(name, (_, status))| (name.as_str(), status.as_str())).collect();
    let names: Vec<String> = (0..RELEASES).map(|release| format!("r{release}")).collect();
    assert_eq!(statuses, names.iter().map(|name| (name.as_str(), "deployed")).collect::<Vec<_>>());
}

/// Name, revision and status of each of Helm's records.
pub(crate) fn records(config: kube::Config, namespace: &str) -> Vec<(String, u32, String)> {
    let records = in_runtime(async {
        let secrets: Api<Secret> = Api::namespaced(kube::Client::try_from(config).unwrap(), namespace);
        secrets.list(&ListParams::default().labels("owner=helm")).await.unwrap().items
    });
    let of = |record: Secret| {
        let labels = record.metadata.labels.unwrap();
        (labels["name"].clone(), labels["version"].parse().unwrap(), labels["status"].clone())
    };
    records.into_iter().map(of).collect()
}
