//! Whether a deploy that failed has applied anything.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe::fingerprint;
use crate::observe::release_storage;
use crate::observe::release_storage::NotServed;
use pilothouse_core::{
    AppliedObject, ObjectRef, Observation, RecordSeen, ReleaseHistory, RevisionMeta, RevisionStatus, helm_owner,
    object_ref,
};
use pilothouse_helm::HookRecord;
use pilothouse_kube::{ClusterError, Detail, ObjectError, read_all};
use serde_json::Value;

/// Whether the newest revision, when it failed, has left anything of it in the cluster; `None` when it did not fail, or when
/// that cannot be told: without a record of what was there before, an object that is there may have been changed.
pub(crate) async fn has_applied(ctx: &Context, seen: &Observation) -> Option<bool> {
    let failed = seen.known_history().newest().filter(|newest| newest.status == RevisionStatus::Failed)?;
    let before = objects_before(seen)?;
    looked(ctx, failed, before).await.unwrap_or_else(|error| {
        tracing::debug!(error = %ctx.error_text(&error), "what a failed deploy has applied cannot be told");
        None
    })
}

/// A hook of a first install that failed which has not completed, and which helm runs at an install alone: the upgrade that would
/// follow leaves it out, and says nothing.
///
/// # Errors
/// When the record cannot be read.
pub(crate) async fn unfinished_install_hook(
    ctx: &Context,
    history: &ReleaseHistory,
) -> Result<Option<String>, PhaseError> {
    let failed = history.newest().filter(|newest| newest.status == RevisionStatus::Failed);
    let (Some(failed), None) = (failed, history.last_deployed()) else { return Ok(None) };
    let Some(record) = release_storage::read_record(ctx, failed).await? else { return Ok(None) };
    let is_left_out = |hook: &&HookRecord| {
        let runs = |event: &str| hook.events.iter().any(|known| known == event);
        hook.last_run.phase != "Succeeded"
            && (runs("pre-install") && !runs("pre-upgrade") || runs("post-install") && !runs("post-upgrade"))
    };
    Ok(record.hooks.iter().find(is_left_out).map(|hook| format!("{} {}", hook.kind, hook.name)))
}

/// The objects as they were before, as far as that is known: none when nothing was ever deployed.
fn objects_before(seen: &Observation) -> Option<&[AppliedObject]> {
    match (seen.known_history().last_deployed(), &seen.record) {
        (None, _) => Some(&[]),
        (Some(good), RecordSeen::Some(record)) if record.is_of(good) => record.objects.as_deref(),
        (Some(_), RecordSeen::Some(_) | RecordSeen::None | RecordSeen::NotLooked | RecordSeen::Unreadable(_)) => None,
    }
}

