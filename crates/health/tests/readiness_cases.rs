//! Agreement with the classes that Argo CD's own tests expect for live objects of many kinds.
//!
//! The mapping: ready is Healthy; in progress and terminating are Progressing; failed is Degraded; not found is Missing;
//! unknown is Unknown; the reason `Suspended` is Suspended whatever the readiness. An object is judged as of the moment in
//! which it was created, since most of the cases without a status stand for that: Argo CD has no age in its rules. Later,
//! a kind that gets no status for 10 seconds is ready for us.

use jiff::Timestamp;
use pilothouse_core::{ObjectStatus, Readiness};
use pilothouse_health::Rules;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where we differ on purpose: kind, cases, and why ours is right.
const DEVIATIONS: [(&str, &[&str], &str); 23] = [
    (
        "apps.openshift.io/DeploymentConfig",
        &["degraded"],
        "Its deployer pod waits to run, and none of its own conditions calls that a failure.",
    ),
    (
        "apps.openshift.io/DeploymentConfig",
        &["healthy_zero_replicas"],
        "The spec asks for 3 replicas and none is there; the condition `Available` is False.",
    ),
    (
        "astra.netapp.io/ResticVolumeBackup",
        &["degraded"],
        "It is being deleted; what its conditions said before does not count any more.",
    ),
    (
        "core.gardener.cloud/Shoot",
        &["degraded"],
        "It has no conditions yet, and its last operation succeeded: nothing in it says that something is wrong.",
    ),
    (
        "core.gardener.cloud/Shoot",
        &["unknown"],
        "One of its conditions is False, which is an answer: it is not ready yet.",
    ),
    (
        "core.spinkube.dev/SpinApp",
        &["progressing"],
        "`Progressing` with the reason `NewReplicaSetAvailable` is how a Deployment says that its rollout is complete.",
    ),
    (
        "gateway.networking.k8s.io/HTTPRoute",
        &["healthy_multiple_generations"],
        "The only gateway the route names has not looked at its present version; the one that has is not named any more.",
    ),
    (
        "kafka.banzaicloud.io/KafkaCluster",
        &["degraded"],
        "A broker runs with an old configuration and is still to be restarted by the operator: on its way, not failed.",
    ),
    (
        "kafka.strimzi.io/KafkaBridge",
        &["degraded", "healthy"],
        "It is being deleted; what its conditions said before does not count any more.",
    ),
    (
        "kafka.strimzi.io/KafkaConnector",
        &["degraded", "healthy"],
        "It is being deleted; what its conditions said before does not count any more.",
    ),
    (
        "kubevirt.io/VirtualMachine",
        &["suspended_stopped"],
        "It is switched off, as its spec asks (`running: false`): there is nothing to wait for.",
    ),
    (
        "microgateway.airlock.com/_",
        &["degraded_multiple_ancestors"],
        "One ancestor has accepted it, the other says nothing about accepting: that is no refusal.",
    ),
    ("microgateway.airlock.com/_", &["unknown"], "Its ancestor has not said anything yet: nobody has accepted it."),
    (
        "monitoring.coreos.com/Prometheus",
        &["degraded"],
        "No pod is ready yet; that is how every Prometheus begins, and the operator keeps trying.",
    ),
    (
        "numaflow.numaproj.io/InterStepBufferService",
        &["degraded"],
        "Its message is that it waits for pods to become ready.",
    ),
    (
        "numaflow.numaproj.io/MonoVertex",
        &["degraded"],
        "Its reason is `Progressing` and its message that a rollout is to finish.",
    ),
    (
        "numaflow.numaproj.io/MonoVertex",
        &["paused"],
        "Its phase is Paused while its spec asks for Running: it processes nothing.",
    ),
    (
        "numaplane.numaproj.io/PipelineRollout",
        &["paused"],
        "Its condition says that the pipeline is paused: it processes nothing.",
    ),
    (
        "opentelemetry.io/OpenTelemetryCollector",
        &["degraded"],
        "0 of 2 replicas are ready; that is how every rollout begins, and nothing says that it has failed.",
    ),
    (
        "operator.knative.dev/KnativeServing",
        &["degraded"],
        "The status of its condition is no word of Kubernetes; what cannot be read is not a failure.",
    ),
    (
        "projectcontour.io/HTTPProxy",
        &["parent_child"],
        "It is marked invalid with an error: an include that does not exist.",
    ),
    (
        "pxc.percona.com/PerconaXtraDBCluster",
        &["paused", "stopping"],
        "Paused is what its owner asked for, and stopping is the way there.",
    ),
    (
        "rollouts.kruise.io/Rollout",
        &["degraded"],
        "It is switched off, and its own condition says that it is in progress.",
    ),
];
const MARKS: (&str, &str) = ("<!-- deviations: made by a test -->\n", "<!-- end of deviations -->\n");

