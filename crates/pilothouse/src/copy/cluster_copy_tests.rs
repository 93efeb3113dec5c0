//! Reading and loading, between two clusters in memory.

use super::{ClusterCopy, CopyError, same_minor};
use crate::actions;
use crate::copy::read::copy;
use crate::helm::HelmDriver;
use crate::observe;
use crate::stack::DeclaredChart;
use crate::{ChartInfo, ChartRef, HelmChart, Redactor, Session, SessionConfig};
use pilothouse_core::{
    DEPLOY_RECORD_FORMAT, DeployRecord, InputDigests, Phase, ReleaseKey, ReleaseSpec, RevisionStatus, RunOutcome,
};
use pilothouse_health::Rules;
use pilothouse_kube::{ClusterClient, ClusterError};
use pilothouse_testkit::{FakeCluster, FakeHelm, fixture_chart, release_secret};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\napiVersion: v1\nkind: Secret\n\
                        metadata: { name: b }\n";

fn session(cluster: &Arc<FakeCluster>) -> Arc<Session> {
    Session::new(SessionConfig {
        cluster: cluster.clone(),
        helm: Arc::new(FakeHelm::new(cluster.clone(), MANIFEST, "1.0.0")),
        driver: HelmDriver::Secret,
        cancel: CancellationToken::new(),
        terminate: CancellationToken::new(),
        redactor: Redactor::new(["hunter22"]),
        chart_cache: "/nonexistent".into(),
        scratch: "/nonexistent".into(),
        backups: None,
        command_env: BTreeMap::new(),
        grace: Duration::from_secs(1),
        rules: Rules::default(),
    })
}

fn charts() -> Vec<Box<dyn HelmChart>> {
    let info =
        ChartInfo { name: "demo".to_owned(), chart: ChartRef::path(fixture_chart("config")), ..ChartInfo::default() };
    vec![Box::new(DeclaredChart::new(ReleaseSpec { info, steps: BTreeMap::new() }))]
}

async fn copied(cluster: &Arc<FakeCluster>) -> Result<ClusterCopy, CopyError> {
    copy(&charts(), &session(cluster)).await
}

fn there() -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    for kind in ["ConfigMap", "Secret"] {
        let name = if kind == "Secret" { "b" } else { "a" };
        let metadata = json!({"name": name, "namespace": "default",
            "managedFields": [{"manager": "helm", "operation": "Apply"}, {"manager": "x", "subresource": "status"}]});
        cluster.put(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {}}));
    }
    cluster
}

fn forbidden() -> ClusterError {
    ClusterError::Forbidden { verb: "get".to_owned(), what: "hunter22 of it".to_owned(), message: "no".to_owned() }
}

#[tokio::test]
async fn objects_are_as_they_were_and_so_are_the_owners_of_their_fields() {
    let (from, to) = (there(), Arc::new(FakeCluster::default()));
    let loaded = copied(&from).await.unwrap().load(&session(&to), "volumes").await.unwrap();
    let object = to.object("ConfigMap", Some("default"), "a").unwrap();
    assert_eq!(object["metadata"]["managedFields"], json!([{"manager": "helm", "operation": "Apply"}]));
    let told = loaded.compare(&session(&to), &RunOutcome::default()).await;
    assert_eq!((told.not_copied, told.unknown, told.changes), (vec![], vec![], vec![]));
    assert_eq!(told.copied, [("ConfigMap", 1), ("Namespace", 1), ("Secret", 1)].map(|(k, n)| (k.to_owned(), n)).into());

    to.remove("Secret", Some("default"), "b");
    let told = loaded.compare(&session(&to), &RunOutcome::default()).await;
    assert_eq!(told.deletes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Secret default/b"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_absent() {
    let (from, to) = (there(), Arc::new(FakeCluster::default()));
    from.refuse("get ConfigMap", forbidden);
    from.refuse("list ResourceQuota", forbidden);
    let loaded = copied(&from).await.unwrap().load(&session(&to), "volumes").await.unwrap();
    // helm would make it, in the copy.
    to.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}));
    let told = loaded.compare(&session(&to), &RunOutcome::default()).await;
    let untold: Vec<String> = told.not_copied.iter().map(ToString::to_string).collect();
    assert_eq!(
        untold,
        [
            "ConfigMap default/a: not allowed to get *** of it",
            "every ResourceQuota of namespace default: not allowed to get *** of it"
        ]
    );
    assert_eq!(told.creates, []);
}

#[tokio::test]
async fn what_the_copy_does_not_take_is_told() {
    let (from, to) = (there(), Arc::new(FakeCluster::default()));
    to.refuse("create Secret", || ClusterError::Invalid {
        object: crate::copy::surroundings::core("Secret", Some("default"), "b"),
        message: "password=hunter22".to_owned(),
    });
    let loaded = copied(&from).await.unwrap().load(&session(&to), "volumes").await.unwrap();
    let told = loaded.compare(&session(&to), &RunOutcome::default()).await;
    let untold: Vec<String> = told.not_copied.iter().map(ToString::to_string).collect();
    assert_eq!(untold, ["Secret default/b: the copy does not take it: Secret default/b is not accepted: password=***"]);
    assert_eq!(told.deletes, []);
}

