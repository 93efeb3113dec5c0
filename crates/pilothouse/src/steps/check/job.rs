//! `job`: a Job that must complete, deleted afterwards whatever became of it.
//!
//! Its name ends with something of its own, so that two runs are not in each other's way. One that a killed run has left is
//! known by its labels and the time written on it, and deleted by the next; if nobody comes back, the cluster ends and
//! deletes it by itself.

use crate::context::Context;
use crate::diagnose;
use crate::digest;
use crate::error::PhaseError;
use crate::steps::check::ByObject;
use crate::steps::check::evidence;
use crate::steps::check::logs;
use crate::steps::check::reach::name_of;
use jiff::{SignedDuration, Timestamp};
use pilothouse_core::{CheckVerdict, JobCheck, JobSource, ObjectRef, object_ref};
use pilothouse_helm::parse_documents;
use pilothouse_kube::{ClusterError, ListQuery, Precondition, Propagation};
use pilothouse_probe::ProbeResult;
use pilothouse_process::{MAX_DOCUMENT, read_file_text};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const CHECK_OF: &str = "pilothouse.dev/check-of";
/// After this time (RFC 3339) nobody waits for it any more.
const LEFT_AFTER: &str = "pilothouse.dev/left-after";

/// How often a Job is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Seconds after its end until the cluster deletes it, if nobody else does.
const KEPT: u64 = 600;

/// The Job that is described, without what is added to it.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn read(check: &JobCheck) -> Result<Value, String> {
    let (text, name) = match &check.source {
        JobSource::Manifest(text) => (text.clone(), "the manifest".to_owned()),
        JobSource::Template(text) => (text.clone(), "the template".to_owned()),
        JobSource::File(file) => {
            let text = read_file_text(file, MAX_DOCUMENT).await;
            (text.map_err(|error| format!("cannot read {}: {error}", file.display()))?, file.display().to_string())
        }
    };
    let mut documents = parse_documents(&text).map_err(|error| format!("{name} is not valid YAML: {error}"))?;
    if documents.len() != 1 {
        return Err(format!("{name} holds {} documents, not one", documents.len()));
    }
    let document = documents.remove(0);
    if matches!(check.source, JobSource::Template(_)) {
        let mut template = document;
        if !template.pointer("/spec/containers").is_some_and(Value::is_array) {
            return Err(format!("{name} has no list spec.containers"));
        }
        if template["spec"]["restartPolicy"].is_null() {
            template["spec"]["restartPolicy"] = json!("Never");
        }
        return Ok(json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": template}}));
    }
    if document["kind"] != "Job" || document["apiVersion"] != "batch/v1" {
        return Err(format!("{name} is not a Job of batch/v1"));
    }
    for pointer in ["/metadata", "/metadata/labels", "/metadata/annotations", "/spec"] {
        if document.pointer(pointer).is_some_and(|value| !value.is_object() && !value.is_null()) {
            return Err(format!("{name}: {} is not a mapping", pointer[1..].replace('/', ".")));
        }
    }
    Ok(document)
}

/// The Job as it is created: in the release's namespace, with a name, labels and an end of its own.
fn dressed(mut job: Value, namespace: &str, release: &str, ending: &str, within: Duration, now: Timestamp) -> Value {
    let base = name_of(&job);
    let base = if base.is_empty() { "check" } else { &base };
    // Kubernetes allows 63 characters, since the name becomes a label.
    let base: String = base.chars().take(50).collect();
    let left_after = now.saturating_add(SignedDuration::try_from(within).unwrap_or_default() * 2).unwrap_or(now);
    let metadata = &mut job["metadata"];
    metadata["name"] = json!(format!("{}-{ending}", base.trim_end_matches(['-', '.'])));
    metadata["namespace"] = json!(namespace);
    metadata["labels"][MANAGED_BY] = json!("pilothouse");
    metadata["labels"][CHECK_OF] = json!(release);
    metadata["annotations"][LEFT_AFTER] = json!(left_after.to_string());
    let spec = &mut job["spec"];
    spec["activeDeadlineSeconds"] = json!(within.as_secs().max(1));
    spec["ttlSecondsAfterFinished"] = json!(KEPT);
    job
}

