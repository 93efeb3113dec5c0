//! Agreement with the classes that Argo CD's own tests expect for live objects of many kinds.

use pilothouse_core::{ObjectStatus, Readiness};
use pilothouse_kube::status;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

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

#[test]
fn agreement_with_the_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/readiness-cases/cases.jsonl");
    let Ok(cases) = std::fs::read_to_string(&path) else {
        println!("not run, since {} is not there: agreement with the readiness cases", path.display());
        return;
    };
    let mut classes: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let expected = case["expected"].as_str().unwrap();
        let told = status(&case["object"]);
        let (agreed, all) = classes.entry(expected.to_owned()).or_default();
        *all += 1;
        if class(&told) == expected {
            *agreed += 1;
        } else {
            println!(
                "{} {}: expected {expected}, told {} ({:?}: {})",
                case["kind"],
                case["name"],
                class(&told),
                told.reason,
                told.message
            );
        }
    }
    let percent = |agreed: u32, all: u32| 100.0 * f64::from(agreed) / f64::from(all);
    for (class, (agreed, all)) in &classes {
        println!("{class}: {agreed} of {all} ({:.1} %)", percent(*agreed, *all));
    }
    let (agreed, all) = classes.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("all: {agreed} of {all} ({:.1} %)", percent(agreed, all));
}
