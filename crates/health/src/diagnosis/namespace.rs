//! Namespaces that are being deleted, and objects that are.

use super::draft::Draft;
use super::evidence::{Evidence, Want};
use super::line::Line;
use super::read::{around, family, list, name, object, one_line, text};
use pilothouse_core::Readiness;
use serde_json::Value;
use std::sync::Arc;

/// Conditions of a namespace that say what keeps it.
const KEEPING: [&str; 5] = [
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
];

/// The object's namespace, or the object itself, when it is a namespace that is being deleted.
pub(super) fn causes(evidence: &Evidence) -> Option<Draft> {
    let own = evidence.live.iter().map(AsRef::as_ref).filter(|live: &&Value| text(live, "/kind") == "Namespace");
    let of_object = |namespace: &&Value| Some(name(namespace)) == evidence.object.namespace.as_deref();
    let namespace =
        own.chain(around(&evidence.around, "Namespace").filter(of_object)).find(|one| is_terminating(one))?;
    Some(terminating(namespace))
}

fn is_terminating(namespace: &Value) -> bool {
    !text(namespace, "/metadata/deletionTimestamp").is_empty() || text(namespace, "/status/phase") == "Terminating"
}

/// What keeps a namespace that is being deleted.
fn terminating(namespace: &Value) -> Draft {
    let conditions =
        list(namespace, "/status/conditions").iter().filter(|condition| text(condition, "/status") == "True");
    let keeping: Vec<String> = conditions
        .filter(|condition| KEEPING.contains(&text(condition, "/type")))
        .map(|condition| format!("{}: {}", text(condition, "/type"), one_line(text(condition, "/message"))))
        .collect();
    let root = format!("Namespace {}", name(namespace));
    // The most telling one: an API that does not answer, or who has still to let go.
    let decisive = keeping.iter().find(|line| line.contains("Discovery")).or_else(|| keeping.last());
    let decisive =
        decisive.and_then(|line| line.split_once(": ")).map(|(_, message)| format!(": {message}")).unwrap_or_default();
    let own: Vec<&str> = list(namespace, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    let own =
        if own.is_empty() { String::new() } else { format!("finalizers of the namespace itself: {}", own.join(", ")) };
    Draft::new(Line::NamespaceTerminating, &root, format!("{root} is being deleted{decisive}"))
        .all_seen(keeping)
        .seen(own)
        .next("let the deletion end, then run again; do not remove finalizers by hand unless their controller is gone for good")
        .next(format!("kubectl get namespace {} -o jsonpath='{{.status.conditions}}'", name(namespace)))
}

/// The same for the namespace with this name, among what was read.
pub(super) fn of_name(objects: &[Arc<Value>], wanted: &str) -> Option<Draft> {
    around(objects, "Namespace").find(|one| name(one) == wanted && is_terminating(one)).map(terminating)
}

/// An object that does not exist, or is being deleted.
pub(super) fn going(evidence: &Evidence) -> Option<Draft> {
    let root = evidence.object.to_string();
    match evidence.status.readiness {
        Readiness::NotFound => {
            let why = format!("{root} does not exist: it was not made, or somebody has deleted it");
            Some(Draft::new(Line::ObjectMissing, root, why).next(when_missing(evidence)))
        }
        Readiness::Terminating => {
            let live = family(evidence).next()?;
            let finalizers: Vec<&str> = list(live, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
            let why = match finalizers.len() {
                0 => format!("{root} is being deleted"),
                _ => format!("{root} is being deleted and waits for its finalizers: {}", finalizers.join(", ")),
            };
            Some(
                Draft::new(Line::ObjectTerminating, root, why)
                    .next("look whether the controllers of these finalizers run")
                    .next("when it is gone, an apply makes it again"),
            )
        }
        _ => None,
    }
}

/// What brings back an object that is gone: an apply does not make again what may have done its work, nor what would be empty where there
/// was data.
fn when_missing(evidence: &Evidence) -> String {
    let object = &evidence.object;
    match object.kind.as_str() {
        "Job" | "Pod" => "if it has not done its work, run apply with `drift: correct` for the release, which makes it again; by itself an apply does not".to_owned(),
        kind @ ("PersistentVolumeClaim" | "PersistentVolume" | "Namespace" | "CustomResourceDefinition") => {
            let namespace = object.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
            format!("bring it back with its data; or run apply with --consent {kind}/{namespace}{}, which makes it again, empty", object.name)
        }
        _ => "run apply, which makes it again with an upgrade (hooks run with it); if it goes again, look for who deletes it in the audit log".to_owned(),
    }
}

/// The namespace itself.
pub(super) fn wanted(namespace: &str) -> Want {
    Want::Object(object("v1", "Namespace", "", namespace))
}
