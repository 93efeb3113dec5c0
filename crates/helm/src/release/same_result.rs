//! Whether a rendering is what a release already consists of.

use super::record::ReleaseRecord;
use super::rendered::{Origin, RenderedDoc, split_manifests};
use crate::yaml::YamlError;
use pilothouse_core::ObjectRef;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a rendering differs from the record of a revision, hooks included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SameResult {
    /// Objects that only the rendering has.
    pub added: Vec<ObjectRef>,
    /// Objects that only the record has.
    pub removed: Vec<ObjectRef>,
    /// Objects that both have, with other content.
    pub changed: Vec<ObjectRef>,
}

impl SameResult {
    /// Whether they do not differ.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// In what two renderings of the same input differ. A text counts as a whole: a password in the middle of a configuration
/// file makes all of that file volatile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volatile {
    /// The fields of an object, as JSON pointers.
    pub fields: BTreeMap<ObjectRef, BTreeSet<String>>,
    /// Objects with another name each time, and their fields.
    pub objects: BTreeMap<VolatileObject, BTreeSet<String>>,
}

/// What stays the same of an object whose name does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolatileObject {
    /// Its template.
    pub source: Option<String>,
    /// The object, with an empty name.
    pub object: ObjectRef,
}

/// An object with its template, and what the annotations of its document tell helm.
struct Item {
    source: Option<String>,
    directives: BTreeMap<String, Value>,
    object: Value,
}

type Items = BTreeMap<ObjectRef, Vec<Item>>;

/// Compares a rendering with what helm recorded, as sets of objects: neither order nor formatting matters. What comes from
/// `crds/` is not part of a release.
///
/// # Errors
/// When the record's manifests are not YAML.
pub fn same_result(rendered: &[RenderedDoc], record: &ReleaseRecord) -> Result<SameResult, YamlError> {
    same_result_except(rendered, record, &Volatile::default())
}

/// As [`same_result`], without regard to what differs in every rendering.
///
/// # Errors
/// As [`same_result`].
pub fn same_result_except(
    rendered: &[RenderedDoc],
    record: &ReleaseRecord,
    volatile: &Volatile,
) -> Result<SameResult, YamlError> {
    let (mut rendered, mut recorded) = (items(rendered), recorded(record)?);
    let mut result = SameResult::default();
    let both: Vec<ObjectRef> = rendered.keys().filter(|object| recorded.contains_key(*object)).cloned().collect();
    for object in both {
        let fields = volatile.fields.get(&object);
        let side = |items: &mut Items| masked(items.remove(&object).unwrap_or_default(), fields);
        if side(&mut rendered) != side(&mut recorded) {
            result.changed.push(object);
        }
    }
    // What only one side has may be the same object under another name.
    for (object, fields) in &volatile.objects {
        let (new, old) = (take(&mut rendered, object), take(&mut recorded, object));
        let names = |taken: &Items| taken.keys().cloned().collect::<Vec<_>>();
        let (new_names, old_names) = (names(&new), names(&old));
        let all = |taken: Items| masked(taken.into_values().flatten().collect(), Some(fields));
        if all(new) != all(old) {
            match (new_names.is_empty(), old_names.is_empty()) {
                (false, false) => result.changed.extend(new_names),
                (true, _) => result.removed.extend(old_names),
                (false, true) => result.added.extend(new_names),
            }
        }
    }
    result.added.extend(rendered.into_keys());
    result.removed.extend(recorded.into_keys());
    for list in [&mut result.added, &mut result.removed, &mut result.changed] {
        list.sort();
    }
    Ok(result)
}

/// In what two renderings of the same input differ. Values that happen to be equal in both do not show, so a comparison
/// without the rest can only find too much.
pub fn volatile_fields(first: &[RenderedDoc], second: &[RenderedDoc]) -> Volatile {
    volatile(items(first), items(second))
}

/// As [`volatile_fields`], of a rendering and what helm has recorded of another of the same input.
///
/// # Errors
/// When the record's manifests are not YAML.
pub fn volatile_since(rendered: &[RenderedDoc], record: &ReleaseRecord) -> Result<Volatile, YamlError> {
    Ok(volatile(items(rendered), recorded(record)?))
}

