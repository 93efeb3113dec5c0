//! Which cases are run, and many of them side by side.

use crate::case::{Case, Origin, Place};
use crate::run::{Runner, Variant};
use pilothouse_plane::real_node_missing;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// With which majors of helm the cases are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Majors {
    Both,
    /// One of the two for each case, always the same; of the cases that are made of tables, few. What is seen on a real node is not
    /// simulated besides, where this machine can have one.
    Daily,
    /// Those that are left out every day.
    Rest,
}

/// One of so many made cases is run every day.
const MADE_DAILY: u64 = 20;

impl Majors {
    fn include(self, case: &Case, helm: u8, place: Place) -> bool {
        // From the name: no other case that comes or goes changes it.
        let chosen = if case.name.bytes().fold(0, |sum: u8, byte| sum.wrapping_add(byte)) % 2 == 0 { 4 } else { 3 };
        let is_twin = place == Place::Simulated && case.plane == Place::Real && real_node_missing().is_empty();
        let is_drawn = case.origin != Origin::Table || Case::draw(&case.name) % MADE_DAILY == 1;
        let daily = is_drawn && !is_twin && (case.helm.len() == 1 || helm == chosen);
        match self {
            Self::Both => true,
            Self::Daily => daily,
            Self::Rest => !daily,
        }
    }
}

/// Which cases are run in this place, one helm after the other: these, or all but those of another hand, which are run by themselves.
pub(crate) fn variants(place: Place, by: Runner, majors: Majors, only: Option<&[String]>) -> Vec<Variant> {
    let mut variants = Vec::new();
    for helm in [4, 3] {
        for case in Case::all() {
            let here = case.plane == place || (place == Place::Simulated && case.fault.is_some());
            let meant = only.map_or(case.origin != Origin::AnotherHand, |only| only.contains(&case.name));
            if here && meant && case.helm.contains(&helm) && majors.include(&case, helm, place) {
                variants.push(Variant { name: case.name, place, helm, by });
            }
        }
    }
    variants
}

/// So many at a time, in their order. One that cannot be run does not keep the others from being told.
pub(crate) fn run_all<T: Send>(
    variants: &[Variant],
    side_by_side: usize,
    run: impl Fn(&Variant) -> Option<T> + Sync,
) -> (Vec<T>, Vec<Variant>) {
    let (next, done, broken) = (Mutex::new(variants.iter()), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..side_by_side {
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
