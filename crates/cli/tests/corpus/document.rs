//! `docs/corpus.md` is made of the cases. `PILOTHOUSE_BLESS=1` writes it anew.

use crate::case::{Case, Place};
use std::collections::BTreeSet;

fn document() -> String {
    let cases = Case::all();
    let codes: BTreeSet<&str> = cases.iter().map(|case| case.code.as_str()).collect();
    let rows: String = cases.iter().map(row).collect();
    format!(
        "# Releases that cannot work\n\n\
         {} releases, each broken in one way, with what must be told of it: {} codes. They are run by\n\
         `cargo test -p pilothouse-cli --test corpus` with both helm majors, on a real control plane, and those that only a kubelet\n\
         reports on a real node. `cargo bench -p pilothouse-cli --bench corpus_helm` runs them against helm alone. What each is\n\
         made of stands in `crates/cli/tests/corpus/cases`.\n\n\
         | release | what is broken | code | object | seen on |\n|---|---|---|---|---|\n{rows}",
        cases.len(),
        codes.len()
    )
}

fn row(case: &Case) -> String {
    let object = case.object.as_deref().map_or(String::new(), |object| format!("`{object}`"));
    let place = match (case.plane, &case.fault) {
        (Place::Simulated, None) => "any node",
        (Place::Simulated, Some(_)) => "a simulated node",
        (Place::Real, None) => "a real node",
        (Place::Real, Some(_)) => "a real node, a simulated node",
    };
    format!("| {} | {} | `{}` | {object} | {place} |\n", case.name, case.breaks, case.code)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
fn the_document_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/corpus.md");
    if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), document());
}

#[test]
fn there_are_enough_of_them() {
    let cases = Case::all();
    assert!(cases.len() >= 35, "{} cases", cases.len());
    for case in &cases {
        assert!(!case.words.is_empty() && !case.is_named_in(&case.code), "{}", case.name);
        assert!(case.is_named_in(&case.words.join(" ").to_uppercase()), "{}", case.name);
    }
}
