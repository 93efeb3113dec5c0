//! That what is told to do about every code is followed by a test, or why not.

use crate::by_hand::{BY_HAND, Hand};
use crate::case::Case;
use pilothouse_core::code;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Every so many of the codes is followed every day.
const DAILY: usize = 4;

/// How many are followed side by side.
const SIDE_BY_SIDE: usize = 6;

/// What is told about these cannot be followed in a test here.
const NOT_FOLLOWABLE: &[(&str, &str)] = &[
    (
        "APISERVICE_UNAVAILABLE",
        "while nobody answers for an API, no namespace of the control plane that all cases share can be deleted",
    ),
    (
        "GRAPH_INVALID",
        "the program tells every such mistake by its line in the stack file; only Rust charts get that far",
    ),
    (
        "IMAGE_PULL_FAILED",
        "what the registry has said is not understood: to look at the pod's events is all that is told",
    ),
    ("POD_EVICTED", "a node must be short of memory or disk"),
    ("SANDBOX_FAILED", "a node's network plugin or container runtime must be out of order"),
];

/// Tests elsewhere that follow what is told: their file, and their name.
const ELSEWHERE: &[(&str, &str, &str)] =
    &[("CHART_ACCESS_DENIED", "tests/program/ways.rs", "a_private_repository_is_reached_as_helm_reaches_it")];

/// In how many cases what is told is followed until the release is healthy, and of how many codes without a case.
pub(crate) fn followed() -> (usize, usize) {
    let cases = Case::all().iter().filter(|case| case.follow.is_some()).count();
    (cases, BY_HAND.len() + ELSEWHERE.len())
}

#[test]
fn every_code_is_followed_or_listed() {
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut note = |code: &str, place| places.entry(code.to_owned()).or_default().push(place);
    let cases = Case::all();
    for code in cases.iter().filter(|case| case.follow.is_some()).map(|case| &case.code).collect::<BTreeSet<_>>() {
        note(code, "followed");
    }
    for (code, _) in BY_HAND {
        note(code, "followed");
    }
    for (code, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(text.contains(&format!("fn {test}()")) && text.contains(code), "{test}");
        note(code, "followed");
    }
    for (code, _) in NOT_FOLLOWABLE {
        note(code, "not followable");
    }
    let known: BTreeSet<&str> = code::ALL.iter().map(|(code, _)| *code).collect();
    let listed: BTreeSet<&str> = places.keys().map(String::as_str).collect();
    assert_eq!(listed, known);
    // Whoever follows one takes it off the list.
    for (code, places) in &places {
        assert!(places.iter().collect::<BTreeSet<_>>().len() == 1, "{code}: {places:?}");
    }
    assert!(NOT_FOLLOWABLE.len() <= 10);
    assert!(followed().0 >= 40, "{:?}", followed());
}

#[test]
fn what_is_told_about_some_codes_helps() {
    let left = BY_HAND.len() - BY_HAND.iter().step_by(DAILY).len();
    pilothouse_testkit::not_run(
        &format!("hints of {left} of {} codes", BY_HAND.len()),
        "cargo xtask full follows them",
    );
    follow("daily", BY_HAND.iter().step_by(DAILY));
}

#[test]
#[ignore = "all the others too"]
fn what_is_told_about_every_code_helps() {
    let chosen = crate::chosen();
    follow(
        "hint",
        BY_HAND.iter().filter(|(code, _)| chosen.as_ref().is_none_or(|all| all.iter().any(|one| one == code))),
    );
}

fn follow(of: &str, codes: impl Iterator<Item = &'static (&'static str, crate::by_hand::Follow)> + Send) {
    let next = Mutex::new(codes);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..SIDE_BY_SIDE {
            threads.spawn(|| {
                loop {
                    let Some((code, follow)) = next.lock().unwrap().next() else { break };
                    let begun = std::time::Instant::now();
                    if catch_unwind(AssertUnwindSafe(|| follow(&Hand::new(code, of)))).is_err() {
                        wrong.lock().unwrap().push(*code);
                    }
                    let line = format!("hint of {code}: {:.1} s\n", begun.elapsed().as_secs_f64());
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "see above: {wrong:?}");
}
