//! The second `apply` of what is deployed: of a chart for each function that is none of its arguments alone, and of charts of the
//! community. Helm's processes and the requests are counted, on planes of their own.

use crate::support::{World, display, helm, in_runtime};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use pilothouse_plane::provision::Tool;
use pilothouse_plane::{AuditLog, Plane, PlaneConfig};
use pilothouse_testkit::{SharedPlane, community_chart, not_run, repository};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::Duration;

static PLANE: SharedPlane = SharedPlane::new();
/// Held by tests that count the requests to the plane above.
static ALONE: Mutex<()> = Mutex::new(());

fn plane_config() -> PlaneConfig {
    PlaneConfig { audit: true, ..PlaneConfig::default() }
}

/// Functions of templates that give another result for the same arguments, what templates read besides values, and some that only
/// look so.
const FUNCTIONS: [&str; 32] = [
    "randAlphaNum 8",
    "randAlpha 8",
    "randNumeric 8",
    "randAscii 8 | b64enc",
    "randInt 0 1000000",
    "randBytes 8",
    "uuidv4",
    "shuffle \"abcdefghijklmnop\"",
    "genPrivateKey \"ecdsa\"",
    "(genCA \"ca\" 1).Cert",
    "(genCAWithKey \"ca\" 1 (genPrivateKey \"ecdsa\")).Cert",
    "(genSelfSignedCert \"a\" (list) (list) 1).Cert",
    "(genSelfSignedCertWithKey \"a\" (list) (list) 1 (genPrivateKey \"ecdsa\")).Cert",
    "(genSignedCert \"a\" (list) (list) 1 (genCA \"ca\" 1)).Cert",
    "(genSignedCertWithKey \"a\" (list) (list) 1 (genCA \"ca\" 1) (genPrivateKey \"ecdsa\")).Cert",
    "bcrypt \"a\"",
    "htpasswd \"a\" \"b\"",
    "encryptAES \"0123456789abcdef0123456789abcdef\" \"a\"",
    "now",
    "date \"2006-01-02T15:04:05.000000\" now",
    "htmlDate now",
    "ago (toDate \"2006\" \"2006\")",
    "dateInZone \"15:04:05.000000\" now \"UTC\"",
    ".Release.IsInstall",
    ".Release.IsUpgrade",
    ".Release.Revision",
    ".Capabilities.KubeVersion.Version",
    ".Capabilities.HelmVersion.Version",
    ".Capabilities.APIVersions.Has \"nobody.example/v1\"",
    "derivePassword 1 \"long\" \"a\" \"b\" \"c\"",
    "getHostByName \"localhost\"",
    ".Files.Get \"Chart.yaml\"",
];

const KEPT: &str = "{{- $was := lookup \"v1\" \"ConfigMap\" .Release.Namespace \"NAME\" }}apiVersion: v1\nkind: ConfigMap\n\
    metadata: { name: NAME }\ndata:\n  text: {{ if $was }}{{ $was.data.text }}{{ else }}{{ randAlphaNum 8 | quote }}{{ end }}\n";

/// As Grafana's chart does it: what is made up while it cannot be looked up stands in a checksum too, which is of another one. And it
/// asks for a kind that the chart brings, so that it is told something else once that is served.
const SUMMED: &str = "{{- define \"pw\" }}{{ $was := lookup \"v1\" \"ConfigMap\" .Release.Namespace \"summed\" }}\
    {{ if $was }}{{ $was.data.text }}{{ else }}{{ randAlphaNum 8 }}{{ end }}{{ end -}}\n\
    apiVersion: v1\nkind: ConfigMap\nmetadata: { name: summed }\ndata: { text: {{ include \"pw\" . | quote }} }\n---\n\
    apiVersion: v1\nkind: ConfigMap\nmetadata: { name: sum }\ndata:\n  sum: {{ include \"pw\" . | sha256sum }}\n  \
    asked: {{ .Capabilities.APIVersions.Has \"GROUP/v1\" | quote }}\n";

/// Releases in one namespace, each of a chart with one template.
fn small_charts(name: &str, templates: &[String]) -> World {
    let mut stack =
        format!("version: 1\nname: {name}\ndefaults: {{ namespace: {name}, create_namespace: true }}\nreleases:\n");
    for at in 0..templates.len() {
        writeln!(stack, "  - {{ name: r{at}, chart: {{ path: chart{at} }} }}").unwrap();
    }
    let world = World::with_stack(&stack);
    for (at, template) in templates.iter().enumerate() {
        world.write(&format!("chart{at}/Chart.yaml"), &format!("apiVersion: v2\nname: impure{at}\nversion: 1.0.0\n"));
        world.write(&format!("chart{at}/templates/all.yaml"), template);
    }
    world
}

