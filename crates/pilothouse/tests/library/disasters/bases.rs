//! What helm compares an upgrade with is not always the newest revision that was deployed well: what that revision has, and the
//! chart has not, helm deletes.

use super::losses::{CLAIM, CONFIG};
use super::{Chart, World, named, world};
use pilothouse::ReleaseKey;
use pilothouse::helm::{HelmClient as _, HelmDriver};
use pilothouse::kubernetes::ClusterClient as _;
use pilothouse_core::RevisionStatus;
use pilothouse_helm::{RollbackRequest, mark_failed};
use pilothouse_kube::{Precondition, record_patch, record_payload, record_ref};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: one}}
  template: {metadata: {labels: {app: one}}, spec: {containers: [{name: c, image: example.com/none}]}}
";

impl World {
    /// Leaves Helm's record of a revision as a helm 4 that was asked to end at its very end does: deployed by its label, failed by
    /// its payload.
    async fn tear(&self, revision: u32) {
        let record = record_ref(HelmDriver::Secret, &self.namespace, "app", revision);
        let live = self.cluster.get(&record).await.unwrap().unwrap();
        let failed = mark_failed(&record_payload(HelmDriver::Secret, &live).unwrap(), "context canceled").unwrap();
        let patch = json!({"data": record_patch(HelmDriver::Secret, &failed, RevisionStatus::Failed)["data"]});
        self.cluster.merge_patch(&record, &patch, &Precondition::unchanged(&live)).await.unwrap();
    }

    /// Somebody goes back to the first revision, and helm fails on something that cannot be changed.
    async fn roll_back_in_vain(&self) {
        let release = ReleaseKey::new(&self.namespace, "app");
        let request = RollbackRequest::new(release, 1, Duration::from_secs(60));
        let failed = self.helm.rollback(&request, &CancellationToken::new()).await.unwrap_err();
        assert!(failed.to_string().contains("immutable"), "{failed}");
    }

    /// An upgrade to what has no claim is refused, and goes through with consent.
    async fn asks_for_the_claim(&self, without: impl Fn() -> Chart) {
        let told = self.refused(without()).await.0;
        assert_eq!(told, named("DATA_ATTACHED", format!("PersistentVolumeClaim {}/data", self.namespace)));
        assert!(self.get("pvc/data").await.is_some());
        self.done(without().consenting("pvc/data")).await;
        assert!(self.get("pvc/data").await.is_none());
    }
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_revision_that_is_labelled_deployed_and_says_that_it_failed(#[case] tool: Tool) {
    let world = world("base-torn", tool).await;
    let files = [("templates/cm.yaml", CONFIG), ("templates/pvc.yaml", CLAIM)];
    world.done(world.chart("1.0.0", &files[..1])).await;
    world.done(world.chart("2.0.0", &files)).await;
    world.tear(2).await;
    world.asks_for_the_claim(|| world.chart("3.0.0", &files[..1])).await;
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_rollback_that_failed(#[case] tool: Tool) {
    let world = world("base-rollback", tool).await;
    let changed = DEPLOYMENT.replace("app: one", "app: two");
    let first = [("templates/web.yaml", DEPLOYMENT), ("templates/pvc.yaml", CLAIM)];
    world.done(world.chart("1.0.0", &first)).await;
    let second = world.chart("2.0.0", &[("templates/web.yaml", &changed)]);
    world.done(second.deleting("deployment/web").consenting("pvc/data")).await;
    assert!(world.get("pvc/data").await.is_none());
    world.roll_back_in_vain().await;
    assert!(world.get("pvc/data").await.is_some(), "the rollback has made it again");
    let files = [("templates/web.yaml", changed.as_str()), ("templates/cm.yaml", CONFIG)];
    world.asks_for_the_claim(|| world.chart("3.0.0", &files)).await;
}
