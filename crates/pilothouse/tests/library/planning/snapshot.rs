//! Everything a cluster holds, and what has become of it.

use super::support::World;
use pilothouse::kubernetes::ClusterClient;
use pilothouse_core::{FieldChange, ObjectChange, ReleasePlan};
use pilothouse_kube::ListQuery;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What controllers make and take away by themselves.
const MADE_BY_CONTROLLERS: [&str; 8] =
    ["Event", "Lease", "Pod", "ReplicaSet", "Endpoints", "EndpointSlice", "IPAddress", "ControllerRevision"];

/// What the server keeps for itself.
const KEPT_BY_SERVER: [&str; 5] = ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"];

/// All objects of all kinds that can be listed, without records of releases.
pub(crate) async fn snapshot(world: &World) -> BTreeMap<String, Value> {
    let discovery = world.cluster.discovery(true).await.unwrap();
    let mut kinds = BTreeSet::new();
    let mut objects = BTreeMap::new();
    for resource in discovery.resources() {
        let listable =
            resource.verbs.iter().any(|verb| verb == "list") && resource.verbs.iter().any(|verb| verb == "get");
        // The first version of a kind is the preferred one.
        let first = listable && kinds.insert((resource.group.clone(), resource.kind.clone()));
        if !first || MADE_BY_CONTROLLERS.contains(&resource.kind.as_str()) || resource.group == "metrics.k8s.io" {
            continue;
        }
        let query = ListQuery::new(resource.api_version(), &resource.kind);
        for object in world.cluster.list(&query).await.unwrap() {
            if is_record(&object) {
                continue;
            }
            let name = pilothouse_core::object_ref(&object).unwrap().to_string();
            objects.insert(format!("{}: {name}", resource.group), own(object));
        }
    }
    objects
}

fn is_record(object: &Value) -> bool {
    ["helm.sh/release.v1", "pilothouse.dev/deploy.v1"].iter().any(|kind| object["type"] == *kind)
}

fn own(mut object: Value) -> Value {
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| !KEPT_BY_SERVER.contains(&key.as_str()));
    object
}

/// What becomes of objects, by their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) created: BTreeSet<String>,
    pub(crate) updated: BTreeSet<String>,
    pub(crate) deleted: BTreeSet<String>,
    /// What has not simply been changed.
    pub(crate) other: BTreeSet<String>,
}

impl Changes {
    /// What a plan says.
    pub(crate) fn told(plan: &ReleasePlan) -> Self {
        let mut changes = Self::default();
        for planned in &plan.objects {
            let name = format!("{}: {}", planned.object.group().unwrap_or_default(), planned.object);
            match &planned.change {
                ObjectChange::Create => changes.created.insert(name),
                ObjectChange::Update | ObjectChange::Adopt => changes.updated.insert(name),
                ObjectChange::Delete => changes.deleted.insert(name),
                ObjectChange::Keep | ObjectChange::Same => continue,
                other @ (ObjectChange::Replace { .. } | ObjectChange::After { .. } | ObjectChange::Refused { .. }) => {
                    changes.other.insert(format!("{name}: {other:?}"))
                }
            };
        }
        changes
    }

    /// What lies between two looks.
    pub(crate) fn between(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Self {
        let only_in = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
            one.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        let updated = before.iter().filter(|(name, was)| after.get(*name).is_some_and(|is| is != *was));
        Self {
            created: only_in(after, before),
            updated: updated.map(|(name, _)| name.clone()).collect(),
            deleted: only_in(before, after),
            other: BTreeSet::new(),
        }
    }
}

/// The fields of each object, as paths with what was there and what is there then.
type Fields = BTreeMap<String, Vec<(String, Option<Value>, Option<Value>)>>;

/// The fields that a plan changes in objects that stay. Secrets are left out: their values are masked.
pub(crate) fn fields_told(plan: &ReleasePlan) -> Fields {
    let updated = plan.objects.iter().filter(|planned| planned.change == ObjectChange::Update);
    let named = updated.map(|planned| {
        let name = format!("{}: {}", planned.object.group().unwrap_or_default(), planned.object);
        (name, sorted(&planned.fields))
    });
    named.filter(|(name, _)| !name.starts_with(": Secret ")).collect()
}

/// The fields that have changed between two looks, without what controllers write.
pub(crate) fn fields_between(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Fields {
    let redactor = pilothouse::Redactor::default();
    let changed = before.iter().filter_map(|(name, was)| {
        let is = after.get(name).filter(|is| *is != was)?;
        let kind = was["kind"].as_str().unwrap();
        let secrecy = pilothouse_core::Secrecy { kind, redactor: &redactor };
        Some((name.clone(), sorted(&pilothouse_core::field_changes(was, is, secrecy))))
    });
    changed.filter(|(name, _)| !name.starts_with(": Secret ")).collect()
}

fn sorted(fields: &[FieldChange]) -> Vec<(String, Option<Value>, Option<Value>)> {
    let mut fields: Vec<_> =
        fields.iter().map(|field| (field.path.clone(), field.old.clone(), field.new.clone())).collect();
    // The controller counts up what it has rolled out.
    fields.retain(|(path, ..)| path != "metadata.annotations[\"deployment.kubernetes.io/revision\"]");
    fields.sort_by(|(path, ..), (other, ..)| path.cmp(other));
    fields
}