/// What one run has cost.
#[derive(Debug)]
struct Cost {
    transcript: String,
    /// Helm's commands, but for the question which version it is.
    helm: Vec<String>,
    /// What the program itself has asked the API server.
    requests: Vec<String>,
}

impl Cost {
    fn is_nothing_to_do(&self, releases: usize) -> bool {
        let unchanged = self.transcript.lines().filter(|line| line.contains("unchanged")).count();
        self.transcript.starts_with("exit code: 0\n") && unchanged >= releases && !self.transcript.contains("upgraded")
    }

    fn writes(&self) -> Vec<&String> {
        let reads = ["get ", "list ", "watch "];
        self.requests.iter().filter(|request| !reads.iter().any(|read| request.starts_with(read))).collect()
    }
}

/// Runs the program with a helm that writes down each of its commands.
fn run(world: &World, plane: &Plane, tool: Tool, args: &[&str]) -> Cost {
    let log = world.path("helm-commands");
    let script = world.path("counted-helm");
    let text = format!("#!/bin/sh\necho \"$1\" >> '{}'\nexec '{}' \"$@\"\n", log.display(), helm(tool).display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&log, "").unwrap();
    let before = requests(plane).len();
    let mut program = world.program(args);
    let transcript = world.transcript(program.env("KUBECONFIG", plane.kubeconfig()).env("PILOTHOUSE_HELM", script));
    let commands = std::fs::read_to_string(&log).unwrap();
    let helm = commands.lines().filter(|command| *command != "version").map(str::to_owned).collect();
    Cost { transcript, helm, requests: requests(plane).split_off(before) }
}

fn requests(plane: &Plane) -> Vec<String> {
    let log = AuditLog::read(&plane.audit_log().unwrap()).unwrap();
    let ours = log.events().iter().filter(|event| event.user_agent.starts_with("pilothouse/"));
    ours.map(|event| format!("{} {}", event.verb, event.uri)).collect()
}

fn config(at: usize, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: c{at} }}\ndata: {{ text: {{{{ {text} | toString | quote }}}} }}\n"
    )
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
fn of_a_chart_for_each_function(#[case] tool: Tool) {
    let _alone = ALONE.lock();
    let plane = PLANE.get(plane_config);
    let templates: Vec<String> = FUNCTIONS.iter().enumerate().map(|(at, text)| config(at, text)).collect();
    let world = small_charts(&format!("functions-{}", tool.name()), &templates);
    let first = run(&world, plane, tool, &["apply", "--yes"]);
    assert!(first.transcript.starts_with("exit code: 0\n"), "{}", first.transcript);
    let upgrades = first.helm.iter().filter(|command| *command == "upgrade").count();
    let renderings = first.helm.iter().filter(|command| *command == "template").count();
    assert_eq!((upgrades, renderings, first.helm.len()), (FUNCTIONS.len(), FUNCTIONS.len(), 2 * FUNCTIONS.len()));

    let second = run(&world, plane, tool, &["apply", "--yes"]);
    assert!(second.is_nothing_to_do(1), "{}", second.transcript);
    assert_eq!(second.helm, [""; 0]);
    assert_eq!(second.writes(), [""; 0]);
    assert!(second.requests.len() <= 15, "{:#?}", second.requests);
}

/// What is looked up is asked for in each run: that takes one rendering of each.
#[rstest]
#[case::helm_3(Tool::Helm3)]
#[ignore = "the other helm"]
#[case::helm_4(Tool::Helm4)]
fn of_charts_that_look_up(#[case] tool: Tool) {
    let _alone = ALONE.lock();
    let plane = PLANE.get(plane_config);
    let group = format!("lookups.{}.example", tool.name());
    let kept = |at: usize, more: &str| format!("{}---\n{more}", KEPT.replace("NAME", &format!("kept{at}")));
    let templates = [
        kept(0, ""),
        kept(1, &config(1, ".Release.IsInstall")),
        kept(2, &config(2, "ternary \"up\" \"in\" .Release.IsUpgrade")),
        SUMMED.replace("GROUP", &group),
    ];
    let world = small_charts(&format!("lookups-{}", tool.name()), &templates);
    world.write("chart3/crds/crd.yaml", &definition(&group).to_string());
    let first = run(&world, plane, tool, &["apply", "--yes"]);
    assert!(first.transcript.starts_with("exit code: 0\n"), "{}", first.transcript);
    let second = run(&world, plane, tool, &["apply", "--yes"]);
    assert!(second.is_nothing_to_do(1), "{}", second.transcript);
    assert_eq!(second.helm, ["template"; 4]);
    assert_eq!(second.writes(), [""; 0]);
    // The record of each is read besides, to be compared with what it renders to.
    assert!(second.requests.len() <= 15 + templates.len(), "{:#?}", second.requests);
}

