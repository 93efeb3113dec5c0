//! `docs/corpus.md` is made of the cases. `PILOTHOUSE_BLESS=1` writes it anew.

use crate::case::{Case, Origin, Place};
use crate::rate::{self, Noted, Rate};
use std::collections::BTreeSet;

fn document() -> String {
    let (well, broken): (Vec<Case>, Vec<Case>) = Case::all().into_iter().partition(|case| case.ends_well);
    let codes: BTreeSet<&str> = broken.iter().map(|case| case.code.as_str()).collect();
    let of = |origin| broken.iter().filter(|case| case.origin == origin).collect::<Vec<&Case>>();
    let (written, made, others) = (of(Origin::Rules), of(Origin::Table), of(Origin::AnotherHand));
    let set_aside = made.iter().filter(|case| case.is_set_aside()).count();
    let rows = |cases: &[&Case]| cases.iter().map(|case| row(case)).collect::<String>();
    let of_well: String = well.iter().map(|case| format!("| {} | {} |\n", case.name, case.breaks)).collect();
    let (followed, without_case) = crate::hints::followed();
    format!(
        "# Releases that cannot work\n\n\
         {} releases, each broken in one way, with what must be told of it: {} codes. {} are written by whoever writes the rules, {}\n\
         are made of tables of reasons, {} are written by another hand, and {} more look bad and end well. They are run by `cargo test\n\
         -p pilothouse-cli --test corpus` on a real control plane, and those that only a kubelet reports on a real node: every day the\n\
         first with one helm major, and one of twenty of the second; `cargo xtask full` runs all of them with both. `cargo bench -p\n\
         pilothouse-cli --bench corpus_helm` runs the first against helm alone. What each is made of stands in\n\
         `crates/cli/tests/corpus`: `cases`, `made.rs` and `another_hand`.\n\n\
         ## Rates\n\n\
         {}\n\
         {RATES}\n\n\
         Of the made ones {set_aside} are set aside by a hash of their names; whoever writes rules notes their rate before opening one.\n\
         The advice is followed until the release is healthy: in {followed} cases, and for {without_case} codes that have no case.\n\n\
         ## Written by whoever writes the rules\n\n\
         {HEAD}{}\n\
         ## Made of tables\n\n\
         What a kubelet, the scheduler or a controller says is said in its place, word for word as Kubernetes 1.36 does.\n\n\
         {HEAD}{}\n\
         ## Written by another hand\n\n\
         By somebody who had read neither the rules nor a run of these cases; code, object and words were fixed before the first run.\n\n\
         {HEAD}{}\n\
         ## That look bad and end well\n\n| release | what looks bad |\n|---|---|\n{of_well}",
        broken.len(),
        codes.len(),
        written.len(),
        made.len(),
        others.len(),
        well.len(),
        rates(),
        rows(&written),
        rows(&made),
        rows(&others),
    )
}

const HEAD: &str = "| release | what is broken | code | object | seen on |\n|---|---|---|---|---|\n";

/// What was measured, and when.
fn rates() -> String {
    let head = "| measured | on | broken | right | partly | wrong | not understood | end well | wrong and certain | median to the cause |\n\
                |---|---|---|---|---|---|---|---|---|---|\n";
    let row = |Noted { what, on, rate }: &Noted| {
        let Rate { broken, right, partly, wrong, unknown, well, well_right, certain, panicked, median_ms } = rate;
        let wrong = if *panicked == 0 { wrong.to_string() } else { format!("{wrong}, {panicked} of them not run") };
        let median = median_ms.map_or(String::new(), |ms| format!("{ms} ms"));
        format!(
            "| {what} | {on} | {broken} | {right} | {partly} | {wrong} | {unknown} | {well_right} of {well} | {certain} | {median} |\n"
        )
    };
    std::iter::once(head.to_owned()).chain(rate::all_noted().iter().map(row)).collect()
}

/// How the rates are measured, and what was measured in ways that nobody can repeat.
const RATES: &str = "\
A row is what one run measured that was asked to note it (`PILOTHOUSE_NOTE=1`, into `noted.json`). Later runs of as many cases fail when
they are worse. `cargo test -p pilothouse-cli --test corpus -- --ignored the_rate_of` runs what is set aside and
prints nothing but rates. *Right* is the code and the object, and of the cases of another hand the words of the cause, too; *partly*
is the code alone, or the object and the words. A run that cannot be made is wrong.

Rates of before cannot be measured again: of what is made of tables and not set aside 275 of 284 runs were right at first, with 5 not
understood. What was called set aside then, 58 of 59 right, had cases in it that whoever writes rules had written, and left out runs
that panicked. Cases and rules were of one hand.";

fn row(case: &Case) -> String {
    let object = case.object.as_deref().map_or(String::new(), |object| format!("`{object}`"));
    let place = match (case.plane, &case.fault) {
        (Place::Simulated, None) => "any node",
        (Place::Simulated, Some(_)) => "a simulated node",
        (Place::Real, None) => "a real node",
        (Place::Real, Some(_)) => "a real node, a simulated node",
    };
    format!("| {} | {} | `{}` | {object} | {place} |\n", case.name, case.breaks.replace('|', "\\|"), case.code)
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
    let (well, broken): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|case| case.ends_well);
    assert!(broken.len() >= 150 && well.len() >= 30, "{} broken, {} that end well", broken.len(), well.len());
    let others = |cases: &[Case]| cases.iter().filter(|case| case.origin == Origin::AnotherHand).count();
    assert!(others(&broken) >= 25 && others(&well) >= 6, "{} and {}", others(&broken), others(&well));
    for case in broken.iter().filter(|case| case.origin == Origin::AnotherHand) {
        // Of a known code, or a release could never be told rightly.
        assert!(pilothouse_core::code::ALL.iter().any(|(code, _)| *code == case.code), "{}", case.name);
    }
    for case in broken.iter().filter(|case| case.origin != Origin::Table) {
        assert!(!case.words.is_empty() && !case.is_named_in(&case.code), "{}", case.name);
        assert!(case.is_named_in(&case.words.join(" ").to_uppercase()), "{}", case.name);
    }
}
