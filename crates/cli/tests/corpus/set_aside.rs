//! Of each five cases one is set aside: whoever writes rules opens it only after its rate was noted. This prints the rate and
//! nothing else: `cargo test -p pilothouse-cli --test corpus -- --ignored the_rate_of_what_is_set_aside`.

use crate::case::{Case, Place};
use crate::run::{self, Runner, Variant};
use crate::several::{Majors, run_all, variants};
use crate::symptoms::Symptoms;
use crate::{SIDE_BY_SIDE, alone, world};
use std::io::Write as _;

#[test]
#[ignore = "cases that are set aside; prints nothing but their rate"]
fn the_rate_of_what_is_set_aside() {
    let (_simulated, _real) = (alone(Place::Simulated), alone(Place::Real));
    let (mut broken, mut well, mut unknown, mut certain) = ([0, 0], [0, 0], 0, 0);
    let planes =
        [(Place::Simulated, Some(world::simulated())), (Place::Real, world::real("what is set aside of a real node"))];
    for (place, plane) in planes {
        let Some(plane) = plane else { continue };
        let symptoms = Symptoms::watch(plane.client_config());
        let all = variants(place, Runner::Pilothouse, Majors::Both, None).into_iter();
        // One helm tells enough here.
        let mine: Vec<Variant> = all.filter(|variant| variant.helm == 4 && Case::is_set_aside(&variant.name)).collect();
        let (ran, _) = run_all(&mine, SIDE_BY_SIDE, |variant| run::run(variant, plane, &world::SERVERS, &symptoms));
        for ran in &ran {
            let counts = if ran.case.ends_well { &mut well } else { &mut broken };
            counts[0] += usize::from(ran.is_right());
            counts[1] += 1;
            unknown += usize::from(ran.is_unknown());
            certain += usize::from(ran.wrong_and_certain().is_some());
        }
    }
    let line = format!(
        "set aside: {} of {} broken releases right, {} of {} that end well; {unknown} not understood, {certain} wrong and certain\n",
        broken[0], broken[1], well[0], well[1]
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}
