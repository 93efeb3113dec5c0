//! What differs between two states of an object, field by field.

use super::declared::declared;
use super::lists::{Key, are_objects, key_fields, key_of};
use super::managers::written_by;
use super::path::{FieldPath, PathSegment};
use super::shown::{self, Secrecy};
use crate::kubernetes::change::FieldChange;
use serde_json::{Map, Value, json};

/// What the server keeps for itself in `metadata`.
const SERVER_METADATA: [&str; 6] =
    ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];

/// Annotations in which a controller, or the server itself, counts.
const COUNTED: [&str; 2] = ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"];

/// What is different in an object that is now `old` and is going to be `new`, both whole as the API gives them. Left out are the
/// status and what the server keeps for itself. Whoever has written what is there now is told from `old`.
pub fn field_changes(old: &Value, new: &Value, secrecy: Secrecy<'_>) -> Vec<FieldChange> {
    changes(old, new, secrecy, Live::Old)
}

/// What is different in an object that was deployed as `deployed` and is now `live`. Whoever has written it is told from `live`.
pub fn drifted_fields(deployed: &Value, live: &Value, secrecy: Secrecy<'_>) -> Vec<FieldChange> {
    changes(deployed, live, secrecy, Live::New)
}

/// As [`field_changes`], where only a manifest is at hand: what it does not declare counts as unchanged.
pub fn declared_changes(live: &Value, wanted: &Value, secrecy: Secrecy<'_>) -> Vec<FieldChange> {
    field_changes(live, &declared(live, wanted), secrecy)
}

/// An object without its status and what the server keeps for itself, its keys in order: what a digest is made of.
pub fn own_content(object: &Value) -> Value {
    sorted(object, &mut FieldPath::default())
}

/// Annotations in which controllers count, and the one in which `kubectl apply` keeps what it has applied.
const OF_TOOLS: [&str; 3] =
    ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation", shown::LAST_APPLIED];

/// The labels and annotations of an object's metadata, in order, without those that tools write at every change.
pub fn own_labels(metadata: &Value) -> Value {
    let map = |name: &str| {
        let mut map = metadata.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        map.retain(|key, _| !OF_TOOLS.contains(&key.as_str()));
        map
    };
    sorted(&json!({"annotations": map("annotations"), "labels": map("labels")}), &mut FieldPath::default())
}

/// Which of the two states is the live one.
#[derive(Debug, Clone, Copy)]
enum Live {
    Old,
    New,
}

struct Walk<'a> {
    secrecy: Secrecy<'a>,
    live: &'a Value,
    which: Live,
    changes: Vec<FieldChange>,
}

fn changes(old: &Value, new: &Value, secrecy: Secrecy<'_>, which: Live) -> Vec<FieldChange> {
    let live = match which {
        Live::Old => old,
        Live::New => new,
    };
    let mut walk = Walk { secrecy, live, which, changes: Vec::new() };
    walk.values(&mut FieldPath::default(), Some(old), Some(new));
    walk.changes
}

impl Walk<'_> {
    fn values(&mut self, path: &mut FieldPath, old: Option<&Value>, new: Option<&Value>) {
        let old = old.filter(|value| !value.is_null());
        let new = new.filter(|value| !value.is_null());
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => self.maps(path, old, new),
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.lists(path, old, new),
            // Each key of a ConfigMap or Secret is a thing of its own.
            (Some(Value::Object(old)), None) if self.secrecy.is_data(path) => self.maps(path, old, &Map::new()),
            (None, Some(Value::Object(new))) if self.secrecy.is_data(path) => self.maps(path, &Map::new(), new),
            (old, new) if old == new => {}
            (old, new) => self.note(path, old, new),
        }
    }

    fn maps(&mut self, path: &mut FieldPath, old: &Map<String, Value>, new: &Map<String, Value>) {
        let added = new.keys().filter(|key| !old.contains_key(*key));
        for key in old.keys().chain(added) {
            if is_of_the_server(path, key) {
                continue;
            }
            path.with(PathSegment::Field(key.clone()), |path| self.values(path, old.get(key), new.get(key)));
        }
    }

    fn lists(&mut self, path: &mut FieldPath, old: &[Value], new: &[Value]) {
        if old == new {
            return;
        }
        if !are_objects(old, new) {
            return self.note(path, Some(&json!(old)), Some(&json!(new)));
        }
        let Some(fields) = key_fields(path.last_field(), old, new) else {
            for at in 0..old.len().max(new.len()) {
                path.with(PathSegment::Index(at), |path| self.values(path, old.get(at), new.get(at)));
            }
            return;
        };
        let keys = |items: &[Value]| -> Vec<Key> { items.iter().filter_map(|item| key_of(item, fields)).collect() };
        let (old_keys, new_keys) = (keys(old), keys(new));
        let find = |keys: &[Key], key: &Key| keys.iter().position(|other| other == key);
        let added = new_keys.iter().filter(|key| !old_keys.contains(key));
        for key in old_keys.iter().chain(added) {
            let was = find(&old_keys, key).map(|at| &old[at]);
            let is = find(&new_keys, key).map(|at| &new[at]);
            path.with(PathSegment::Item(key.clone()), |path| self.values(path, was, is));
        }
        // The order of what stays may matter too: init containers run in theirs.
        let stay = |keys: &[Key], others: &[Key]| -> Vec<Key> {
            keys.iter().filter(|key| others.contains(key)).cloned().collect()
        };
        let (was, is) = (stay(&old_keys, &new_keys), stay(&new_keys, &old_keys));
        if was != is {
            self.note(path, Some(&order(&was)), Some(&order(&is)));
        }
    }

    fn note(&mut self, path: &FieldPath, old: Option<&Value>, new: Option<&Value>) {
        let is_there = match self.which {
            Live::Old => old.is_some(),
            Live::New => new.is_some(),
        };
        let written_by = if is_there { written_by(self.live, path.segments()) } else { None };
        let (old, new) = self.secrecy.pair(path, old, new);
        self.changes.push(FieldChange { path: self.secrecy.text(&path.to_string()), old, new, written_by });
    }
}

/// The keys of a list's items, in their order.
fn order(keys: &[Key]) -> Value {
    keys.iter()
        .map(|key| {
            let parts: Vec<String> =
                key.iter().map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
            Value::String(parts.join("/"))
        })
        .collect()
}

fn is_of_the_server(map: &FieldPath, key: &str) -> bool {
    match map.segments() {
        [] => key == "status",
        [PathSegment::Field(name)] => name == "metadata" && SERVER_METADATA.contains(&key),
        [PathSegment::Field(name), PathSegment::Field(map)] => {
            name == "metadata" && map == "annotations" && COUNTED.contains(&key)
        }
        _ => false,
    }
}

fn sorted(value: &Value, path: &mut FieldPath) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().filter(|key| !is_of_the_server(path, key)).collect();
            keys.sort();
            keys.into_iter()
                .map(|key| {
                    let inside = path.with(PathSegment::Field(key.clone()), |path| sorted(&map[key], path));
                    (key.clone(), inside)
                })
                .collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| path.with(PathSegment::Index(at), |path| sorted(item, path)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