fn volatile(mut first: Items, mut second: Items) -> Volatile {
    let mut volatile = Volatile::default();
    let both: Vec<ObjectRef> = first.keys().filter(|object| second.contains_key(*object)).cloned().collect();
    for object in both {
        let side = |items: &mut Items| items.remove(&object).unwrap_or_default();
        let mut fields = BTreeSet::new();
        pairs(&side(&mut first), &side(&mut second), &mut fields);
        if !fields.is_empty() {
            volatile.fields.insert(object, fields);
        }
    }
    let nameless: BTreeSet<VolatileObject> = [&first, &second].into_iter().flat_map(identities).collect();
    for object in nameless {
        let side = |items: &mut Items| take(items, &object).into_values().flatten().collect::<Vec<_>>();
        let (of_first, of_second) = (side(&mut first), side(&mut second));
        let mut fields = BTreeSet::from(["/metadata/name".to_owned()]);
        pairs(&of_first, &of_second, &mut fields);
        volatile.objects.insert(object, fields);
    }
    volatile
}

fn items(docs: &[RenderedDoc]) -> Items {
    let mut items = Items::new();
    for RenderedDoc { source, origin, directives, object, unusable: _ } in docs {
        match origin {
            Origin::Template | Origin::Hook { .. } => {
                let item = Item { source: source.clone(), directives: directives.clone(), object: object.clone() };
                items.entry(named(object)).or_default().push(item);
            }
            Origin::Crd => {}
        }
    }
    items
}

fn recorded(record: &ReleaseRecord) -> Result<Items, YamlError> {
    let mut items = Items::new();
    let mut add = |source: Option<String>, doc: RenderedDoc| {
        let item = Item { source, directives: doc.directives, object: doc.object };
        items.entry(named(&item.object)).or_default().push(item);
    };
    for doc in split_manifests(&record.manifest)? {
        add(doc.source.clone(), doc);
    }
    for hook in &record.hooks {
        let with_source = |error: YamlError| YamlError { source_path: Some(hook.path.clone()), ..error };
        for doc in split_manifests(&hook.manifest).map_err(with_source)? {
            add(Some(hook.path.clone()), doc);
        }
    }
    Ok(items)
}

/// What an object is, also one that lacks a name or a kind.
fn named(object: &Value) -> ObjectRef {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    ObjectRef {
        api_version: text("/apiVersion"),
        kind: text("/kind").unwrap_or_default(),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
    }
}

fn identity(object: &ObjectRef, item: &Item) -> VolatileObject {
    VolatileObject { source: item.source.clone(), object: ObjectRef { name: String::new(), ..object.clone() } }
}

fn identities(items: &Items) -> Vec<VolatileObject> {
    items.iter().flat_map(|(object, items)| items.iter().map(|item| identity(object, item))).collect()
}

/// Takes out the objects that have this identity.
fn take(items: &mut Items, wanted: &VolatileObject) -> Items {
    let of_it = |object: &ObjectRef, items: &[Item]| items.iter().all(|item| identity(object, item) == *wanted);
    let (taken, rest) = std::mem::take(items).into_iter().partition(|(object, items)| of_it(object, items));
    *items = rest;
    taken
}

/// The objects without the fields that do not count, in an order that does not depend on where they stood.
fn masked(items: Vec<Item>, fields: Option<&BTreeSet<String>>) -> Vec<String> {
    let mut texts: Vec<String> = items
        .into_iter()
        .map(|Item { mut object, directives, .. }| {
            fields.into_iter().flatten().for_each(|pointer| mask(&mut object, pointer));
            object.sort_all_objects();
            format!("{object} {directives:?}")
        })
        .collect();
    texts.sort();
    texts
}

fn mask(object: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    match object.pointer_mut(parent) {
        // Also where it is not there: one rendering had it and the other had not.
        Some(Value::Object(map)) => {
            map.insert(last.replace("~1", "/").replace("~0", "~"), Value::Null);
        }
        Some(Value::Array(items)) => {
            if let Some(item) = last.parse().ok().and_then(|at: usize| items.get_mut(at)) {
                *item = Value::Null;
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
    }
}

/// The fields in which objects differ, in pairs as they stand.
fn pairs(first: &[Item], second: &[Item], fields: &mut BTreeSet<String>) {
    for (first, second) in first.iter().zip(second) {
        differences(&first.object, &second.object, &mut String::new(), fields);
    }
}

fn differences(first: &Value, second: &Value, at: &mut String, found: &mut BTreeSet<String>) {
    let length = at.len();
    match (first, second) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                match (one.get(key), other.get(key)) {
                    (Some(first), Some(second)) => differences(first, second, at, found),
                    (Some(_) | None, None) | (None, Some(_)) => {
                        found.insert(at.clone());
                    }
                }
                at.truncate(length);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (first, second)) in one.iter().zip(other).enumerate() {
                at.push('/');
                at.push_str(&index.to_string());
                differences(first, second, at, found);
                at.truncate(length);
            }
        }
        (first, second) if first == second => {}
        _ => {
            found.insert(at.clone());
        }
    }
}
