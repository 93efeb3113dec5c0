//! The releases of the corpus by helm alone (`helm upgrade --install --wait --timeout 60s`, both majors) and by this program:
//! seconds to the end, and whether what was printed names the cause, by words that each case has fixed beforehand.
//!
//! `cargo bench -p pilothouse-cli --bench corpus_helm`, or `... -- NAME...` for some of them. Both may take 60 s; the program
//! takes that for each phase, where nothing ends it early.
#![allow(clippy::similar_names, reason = "a plane and a place are called what they are")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    dead_code,
    reason = "a bench is a program that may end at the first surprise; the modules are the tests', which use more of them"
)]

#[path = "../tests/corpus/acting.rs"]
mod acting;
#[path = "../tests/corpus/case.rs"]
mod case;
#[path = "../tests/corpus/kubernetes.rs"]
mod kubernetes;
#[path = "../tests/corpus/made.rs"]
mod made;
#[path = "../tests/corpus/prepare.rs"]
mod prepare;
#[path = "../tests/corpus/run.rs"]
mod run;
#[path = "../tests/corpus/servers.rs"]
mod servers;
#[path = "../tests/corpus/several.rs"]
mod several;
#[path = "../tests/corpus/symptoms.rs"]
mod symptoms;
#[path = "../tests/corpus/told.rs"]
mod told;
#[path = "../tests/corpus/world.rs"]
mod world;

use case::{Case, Place};
use pilothouse_plane::{Fault, Plane};
use run::{Ready, Runner, Variant, finish};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// What helm and the program may take, in seconds.
const SECONDS: u32 = 60;

/// How many are run at a time: most of them only wait.
const SIDE_BY_SIDE: usize = 10;

/// Who runs a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Helm3,
    Helm4,
    Pilothouse,
}

/// How it went.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    took: Duration,
    ended_well: bool,
    named: bool,
}

type Results = BTreeMap<(String, Who), Outcome>;

fn faults() -> Vec<Fault> {
    [world::faults(Runner::Pilothouse), world::faults(Runner::Helm)].concat()
}

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let only = (!only.is_empty()).then_some(only);
    let mut results = Results::new();
    on(Place::Simulated, world::simulated(), only.as_deref(), &mut results);
    if let Some(plane) = world::real("the part of the corpus that only a kubelet reports") {
        on(Place::Real, plane, only.as_deref(), &mut results);
    }
    print(&results);
}

/// Runs the cases of a place. A case with a fault is run where it is real, if it can be.
fn on(place: Place, plane: &Plane, only: Option<&[String]>, results: &mut Results) {
    for by in [Runner::Helm, Runner::Pilothouse] {
        let mut variants = several::variants(place, by, several::Majors::Both, only);
        variants.retain(|variant| made::text(&variant.name).is_none());
        // helm 4 is what the program works with if both are there.
        variants.retain(|variant| by == Runner::Helm || variant.helm == 4 || !with_helm_4(&variant.name));
        let (ran, broken) = several::run_all(&variants, SIDE_BY_SIDE, |variant| {
            let ready = run::prepare(variant, plane, &world::SERVERS, SECONDS)?;
            let who = match (by, variant.helm) {
                (Runner::Pilothouse, _) => Who::Pilothouse,
                (Runner::Helm, 3) => Who::Helm3,
                (Runner::Helm, _) => Who::Helm4,
            };
            Some(((variant.name.clone(), who), measure(variant, &ready)))
        });
        assert!(broken.is_empty(), "cannot be run, see above: {broken:?}");
        results.extend(ran);
    }
}

fn with_helm_4(name: &str) -> bool {
    Case::all().iter().any(|case| case.name == name && case.helm.contains(&4))
}

fn measure(variant: &Variant, ready: &Ready) -> Outcome {
    let command = match variant.by {
        Runner::Pilothouse => {
            let mut command = world::program(ready.folder.path(), &ready.helm, &ready.kubeconfig);
            command.args(["apply", "--yes"]).args(&ready.case.args);
            command
        }
        Runner::Helm => helm(variant, ready),
    };
    let begun = Instant::now();
    let (code, stdout, stderr) = finish(command, ready.folder.path());
    Outcome {
        took: begun.elapsed(),
        ended_well: code == Some(0),
        named: ready.case.is_named_in(&format!("{stdout}\n{stderr}")),
    }
}

fn helm(variant: &Variant, ready: &Ready) -> Command {
    let values = ready.folder.path().join("values.yaml");
    std::fs::write(&values, if ready.case.values.is_null() { "{}".to_owned() } else { ready.case.values.to_string() })
        .unwrap();
    let mut command = Command::new(&ready.helm);
    command.args(["upgrade", "--install", "web", "--namespace", &variant.namespace(), "--wait"]);
    command.arg(format!("--timeout={SECONDS}s"));
    if ready.case.crds.as_deref() == Some("skip") {
        command.arg("--skip-crds");
    }
    command.arg("--values").arg(values).arg(&ready.chart);
    command.env("KUBECONFIG", &ready.kubeconfig).env("HELM_CACHE_HOME", ready.folder.path());
    command
}

fn print(results: &Results) {
    let names: std::collections::BTreeSet<&str> = results.keys().map(|(name, _)| name.as_str()).collect();
    println!(
        "seconds to the end, and whether the output names the cause (`done`: ended well, as if nothing were wrong)\n"
    );
    println!("{:<42} {:>16} {:>16} {:>16}", "", "helm 3", "helm 4", "pilothouse");
    for name in &names {
        let cell = |who| results.get(&((*name).to_owned(), who)).map_or("-".to_owned(), cell);
        println!("{name:<42} {:>16} {:>16} {:>16}", cell(Who::Helm3), cell(Who::Helm4), cell(Who::Pilothouse));
    }
    for (who, title) in [(Who::Helm3, "helm 3"), (Who::Helm4, "helm 4"), (Who::Pilothouse, "pilothouse")] {
        let of: Vec<&Outcome> = results.iter().filter(|((_, of), _)| *of == who).map(|(_, result)| result).collect();
        let mut seconds: Vec<f64> = of.iter().map(|result| result.took.as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        let (named, well) = (of.iter().filter(|r| r.named).count(), of.iter().filter(|r| r.ended_well).count());
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or_default();
        println!("{title:<11} names {named} of {}, ends well {well} times, median {median:.1} s", of.len());
    }
}

fn cell(result: &Outcome) -> String {
    let named = match (result.ended_well, result.named) {
        (true, _) => "done",
        (false, true) => "named",
        (false, false) => "-",
    };
    format!("{:.1} {named:>6}", result.took.as_secs_f64())
}