/// Creates the Job, waits for its end, keeps the logs and deletes it; also when the run is stopped.
///
/// # Errors
/// When the run is stopped.
pub(super) async fn look(
    ctx: &Context,
    check: &JobCheck,
    within: Duration,
) -> Result<(ProbeResult, ByObject), PhaseError> {
    let release = ctx.release();
    let asked = vec![format!("a Job in namespace {}", release.namespace)];
    let job = match read(check).await {
        Ok(job) => job,
        Err(why) => return Ok((ProbeResult::unknown(why).asked(asked), Vec::new())),
    };
    let now = Timestamp::now();
    let ending: String = digest::of(format!("{now:?} {} {job}", std::process::id())).chars().take(8).collect();
    let job = dressed(job, &release.namespace, &release.name, &ending, within, now);
    let asked = vec![format!("Job {}/{}", release.namespace, name_of(&job))];
    if let Err(error) = remove_leftovers(ctx, now).await {
        return Ok((evidence::cluster(ctx, &error).asked(asked), Vec::new()));
    }
    carry_out(ctx, &job, within).await.map(|(look, causes)| (look.asked(asked), causes))
}

/// Creates this very Job, looks why it does not complete where it does not, and deletes it.
async fn carry_out(ctx: &Context, job: &Value, within: Duration) -> Result<(ProbeResult, ByObject), PhaseError> {
    let Some(object) = object_ref(job) else { return Ok((ProbeResult::unknown("the Job has no name"), Vec::new())) };
    let (looked, made) = match ctx.cluster().create(job).await {
        Ok(made) => (watched(ctx, &object, &made, within).await, Some(made)),
        // It may have been created all the same.
        Err(error) => (Ok((evidence::cluster(ctx, &error), Vec::new())), made_all_the_same(ctx, &object, job).await),
    };
    if let Some(made) = made {
        let this_one = Precondition { resource_version: None, ..Precondition::unchanged(&made) };
        if let Err(error) = ctx.cluster().delete(&object, &this_one, Propagation::Background).await {
            let why = ctx.error_text(&error);
            ctx.warn(format!("{object} could not be deleted: {why}; the cluster does that itself"));
        }
    }
    looked
}

/// The Job of a request that has failed, if it is there and this very check's. What cannot be read is left: the cluster deletes it.
async fn made_all_the_same(ctx: &Context, object: &ObjectRef, job: &Value) -> Option<Value> {
    let live = ctx.cluster().get(object).await.ok().flatten()?;
    let is_ours = |map: &str, key: &str| live["metadata"][map][key] == job["metadata"][map][key];
    (is_ours("labels", CHECK_OF) && is_ours("annotations", LEFT_AFTER)).then_some(live)
}

/// Waits for the end of the Job, and looks why it has not completed where it has not: soon it is deleted.
async fn watched(
    ctx: &Context,
    object: &ObjectRef,
    made: &Value,
    within: Duration,
) -> Result<(ProbeResult, ByObject), PhaseError> {
    let look = ended_within(ctx, object, made, within).await?;
    let has_failed = look.verdict != CheckVerdict::Held;
    let causes =
        if has_failed { diagnose::causes_of_named(ctx, std::slice::from_ref(object)).await } else { Vec::new() };
    Ok((look, causes))
}