#[tokio::test]
async fn without_the_records_of_helm_nothing_can_be_told() {
    let from = there();
    from.refuse("list Secret", forbidden);
    let error = copied(&from).await.unwrap_err();
    assert_eq!(error.to_string(), "what default/demo is about cannot be read");
}

/// Whoever may work in a namespace need not be allowed to read it.
#[tokio::test]
async fn a_namespace_that_may_not_be_read_is_there_all_the_same() {
    let (from, to) = (there(), Arc::new(FakeCluster::default()));
    from.put(release_secret(&ReleaseKey::new("default", "demo"), 1, RevisionStatus::Deployed, "1.0.0", MANIFEST));
    from.refuse("get Namespace", forbidden);
    let loaded = copied(&from).await.unwrap().load(&session(&to), "volumes").await.unwrap();
    let told = loaded.compare(&session(&to), &RunOutcome::default()).await;
    assert_eq!(
        told.not_copied.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["Namespace default: not allowed to get *** of it"]
    );
    assert!(to.object("Namespace", None, "default").is_some());
    assert!(to.object("Secret", Some("default"), "sh.helm.release.v1.demo.v1").is_some());
}

/// Otherwise an upgrade would be rehearsed as an install.
#[tokio::test]
async fn a_record_that_the_copy_does_not_take_ends_it() {
    let (from, to) = (there(), Arc::new(FakeCluster::default()));
    from.put(release_secret(&ReleaseKey::new("default", "demo"), 1, RevisionStatus::Deployed, "1.0.0", MANIFEST));
    to.refuse("create Secret", || ClusterError::Invalid {
        object: crate::copy::surroundings::core("Secret", Some("default"), "sh.helm.release.v1.demo.v1"),
        message: "too large".to_owned(),
    });
    assert!(matches!(copied(&from).await.unwrap().load(&session(&to), "volumes").await, Err(CopyError::Plane(_))));
}

#[tokio::test]
async fn a_control_plane_that_does_not_answer_ends_it() {
    let (from, to) = (there(), Arc::new(FakeCluster::default()));
    to.refuse("create Secret", || ClusterError::Api { status: 503, what: "create".to_owned(), message: String::new() });
    let error = copied(&from).await.unwrap().load(&session(&to), "volumes").await.unwrap_err();
    assert_eq!(error.to_string(), "the copy cannot be loaded into the control plane");
}

/// It belongs to the UID of Helm's record, which is another one in the copy.
#[tokio::test]
async fn what_is_remembered_belongs_to_the_copied_record() {
    let release = ReleaseKey::new("default", "demo");
    for (uid_fits, expected) in [(true, true), (false, false)] {
        let (from, to) = (there(), Arc::new(FakeCluster::default()));
        from.put(release_secret(&release, 1, RevisionStatus::Deployed, "1.0.0", MANIFEST));
        let name = "sh.helm.release.v1.demo.v1";
        let uid = |cluster: &FakeCluster| -> Value {
            cluster.object("Secret", Some("default"), name).unwrap()["metadata"]["uid"].clone()
        };
        let digests = InputDigests {
            chart: "c".to_owned(),
            values: "v".to_owned(),
            options: "o".to_owned(),
            helm_major: 4,
            capabilities: None,
            lifecycle: "l".to_owned(),
        };
        let record = DeployRecord {
            format: DEPLOY_RECORD_FORMAT,
            stack: "s".to_owned(),
            release: release.clone(),
            chart: "demo 1.0.0".to_owned(),
            revision: 1,
            revision_uid: if uid_fits { uid(&from).as_str().unwrap().to_owned() } else { "another".to_owned() },
            revision_version: None,
            run: None,
            written_at: "2026-11-21T08:00:00Z".parse().unwrap(),
            key: None,
            input: digests,
            reached: Phase::Exec,
            objects: Some(Vec::new()),
            made_up: Vec::new(),
        };
        actions::store_deploy_record(from.as_ref(), &record, None).await.unwrap();
        to.put(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before", "namespace": "default"}}),
        );
        copied(&from).await.unwrap().load(&session(&to), "volumes").await.unwrap();
        assert_ne!(uid(&from), uid(&to));
        let found = observe::read_deploy_record(to.as_ref() as &dyn ClusterClient, &release, None).await.unwrap();
        let of_copy = DeployRecord { revision_uid: uid(&to).as_str().unwrap().to_owned(), objects: None, ..record };
        assert_eq!(found, expected.then(|| observe::Found::Record(Box::new(of_copy))));
    }
}

#[rstest]
#[case("v1.36.2", "v1.36.0", true)]
#[case("v1.36.2", "v1.36.4-eks-1234", true)]
#[case("v1.36.2+k3s1", "1.36.2", true)]
#[case("v1.36.2", "v1.35.2", false)]
#[case("v1.36.2", "v2.36.2", false)]
#[case("v1.36.2", "nonsense", false)]
#[case("nonsense", "nonsense", false)]
fn minors(#[case] one: &str, #[case] other: &str, #[case] expected: bool) {
    assert_eq!(same_minor(one, other), expected);
}
