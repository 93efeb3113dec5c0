use super::*;
use crate::ObjectRef;
use crate::context::Foresight;
use crate::context::Steps;
use crate::helm::HelmDriver;
use crate::preflight::changes::regenerated::MadeUp;
use crate::preflight::deploy;
use crate::test_world::{World, fake};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pilothouse_core::{Decision, HelmOwner, ObjectChange, ReleaseKey, ReleaseState, Remaining, Sensitive};
use pilothouse_helm::{Origin, RenderedDoc, TemplateUse, Volatile};
use pilothouse_kube::ClusterError;
use pilothouse_testkit::FakeCluster;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const UPGRADE: Change = Change::Upgrade { last_good: Some(1) };

fn one(object: &str, change: ObjectChange) -> Compared {
    Compared::unknown(&ObjectRef::parse(object).unwrap(), Outcome::Change(change))
}

fn with(one: Compared, live: Value, then: Value) -> Compared {
    let some = |value: Value| (!value.is_null()).then(|| Sensitive::new(value));
    Compared { live: some(live), then: some(then), ..one }
}

fn world(cluster: &Arc<FakeCluster>, consent: &[&str]) -> World {
    let helm = Arc::new(pilothouse_testkit::FakeHelm::new(cluster.clone(), "", "1.0.0"));
    crate::test_world::over(cluster.clone(), helm, HelmDriver::Secret, |info| {
        info.consent = consent.iter().map(|object| ObjectRef::parse(object).unwrap()).collect();
    })
}

async fn told(world: &World, compared: &[Compared]) -> Vec<(String, String, Class)> {
    let consent = Consent::of(&world.ctx).await.unwrap();
    let history = observe::release_history(&world.ctx).await.unwrap();
    let findings = gate(&world.ctx, &history, &Wanted::default(), compared, &[], &UPGRADE, &consent).await;
    findings.into_iter().map(|finding| (finding.code.clone(), finding.to_string(), finding.class)).collect()
}

/// An object that was read for the comparison is not read again to tell what would be lost with it.
#[tokio::test]
async fn what_was_compared_is_not_read_again() {
    let cluster = Arc::new(FakeCluster::default());
    let live = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"}});
    cluster.put(live.clone());
    let (world, gone) = (world(&cluster, &[]), one("PersistentVolumeClaim/default/data", ObjectChange::Delete));
    let reads = || cluster.failures.calls().iter().filter(|call| call.starts_with("get PersistentVolumeClaim")).count();
    assert_eq!(told(&world, std::slice::from_ref(&gone)).await.len(), 1);
    let before = reads();
    assert_eq!(told(&world, &[with(gone, live, Value::Null)]).await.len(), 1);
    assert_eq!((before, reads()), (1, 1));
}

/// A value as a Secret holds it.
fn text(value: &str) -> String {
    STANDARD.encode(value)
}

fn claim(volume: Option<&str>) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "old", "namespace": "default"},
        "spec": {"volumeName": volume}})
}

fn volume(policy: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"},
        "spec": {"persistentVolumeReclaimPolicy": policy}})
}

#[rstest]
#[case(Some("Delete"), "deleting it deletes the data on it: volume pv-1 has the reclaim policy Delete")]
#[case(
    Some("Retain"),
    "deleting it cuts its data off: volume pv-1 has the reclaim policy Retain, so the data stays, but nothing is bound to it any more"
)]
#[case(None, "deleting it may delete the data on it")]
#[tokio::test]
async fn a_claim_whose_name_changes(#[case] policy: Option<&str>, #[case] lost: &str) {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(claim(Some("pv-1")));
    if let Some(policy) = policy {
        cluster.put(volume(policy));
    }
    let compared = [
        one("PersistentVolumeClaim/default/new", ObjectChange::Create),
        one("PersistentVolumeClaim/default/old", ObjectChange::Delete),
    ];
    let message = format!(
        "PersistentVolumeClaim default/old: {lost}; PersistentVolumeClaim default/new is created in its place, empty"
    );
    let expected = vec![("DATA_ATTACHED".to_owned(), message, Class::Unsafe)];
    assert_eq!(told(&world(&cluster, &[]), &compared).await, expected);
    // The reference is completed as people write it.
    assert_eq!(told(&world(&cluster, &["pvc/old"]), &compared).await, []);
    // Consent for another object is none.
    assert_eq!(told(&world(&cluster, &["pvc/new"]), &compared).await, expected);
}

