//! Whether the objects of a release are still as its last deploy left them, by their metadata alone. What looks different is
//! only a suspicion: a real comparison has the last word.

use crate::digest;
use pilothouse_core::{AppliedObject, ObjectRef};
use serde_json::Value;

/// What counts of an object's metadata here: of thousands of objects no more than that is held at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    uid: String,
    generation: Option<i64>,
    resource_version: String,
    is_leaving: bool,
    labels: String,
}

impl Fingerprint {
    /// Of an object as it is now; `None` when its metadata is incomplete.
    pub(crate) fn of(live: &Value) -> Option<Self> {
        let metadata = live.get("metadata")?;
        Some(Self {
            uid: metadata.get("uid")?.as_str()?.to_owned(),
            generation: metadata.get("generation").and_then(Value::as_i64),
            resource_version: metadata.get("resourceVersion")?.as_str()?.to_owned(),
            is_leaving: metadata.get("deletionTimestamp").is_some(),
            labels: labels_digest(metadata),
        })
    }

    /// What is to be remembered of the object.
    pub(crate) fn applied(&self, object: &ObjectRef) -> AppliedObject {
        let Self { uid, generation, resource_version, labels, .. } = self.clone();
        AppliedObject { object: object.clone(), uid, generation, resource_version, labels }
    }

    /// Why an object may not be as it was left; `None` when it certainly is.
    ///
    /// A generation is counted up by the server with every change of what is wanted of an object. Kinds without one only have a
    /// resourceVersion, which a status changes too.
    pub(crate) fn suspicion(&self, known: &AppliedObject) -> Option<&'static str> {
        if self.uid != known.uid {
            return Some("it was created anew");
        }
        if self.is_leaving {
            return Some("it is being deleted");
        }
        if known.generation != self.generation {
            return Some("its generation is another");
        }
        if self.generation.is_none() && self.resource_version != known.resource_version {
            return Some("it was written");
        }
        (self.labels != known.labels).then_some("its labels or annotations are others")
    }
}

/// What is to be remembered of an object, from its metadata; `None` when that is incomplete.
pub(crate) fn applied(object: &ObjectRef, live: &Value) -> Option<AppliedObject> {
    Fingerprint::of(live).map(|fingerprint| fingerprint.applied(object))
}

/// Why an object may not be as it was left, from its metadata now; `None` when it certainly is. See [`Fingerprint::suspicion`].
pub(crate) fn suspicion(known: &AppliedObject, now: Option<&Value>) -> Option<&'static str> {
    match now {
        None => Some("it is gone"),
        Some(live) => Fingerprint::of(live).map_or(Some("its metadata is incomplete"), |now| now.suspicion(known)),
    }
}

/// Whether it is this very object that is being deleted.
pub(crate) fn is_leaving(known: &AppliedObject, now: &Value) -> bool {
    let metadata = now.get("metadata").unwrap_or(&Value::Null);
    metadata["uid"] == known.uid.as_str() && metadata.get("deletionTimestamp").is_some()
}

/// A digest of the labels, annotations, owners and finalizers: changes of these do not count up a generation.
fn labels_digest(metadata: &Value) -> String {
    let of = |key: &str| metadata.get(key).unwrap_or(&Value::Null);
    digest::of(format!("{} {} {}", digest::labels_digest(metadata), of("ownerReferences"), of("finalizers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn live(generation: Option<i64>) -> Value {
        let mut live = json!({"metadata": {
            "name": "a", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"},
            "annotations": {"c": "d", "deployment.kubernetes.io/revision": "1"},
        }});
        if let Some(generation) = generation {
            live["metadata"]["generation"] = json!(generation);
        }
        live
    }

    fn changed(generation: Option<i64>, pointer: &str, to: &Value) -> Value {
        let mut live = live(generation);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        live.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = to.clone();
        live
    }

    #[rstest]
    #[case("/metadata/uid", json!("v"), Some("it was created anew"), Some("it was created anew"))]
    #[case("/metadata/deletionTimestamp", json!("2026-11-21T08:00:00Z"), Some("it is being deleted"), Some("it is being deleted"))]
    #[case("/metadata/generation", json!(2), Some("its generation is another"), Some("its generation is another"))]
    // A status was written.
    #[case("/metadata/resourceVersion", json!("8"), None, Some("it was written"))]
    #[case("/metadata/labels/a", json!("c"), Some("its labels or annotations are others"), Some("its labels or annotations are others"))]
    #[case("/metadata/labels/b", json!("c"), Some("its labels or annotations are others"), Some("its labels or annotations are others"))]
    #[case("/metadata/annotations/c", json!("x"), Some("its labels or annotations are others"), Some("its labels or annotations are others"))]
    #[case("/metadata/finalizers", json!(["x"]), Some("its labels or annotations are others"), Some("its labels or annotations are others"))]
    #[case("/metadata/ownerReferences", json!([{"uid": "x"}]), Some("its labels or annotations are others"), Some("its labels or annotations are others"))]
    #[case("/metadata/annotations/deployment.kubernetes.io~1revision", json!("2"), None, None)]
    #[case("/metadata/annotations/deprecated.daemonset.template.generation", json!("2"), None, None)]
    #[case("/metadata/managedFields", json!([]), None, None)]
    fn what_is_noticed(
        #[case] pointer: &str,
        #[case] to: Value,
        #[case] with_generation: Option<&str>,
        #[case] without: Option<&str>,
    ) {
        let object = ObjectRef::parse("ConfigMap/web/a").unwrap();
        for (generation, expected) in [(Some(1), with_generation), (None, without)] {
            let known = applied(&object, &live(generation)).unwrap();
            assert_eq!(suspicion(&known, Some(&live(generation))), None);
            assert_eq!(suspicion(&known, Some(&changed(generation, pointer, &to))), expected, "{generation:?}");
            assert_eq!(suspicion(&known, None), Some("it is gone"));
        }
    }

    #[test]
    fn what_lacks_its_identity_is_not_remembered() {
        let object = ObjectRef::parse("ConfigMap/web/a").unwrap();
        assert_eq!(applied(&object, &json!({"metadata": {"name": "a"}})), None);
    }
}