async fn looked(ctx: &Context, failed: &RevisionMeta, before: &[AppliedObject]) -> Result<Option<bool>, PhaseError> {
    let Some(record) = release_storage::read_record(ctx, failed).await? else { return Ok(None) };
    if record.hooks.iter().any(|hook| hook.last_run.started_at.is_some()) {
        // What a hook has done is not seen in the release's objects.
        return Ok(Some(true));
    }
    let named = release_storage::manifest_objects(&record)?;
    let mut objects =
        release_storage::complete_objects(ctx, named.iter().filter_map(object_ref).collect(), NotServed::Skip).await?;
    let known = |object: &ObjectRef| before.iter().find(|known| known.object.same_object(object));
    // What the failed deploy does not have any more it may have deleted.
    let gone = before.iter().filter(|known| !objects.iter().any(|object| object.same_object(&known.object)));
    let gone: Vec<ObjectRef> = gone.map(|known| known.object.clone()).collect();
    objects.extend(gone);
    for (object, now) in objects.iter().zip(read_all(ctx.cluster(), &objects, Detail::Metadata).await) {
        let now = match now {
            Err(error) if matches!(*error, ClusterError::NotServed { .. }) => None,
            now => now.map_err(|source| ObjectError { object: object.clone(), doing: "read", source })?,
        };
        let was_touched = match known(object) {
            Some(known) => fingerprint::suspicion(known, now.as_ref()).is_some(),
            None => now.as_ref().is_some_and(|now: &Value| helm_owner(now).is(&ctx.release())),
        };
        if was_touched {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::store_deploy_record;
    use crate::helm::HelmDriver;
    use crate::test_world::fake;
    use jiff::Timestamp;
    use pilothouse_core::{DEPLOY_RECORD_FORMAT, DeployRecord, InputDigests, Phase, ReleaseKey};
    use pilothouse_testkit::{FakeCluster, release_secret};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    fn config(owner: Option<&str>) -> Value {
        let mut config =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}});
        if let Some(owner) = owner {
            config["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
            config["metadata"]["annotations"] =
                json!({"meta.helm.sh/release-name": owner, "meta.helm.sh/release-namespace": "default"});
        }
        config
    }

    fn cluster(statuses: &[RevisionStatus]) -> Arc<FakeCluster> {
        let cluster = Arc::new(FakeCluster::default());
        for (status, number) in statuses.iter().zip(1..) {
            cluster.put(release_secret(&ReleaseKey::new("default", "demo"), number, *status, "1.0.0", MANIFEST));
        }
        cluster
    }

    async fn applied_by_the_failed_one(cluster: &Arc<FakeCluster>) -> Option<bool> {
        let world = fake(cluster, HelmDriver::Secret);
        has_applied(&world.ctx, &crate::observe::observed(&world.ctx).await.seen).await
    }

    #[rstest]
    #[case::nothing_there(None, Some(false))]
    #[case::somebody_elses(Some(config(None)), Some(false))]
    #[case::another_releases(Some(config(Some("other"))), Some(false))]
    #[case::its_own(Some(config(Some("demo"))), Some(true))]
    #[tokio::test]
    async fn a_first_install(#[case] there: Option<Value>, #[case] expected: Option<bool>) {
        let cluster = cluster(&[RevisionStatus::Failed]);
        if let Some(object) = there {
            cluster.put(object);
        }
        assert_eq!(applied_by_the_failed_one(&cluster).await, expected);
    }

    #[rstest]
    #[case::untouched(true, false, Some(false))]
    #[case::touched(true, true, Some(true))]
    #[case::without_a_record(false, false, None)]
    #[tokio::test]
    async fn an_upgrade(#[case] remembered: bool, #[case] touched: bool, #[case] expected: Option<bool>) {
        let cluster = cluster(&[RevisionStatus::Deployed, RevisionStatus::Failed]);
        cluster.put(config(Some("demo")));
        let object = object_ref(&config(None)).unwrap();
        let name = "sh.helm.release.v1.demo.v1";
        let uid =
            cluster.object("Secret", Some("default"), name).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        if remembered {
            let live = cluster.object("ConfigMap", Some("default"), "a").unwrap();
            let record = DeployRecord {
                format: DEPLOY_RECORD_FORMAT,
                stack: "test".to_owned(),
                release: ReleaseKey::new("default", "demo"),
                chart: "fake 1.0.0".to_owned(),
                revision: 1,
                revision_uid: uid,
                revision_version: None,
                run: None,
                written_at: Timestamp::UNIX_EPOCH,
                key: None,
                input: InputDigests {
                    chart: String::new(),
                    values: String::new(),
                    options: String::new(),
                    helm_major: 4,
                    capabilities: None,
                    lifecycle: String::new(),
                },
                reached: Phase::Validate,
                objects: Some(vec![fingerprint::applied(&object, &live).unwrap()]),
                made_up: Vec::new(),
            };
            store_deploy_record(&*cluster, &record, None).await.unwrap();
        }
        if touched {
            let mut other = config(Some("demo"));
            other["data"] = json!({"a": "b"});
            cluster.put(other);
        }
        assert_eq!(applied_by_the_failed_one(&cluster).await, expected);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_known() {
        let cluster = cluster(&[RevisionStatus::Failed]);
        for call in ["get ConfigMap", "list ConfigMap", "metadata ConfigMap"] {
            cluster.refuse(call, || ClusterError::Forbidden {
                verb: "get".to_owned(),
                what: "it".to_owned(),
                message: "no".to_owned(),
            });
        }
        assert_eq!(applied_by_the_failed_one(&cluster).await, None);
    }

    #[tokio::test]
    async fn only_a_failed_one_is_asked_about() {
        assert_eq!(applied_by_the_failed_one(&cluster(&[RevisionStatus::Deployed])).await, None);
    }
}