/// A kept volume of this claim that the change makes the cluster delete with its claim.
fn given_away(cluster: &FakeCluster, claim: &str) -> Compared {
    let live = cluster.object("PersistentVolumeClaim", Some("default"), claim);
    let uid = live.map_or_else(|| json!("of one that is gone"), |live| live["metadata"]["uid"].clone());
    let volume = |policy: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"},
            "spec": {"persistentVolumeReclaimPolicy": policy,
                "claimRef": {"namespace": "default", "name": claim, "uid": uid}},
            "status": {"phase": "Bound"}})
    };
    with(one("PersistentVolume/pv-1", ObjectChange::Update), volume("Retain"), volume("Delete"))
}

fn bound(name: &str, deleted: Option<&str>) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1"},
        "metadata": {"name": name, "namespace": "default", "deletionTimestamp": deleted}})
}

fn set_that_deletes(policy: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
        "spec": {"replicas": replicas, "persistentVolumeClaimRetentionPolicy": {policy: "Delete"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}})
}

/// The policy that it has when its claim goes is the new one.
#[tokio::test]
async fn a_claim_whose_volume_is_given_away_by_the_same_change() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(bound("old", None));
    cluster.put(given_away(&cluster, "old").live.unwrap().expose().clone());
    let compared = [given_away(&cluster, "old"), one("PersistentVolumeClaim/default/old", ObjectChange::Delete)];
    let volume = (
        "DATA_ATTACHED".to_owned(),
        "PersistentVolume pv-1: released volume: changing its reclaim policy deletes it and its data immediately"
            .to_owned(),
        Class::Unsafe,
    );
    let claim = (
        "DATA_ATTACHED".to_owned(),
        "PersistentVolumeClaim default/old: deleting it deletes the data on it: volume pv-1 gets the reclaim policy Delete"
            .to_owned(),
        Class::Unsafe,
    );
    assert_eq!(told(&world(&cluster, &[]), &compared).await, [volume.clone(), claim]);
    assert_eq!(told(&world(&cluster, &["pvc/old"]), &compared).await, [volume]);
    assert_eq!(told(&world(&cluster, &["pvc/old", "pv/pv-1"]), &compared).await, []);
}

/// Whether the volume is written before its claim goes, nothing says.
#[tokio::test]
async fn a_claim_whose_volume_is_kept_by_the_same_change() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(bound("old", None));
    let Compared { live, then, .. } = given_away(&cluster, "old");
    cluster.put(then.clone().unwrap().expose().clone());
    let kept = Compared { live: then, then: live, ..given_away(&cluster, "old") };
    let message = "PersistentVolumeClaim default/old: deleting it may delete the data on it";
    let compared = [kept, one("PersistentVolumeClaim/default/old", ObjectChange::Delete)];
    let found = told(&world(&cluster, &[]), &compared).await;
    assert_eq!(found, [("DATA_ATTACHED".to_owned(), message.to_owned(), Class::Unsafe)]);
}

/// All that takes a claim takes the data of a volume that is not kept any more.
#[rstest]
#[case::replaced(one("PersistentVolumeClaim/default/data-db-1", ObjectChange::Replace { because: String::new() }), true)]
#[case::with_its_namespace(one("Namespace/default", ObjectChange::Delete), true)]
#[case::with_its_set(
    with(one("StatefulSet/default/db", ObjectChange::Delete), set_that_deletes("whenDeleted", 2), Value::Null),
    true
)]
#[case::with_its_pod(
    with(
        one("StatefulSet/default/db", ObjectChange::Update),
        set_that_deletes("whenScaled", 2),
        set_that_deletes("whenScaled", 1)
    ),
    true
)]
#[case::not_with_another_pod(
    with(
        one("StatefulSet/default/db", ObjectChange::Update),
        set_that_deletes("whenScaled", 3),
        set_that_deletes("whenScaled", 2)
    ),
    false
)]
#[case::not_with_a_set_that_keeps_it(
    with(one("StatefulSet/default/db", ObjectChange::Delete), set_that_deletes("whenScaled", 2), Value::Null),
    false
)]
#[case::not_with_one_of_another_namespace(one("PersistentVolumeClaim/other/data-db-1", ObjectChange::Delete), false)]
#[case::not_if_it_stays(one("PersistentVolumeClaim/default/data-db-1", ObjectChange::Keep), false)]
#[tokio::test]
async fn what_takes_the_claim_of_a_volume_that_is_given_away(#[case] taking: Compared, #[case] is_lost: bool) {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(bound("data-db-1", None));
    let found = told(&world(&cluster, &[]), &[given_away(&cluster, "data-db-1"), taking]).await;
    assert_eq!(
        found.iter().any(|(_, message, _)| message.starts_with("PersistentVolume pv-1: ")),
        is_lost,
        "{found:?}"
    );
}

