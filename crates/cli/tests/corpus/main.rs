//! Releases that cannot work, each broken in one way, run by the program on real control planes: the right cause of the right
//! object, soon, and no wrong one for certain.
#![expect(clippy::unwrap_used, reason = "a failed set-up should end the test")]

mod case;
mod document;
mod prepare;
mod redaction;
mod run;
mod servers;
mod shared_cause;
mod symptoms;
mod table;
mod told;
mod world;

use case::{Case, Place};
use pilothouse_plane::Plane;
use run::{Ran, Variant};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use symptoms::Symptoms;

/// How many cases are run side by side.
const SIDE_BY_SIDE: usize = 6;

/// Of a hundred cases so many must be told with the right code and object.
const RIGHT: usize = 95;

/// The median time from a symptom to the telling of its cause, in milliseconds, must be below this.
const SOON: i64 = 2000;

#[test]
fn causes_are_told_on_simulated_nodes() {
    on(Place::Simulated, "simulated nodes", world::simulated());
}

#[test]
fn causes_are_told_on_a_real_node() {
    let Some(plane) = world::real("causes_are_told_on_a_real_node") else { return };
    on(Place::Real, "a real node", plane);
}

/// Runs all cases of a place.
fn on(place: Place, title: &str, plane: &Plane) {
    let symptoms = Symptoms::watch(plane.client_config());
    let (ran, broken) = run_all(&variants(place), |variant| run::run(variant, plane, &world::SERVERS, &symptoms));
    table::judge(title, &ran, RIGHT, SOON);
    assert!(broken.is_empty(), "cannot be run, see above: {broken:?}");
}

/// Which cases are run in this place: the helm that most have first.
fn variants(place: Place) -> Vec<Variant> {
    let only = chosen();
    let mut variants = Vec::new();
    for helm in [4, 3] {
        for case in Case::all() {
            let here = case.plane == place || (place == Place::Simulated && case.fault.is_some());
            let meant = only.as_ref().is_none_or(|only| only.iter().any(|name| *name == case.name));
            if here && meant && case.helm.contains(&helm) {
                variants.push(Variant { name: case.name, place, helm });
            }
        }
    }
    variants
}

/// `PILOTHOUSE_CORPUS=name,name` runs only these.
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
fn chosen() -> Option<Vec<String>> {
    std::env::var("PILOTHOUSE_CORPUS").ok().map(|names| names.split(',').map(str::to_owned).collect())
}

/// Some at a time, in their order. One that cannot be run does not keep the others from being told.
fn run_all(variants: &[Variant], run: impl Fn(&Variant) -> Option<Ran> + Sync) -> (Vec<Ran>, Vec<Variant>) {
    let (next, done, broken) = (Mutex::new(variants.iter()), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..SIDE_BY_SIDE {
            threads.spawn(|| {
                loop {
                    let Some(variant) = next.lock().unwrap().next() else { break };
                    match catch_unwind(AssertUnwindSafe(|| run(variant))) {
                        Ok(ran) => done.lock().unwrap().extend(ran),
                        Err(_) => broken.lock().unwrap().push(variant.clone()),
                    }
                }
            });
        }
    });
    let (done, broken) = (done.into_inner().unwrap(), broken.into_inner().unwrap());
    (done, broken)
}

/// Runs something on a runtime of its own.
fn in_runtime<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|threads| {
        let work = threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work)
        });
        work.join().unwrap()
    })
}
