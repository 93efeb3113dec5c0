//! The table of warnings.

use super::{Means, WARNINGS};
use std::path::Path;

/// Those that a rule reads and that no unit test of causes gives as an event. Many are tested by the status that says the same (a waiting
/// reason, `PodScheduled`, the conditions of a Job or an autoscaler).
const WITHOUT_A_TEST: &[&str] = &[
    "AmbiguousSelector",
    "BackOff",
    "ClaimLost",
    "ClaimMisbound",
    "FailedComputeMetricsReplicas",
    "FailedGetContainerResourceMetric",
    "FailedGetExternalMetric",
    "FailedGetObjectMetric",
    "FailedGetPodsMetric",
    "FailedGetResourceMetric",
    "FailedGetScale",
    "FailedIndexes",
    "FailedRescale",
    "FailedScheduling",
    "InspectFailed",
    "InvalidSelector",
    "MaxFailedIndexesExceeded",
    "PodFailurePolicy",
    "Preempting",
    "SyncLoadBalancerFailed",
    "UnAvailableLoadBalancer",
    "UpdateLoadBalancerFailed",
    "VolumeMismatch",
];

/// The texts of all unit tests of causes.
fn all_tests() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnosis/tests");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let others = files.filter(|path| path.file_name().is_some_and(|name| name != "reasons.rs"));
    others.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn each_reason_is_told_once_and_is_found() {
    assert!(WARNINGS.is_sorted_by(|(one, ..), (next, ..)| one < next));
}

/// Whoever adds a reason that a rule reads adds a test for it, or says here that there is none.
#[test]
fn reasons_that_no_test_covers() {
    let tests = all_tests();
    let read = WARNINGS.iter().filter(|(_, _, means)| *means != Means::Shown).map(|(reason, ..)| *reason);
    let uncovered: Vec<&str> = read.filter(|reason| !tests.contains(&format!("\"{reason}\""))).collect();
    assert_eq!(uncovered, WITHOUT_A_TEST);
}
