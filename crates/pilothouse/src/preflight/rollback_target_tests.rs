use super::*;
use crate::helm::HelmDriver;
use crate::test_world::{over, release};
use pilothouse_core::{ChartRef, FailurePolicy};
use pilothouse_testkit::{FakeCluster, fixture_chart, release_secret};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

use RevisionStatus as S;

fn meta(revision: u32, status: RevisionStatus) -> RevisionMeta {
    RevisionMeta::new(&release(), revision, status)
}

/// What Helm does with its records, as its storage does it: the oldest go, but never the deployed one.
fn helm_keeps(mut records: Vec<(u32, bool)>, target: u32, max_history: usize, upgrades: u32) -> bool {
    let newest = records.last().map_or(0, |(revision, _)| *revision);
    for written in 1..=upgrades {
        while max_history > 0 && records.len() > max_history - 1 {
            let Some(oldest) = records.iter().position(|(_, deployed)| !deployed) else { break };
            records.remove(oldest);
        }
        records.push((newest + written, false));
    }
    records.iter().any(|(revision, _)| *revision == target)
}

/// Every small history against every limit: what is said to be kept is kept.
#[test]
fn what_is_said_to_be_kept_is_kept_by_helm() {
    let mut checked = 0;
    for target in [S::Deployed, S::Superseded] {
        for older in 0..4 {
            for newer in 0..4 {
                let status = |revision| match revision {
                    n if n <= older => S::Superseded,
                    n if n == older + 1 => target,
                    _ => S::Failed,
                };
                let metas: Vec<RevisionMeta> = (1..=older + 1 + newer).map(|n| meta(n, status(n))).collect();
                let history = ReleaseHistory::new(metas.clone());
                for max_history in 0..8 {
                    for upgrades in 1..4 {
                        let records = metas.iter().map(|meta| (meta.revision, meta.status == S::Deployed)).collect();
                        let expected = helm_keeps(records, older + 1, max_history as usize, upgrades);
                        let kept = is_kept(&history, older + 1, max_history, upgrades);
                        assert_eq!(kept, expected, "{target} {older} {newer} {max_history} {upgrades}");
                        checked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(checked, 2 * 4 * 4 * 8 * 3);
}

const SERVED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";
const UNSERVED: &str = "apiVersion: example.com/v1\nkind: Gadget\nmetadata:\n  name: gone\n";

/// What is found when the newest revisions are these and an upgrade is to be rolled back.
async fn found(cluster: &Arc<FakeCluster>, then: Remedy, max_history: u32) -> (Vec<String>, Vec<serde_json::Value>) {
    let mut world = over(
        cluster.clone(),
        Arc::new(pilothouse_testkit::FakeHelm::new(cluster.clone(), "", "1.0.0")),
        HelmDriver::Secret,
        |info| {
            info.chart = ChartRef::path(fixture_chart("config"));
            info.on_failure = FailurePolicy { retries: 1, ..then.into() }.into();
            info.max_history = max_history;
        },
    );
    let findings = rollback_findings(&world.ctx, &world.run).await;
    let findings = findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect();
    let told = world.told().into_iter().filter(|event| event["note"] == "info").collect();
    (findings, told)
}

fn with(revisions: &[(RevisionStatus, &str)]) -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    for (number, (status, manifest)) in (1..).zip(revisions) {
        cluster.put(release_secret(&release(), number, *status, "1.0.0", manifest));
    }
    cluster
}

const NOT_KEPT: &str = "ROLLBACK_IMPOSSIBLE an upgrade that fails could not be rolled back to revision 1: helm would \
                        delete it first, since max_history is 2";
const NOT_SERVED: &str = "ROLLBACK_IMPOSSIBLE an upgrade that fails could not be rolled back to revision 1: the cluster \
                          does not serve the kind of Gadget gone";

#[rstest]
#[case::it_is_there(&[(S::Deployed, SERVED)], Remedy::Rollback, &[])]
#[case::with_a_failed_one_after_it(&[(S::Deployed, SERVED), (S::Failed, UNSERVED)], Remedy::Rollback, &[])]
#[case::it_is_not_kept(&[(S::Superseded, SERVED), (S::Failed, SERVED)], Remedy::Rollback, &[NOT_KEPT])]
#[case::a_kind_is_not_served(&[(S::Deployed, UNSERVED)], Remedy::Rollback, &[NOT_SERVED])]
#[case::nobody_wants_to(&[(S::Deployed, UNSERVED)], Remedy::Leave, &[])]
#[tokio::test]
async fn an_upgrade(#[case] revisions: &[(RevisionStatus, &str)], #[case] then: Remedy, #[case] expected: &[&str]) {
    let (findings, told) = found(&with(revisions), then, 2).await;
    assert_eq!(findings, expected);
    assert_eq!(told, [] as [serde_json::Value; 0]);
}

#[tokio::test]
async fn a_damaged_record_is_found() {
    let cluster = with(&[(S::Deployed, SERVED), (S::Failed, SERVED)]);
    let mut secret = release_secret(&release(), 1, S::Deployed, "1.0.0", SERVED);
    secret["data"]["release"] = json!("bm90IGEgcmVjb3Jk");
    cluster.put(secret);
    let (findings, _) = found(&cluster, Remedy::Rollback, 10).await;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(finding.starts_with("ROLLBACK_IMPOSSIBLE") && finding.contains("its record is damaged"), "{finding}");
}

/// A read error is never taken for "nothing is there".
#[tokio::test]
async fn a_record_that_cannot_be_read_is_said_to_be() {
    let cluster = with(&[(S::Deployed, SERVED), (S::Failed, SERVED)]);
    let calls = {
        found(&cluster, Remedy::Rollback, 10).await;
        cluster.failures.calls()
    };
    let payload = calls.iter().rposition(|call| call.contains("demo.v1")).unwrap_or_else(|| panic!("{calls:?}"));
    cluster.failures.fail_at(calls.len() + payload + 1);
    let (findings, _) = found(&cluster, Remedy::Rollback, 10).await;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(finding.starts_with("UNREADABLE"), "{finding}");
}

#[tokio::test]
async fn that_there_is_nothing_to_go_back_to_is_said_up_front() {
    for revisions in [&[][..], &[(S::Failed, SERVED)]] {
        let (findings, told) = found(&with(revisions), Remedy::Rollback, 10).await;
        assert_eq!(findings, [""; 0]);
        let text = "there is no revision to roll back to: if this fails, it is left as it is";
        assert_eq!(told, [json!({"event": "said", "note": "info", "text": text})]);
    }
}
