//! What is set aside: whoever writes rules opens it only after its rate was noted. Each test prints one line and nothing else:
//! `cargo test -p pilothouse-cli --test corpus -- --ignored the_rate_of`.

use crate::case::{Case, Origin, Place};
use crate::rate::{self, Rate};
use crate::run::{self, Runner, Variant};
use crate::several::{Majors, run_all, variants};
use crate::symptoms::Symptoms;
use crate::{SIDE_BY_SIDE, alone, table, world};
use std::io::Write as _;

#[test]
#[ignore = "cases that are set aside; prints nothing but their rate"]
fn the_rate_of_what_is_set_aside() {
    // One helm tells enough here.
    measure("made of tables and set aside, helm 4", &[4], Case::is_set_aside);
}

#[test]
#[ignore = "cases of another hand; prints nothing but their rate"]
fn the_rate_of_another_hand_with_helm_4() {
    measure("written by another hand, helm 4", &[4], |case| case.origin == Origin::AnotherHand);
}

#[test]
#[ignore = "cases of another hand; prints nothing but their rate"]
fn the_rate_of_another_hand_with_helm_3() {
    measure("written by another hand, helm 3", &[3], |case| case.origin == Origin::AnotherHand);
}

/// Runs these cases wherever they can be seen, those of a real node on no simulated one besides.
fn measure(what: &str, helm: &[u8], meant: impl Fn(&Case) -> bool) {
    let (_simulated, _real) = (alone(Place::Simulated), alone(Place::Real));
    let cases: Vec<Case> = Case::all().into_iter().filter(|case| meant(case)).collect();
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let (mut ran, mut panicked) = (Vec::new(), Vec::new());
    for (place, plane) in [(Place::Simulated, Some(world::simulated())), (Place::Real, world::real(what))] {
        let Some(plane) = plane else { continue };
        let symptoms = Symptoms::watch(plane.client_config());
        let of_place = |variant: &Variant| {
            let case = cases.iter().find(|case| case.name == variant.name).unwrap();
            case.plane == place && helm.contains(&variant.helm)
        };
        let mut mine = variants(place, Runner::Pilothouse, Majors::Both, Some(&names));
        mine.retain(of_place);
        let (of, broken) = run_all(&mine, SIDE_BY_SIDE, |variant| run::run(variant, plane, &world::SERVERS, &symptoms));
        ran.extend(of);
        panicked.extend(broken);
    }
    let rows: Vec<&run::Ran> = ran.iter().collect();
    let rate = Rate::of(&rows, &panicked);
    table::keep(&rows);
    let _ = std::io::stderr().write_all(format!("{what}: {rate}\n").as_bytes());
    assert!(rate.broken > 0, "no broken release was run");
    rate::note_or_compare(what, &rate);
}