#[rstest]
#[case::on_its_way(Some(bound("old", Some("2026-11-21T08:00:00Z"))), false, Some("DATA_ATTACHED"))]
#[case::gone_just_now(None, false, Some("DATA_ATTACHED"))]
#[case::another_one(Some(bound("old", None)), true, Some("DATA_ATTACHED"))]
#[case::that_stays(Some(bound("old", None)), false, None)]
#[tokio::test]
async fn the_claim_of_a_volume_that_is_given_away(
    #[case] claim: Option<Value>,
    #[case] is_another: bool,
    #[case] expected: Option<&str>,
) {
    let cluster = Arc::new(FakeCluster::default());
    let before = given_away(&cluster, "old");
    if let Some(claim) = claim {
        cluster.put(claim);
    }
    let volume = if is_another { before } else { given_away(&cluster, "old") };
    let found = told(&world(&cluster, &[]), &[volume]).await;
    assert_eq!(found.iter().map(|(code, ..)| code.as_str()).collect::<Vec<_>>(), Vec::from_iter(expected));
}

#[tokio::test]
async fn the_claim_of_a_volume_that_is_given_away_and_cannot_be_read() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.refuse("get PersistentVolumeClaim", || ClusterError::Timeout {
        what: "it".to_owned(),
        after: std::time::Duration::from_secs(1),
    });
    let found = told(&world(&cluster, &[]), &[given_away(&cluster, "old")]).await;
    let [(code, message, Class::Blocked)] = found.as_slice() else { panic!("{found:?}") };
    assert!(code == "UNREADABLE" && message.starts_with("PersistentVolume pv-1: "), "{found:?}");
}

#[tokio::test]
async fn what_may_hold_data_and_cannot_be_read_is_not_absent() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.refuse("get PersistentVolumeClaim", || ClusterError::Forbidden {
        verb: "get".to_owned(),
        what: "it".to_owned(),
        message: "no".to_owned(),
    });
    let mut unread = one("PersistentVolumeClaim/default/unread", ObjectChange::Same);
    unread.outcome = Outcome::Unreadable { why: "broken".to_owned() };
    let mut config = one("ConfigMap/default/unread", ObjectChange::Same);
    config.outcome = unread.outcome.clone();
    let compared = [unread, config, one("PersistentVolumeClaim/default/old", ObjectChange::Delete)];
    let blocked = |message: &str| ("UNREADABLE".to_owned(), message.to_owned(), Class::Blocked);
    assert_eq!(
        told(&world(&cluster, &[]), &compared).await,
        [
            blocked("PersistentVolumeClaim default/unread: broken"),
            blocked("PersistentVolumeClaim default/old: not allowed to get it: no"),
        ]
    );
}

#[tokio::test]
async fn what_another_release_has_by_now_is_not_deleted() {
    let cluster = Arc::new(FakeCluster::default());
    let config = Compared {
        owner: Some(HelmOwner::Release(ReleaseKey::new("default", "other"))),
        ..one("ConfigMap/default/a", ObjectChange::Delete)
    };
    let own = Compared {
        owner: Some(HelmOwner::Release(ReleaseKey::new("default", "demo"))),
        ..one("ConfigMap/default/b", ObjectChange::Delete)
    };
    assert_eq!(
        told(&world(&cluster, &[]), &[config, own]).await,
        [(
            "OWNERSHIP_CONFLICT".to_owned(),
            "ConfigMap default/a: helm would delete it, and it belongs to release default/other by now: annotate it helm.sh/resource-policy: keep"
                .to_owned(),
            Class::Unsafe
        )]
    );
}

