//! How long it takes to judge 10,000 objects on one core: live objects of many kinds, with their rules in CEL.
//!
//! `cargo bench -p pilothouse-health --bench readiness`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a program that may end at the first surprise"
)]

use jiff::Timestamp;
use pilothouse_health::Rules;
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const OBJECTS: usize = 10_000;
const ROUNDS: usize = 15;

fn main() {
    let objects = objects();
    let rules = Rules::default();
    let now = Timestamp::now();
    let first = time(&objects, &rules, now);
    let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| time(&objects, &rules, now)).collect();
    rounds.sort_unstable();
    let by_rule = objects.iter().filter(|object| rules.judge(object, now).rule.starts_with("shipped")).count();
    println!(
        "{OBJECTS} objects, {by_rule} of them judged by a rule in CEL: {:.1} ms (median of {ROUNDS}; {:.1} to {:.1}), \
         {:.1} ms the first time",
        millis(rounds[ROUNDS / 2]),
        millis(rounds[0]),
        millis(rounds[ROUNDS - 1]),
        millis(first),
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn time(objects: &[&Value], rules: &Rules, now: Timestamp) -> Duration {
    let begin = Instant::now();
    for object in objects {
        black_box(rules.judge(object, now));
    }
    begin.elapsed()
}

/// The reference cases again and again; where they are not there, a few kinds of our own.
fn objects() -> Vec<&'static Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/readiness-cases/cases.jsonl");
    let different: Vec<Value> = if let Ok(cases) = std::fs::read_to_string(&path) {
        cases.lines().map(|case| serde_json::from_str::<Value>(case).unwrap()["object"].take()).collect()
    } else {
        println!("{} is not there: with kinds of our own", path.display());
        own()
    };
    let different: &'static [Value] = different.leak();
    different.iter().cycle().take(OBJECTS).collect()
}

fn own() -> Vec<Value> {
    let ready = json!([{"type": "Ready", "status": "True", "reason": "Done", "message": "all is well"}]);
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}}),
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "status": {"conditions": ready, "phase": "Running"}}),
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "status": {"conditions": ready}}),
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "status": {"conditions": ready}}),
    ]
}
