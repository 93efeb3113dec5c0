//! Releases that cannot work, each broken in one way, run by the program on real control planes: the right cause of the right
//! object, soon, and no wrong one for certain.
#![allow(clippy::similar_names, reason = "a plane and a place are called what they are")]
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

mod acting;
mod by_hand;
mod case;
mod document;
mod following;
mod hints;
mod kubernetes;
mod made;
mod prepare;
mod rate;
mod redaction;
#[expect(dead_code, reason = "the bench uses the rest")]
mod run;
mod servers;
mod set_aside;
mod several;
mod shared_cause;
mod symptoms;
mod table;
mod told;
mod world;

use case::Place;
use pilothouse_plane::{Fault, Plane};
use run::Runner;
use several::{Majors, run_all, variants};
use std::sync::{Mutex, MutexGuard, PoisonError};
use symptoms::Symptoms;

/// How many cases of a place are run side by side. Most of the time they wait for what is not coming.
const SIDE_BY_SIDE: usize = 10;

/// Held by what measures time or asks much of the plane of a place.
static ALONE: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];

/// While it is held, no other test that takes it for this place is at work.
fn alone(place: Place) -> MutexGuard<'static, ()> {
    let held = match place {
        Place::Simulated => &ALONE[0],
        Place::Real => &ALONE[1],
    };
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn causes_are_told_on_simulated_nodes() {
    let _alone = alone(Place::Simulated);
    on(Place::Simulated, "simulated nodes", Majors::Daily, world::simulated());
}

#[test]
#[ignore = "the other helm"]
fn causes_are_told_on_simulated_nodes_with_the_other_helm() {
    let _alone = alone(Place::Simulated);
    on(Place::Simulated, "simulated nodes, the other helm", Majors::Rest, world::simulated());
}

#[test]
fn causes_are_told_on_a_real_node() {
    let _alone = alone(Place::Real);
    let Some(plane) = world::real("causes_are_told_on_a_real_node") else { return };
    on(Place::Real, "a real node", Majors::Daily, plane);
}

#[test]
#[ignore = "the other helm"]
fn causes_are_told_on_a_real_node_with_the_other_helm() {
    let _alone = alone(Place::Real);
    let Some(plane) = world::real("causes_are_told_on_a_real_node_with_the_other_helm") else { return };
    on(Place::Real, "a real node, the other helm", Majors::Rest, plane);
}

/// Runs the cases of a place.
fn on(place: Place, title: &str, majors: Majors, plane: &Plane) {
    let symptoms = Symptoms::watch(plane.client_config());
    let chosen = chosen();
    // Whoever names cases wants them with both.
    let majors = if chosen.is_some() && majors == Majors::Daily { Majors::Both } else { majors };
    let all = |majors| variants(place, Runner::Pilothouse, majors, chosen.as_deref());
    let variants = all(majors);
    if variants.is_empty() {
        pilothouse_testkit::not_run(title, "none of the cases that are asked for is of this place");
        return;
    }
    if majors == Majors::Daily {
        let (left, both) = (all(Majors::Rest).len(), all(Majors::Both).len());
        let what = format!("corpus on {title}: {left} of {both} runs");
        pilothouse_testkit::not_run(
            &what,
            "the case is made of a table, run with the other helm, or on a real node; cargo xtask full runs them",
        );
    }
    let (ran, broken) =
        run_all(&variants, SIDE_BY_SIDE, |variant| run::run(variant, plane, &world::SERVERS, &symptoms));
    // Whoever names cases has no rate to compare with.
    table::judge(title, &ran, &broken, chosen.is_none());
    following::follow_all(title, &ran, SIDE_BY_SIDE, plane, majors);
    assert!(broken.is_empty(), "cannot be run, see above: {broken:?}");
}

/// `PILOTHOUSE_CORPUS=name,name` runs only these; codes of hints, too.
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
fn chosen() -> Option<Vec<String>> {
    std::env::var("PILOTHOUSE_CORPUS").ok().map(|names| names.split(',').map(str::to_owned).collect())
}

/// What breaks on the simulated nodes: the cases as the program runs them, and the other tests of this binary.
fn faults() -> Vec<Fault> {
    [world::faults(Runner::Pilothouse), shared_cause::faults(), redaction::faults()].concat()
}
