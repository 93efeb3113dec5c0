//! Fields that custom resources would lose to another definition. The server prunes what it reads by the schema of the version
//! in which that is stored, and what it writes by that of the storage version, whether these are served or not.

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;

use pilothouse_core::crd_facts;
use serde_json::{Value, json};
use std::fmt;

/// A field of a version's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The version that has it in the cluster.
    version: String,
    path: Vec<Part>,
    /// Only what this schema does not know is dropped there.
    unknown_to: Option<Value>,
    /// The version as which custom resources are stored from then on, if it is this one that lacks the field.
    stored_as: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Named(String),
    Items,
    /// Whatever a map holds.
    Any,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        self.path.iter().try_for_each(|part| match part {
            Part::Named(name) => write!(f, ".{name}"),
            Part::Items => f.write_str("[]"),
            Part::Any => f.write_str(".*"),
        })?;
        if self.unknown_to.is_some() {
            f.write_str(".*")?;
        }
        match &self.stored_as {
            Some(version) => write!(f, " (in {version}, as which it stores them)"),
            None => Ok(()),
        }
    }
}

impl Field {
    fn root(version: &str, stored_as: Option<&str>) -> Self {
        Self {
            version: version.to_owned(),
            path: Vec::new(),
            unknown_to: None,
            stored_as: stored_as.map(str::to_owned),
        }
    }

    fn with(&self, part: Part) -> Self {
        let path = self.path.iter().cloned().chain([part]).collect();
        Self { path, ..self.clone() }
    }

    /// Whether a custom resource, as a version shows it that has this field, loses something there.
    pub(super) fn is_in(&self, object: &Value) -> bool {
        self.holds(object, &self.path)
    }

    fn holds(&self, value: &Value, path: &[Part]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return self.unknown_to.as_ref().map_or(!value.is_null(), |schema| drops(value, schema));
        };
        match first {
            Part::Named(name) => value.get(name).is_some_and(|value| self.holds(value, rest)),
            Part::Items => value.as_array().into_iter().flatten().any(|value| self.holds(value, rest)),
            Part::Any => value.as_object().is_some_and(|map| map.values().any(|value| self.holds(value, rest))),
        }
    }

    /// The served version in which custom resources show what they hold there: its own, or another one with the same field. Where
    /// a webhook converts, another version may have it elsewhere.
    pub(super) fn shown_in<'a>(&self, live: &'a Value) -> Option<&'a str> {
        let own = schema_of(live, &self.version);
        let shows = |version: &&str| {
            let mut hidden = Vec::new();
            walk(&own, &schema_of(live, version), &Field::root(&self.version, None), &mut hidden);
            !by_webhook(live) && !hidden.iter().any(|hidden| self.path.starts_with(&hidden.path))
        };
        served(live).filter_map(name).find(|version| *version == self.version).or_else(|| {
            let mut others = served(live).filter_map(name);
            others.find(shows)
        })
    }
}

pub(super) fn versions(crd: &Value) -> impl Iterator<Item = &Value> {
    crd.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn served(crd: &Value) -> impl Iterator<Item = &Value> {
    versions(crd).filter(|version| version.get("served").and_then(Value::as_bool) == Some(true))
}

pub(super) fn name(version: &Value) -> Option<&str> {
    version.get("name").and_then(Value::as_str)
}

fn by_webhook(crd: &Value) -> bool {
    crd.pointer("/spec/conversion/strategy").and_then(Value::as_str) == Some("Webhook")
}

/// The schema by which objects of a version are pruned, with what the server leaves in them anyway.
fn schema_of(crd: &Value, version: &str) -> Value {
    let version = versions(crd).find(|one| name(one) == Some(version));
    let schema = version.and_then(|version| version.pointer("/schema/openAPIV3Schema")).cloned();
    let mut schema = schema.filter(Value::is_object).unwrap_or_else(|| json!({}));
    schema["x-kubernetes-embedded-resource"] = json!(true);
    // As definitions have it that were made for v1beta1.
    if crd.pointer("/spec/preserveUnknownFields") == Some(&json!(true)) {
        schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
    }
    schema
}

/// The fields that custom resources may have been stored with or are shown with in the cluster, and that the wanted definition
/// lacks, the outermost of each: in the same version, or, when no webhook converts, in the one that is stored from then on.
pub(super) fn removed_fields(live: &Value, wanted: &Value) -> Vec<Field> {
    let Some((is, then)) = crd_facts(live).zip(crd_facts(wanted)) else { return Vec::new() };
    let counts = |version: &&String| {
        let stored = is.stored_versions.iter().chain(&is.storage_version).any(|stored| stored == *version);
        (stored || is.served_versions.contains(version)) && then.versions.contains(version)
    };
    let mut removed = Vec::new();
    for version in is.versions.iter().filter(counts) {
        let (is, then) = (schema_of(live, version), schema_of(wanted, version));
        walk(&is, &then, &Field::root(version, None), &mut removed);
    }
    // What the storage version of now lacks as well goes with the next write anyway.
    if let Some((from, to)) = is.storage_version.zip(then.storage_version)
        && from != to
        && !by_webhook(wanted)
    {
        let mut lacking = Vec::new();
        walk(&schema_of(live, &from), &schema_of(wanted, &to), &Field::root(&from, Some(&to)), &mut lacking);
        let told = |field: &Field| removed.iter().any(|one| one.version == from && field.path.starts_with(&one.path));
        lacking.retain(|field| !told(field));
        removed.extend(lacking);
    }
    removed
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// The schema of a field that a schema knows.
fn known<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|all| all.get(field));
    own.or_else(|| schema.get("additionalProperties").filter(|of| **of != false))
}

fn walk(is: &Value, then: &Value, at: &Field, removed: &mut Vec<Field>) {
    if keeps_unknown(then) {
        return;
    }
    // Only a map takes keys of any name.
    let is_map = |schema: &Value| schema.get("additionalProperties").is_some_and(|of| *of != false);
    if keeps_unknown(is) || (is_map(is) && !is_map(then)) {
        removed.push(Field { unknown_to: Some(then.clone()), ..at.clone() });
    }
    for (field, schema) in is.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let at = at.with(Part::Named(field.clone()));
        match known(then, field) {
            Some(other) => walk(schema, other, &at, removed),
            None if is_metadata(then, field) => {}
            None => removed.push(at),
        }
    }
    if let (Some(is), Some(then)) = (is.get("items"), then.get("items")) {
        walk(is, then, &at.with(Part::Items), removed);
    }
    if let (Some(is), Some(then)) = (is.get("additionalProperties"), then.get("additionalProperties")) {
        walk(is, then, &at.with(Part::Any), removed);
    }
}

/// What every whole object has, also one in another.
fn is_metadata(schema: &Value, field: &str) -> bool {
    schema["x-kubernetes-embedded-resource"] == true && matches!(field, "apiVersion" | "kind" | "metadata")
}

/// Whether the server drops anything of a value that it prunes by a schema.
fn drops(value: &Value, schema: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(field, value)| match known(schema, field) {
            Some(schema) => drops(value, schema),
            None => !value.is_null() && !keeps_unknown(schema) && *schema != true && !is_metadata(schema, field),
        }),
        Value::Array(items) => schema.get("items").is_some_and(|of| items.iter().any(|item| drops(item, of))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
