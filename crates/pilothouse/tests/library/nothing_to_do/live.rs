//! Live objects that others change, one at a time.

use super::world::{Seen, World, nothing};
use rstest::rstest;
use serde_json::{Value, json};

type Edit = fn(&mut Value);

/// What a run does that only reports this.
fn told(drift: &str) -> Seen {
    let ended = format!("unchanged: it is as it was deployed but for what others have changed; {drift}");
    Seen { ended: vec![ended], ..nothing() }
}

#[rstest]
#[case::data("ConfigMap", |it: &mut Value| it["data"]["colour"] = json!("red"), "data.colour: blue -> red")]
#[case::no_data("ConfigMap", |it: &mut Value| it["data"] = json!({}), "data.colour: blue -> nothing")]
#[case::annotation("ConfigMap", |it: &mut Value| it["metadata"]["annotations"]["example.com/owner"] = json!("you"), "metadata.annotations[\"example.com/owner\"]: me -> you")]
#[case::spec("Widget", |it: &mut Value| it["spec"]["size"] = json!(2), "spec.size: 1 -> 2")]
#[case::managed_by("Widget", |it: &mut Value| it["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("me"), "metadata.labels[\"app.kubernetes.io/managed-by\"]: Helm -> me")]
#[case::owner("Widget", |it: &mut Value| it["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("other"), "metadata.annotations[\"meta.helm.sh/release-name\"]: demo -> other")]
#[case::being_deleted("Widget", |it: &mut Value| it["metadata"]["deletionTimestamp"] = json!("2026-11-21T08:00:00Z"), "it is being deleted")]
#[tokio::test]
async fn what_is_declared(#[case] kind: &str, #[case] edit: Edit, #[case] what: &str) {
    let (world, wanted) = World::deployed(World::wanted).await;
    world.edit(kind, edit);
    let object = if kind == "ConfigMap" { "ConfigMap default/settings" } else { "Widget default/wheel" };
    let expected = told(&format!("{object}: {what}"));
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.run(&wanted).await, expected, "what was told once is not taken for what is wanted");
}

/// What is gone is made again, by an upgrade to what is deployed; then there is nothing to do.
#[rstest]
#[case("ConfigMap")]
#[case("Widget")]
#[tokio::test]
async fn deleted(#[case] kind: &str) {
    let (world, wanted) = World::deployed(World::wanted).await;
    let before = world.remove(kind);
    let seen = world.run(&wanted).await;
    let ended = vec!["done: upgraded demo 1.0.0".to_owned()];
    assert_eq!((&seen.ended, seen.helm.len()), (&ended, 2), "{seen:?}");
    let (namespace, name) = (before["metadata"]["namespace"].as_str(), before["metadata"]["name"].as_str().unwrap());
    assert!(world.cluster.object(kind, namespace, name).is_some());
    assert_eq!(world.run(&wanted).await, nothing());
}

#[tokio::test]
async fn made_anew_with_something_else_in_it() {
    let (world, wanted) = World::deployed(World::wanted).await;
    let mut object = world.remove("Widget");
    object["spec"]["size"] = json!(2);
    world.cluster.put(object);
    assert_eq!(world.run(&wanted).await, told("Widget default/wheel: spec.size: 1 -> 2"));
}

/// What proves to be as it was deployed is looked at closer once, and remembered then.
#[rstest]
#[case::made_anew(|world: &World| { let object = world.remove("Widget"); world.cluster.put(object); })]
#[case::undeclared_annotation(|world: &World| world.edit("Widget", |it: &mut Value| it["metadata"]["annotations"]["controller"] = json!("7")))]
#[case::undeclared_field(|world: &World| world.edit("Widget", |it: &mut Value| it["spec"]["defaulted"] = json!(true)))]
#[case::finalizer(|world: &World| world.edit("Widget", |it: &mut Value| it["metadata"]["finalizers"] = json!(["example.com/wait"])))]
#[case::written_without_a_change(|world: &World| world.edit("ConfigMap", |_| ()))]
#[tokio::test]
async fn what_is_none_of_our_business(#[case] happens: fn(&World)) {
    let (world, wanted) = World::deployed(World::wanted).await;
    happens(&world);
    assert_eq!(world.run(&wanted).await, nothing());
    let calls = world.cluster.failures.calls().len();
    assert_eq!(world.run(&wanted).await, nothing());
    assert_eq!(world.cluster.failures.calls().split_off(calls), QUICK);
}

/// All that a run asks the cluster that finds nothing to do.
const QUICK: [&str; 6] = ["version", "discovery", "list Secret", "list Secret", "list Widget", "list ConfigMap"];

#[tokio::test]
async fn a_run_that_finds_nothing_to_do() {
    let (world, wanted) = World::deployed(World::wanted).await;
    let calls = world.cluster.failures.calls().len();
    assert_eq!(world.run(&wanted).await, nothing());
    assert_eq!(world.cluster.failures.calls().split_off(calls), QUICK);
}

#[tokio::test]
async fn a_status_is_no_change() {
    let (world, wanted) = World::deployed(World::wanted).await;
    world.edit("Widget", |it| it["status"] = json!({"turns": 7}));
    let calls = world.cluster.failures.calls().len();
    assert_eq!(world.run(&wanted).await, nothing());
    assert_eq!(world.cluster.failures.calls().split_off(calls), QUICK);
}

/// An object that cannot be read is neither there nor gone.
#[tokio::test]
async fn what_cannot_be_read_is_looked_at_by_itself() {
    let (world, wanted) = World::deployed(World::wanted).await;
    let calls = world.cluster.failures.calls().len();
    // The list of ConfigMaps.
    world.cluster.failures.fail_at(calls + QUICK.len());
    assert_eq!(world.run(&wanted).await, nothing());
}