/// Charts of the community: whether their templates look something up.
fn looks_up(package: &str) -> bool {
    package.starts_with("kube-prometheus-stack")
}

#[test]
#[ignore = "charts of the community: small ones of each shape are applied twice every day"]
fn of_charts_of_the_community() {
    let plane = SharedPlane::new();
    for package in ["podinfo-6.14.1", "cert-manager-v1.20.0"] {
        if community_chart(package, "of_charts_of_the_community").is_some() {
            of_a_package(package, Tool::Helm4, &plane);
        }
    }
}

#[rstest]
#[ignore = "every chart"]
fn of_every_chart(#[values(Tool::Helm3, Tool::Helm4)] tool: Tool) {
    let folder = repository().join("../shared/charts");
    let Ok(entries) = std::fs::read_dir(&folder) else { return not_run("of_every_chart", "no charts are at hand") };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut packages: Vec<String> = names.filter_map(|name| name.strip_suffix(".tgz").map(str::to_owned)).collect();
    packages.sort();
    assert!(!packages.is_empty());
    for package in &packages {
        of_a_package(package, tool, &SharedPlane::new());
    }
}

/// Installs it, and applies it again: as it is, after a kind of somebody else's has come, and once more.
fn of_a_package(package: &str, tool: Tool, plane: &SharedPlane) {
    let Some(path) = community_chart(package, "of_every_chart") else { return };
    let name = package.split('-').next().unwrap();
    let plane = plane.get(plane_config);
    let crds = if package.starts_with("cert-manager") { "crds: { enabled: true }" } else { "{}" };
    let world = World::new();
    let values = world.write("values.yaml", crds);
    world.write(
        "pilothouse.yaml",
        &format!(
            "version: 1\nname: {name}\nreleases:\n  - name: web\n    namespace: {name}\n    wait: false\n    \
             chart: {{ path: {} }}\n    values_files: [{}]\n",
            display(&path),
            display(&values),
        ),
    );
    let apply = || run(&world, plane, tool, &["apply", "--yes"]);
    let first = apply();
    assert!(first.transcript.starts_with("exit code: 0\n"), "{package}: {}", first.transcript);
    let most = usize::from(looks_up(package));
    let is_cheap = |cost: &Cost, most: usize| cost.helm.len() <= most && cost.helm.iter().all(|one| one == "template");

    let second = apply();
    assert!(second.is_nothing_to_do(1), "{package}: {}", second.transcript);
    assert!(is_cheap(&second, most), "{package}: {:?}", second.helm);
    assert_eq!(second.writes(), [""; 0], "{package}");
    // Version, kinds (two), Helm's records, ours; and one list for each kind of the release, since Kubernetes lists no more than one
    // at a time, and drift of none of them may go unseen. That is more than fifteen for a chart of more than ten kinds only.
    let kinds: Vec<&String> = second.requests.iter().filter(|request| is_of_a_kind(request)).collect();
    assert_eq!(
        kinds.iter().collect::<BTreeSet<_>>().len(),
        kinds.len(),
        "{package}: a kind is listed twice: {kinds:#?}"
    );
    let allowed = 5 + kinds.len() + usize::from(looks_up(package));
    assert!(second.requests.len() <= allowed, "{package}: {:#?}", second.requests);
    let line = format!("second apply of {package}: {} requests for {} kinds\n", second.requests.len(), kinds.len());
    std::io::stdout().write_all(line.as_bytes()).unwrap();

    bring_a_kind(plane, &format!("{name}.example"));
    let third = apply();
    assert!(third.is_nothing_to_do(1), "{package}: {}", third.transcript);
    assert!(is_cheap(&third, most.max(1)), "{package}: {:?}", third.helm);

    let fourth = apply();
    assert!(fourth.is_nothing_to_do(1), "{package}: {}", fourth.transcript);
    assert!(is_cheap(&fourth, most), "{package}: what was found out is remembered: {:?}", fourth.helm);
}

/// Whether a request lists the objects of a kind of the release.
fn is_of_a_kind(request: &str) -> bool {
    request.starts_with("list ")
        && ["managed-by", "/customresourcedefinitions?"].iter().any(|sign| request.contains(sign))
}

/// Of a kind Widget in this group.
pub(crate) fn definition(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

/// Somebody brings a definition, and it is served.
fn bring_a_kind(plane: &Plane, group: &str) {
    let definition: CustomResourceDefinition = serde_json::from_value(definition(group)).unwrap();
    let config = plane.client_config();
    in_runtime(async {
        let client = kube::Client::try_from(config).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &definition).await.unwrap();
        for _ in 0..100 {
            if client.list_api_group_resources(&format!("{group}/v1")).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the definition is not served");
    });
}
