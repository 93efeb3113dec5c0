//! A release with a value that a step of each run makes is compared like any other, once the value is known.

use super::former::steps;
use super::world::{MANIFEST, Seen, Wanted, World};
use pilothouse::plan::PlannedAction;
use pilothouse::state::Resume;
use pilothouse::{Event, PayloadKey, Phase, RunId, SetValue};
use pilothouse_core::{CommandStep, On, StepKind, StepSpec};
use rstest::rstest;
use serde_json::json;
use std::collections::BTreeMap;

/// A value that is what the file `tone` says.
fn wanted(world: &World) -> Wanted {
    let mut wanted = world.wanted();
    let file = world.write("tone", "blue");
    wanted.info.values.push(SetValue::from_payload("tone", PayloadKey::<String>::new("tone")));
    let kind = StepKind::Command(CommandStep {
        argv: vec!["cat".to_owned(), file.display().to_string()],
        env: BTreeMap::new(),
        cwd: None,
        output_to: Some("tone".to_owned()),
        sensitive: false,
        repeatable: true,
        timeout_in_seconds: 10,
    });
    let spec =
        StepSpec { name: Some("tone".to_owned()), on: On::Deploy, point_of_no_return: false, every_run: false, kind };
    wanted.built_in = vec![(Phase::PreExec, spec)];
    wanted
}

async fn run(world: &World, wanted: &Wanted) -> (Seen, Vec<Event>) {
    world.begin(std::slice::from_ref(wanted), Resume::IfUnfinished, RunId(uuid::Uuid::now_v7())).await
}

async fn deployed() -> (World, Wanted) {
    let world = World::new();
    let wanted = wanted(&world);
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!(seen.ended, ["done: installed demo 1.0.0"]);
    (world, wanted)
}

/// What helm was asked for but to render.
fn changes(seen: &Seen) -> Vec<&str> {
    seen.helm.iter().map(String::as_str).filter(|call| !call.starts_with("template")).collect()
}

#[tokio::test]
async fn nothing_changed() {
    let (world, wanted) = deployed().await;
    for _ in 0..2 {
        let (seen, events) = run(&world, &wanted).await;
        assert_eq!(seen.ended, ["unchanged: revision 1 is what is wanted, and was validated"]);
        assert_eq!((changes(&seen), seen.steps.clone()), (vec![], vec![]));
        assert_eq!(steps(&events).0, ["tone"], "the value has to be known first");
    }
}

/// By what is deployed if there is a record of ours or not.
#[rstest]
#[tokio::test]
async fn another_value(#[values(true, false)] remembered: bool) {
    let (world, wanted) = deployed().await;
    if !remembered {
        world.cluster.remove("Secret", Some("default"), "pilothouse.release.demo").unwrap();
    }
    world.write("tone", "red");
    world.helm.renders(MANIFEST.replace("blue", "red"));
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!((seen.ended, seen.steps), (vec!["done: upgraded demo 1.0.0".to_owned()], vec!["migrate", "smoke"]));
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!(seen.ended, ["unchanged: revision 2 is what is wanted, and was validated"]);
}

/// A value that changes nothing of what is deployed is no reason to deploy it again.
#[tokio::test]
async fn another_value_with_the_same_result() {
    let (world, wanted) = deployed().await;
    world.write("tone", "red");
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!(seen.ended, ["done: revision 1 is what is wanted, and was not validated"]);
    assert_eq!((changes(&seen), seen.steps.clone()), (vec![], vec!["smoke"]));
}

#[tokio::test]
async fn another_value_from_elsewhere() {
    let (world, wanted) = deployed().await;
    world.write("values.yaml", "colour: red\n");
    world.helm.renders(MANIFEST.replace("blue", "red"));
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!(changes(&seen), ["upgrade default/demo"]);
}

#[tokio::test]
async fn what_others_have_changed_is_told() {
    let (world, wanted) = deployed().await;
    world.edit("Widget", |it| it["spec"]["size"] = json!(2));
    let (seen, _) = run(&world, &wanted).await;
    let drifted =
        "Widget default/wheel has drifted (spec.size: 1 -> 2), reported only; Widget default/wheel: spec.size: 1 -> 2";
    assert_eq!(seen.ended, [format!("unchanged: {drifted}")]);
}

/// Steps ask for a deploy as they do anywhere.
#[tokio::test]
async fn another_step() {
    let (world, mut wanted) = deployed().await;
    wanted.step(Phase::PostExec, "notify");
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!(seen.steps, ["migrate", "notify", "smoke"]);
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!((changes(&seen), seen.steps.clone()), (vec![], vec![]));
}

/// Steps of every run are run in this one too.
#[tokio::test]
async fn a_step_of_every_run() {
    let world = World::new();
    let mut wanted = wanted(&world);
    wanted.step(Phase::PostExec, "report").every_run = true;
    run(&world, &wanted).await;
    let (seen, _) = run(&world, &wanted).await;
    assert_eq!((changes(&seen), seen.steps.clone()), (vec![], vec!["report"]));
}

/// A plan does not know the value, and says so.
#[tokio::test]
async fn a_plan() {
    let (world, wanted) = deployed().await;
    let plan = world.plan(std::slice::from_ref(&wanted)).await;
    let [release] = &plan.releases[..] else { panic!("one release") };
    let why = "a value comes from a step and is known only in the run: helm is not run if nothing has changed then";
    assert_eq!((release.does, release.why.as_str(), &release.input), (PlannedAction::Upgrade, why, &None));
    let (seen, _) = world
        .carry_out(Some(plan), std::slice::from_ref(&wanted), Resume::IfUnfinished, RunId(uuid::Uuid::now_v7()))
        .await;
    assert_eq!(seen.ended, ["unchanged: revision 1 is what is wanted, and was validated"]);
}