fn set(name: &str, label: &str, size: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": "default"}, "spec": {
        "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"helm.sh/chart": label}},
            "spec": {"resources": {"requests": {"storage": size}}}}]}})
}

#[rstest]
#[case(
    set("db", "1.1.0", "1Gi"),
    "; only labels of its claims differ, into which the chart writes what changes with its version"
)]
#[case(set("db", "1.1.0", "2Gi"), "")]
#[tokio::test]
async fn claim_templates_that_change(#[case] then: Value, #[case] why: &str) {
    let cluster = Arc::new(FakeCluster::default());
    let because = "spec.volumeClaimTemplates cannot be changed".to_owned();
    let replaced = one("StatefulSet/default/db", ObjectChange::Replace { because });
    let compared = [with(replaced, set("db", "1.0.0", "1Gi"), then)];
    let message = format!(
        "StatefulSet default/db: spec.volumeClaimTemplates cannot be changed{why}, so helm would fail on it: to replace it, delete it with a `delete` step in pre_exec, and consent to it; all its pods stop then"
    );
    assert_eq!(told(&world(&cluster, &[]), &compared).await, [("IMMUTABLE_FIELD".to_owned(), message, Class::Unsafe)]);
    assert_eq!(told(&world(&cluster, &["statefulset/db"]), &compared).await, []);
}

#[tokio::test]
async fn a_stateful_set_under_another_name_begins_empty() {
    let cluster = Arc::new(FakeCluster::default());
    let compared = [
        with(one("StatefulSet/default/new", ObjectChange::Create), Value::Null, set("new", "1", "1Gi")),
        with(one("StatefulSet/default/db", ObjectChange::Delete), set("db", "1", "1Gi"), Value::Null),
    ];
    let message = "StatefulSet default/db: StatefulSet default/new takes its place with claims of its own, empty: the data stays in the old ones";
    assert_eq!(
        told(&world(&cluster, &[]), &compared).await,
        [("DATA_ATTACHED".to_owned(), message.to_owned(), Class::Unsafe)]
    );
    // One that is only deleted leaves its claims.
    assert_eq!(told(&world(&cluster, &[]), &compared[1..]).await, []);
}

#[rstest]
#[case(
    "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    "OBJECT_INVALID"
)]
#[case("admission webhook \"w.example.com\" denied the request: no", "WEBHOOK_DENIED")]
#[case("something nobody has seen", "OBJECT_INVALID")]
#[tokio::test]
async fn what_the_server_refuses_has_the_code_of_its_cause(#[case] why: &str, #[case] code: &str) {
    let cluster = Arc::new(FakeCluster::default());
    let compared = [one("Deployment/default/web", ObjectChange::Refused { why: why.to_owned() })];
    let expected = (code.to_owned(), format!("Deployment default/web: {why}"), Class::Blocked);
    assert_eq!(told(&world(&cluster, &["deployment/web"]), &compared).await, [expected]);
}

#[rstest]
#[case("runner", 0)]
#[case("another", 1)]
#[tokio::test]
async fn what_a_refused_object_lacks_may_come_with_the_release(#[case] missing: &str, #[case] findings: usize) {
    let cluster = Arc::new(FakeCluster::default());
    let why = format!(
        "pods \"web\" is forbidden: error looking up service account default/{missing}: serviceaccount \"{missing}\" not found"
    );
    let compared = [
        one("ServiceAccount/default/runner", ObjectChange::Create),
        one("Pod/default/web", ObjectChange::Refused { why }),
    ];
    assert_eq!(told(&world(&cluster, &[]), &compared).await.len(), findings);
}

#[rstest]
#[case("2.1.0", "2.0.0", "1.9.0", true)]
#[case("2.0.0", "2.0.0", "1.9.0", true)]
#[case("2.1.0", "2.0.0", "2.0.0", false)]
#[case("1.9.0", "2.0.0", "1.8.0", false)]
#[case("1.9.0", "2.0.0", "2.1.0", false)]
fn downgrades(#[case] deployed: &str, #[case] breaking: &str, #[case] wanted: &str, #[case] refused: bool) {
    let version = |text: &str| Version::parse(text).unwrap();
    assert_eq!(downgrade(&version(deployed), &version(breaking), &version(wanted)).is_some(), refused);
}

