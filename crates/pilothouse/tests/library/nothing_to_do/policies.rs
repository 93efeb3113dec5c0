//! What a user may ask for that bears on a run with nothing to do.

use super::world::{ASKS_CLUSTER, Seen, Wanted, World, nothing};
use pilothouse::{Need, Phase};
use pilothouse_core::{DriftPolicy, RevisionStatus};
use rstest::rstest;
use serde_json::json;

fn of(policy: DriftPolicy) -> impl FnOnce(&World) -> Wanted {
    move |world| {
        let mut wanted = world.wanted();
        wanted.info.drift = policy;
        wanted
    }
}

#[rstest]
#[case(DriftPolicy::Report, json!(2), Seen {
    ended: vec!["unchanged: it is as it was deployed but for what others have changed; \
        Widget default/wheel: spec.size: 1 -> 2".to_owned()],
    ..nothing()
})]
#[case(DriftPolicy::Ignore, json!(2), nothing())]
#[case(DriftPolicy::Correct, json!(1), Seen {
    ended: vec!["done: upgraded demo 1.0.0".to_owned()],
    helm: vec!["template default/demo".to_owned(), "upgrade default/demo".to_owned()],
    steps: vec!["migrate", "smoke"],
})]
#[tokio::test]
async fn drift(#[case] policy: DriftPolicy, #[case] left: serde_json::Value, #[case] expected: Seen) {
    let (world, wanted) = World::deployed(of(policy)).await;
    world.edit("Widget", |it| it["spec"]["size"] = json!(2));
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.object("Widget")["spec"]["size"], left);
    if policy == DriftPolicy::Correct {
        assert_eq!(world.run(&wanted).await, nothing());
    }
}

/// Another policy is no reason to deploy.
#[tokio::test]
async fn a_policy_is_no_input() {
    let (world, mut wanted) = World::deployed(World::wanted).await;
    wanted.info.drift = DriftPolicy::Correct;
    assert_eq!(world.run(&wanted).await, nothing());
}

#[tokio::test]
async fn steps_of_every_run() {
    let world = World::new();
    let mut wanted = world.wanted();
    for (phase, name) in [(Phase::PreExec, "pre"), (Phase::PostExec, "sync"), (Phase::Validate, "probe")] {
        wanted.step(phase, name).every_run = true;
    }
    let first = world.run(&wanted).await;
    assert_eq!(first.steps, ["pre", "migrate", "sync", "smoke", "probe"]);
    let expected = Seen {
        ended: vec!["unchanged: revision 1 is what is wanted, and was validated".to_owned()],
        helm: vec!["template default/demo".to_owned()],
        steps: vec!["pre", "sync", "probe"],
    };
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.run(&wanted).await, expected);
}

#[tokio::test]
async fn what_is_installed_is_left_alone_whatever_is_wanted() {
    let (world, mut wanted) = World::deployed(World::wanted).await;
    wanted.info.skip_if_already_installed = true;
    wanted.info.values.clear();
    world.edit("Widget", |it| it["spec"]["size"] = json!(2));
    let seen = world.run(&wanted).await;
    assert_eq!((seen.ended, seen.steps), (vec!["unchanged: it is already installed".to_owned()], Vec::new()));
}

/// A release that asks what the cluster serves is not settled before what it needs has been deployed.
#[rstest]
#[case::another_kind(Some("Gadget"))]
#[case::the_same_kinds(None)]
#[tokio::test]
async fn needs_that_change_what_the_cluster_serves(#[case] serves: Option<&'static str>) {
    let world = World::new();
    world.write("chart/templates/all.yaml", ASKS_CLUSTER);
    let (mut base, mut top) = (world.wanted(), world.wanted());
    base.info.name = "base".to_owned();
    top.info.name = "top".to_owned();
    top.info.needs = vec![Need::new("base")];
    world.helm.renders("");
    world.run_all(&[base.clone(), top.clone()]).await;
    let quiet = Seen { ended: [nothing().ended, nothing().ended].concat(), ..nothing() };
    assert_eq!(world.run_all(&[base.clone(), top.clone()]).await, quiet);

    base.step(Phase::Validate, "serve").serves = serves;
    let seen = world.run_all(&[base, top]).await;
    let top_ends = "unchanged: revision 1 is what is wanted, and was validated";
    assert_eq!(seen.ended, ["done: its steps have changed", top_ends]);
    assert_eq!(seen.steps, ["migrate", "smoke", "serve"]);
}

/// Helm may end well and leave a pending revision: nothing is built on that.
#[tokio::test]
async fn helm_that_ends_well_without_a_record_of_it() {
    let world = World::new();
    world.helm.recorded_as(RevisionStatus::PendingInstall);
    let seen = world.run(&world.wanted()).await;
    let why = "failed in exec: helm reported success, but revision 1 is recorded as \
        pending-install: the next run checks what became of the release";
    assert_eq!((seen.ended, seen.steps), (vec![why.to_owned()], Vec::new()));
}

/// What is left alone whatever is wanted was compared with nothing: nothing is remembered of it.
#[tokio::test]
async fn what_was_left_alone_is_looked_at_later() {
    let world = World::new();
    world.write("chart/templates/all.yaml", ASKS_CLUSTER);
    let mut wanted = world.wanted();
    world.run(&wanted).await;
    wanted.info.skip_if_already_installed = true;
    wanted.steps[0].1.name = "move";
    world.cluster.serve("x", "Gadget");
    assert_eq!(world.run(&wanted).await.ended, ["unchanged: it is already installed"]);
    wanted.info.skip_if_already_installed = false;
    let seen = world.run(&wanted).await;
    assert_eq!((seen.ended, seen.steps), (vec!["done: its steps have changed".to_owned()], vec!["move", "smoke"]));
}