async fn ended_within(
    ctx: &Context,
    object: &ObjectRef,
    made: &Value,
    within: Duration,
) -> Result<ProbeResult, PhaseError> {
    let deadline = Instant::now() + within;
    loop {
        let live = match ctx.cluster().get(object).await {
            Ok(Some(live)) if live["metadata"]["uid"] == made["metadata"]["uid"] => live,
            Ok(_) => return Ok(ProbeResult::unknown(format!("{object} was deleted by somebody else"))),
            Err(error) if error.is_transient() && Instant::now() < deadline => Value::Null,
            Err(error) => return Ok(evidence::cluster(ctx, &error)),
        };
        if let Some(ended) = ended(&live) {
            let look = match ended {
                Ok(()) => ProbeResult::held("the Job completed"),
                // The end we have set ourselves tells nothing of the Job.
                Err((reason, message)) if reason == "DeadlineExceeded" => {
                    ProbeResult::unknown(format!("the Job did not end: {message}"))
                }
                Err((_, message)) => ProbeResult::not_held(format!("the Job failed: {message}")),
            };
            return Ok(look.got(logs::of(ctx, object).await));
        }
        if Instant::now() >= deadline {
            let look = ProbeResult::unknown(format!("the Job did not end within {:.0} s", within.as_secs_f64()));
            return Ok(look.got(logs::of(ctx, object).await));
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = ctx.cancel().cancelled() => return Err(PhaseError::Interrupted),
        }
    }
}

/// How a Job has ended; `None` while it has not.
fn ended(job: &Value) -> Option<Result<(), (String, String)>> {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array)?;
    let holds = |kind: &str| conditions.iter().find(|c| c["type"] == kind && c["status"] == "True");
    if holds("Complete").is_some() {
        return Some(Ok(()));
    }
    let failed = holds("Failed")?;
    let text = |key: &str| failed[key].as_str().unwrap_or_default().to_owned();
    Some(Err((text("reason"), text("message"))))
}

/// Deletes what earlier runs have left of this release's checks.
async fn remove_leftovers(ctx: &Context, now: Timestamp) -> Result<(), ClusterError> {
    let release = ctx.release();
    let selector = format!("{MANAGED_BY}=pilothouse,{CHECK_OF}={}", release.name);
    let query = ListQuery::new("batch/v1", "Job").within(&release.namespace).labelled(selector);
    for job in ctx.cluster().list_metadata(&query).await? {
        if let Some(object) = object_ref(&job).filter(|_| is_left(&job, now)) {
            ctx.cluster().delete(&object, &Precondition::unchanged(&job), Propagation::Background).await?;
            ctx.say(format!("deleted {object}, left by an earlier check"));
        }
    }
    Ok(())
}

