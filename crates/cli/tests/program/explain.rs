//! `pilothouse explain`, which needs nothing.

use crate::support::World;

#[test]
fn a_code() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["explain", "rollout-stuck"])));
}

#[test]
fn a_code_that_is_found_before_anything_is_changed() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["explain", "GRAPH_INVALID"])));
}

#[test]
fn a_code_as_json() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["explain", "ROLLOUT_STUCK", "--output", "json"])));
}

#[test]
fn a_code_that_is_none() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&mut world.program(&["explain", "IMAGE_NOTFOUND"])));
}

#[test]
fn every_code_is_listed_and_completed() {
    let world = World::new();
    let listed = world.transcript(&mut world.program(&["explain"]));
    let completed = world.transcript(&mut world.program(&["completions", "zsh"]));
    for (code, meaning) in pilothouse_core::code::ALL {
        assert!(listed.lines().any(|line| line.starts_with(code) && line.ends_with(meaning)), "{code}");
        assert!(completed.contains(code), "{code}");
    }
}