/// The words of the cases for a status of ours.
fn class(status: &ObjectStatus) -> &'static str {
    match status.readiness {
        _ if status.reason.as_deref() == Some("Suspended") => "Suspended",
        Readiness::Current => "Healthy",
        Readiness::InProgress | Readiness::Terminating => "Progressing",
        Readiness::Failed => "Degraded",
        Readiness::NotFound => "Missing",
        Readiness::Unknown => "Unknown",
    }
}

#[derive(Default)]
struct Count {
    agreed: u32,
    all: u32,
}

impl Count {
    fn add(&mut self, agrees: bool) {
        self.all += 1;
        self.agreed += u32::from(agrees);
    }

    fn percent(&self) -> f64 {
        100.0 * f64::from(self.agreed) / f64::from(self.all)
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ({:.1} %)", self.agreed, self.all, self.percent())
    }
}

/// The moment in which an object was created; one without such a time was not created yet, and any moment is good.
fn created(object: &Value) -> Timestamp {
    let time = object["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse().ok());
    time.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/readiness.md")
}

fn told(line: impl std::fmt::Display) {
    // Not with `println!`: that is captured, and nobody would see it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn agreement_with_the_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/readiness-cases/cases.jsonl");
    let Ok(cases) = std::fs::read_to_string(&path) else {
        told(format!("not run: agreement_with_the_cases ({} is not there)", path.display()));
        return;
    };
    let (rules, general) = (Rules::default(), Rules::general_only());
    let (mut all, mut by_general) = (Count::default(), Count::default());
    let mut classes: BTreeMap<String, Count> = BTreeMap::new();
    let mut differ: BTreeSet<(String, String)> = BTreeSet::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (expected, object) = (case["expected"].as_str().unwrap(), &case["object"]);
        let verdict = rules.judge(object, created(object));
        let agrees = class(&verdict.status) == expected;
        all.add(agrees);
        classes.entry(expected.to_owned()).or_default().add(agrees);
        by_general.add(class(&general.judge(object, created(object)).status) == expected);
        if !agrees {
            let (kind, name) = (case["kind"].as_str().unwrap(), case["name"].as_str().unwrap());
            println!("{kind} {name}: expected {expected}, told {} ({})", class(&verdict.status), verdict.rule);
            differ.insert((kind.to_owned(), name.to_owned()));
        }
    }
    for (class, count) in &classes {
        println!("{class}: {count}");
    }
    told(format!("agreement with the cases: {all}; with the general rules alone: {by_general}"));
    let listed = DEVIATIONS.iter().flat_map(|(kind, names, _)| names.iter().map(move |name| (*kind, *name)));
    let listed: BTreeSet<(String, String)> = listed.map(|(kind, name)| (kind.to_owned(), name.to_owned())).collect();
    assert_eq!(differ, listed, "the list of deviations is not what differs");
    assert!(all.percent() >= 95.0, "{all}");
    let figures = format!("| all | {:.1} % |\n| general ones alone | {:.1} % |\n", all.percent(), by_general.percent());
    let documented = std::fs::read_to_string(documentation()).unwrap();
    assert!(documented.contains(&figures), "docs/readiness.md should have\n{figures}");
}

/// The table of the documentation is made from the list above; `PILOTHOUSE_BLESS=1` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test, not of the library")]
fn the_deviations_are_documented() {
    let path = documentation();
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARKS.0).unwrap();
    let (_, after) = rest.split_once(MARKS.1).unwrap();
    let mut table = String::from("| kind | case | why ours is right |\n|---|---|---|\n");
    for (kind, names, why) in DEVIATIONS {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        writeln!(table, "| `{kind}` | {} | {why} |", names.join(", ")).unwrap();
    }
    let expected = format!("{before}{}{table}{}{after}", MARKS.0, MARKS.1);
    if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == expected, "docs/readiness.md is out of date");
}