fn made_up(volatile: Volatile) -> MadeUp {
    MadeUp::new(volatile, &[], &TemplateUse::default())
}

const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMII=\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMII=\n";

/// The keys of a Secret that are told, when the chart makes these up.
#[rstest]
#[case::a_key_alone(&[("key", PRIVATE)], &["key"], &["key"])]
#[case::beside_its_certificate(&[("tls.crt", CERTIFICATE), ("tls.key", PRIVATE)], &["tls.crt", "tls.key"], &[])]
#[case::beside_a_certificate_that_stays(&[("ca.crt", CERTIFICATE), ("key", PRIVATE)], &["key"], &["key"])]
#[case::in_one_file(&[("both.pem", "-----BEGIN PRIVATE KEY-----\nMII=\n-----BEGIN CERTIFICATE-----\nMII=\n")], &["both.pem"], &[])]
#[case::a_key_of_ssh(&[("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3B=\n")], &["id"], &["id"])]
#[tokio::test]
async fn a_private_key_renews_itself_with_its_certificate(
    #[case] live: &[(&str, &str)],
    #[case] made: &[&str],
    #[case] told: &[&str],
) {
    let rendered = ObjectRef::parse("Secret/pass").unwrap();
    let fields = made.iter().map(|key| format!("/data/{key}")).collect();
    let made_up = made_up(Volatile { fields: [(rendered, fields)].into(), ..Volatile::default() });
    let data: serde_json::Map<_, _> = live.iter().map(|(key, value)| ((*key).to_owned(), text(value).into())).collect();
    let live = json!({"data": data});
    let secret = with(one("Secret/default/pass", ObjectChange::Update), live.clone(), live);
    let consent = no_consent().await;
    let found = regenerated::regenerated(&[secret], &made_up, &consent);
    let expected = told.iter().map(|keys| format!("the chart makes {keys} anew")).collect::<Vec<_>>();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert!(found.iter().zip(&expected).all(|(found, expected)| found.message.starts_with(expected)), "{found:?}");
}

async fn no_consent() -> Consent {
    Consent::of(&world(&Arc::new(FakeCluster::default()), &[]).ctx).await.unwrap_or_else(|_| panic!("consent"))
}

/// Two renderings of one moment are the same; at another one, or in another revision, they are not.
#[rstest]
#[case::of_its_template("templates/a.yaml", "yesterday", Some("password"))]
#[case::of_what_any_may_include("", "yesterday", Some("password"))]
#[case::of_another_template("templates/b.yaml", "yesterday", None)]
#[case::the_same("templates/a.yaml", "today", None)]
#[tokio::test]
async fn values_that_are_made_of_the_moment(#[case] path: &str, #[case] live: &str, #[case] told: Option<&str>) {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pass"},
        "stringData": {"password": "today", "user": "admin"}});
    let (source, directives) = (Some("c/templates/a.yaml".to_owned()), BTreeMap::new());
    let doc = RenderedDoc { source, origin: Origin::Template, directives, unusable: None, object };
    let uses = TemplateUse { of_the_moment: [path.to_owned()].into(), ..TemplateUse::default() };
    let made_up = MadeUp::new(Volatile::default(), &[doc], &uses);
    let live = json!({"data": {"password": text(live), "user": text("admin")}});
    let secret = with(one("Secret/default/pass", ObjectChange::Update), live.clone(), live);
    let found = regenerated::regenerated(&[secret], &made_up, &no_consent().await);
    let expected = told.map(|key| format!("the chart makes {key} of the time or the number of the revision,"));
    assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
    assert!(found.iter().zip(&expected).all(|(found, expected)| found.message.starts_with(expected)), "{found:?}");
}

