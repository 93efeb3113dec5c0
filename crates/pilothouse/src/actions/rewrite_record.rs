//! Writes Helm's record of a revision anew, so that helm can build what is in it.

use crate::context::Context;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::Rewriting;
use pilothouse_core::EventKind;
use pilothouse_helm::rewrite_objects;
use pilothouse_kube::{ClusterError, Precondition, payload_patch, record_payload, record_ref};

/// Writes it anew as permitted, and says so. Writes the payload of Helm's record, only if nobody has written it since it was looked at,
/// and only after its intent was taken. Can be repeated: then there is nothing to write.
///
/// # Errors
/// When the record cannot be read or written, or somebody has written it.
pub(super) async fn rewrite_record(ctx: &Context, rewriting: Option<&Rewriting>) -> Result<(), PhaseError> {
    let Some(rewriting) = rewriting else { return Ok(()) };
    let (driver, release, revision) = (ctx.session().driver, ctx.release(), &rewriting.revision);
    let number = revision.revision;
    let written = || PhaseError::Locked(format!("somebody has just written Helm's record of revision {number}"));
    let record = record_ref(driver, &revision.namespace, &revision.name, number);
    let live = ctx.cluster().get(&record).await?.ok_or_else(written)?;
    let unchanged = Precondition::unchanged(&live);
    if unchanged.resource_version.is_none() || unchanged.resource_version != revision.resource_version {
        return Err(written());
    }
    let payload = record_payload(driver, &live)
        .map_err(|source| ClusterError::Malformed { what: format!("get {record}"), source })?;
    let anew = rewrite_objects(&payload, |object| observe::rewrite(&rewriting.objects, object))?;
    let what = format!("write Helm's record of revision {number} anew: {}", rewriting.in_words());
    let why = "the cluster does not serve what it names, and helm fails on that".to_owned();
    ctx.emitter().ask(EventKind::HealStarted { release: release.clone(), what, why }).await?;
    let done = ctx.cluster().merge_patch(&record, &payload_patch(driver, &anew), &unchanged).await;
    let error = done.as_ref().err().map(|error| ctx.error_text(error));
    ctx.emitter().emit(EventKind::HealFinished { release, error });
    match done {
        Ok(_) => Ok(()),
        Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) => Err(written()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectRef;
    use crate::actions::uninstall;
    use crate::helm::HelmDriver;
    use crate::test_world::{over, release, say_yes};
    use pilothouse_core::{HelmAction, RevisionStatus};
    use pilothouse_helm::decode_release;
    use pilothouse_testkit::{FakeCluster, FakeHelm, release_secret};
    use rstest::rstest;
    use serde_json::Value;
    use std::sync::Arc;

    const MANIFEST: &str = "---
# Source: demo/templates/a.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
# Source: demo/templates/b.yaml
apiVersion: example.com/v1alpha1
kind: Widget
metadata: {name: b}
---
# Source: demo/templates/c.yaml
apiVersion: gone.example/v1
kind: Policy
metadata: {name: c}
";

    /// For what a destroy is refused, if it is; and the versions and kinds that stand in the stored manifest then.
    async fn destroyed(consent: &[&str]) -> (Result<(), Vec<(String, String)>>, Vec<String>) {
        let cluster = Arc::new(FakeCluster::default());
        cluster.put(release_secret(&release(), 1, RevisionStatus::Deployed, "1.0.0", MANIFEST));
        let helm = Arc::new(FakeHelm::new(cluster.clone(), MANIFEST, "1.0.0"));
        let mut world = over(cluster.clone(), helm.clone(), HelmDriver::Secret, |info| {
            info.action = HelmAction::Destroy;
            info.consent = consent.iter().map(|object| ObjectRef::parse(object).unwrap()).collect();
        });
        // Its record stays then.
        helm.failures.fail_at(1);
        let done = tokio::select! {
            done = uninstall(&world.ctx, &mut world.run) => done,
            () = say_yes(&mut world.events) => unreachable!(),
        };
        let secret = cluster.object("Secret", Some("default"), "sh.helm.release.v1.demo.v1").unwrap();
        assert_eq!(secret["metadata"]["labels"]["status"], "deployed");
        let record = decode_release(&record_payload(HelmDriver::Secret, &secret).unwrap()).unwrap();
        let text = |object: &Value, key: &str| object[key].as_str().unwrap().to_owned();
        let objects = pilothouse_helm::parse_documents(&record.manifest).unwrap();
        let stored = objects.iter().map(|object| format!("{} {}", text(object, "apiVersion"), text(object, "kind")));
        let refused = match done {
            Err(PhaseError::Refused(findings)) => {
                Err(findings.into_iter().map(|finding| (finding.code, finding.subject)).collect())
            }
            // Helm was begun: the fake was made to fail.
            Err(_) | Ok(()) => Ok(()),
        };
        (refused, stored.collect())
    }

    const WIDGET: (&str, &str) = ("API_NOT_SERVED", "Widget default/b");
    const POLICY: (&str, &str) = ("API_NOT_SERVED", "Policy c");

    /// Nothing is written without consent to all of it. What is served in another version stands in that one.
    #[rstest]
    #[case::without_consent(&[], &[WIDGET, POLICY])]
    #[case::to_one_of_them(&["widget/b"], &[POLICY])]
    #[case::in_another_namespace(&["widget/default/b", "Policy/elsewhere/c"], &[POLICY])]
    #[case::to_both(&["widget/b", "Policy/c"], &[])]
    #[case::with_group_and_namespace(&["widget/default/b", "policy.gone.example/default/c"], &[])]
    #[tokio::test]
    async fn what_is_not_served_is_written_anew_with_consent(
        #[case] consent: &[&str],
        #[case] refused: &[(&str, &str)],
    ) {
        let (done, stored) = destroyed(consent).await;
        let told: Vec<(&str, &str)> = match &done {
            Ok(()) => Vec::new(),
            Err(found) => found.iter().map(|(code, subject)| (code.as_str(), subject.as_str())).collect(),
        };
        assert_eq!(told, refused);
        let expected: &[&str] = if refused.is_empty() {
            &["v1 ConfigMap", "example.com/v1 Widget"]
        } else {
            &["v1 ConfigMap", "example.com/v1alpha1 Widget", "gone.example/v1 Policy"]
        };
        assert_eq!(stored, expected);
    }
}
