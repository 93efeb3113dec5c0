//! Which pods are of the present revision of their workload: those of an older one say nothing about it, but may be in its way.

use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::line::Line;
use super::pods;
use super::read::{around, family, kubectl_name, list, name, number, object, text};
use crate::readiness::RESTARTED;
use jiff::Timestamp;
use pilothouse_core::Certainty;
use serde_json::Value;

/// The label that names the revision of a pod of a StatefulSet or DaemonSet.
const REVISION: &str = "controller-revision-hash";

/// What makes a pod one of the present revision.
#[derive(Debug, Clone, Copy)]
enum Present<'a> {
    /// Nothing is known of revisions.
    Any,
    /// It is owned by the newest ReplicaSet, which has this uid.
    Set(&'a str),
    /// It has the label of the newest ControllerRevision.
    Label(&'a str),
}

fn present(evidence: &Evidence) -> Present<'_> {
    let live = evidence.live.as_deref();
    let label = match live.map(|live| (live, text(live, "/kind"))) {
        Some((set, "StatefulSet")) => Some(text(set, "/status/updateRevision")),
        Some((set, "DaemonSet")) => newest_revision(evidence, set),
        _ => return newest_set(evidence).map_or(Present::Any, Present::Set),
    };
    label.filter(|label| !label.is_empty()).map_or(Present::Any, Present::Label)
}

/// The label of the newest ControllerRevision of a DaemonSet, whose status does not name it.
fn newest_revision<'a>(evidence: &'a Evidence, set: &Value) -> Option<&'a str> {
    let uid = text(set, "/metadata/uid");
    let own = around(&evidence.around, "ControllerRevision").filter(|revision| is_owned_by(revision, uid));
    let newest = own.max_by_key(|revision| number(revision, "/revision"))?;
    Some(revision_of(newest))
}

fn revision_of(object: &Value) -> &str {
    object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(REVISION))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The uid of the newest of a Deployment's ReplicaSets, if there are several.
pub(super) fn newest_set(evidence: &Evidence) -> Option<&str> {
    let revision = |set: &Value| {
        let revision =
            set.pointer("/metadata/annotations").and_then(|all| all.get("deployment.kubernetes.io/revision"));
        revision.and_then(Value::as_str).and_then(|revision| revision.parse::<u64>().ok())
    };
    let sets = evidence.owned.iter().filter(|object| text(object, "/kind") == "ReplicaSet");
    let newest = sets.filter_map(|set| Some((revision(set)?, set))).max_by_key(|(revision, _)| *revision)?.1;
    Some(text(newest, "/metadata/uid")).filter(|uid| !uid.is_empty())
}

fn is_owned_by(object: &Value, uid: &str) -> bool {
    list(object, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/uid") == uid)
}

/// Whether a pod is of an older revision than its workload wants it to be. Below the partition of a StatefulSet it is meant to be.
fn is_old(evidence: &Evidence, present: Present<'_>, pod: &Value) -> bool {
    match present {
        Present::Any => false,
        Present::Set(uid) => !is_owned_by(pod, uid),
        Present::Label(label) => {
            let own = revision_of(pod);
            let partition =
                evidence.live.as_deref().map(|set| number(set, "/spec/updateStrategy/rollingUpdate/partition"));
            let ordinal = name(pod).rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse::<i64>().ok());
            let is_kept = ordinal.zip(partition).is_some_and(|(ordinal, partition)| ordinal < partition);
            !own.is_empty() && own != label && !is_kept
        }
    }
}

/// The pods that are not as they should be, and whether each is of an older revision.
fn unready(evidence: &Evidence) -> impl Iterator<Item = (&Value, bool)> {
    let present = present(evidence);
    all_pods(evidence).filter(|pod| pods::is_suspect(pod)).map(move |pod| (pod, is_old(evidence, present, pod)))
}

pub(super) fn all_pods(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    family(evidence).map(AsRef::as_ref).filter(|object| text(object, "/kind") == "Pod")
}

/// The pods of the present revision.
pub(super) fn present_pods(evidence: &Evidence) -> impl Iterator<Item = &Value> {
    let present = present(evidence);
    all_pods(evidence).filter(move |pod| !is_old(evidence, present, pod))
}

/// The pods that are not as they should be, but for those of older revisions. Of an object whose pods all say that they are ready,
/// and which is not well since one has ended with an error, those that have and have not run for as long since.
pub(super) fn suspects(evidence: &Evidence, now: Timestamp) -> Vec<&Value> {
    let unready: Vec<&Value> = unready(evidence).filter(|(_, is_old)| !is_old).map(|(pod, _)| pod).collect();
    if unready.is_empty() && is_restarted(evidence) {
        return present_pods(evidence).filter(|pod| !pods::is_deleted(pod) && pods::comes_and_goes(pod, now)).collect();
    }
    unready
}

/// Whether the object is not well since a container of it has ended with an error.
pub(super) fn is_restarted(evidence: &Evidence) -> bool {
    evidence.status.reason.as_deref() == Some(RESTARTED)
}

/// A pod of an older revision that is not ready, and that its controller makes anew only when it is, or never by itself.
pub(super) fn blocked(evidence: &Evidence, now: Timestamp) -> Option<Draft> {
    let set = evidence.live.as_deref()?;
    let why = match (text(set, "/kind"), text(set, "/spec/updateStrategy/type"), text(set, "/spec/podManagementPolicy"))
    {
        ("StatefulSet" | "DaemonSet", "OnDelete", _) => {
            "its update strategy is OnDelete, so that nothing makes the pod anew"
        }
        ("StatefulSet", _, "" | "OrderedReady") => {
            "the StatefulSet waits until it is ready before it makes the pod anew"
        }
        _ => return None,
    };
    let (pod, _) = unready(evidence).find(|(_, is_old)| *is_old)?;
    let its_own = pods::causes(evidence, pod, now);
    let is_certain = its_own.iter().any(|draft| draft.certainty() == Certainty::Certain);
    let line = if is_certain { Line::OldPodBlocks } else { Line::OldPodBlocksYet };
    let pod = object("v1", "Pod", text(pod, "/metadata/namespace"), name(pod));
    let draft = Draft::new(line, pod.to_string(), format!("{pod} is of an older revision and not ready: {why}"));
    let draft = draft.next(format!("kubectl delete {}: it is made anew as it is wanted now", kubectl_name(&pod)));
    Some(
        its_own.into_iter().fold(draft, |draft, own| draft.seen(format!("the pod of the older revision: {}", own.why))),
    )
}

/// The revisions of a DaemonSet that has pods of several.
pub(super) fn wanted(evidence: &Evidence) -> Option<Want> {
    let set = evidence.live.as_deref().filter(|set| text(set, "/kind") == "DaemonSet")?;
    let there = number(set, "/status/currentNumberScheduled").max(number(set, "/status/desiredNumberScheduled"));
    (number(set, "/status/updatedNumberScheduled") < there).then(|| Want::All {
        api_version: "apps/v1".to_owned(),
        kind: "ControllerRevision".to_owned(),
        namespace: evidence.object.namespace.clone(),
        labels: None,
    })
}
