//! Helm's records and ours, changed by others.

use super::world::{MANIFEST, Seen, World, nothing};
use pilothouse::ReleaseKey;
use pilothouse_core::RevisionStatus;
use pilothouse_testkit::release_secret;
use rstest::rstest;
use serde_json::json;

const OURS: &str = "pilothouse.release.demo";

fn ended(line: &str, helm: &[&str], steps: &[&'static str]) -> Seen {
    let helm = helm.iter().map(|call| format!("{call} default/demo")).collect();
    Seen { ended: vec![line.to_owned()], helm, steps: steps.to_vec() }
}

/// Nothing new is deployed; that all is well is found out anew.
fn taken_over(revision: u32) -> Seen {
    let line = format!("done: revision {revision} is what is wanted, and was not validated");
    ended(&line, &["template"], &["smoke"])
}

fn upgraded() -> Seen {
    ended("done: upgraded demo 1.0.0", &["template", "upgrade"], &["migrate", "smoke"])
}

/// Somebody else deploys a revision.
fn deploy(world: &World, revision: u32, status: RevisionStatus, manifest: &str) {
    world.cluster.put(release_secret(&ReleaseKey::new("default", "demo"), revision, status, "1.0.0", manifest));
}

#[rstest]
#[case::deleted(|world: &World| drop(world.cluster.remove("Secret", Some("default"), OURS)))]
#[case::damaged(|world: &World| ours(world, "AAAA"))]
// {"format": 9}
#[case::of_another_format(|world: &World| ours(world, "H4sIAAAAAAACA6tWSssvyk0sUbJSsKwFAIE37SoNAAAA"))]
#[tokio::test]
async fn our_record(#[case] happens: fn(&World)) {
    let (world, wanted) = World::deployed(World::wanted).await;
    happens(&world);
    // That the steps after helm have ended well is known from the record alone.
    let again = "done: of revision 1, nothing after exec is known to have ended well";
    assert_eq!(world.run(&wanted).await, ended(again, &["template"], &["migrate", "smoke"]));
    assert_eq!(world.run(&wanted).await, nothing());
}

fn ours(world: &World, record: &str) {
    let mut secret = world.cluster.object("Secret", Some("default"), OURS).unwrap();
    secret["data"]["record"] = json!(record);
    world.cluster.put(secret);
}

/// Without our record everything is compared: drift is found all the same, and is not taken for what is wanted.
#[tokio::test]
async fn our_record_and_an_object() {
    let (world, wanted) = World::deployed(World::wanted).await;
    world.cluster.remove("Secret", Some("default"), OURS);
    world.edit("Widget", |it| it["spec"]["size"] = json!(2));
    let told = "Widget default/wheel: spec.size: 1 -> 2";
    let line = "unchanged: Widget default/wheel has drifted (spec.size: 1 -> 2), reported only";
    let expected = ended(&format!("{line}; {told}"), &["template"], &[]);
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.run(&wanted).await, expected);
}

#[rstest]
#[case::the_same_deployed_by_somebody(RevisionStatus::Deployed, MANIFEST, taken_over(2))]
#[case::something_else_deployed_by_somebody(RevisionStatus::Deployed, "", upgraded())]
#[case::a_deploy_that_failed(RevisionStatus::Failed, MANIFEST, upgraded())]
#[case::a_deploy_in_progress(RevisionStatus::PendingUpgrade, MANIFEST,
    ended("refused: RELEASE_LOCKED revision 2 is pending-upgrade: another operation is in progress, or was killed", &["template"], &[]))]
#[case::a_rollback_in_progress(RevisionStatus::PendingRollback, MANIFEST,
    ended("refused: RELEASE_LOCKED revision 2 is pending-rollback: another operation is in progress, or was killed", &["template"], &[]))]
#[case::an_uninstall_in_progress(RevisionStatus::Uninstalling, MANIFEST,
    ended("refused: RELEASE_LOCKED revision 2 is uninstalling: another operation is in progress, or was killed", &["template"], &[]))]
#[case::an_uninstall_that_kept_history(RevisionStatus::Uninstalled, MANIFEST,
    ended("done: installed demo 1.0.0", &["template", "upgrade"], &["migrate", "smoke"]))]
#[case::a_status_nobody_knows(RevisionStatus::Unknown, MANIFEST,
    ended("refused: UNREADABLE revision 2 has a status this program does not know", &["template"], &[]))]
#[tokio::test]
async fn a_revision_of_somebody_else(#[case] status: RevisionStatus, #[case] manifest: &str, #[case] expected: Seen) {
    let (world, wanted) = World::deployed(World::wanted).await;
    deploy(&world, 2, status, manifest);
    assert_eq!(world.run(&wanted).await, expected);
}

/// Revision 1 again, of another installation.
#[tokio::test]
async fn installed_anew() {
    let (world, wanted) = World::deployed(World::wanted).await;
    world.cluster.remove("Secret", Some("default"), "sh.helm.release.v1.demo.v1").unwrap();
    deploy(&world, 1, RevisionStatus::Deployed, MANIFEST);
    assert_eq!(world.run(&wanted).await, taken_over(1));
    assert_eq!(world.run(&wanted).await, nothing());
}

#[tokio::test]
async fn uninstalled() {
    let (world, wanted) = World::deployed(World::wanted).await;
    world.cluster.remove("Secret", Some("default"), "sh.helm.release.v1.demo.v1").unwrap();
    let line = "done: installed demo 1.0.0";
    assert_eq!(world.run(&wanted).await, ended(line, &["template", "upgrade"], &["migrate", "smoke"]));
}

/// A release that plain helm has made is taken over as it is: no new revision, but it is validated.
#[tokio::test]
async fn made_by_plain_helm() {
    let (world, wanted) = World::deployed(World::wanted).await;
    let plain = World::new();
    for kind in ["ConfigMap", "Widget"] {
        plain.cluster.put(world.object(kind));
    }
    deploy(&plain, 1, RevisionStatus::Deployed, MANIFEST);
    assert_eq!(plain.run(&wanted).await, taken_over(1));
    assert_eq!(plain.run(&wanted).await, nothing());
}

/// A run that finds something to do has read our record when it looked for what need not be done, and reads it again only before it
/// writes it.
#[tokio::test]
async fn our_record_is_not_read_again_for_the_decision() {
    let (world, wanted) = World::deployed(World::wanted).await;
    world.write("values.yaml", "colour: red\n");
    let before = world.cluster.failures.calls().len();
    assert_eq!(world.run(&wanted).await, taken_over(1));
    let calls = world.cluster.failures.calls().split_off(before);
    let read = calls.iter().filter(|call| **call == format!("get Secret default/{OURS}")).count();
    assert_eq!(read, 1, "{calls:?}");
}