/// Whether nobody can wait for it any more. One whose time cannot be read is left alone: the cluster deletes it.
fn is_left(job: &Value, now: Timestamp) -> bool {
    let left_after =
        job["metadata"]["annotations"][LEFT_AFTER].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    left_after.is_some_and(|left_after| left_after < now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::test_world::{World, fake};
    use pilothouse_testkit::{Disturbance, FakeCluster};
    use rstest::rstest;
    use std::sync::Arc;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_template_becomes_a_job_that_is_not_tried_again() {
        let text = "spec: { containers: [{ name: a, image: b }] }".to_owned();
        let job = read(&JobCheck { source: JobSource::Template(text) }).await.unwrap();
        let now = at("2026-11-21T08:00:00Z");
        let dressed = dressed(job, "web", "shop", "0a1b2c3d", Duration::from_secs(60), now);
        let expected = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "check-0a1b2c3d", "namespace": "web",
                "labels": {"app.kubernetes.io/managed-by": "pilothouse", "pilothouse.dev/check-of": "shop"},
                "annotations": {"pilothouse.dev/left-after": "2026-11-21T08:02:00Z"},
            },
            "spec": {
                "backoffLimit": 0, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 600,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
            },
        });
        assert_eq!(dressed, expected);
        assert!(!is_left(&dressed, now) && is_left(&dressed, at("2026-11-21T08:02:01Z")));
        assert!(!is_left(&json!({"metadata": {}}), now));
    }

    #[rstest]
    #[case("kind: Pod\napiVersion: v1\n", "the manifest is not a Job of batch/v1")]
    #[case("a: 1\n---\nb: 2\n", "the manifest holds 2 documents, not one")]
    #[tokio::test]
    async fn what_is_no_job_is_refused(#[case] text: &str, #[case] expected: &str) {
        let check = JobCheck { source: JobSource::Manifest(text.to_owned()) };
        assert_eq!(read(&check).await, Err(expected.to_owned()));
    }

    fn check_job(of: &str) -> Value {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"of": of}});
        dressed(job, "default", "demo", "0a1b2c3d", Duration::from_secs(1), Timestamp::now())
    }

    const NAME: &str = "check-0a1b2c3d";

    async fn carried_out(cluster: &Arc<FakeCluster>) -> Option<Value> {
        let World { ctx, .. } = fake(cluster, HelmDriver::Secret);
        carry_out(&ctx, &check_job("us"), Duration::ZERO).await.unwrap();
        cluster.object("Job", Some("default"), NAME)
    }

    /// Why it fails is read before it is deleted.
    #[tokio::test]
    async fn why_a_job_has_failed_is_told() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.before("get Job", |cluster: &FakeCluster| {
            let mut job = cluster.object("Job", Some("default"), NAME).unwrap();
            job["status"] = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"}]});
            let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": NAME, "uid": job["metadata"]["uid"], "controller": true});
            cluster.put(job);
            let ended = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
            cluster.put(json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "smoke", "namespace": "default", "ownerReferences": [owner]},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "smoke"}]},
                "status": {"phase": "Failed", "containerStatuses": [{"name": "smoke", "ready": false, "restartCount": 0, "state": ended}]}}));
        });
        let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
        let (look, causes) = carry_out(&ctx, &check_job("us"), Duration::from_secs(1)).await.unwrap();
        let told: Vec<(&str, &str)> = causes
            .iter()
            .flat_map(|(_, causes)| causes.iter().map(|cause| (cause.code.as_str(), cause.why.as_str())))
            .collect();
        assert_eq!(
            (look.verdict, told),
            (CheckVerdict::NotHeld, vec![("JOB_FAILED", "the Job fails: container smoke ends with exit code 3")])
        );
        assert_eq!(cluster.object("Job", Some("default"), NAME), None);
    }

    fn somebody_elses() -> Value {
        let metadata = json!({"name": NAME, "namespace": "default"});
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"of": "them"}})
    }

    #[tokio::test]
    async fn only_the_job_that_was_made_is_deleted() {
        let cluster = Arc::new(FakeCluster::default());
        assert_eq!(carried_out(&cluster).await, None);
        cluster.before("delete Job", |cluster: &FakeCluster| {
            cluster.remove("Job", Some("default"), NAME).unwrap();
            cluster.put(somebody_elses());
        });
        assert_eq!(carried_out(&cluster).await.unwrap()["spec"]["of"], "them");
    }

    /// Of a request that fails it is not known whether it was carried out.
    #[tokio::test]
    async fn a_job_whose_creation_has_failed_is_deleted_if_it_is_ours() {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(somebody_elses());
        assert_eq!(carried_out(&cluster).await.unwrap()["spec"]["of"], "them");
        let cluster = Arc::new(FakeCluster::default());
        cluster.disturb_at(1, Disturbance::LoseAnswer);
        assert_eq!(carried_out(&cluster).await, None);
        assert_eq!(
            cluster.failures.calls(),
            [
                format!("create Job default/{NAME}"),
                format!("get Job default/{NAME}"),
                format!("delete Job default/{NAME}")
            ]
        );
    }

    #[rstest]
    #[case(json!({}), None)]
    #[case(json!({"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}), None)]
    #[case(json!({"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]}}), Some(Ok(())))]
    #[case(json!({"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]}}),
        Some(Err(("BackoffLimitExceeded".to_owned(), "m".to_owned()))))]
    fn ends(#[case] job: Value, #[case] expected: Option<Result<(), (String, String)>>) {
        assert_eq!(ended(&job), expected);
    }
}