/// One Secret goes, and another one comes in which the chart makes up `password`.
#[rstest]
#[case::the_same_key("default/db-auth", json!({"password": "b2xk"}), "Opaque", true)]
#[case::another_key("default/db-auth", json!({"pw": "b2xk"}), "Opaque", true)]
#[case::another_namespace("other/db", json!({"password": "b2xk"}), "Opaque", true)]
#[case::of_something_else("other/db-auth", json!({"password": "b2xk"}), "Opaque", false)]
#[case::of_another_type("default/db-auth", json!({".dockerconfigjson": "b2xk"}), "kubernetes.io/dockerconfigjson", false)]
#[case::of_another_type_with_the_key("default/db-auth", json!({"password": "b2xk"}), "kubernetes.io/basic-auth", true)]
#[case::a_certificate("default/db-auth", json!({"ca.crt": text(CERTIFICATE)}), "Opaque", false)]
#[case::nothing("default/db-auth", json!({}), "Opaque", false)]
#[tokio::test]
async fn a_secret_that_is_made_up_under_another_name(
    #[case] new: &str,
    #[case] old: Value,
    #[case] of_type: &str,
    #[case] told: bool,
) {
    let object = ObjectRef::parse(&format!("Secret/{new}")).unwrap();
    let fields = ["/data/password".to_owned()].into();
    let volatile = Volatile { fields: [(object.clone(), fields)].into(), ..Volatile::default() };
    let then = json!({"type": "Opaque", "data": {"password": "bmV3"}});
    let compared = [
        with(one("Secret/default/db", ObjectChange::Delete), json!({"type": of_type, "data": old}), Value::Null),
        with(one(&format!("Secret/{new}"), ObjectChange::Create), Value::Null, then),
    ];
    let found = regenerated::regenerated(&compared, &made_up(volatile), &no_consent().await);
    let message = format!(
        "helm would delete it, and {object} takes its place, in which the chart makes password anew, while what was set up with the old one may stay: set it by a value, or name an existing Secret"
    );
    let expected = Finding::new(Class::Unsafe, code::SECRET_REGENERATED, &compared[0].object, message);
    assert_eq!(found, told.then_some(expected).into_iter().collect::<Vec<_>>());
    // Nothing is made up in what comes.
    assert_eq!(regenerated::regenerated(&compared, &MadeUp::default(), &no_consent().await), []);
    let cluster = Arc::new(FakeCluster::default());
    let consent = Consent::of(&world(&cluster, &["secret/db"]).ctx).await.unwrap_or_else(|_| panic!("consent"));
    assert_eq!(regenerated::regenerated(&compared, &MadeUp::default(), &consent), []);
}

#[rstest]
#[case(json!({"data": {"password": "b2xk"}}), "/data/password", Some("password"))]
#[case(json!({"data": {"password": "b2xk"}}), "/stringData/password", Some("password"))]
#[case(json!({"data": {"a/b": "b2xk"}}), "/data/a~1b", Some("a/b"))]
#[case(json!({"data": {"other": "b2xk"}}), "/data/password", None)]
#[case(json!({"data": {"password": "b2xk"}}), "/metadata/annotations/password", None)]
#[case(json!({"data": {"ca.crt": "b2xk"}}), "/data/ca.crt", Some("ca.crt"))]
#[case(json!({"data": {"api.key": "b2xk"}}), "/data/api.key", Some("api.key"))]
#[case(json!({"data": {"ca.crt": text("-----BEGIN CERTIFICATE-----\nMII=\n")}}), "/data/ca.crt", None)]
#[case(json!({"data": {"hash": text(&format!("$2a$10${}", "a".repeat(53)))}}), "/data/hash", None)]
#[case(json!({"data": {"auth": text(&format!("admin:$2a$10${}", "a".repeat(53)))}}), "/data/auth", Some("auth"))]
#[case(json!({"data": {"hash": text("$2a$10$abc")}}), "/data/hash", Some("hash"))]
#[tokio::test]
async fn values_that_are_made_anew(#[case] live: Value, #[case] field: &str, #[case] key: Option<&str>) {
    let rendered = ObjectRef::parse("Secret/pass").unwrap();
    let made_up = made_up(Volatile { fields: [(rendered, [field.to_owned()].into())].into(), ..Volatile::default() });
    let secret = with(one("Secret/default/pass", ObjectChange::Update), live.clone(), live);
    let cluster = Arc::new(FakeCluster::default());
    let consent =
        async |objects: &[&str]| Consent::of(&world(&cluster, objects).ctx).await.unwrap_or_else(|_| panic!("consent"));
    let found = regenerated::regenerated(std::slice::from_ref(&secret), &made_up, &consent(&[]).await);
    let expected = key.map(|key| {
        let message = format!("the chart makes {key} anew in every rendering, so helm would replace it, and whoever was given the old one keeps that: set it by a value, or name an existing Secret");
        Finding::new(Class::Unsafe, code::SECRET_REGENERATED, &secret.object, message)
    });
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(regenerated::regenerated(&[secret], &made_up, &consent(&["secret/pass"]).await), []);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_may_be_one_that_is_made_anew() {
    let cluster = Arc::new(FakeCluster::default());
    let mut secret = one("Secret/default/pass", ObjectChange::Same);
    secret.outcome = Outcome::Unreadable { why: "broken".to_owned() };
    let consent =
        async |objects: &[&str]| Consent::of(&world(&cluster, objects).ctx).await.unwrap_or_else(|_| panic!("consent"));
    let expected = Finding::new(Class::Blocked, code::UNREADABLE, &secret.object, "broken");
    assert_eq!(regenerated::unreadable(std::slice::from_ref(&secret), &consent(&[]).await), [expected]);
    assert_eq!(regenerated::unreadable(&[secret], &consent(&["secret/pass"]).await), []);
}

#[tokio::test]
async fn nothing_is_asked_when_nothing_is_done() {
    let cluster = Arc::new(FakeCluster::default());
    let world = fake(&cluster, HelmDriver::Secret);
    let why = String::new();
    for decision in [
        Decision::Keep { why: why.clone() },
        Decision::Refuse { state: ReleaseState::Unknown { why: why.clone() } },
        Decision::Finish { remaining: Remaining::Steps, why },
    ] {
        let foresight =
            deploy::deploy_findings(&Steps::default(), &world.ctx, &Wanted::default(), &decision, &[], &[]).await;
        assert_eq!(foresight, Foresight::default(), "{decision:?}");
    }
    assert_eq!(cluster.failures.calls(), Vec::<String>::new());
}

/// What a step deletes is created anew; what the deploy loses beside that, the step does not settle.
#[tokio::test]
async fn what_a_step_deletes_is_settled_by_it() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(claim(None));
    let because = "spec.selector cannot be changed".to_owned();
    let compared = [
        one("PersistentVolumeClaim/default/old", ObjectChange::Delete),
        one("Deployment/default/web", ObjectChange::Replace { because }),
        with(one("StatefulSet/default/db", ObjectChange::Delete), set("db", "1", "1Gi"), Value::Null),
        with(one("StatefulSet/default/base", ObjectChange::Create), Value::Null, set("base", "1", "1Gi")),
    ];
    let deleted: Vec<ObjectRef> = compared[..3].iter().map(|one| one.object.clone()).collect();
    let codes = async |deleted: &[ObjectRef]| {
        let (world, consent) = (world(&cluster, &[]), no_consent().await);
        let history = ReleaseHistory::default();
        let found = gate(&world.ctx, &history, &Wanted::default(), &compared, deleted, &UPGRADE, &consent).await;
        found.into_iter().map(|finding| (finding.code, finding.subject)).collect::<Vec<_>>()
    };
    let finding = |code: &str, object: &str| (code.to_owned(), object.to_owned());
    let renamed = finding("DATA_ATTACHED", "StatefulSet default/db");
    assert_eq!(
        codes(&[]).await,
        [
            finding("DATA_ATTACHED", "PersistentVolumeClaim default/old"),
            renamed.clone(),
            finding("IMMUTABLE_FIELD", "Deployment default/web"),
        ]
    );
    assert_eq!(codes(&deleted).await, [renamed]);
}

#[test]
fn one_object_has_several_findings_of_one_code() {
    let finding = |message: &str| Finding::new(Class::Unsafe, code::DATA_ATTACHED, "StatefulSet a/db", message);
    let told = each_once(vec![finding("its claims go"), finding("it is scaled down"), finding("its claims go")]);
    assert_eq!(told, [finding("its claims go"), finding("it is scaled down")]);
}
