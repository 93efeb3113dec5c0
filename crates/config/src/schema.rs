//! The JSON schema of the stack file, made from the list of its keys.

use crate::keys::{CHART, FILE, Kind, MAX_SECONDS, Need, RELEASE, SET_VALUE, STEP, TABLES, Table};
use crate::read::{CHANGES, ONLY_VALIDATE};
use pilothouse_core::{ConsentTo, FailurePolicy};
use serde_json::{Map, Value, json};

/// Where the schema is published: this repository.
pub(crate) const SCHEMA_URL: &str =
    "https://raw.githubusercontent.com/pilothouse/pilothouse/main/crates/config/schema/pilothouse.v1.schema.json";

/// The JSON schema (draft 2020-12) of the stack file, for editors. It covers the shape; what needs looking at several
/// places at once (duplicates, `needs`, environment variables) only [`crate::load`] checks.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for table in TABLES.iter().filter(|table| table.name != FILE.name) {
        definitions.insert(definition_name(table), object(table));
    }
    definitions.insert("read_only_step".to_owned(), step_without(&CHANGES, "A step that only looks."));
    let neither: Vec<&str> = CHANGES.into_iter().chain(ONLY_VALIDATE).collect();
    let before = "A step that may be run before anything is changed.";
    definitions.insert("prerequisite_step".to_owned(), step_without(&neither, before));
    definitions.insert(
        "object_reference".to_owned(),
        json!({
            "description": "An object as kind/name or kind/namespace/name.",
            "type": "string",
            "pattern": "^[^/\\s]+(/[^/\\s]+){1,2}$"
        }),
    );
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_URL,
        "title": "Pilothouse stack file, version 1",
    });
    if let (Value::Object(root), Value::Object(file)) = (&mut root, object(&FILE)) {
        root.extend(file);
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

fn definition_name(table: &Table) -> String {
    table.name.replace(' ', "_")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        let mut property = kind(&key.kind);
        if let Value::Object(property) = &mut property {
            property.insert("description".to_owned(), json!(key.doc));
            if let Need::Default(default) = key.need
                && let Ok(value @ (Value::Bool(_) | Value::Number(_))) = serde_json::from_str(default)
            {
                property.insert("default".to_owned(), value);
            }
        }
        properties.insert(key.name.to_owned(), property);
    }
    let required: Vec<&str> = table.keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    let mut schema = json!({
        "description": table.doc,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !table.exactly_one.is_empty() {
            let choices: Vec<Value> = table.exactly_one.iter().map(|key| json!({ "required": [key] })).collect();
            schema.insert("oneOf".to_owned(), json!(choices));
        }
        if table.name == CHART.name {
            schema.insert("dependentRequired".to_owned(), json!({ "repo": ["name"], "name": ["repo"] }));
        }
        if table.name == SET_VALUE.name {
            schema
                .insert("dependentSchemas".to_owned(), json!({ "from_payload": { "not": { "required": ["type"] } } }));
        }
        if table.name == "apply" {
            schema.insert("anyOf".to_owned(), json!([{ "required": ["files"] }, { "required": ["manifests"] }]));
        }
        if table.name == "delete" {
            let crds = json!({ "required": ["chart_crds"], "properties": { "chart_crds": { "const": true } } });
            schema.insert("anyOf".to_owned(), json!([{ "required": ["objects"] }, crds]));
        }
    }
    schema
}

/// A step that is none of these.
fn step_without(left_out: &[&str], doc: &str) -> Value {
    let mut step = object(&STEP);
    if let Some(properties) = step.get_mut("properties").and_then(Value::as_object_mut) {
        // What only looks has a way back.
        properties.retain(|key, _| !left_out.contains(&key.as_str()) && key != "point_of_no_return");
    }
    if let Value::Object(step) = &mut step {
        let kept = STEP.exactly_one.iter().filter(|key| !left_out.contains(key));
        let choices: Vec<Value> = kept.map(|key| json!({ "required": [key] })).collect();
        step.insert("description".to_owned(), json!(doc));
        step.insert("oneOf".to_owned(), json!(choices));
    }
    step
}

fn kind(kind: &Kind) -> Value {
    let text = || json!({ "type": "string", "pattern": "\\S" });
    let words = || json!({ "type": ["string", "number", "boolean"] });
    let document = || json!({ "type": ["object", "string"] });
    match kind {
        Kind::FormatVersion => json!({ "const": 1 }),
        Kind::Text => text(),
        Kind::Words => words(),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Condition => json!({ "type": ["boolean", "string"], "pattern": "\\S" }),
        Kind::Seconds => json!({ "type": "integer", "minimum": 1, "maximum": MAX_SECONDS }),
        Kind::Count => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::ChoiceOr(words, tables) => {
            let mut forms = vec![json!({ "enum": words })];
            forms.extend(tables.iter().map(|table| reference(&definition_name(table))));
            json!({ "anyOf": forms })
        }
        Kind::Retries => json!({ "type": "integer", "minimum": 1, "maximum": FailurePolicy::MAX_RETRIES }),
        Kind::Texts => json!({ "type": "array", "items": words() }),
        Kind::TextsOr(table) => {
            json!({ "type": "array", "items": { "anyOf": [words(), reference(&definition_name(table))] } })
        }
        Kind::Arguments => json!({ "type": "array", "minItems": 1, "items": words() }),
        Kind::Objects => json!({ "type": "array", "minItems": 1, "items": reference("object_reference") }),
        Kind::Consents => {
            let items = json!({ "anyOf": [reference("object_reference"), { "enum": ConsentTo::WORDS }] });
            json!({ "type": "array", "minItems": 1, "items": items })
        }
        Kind::TextMap => json!({ "type": "object", "additionalProperties": words() }),
        Kind::Anything => json!({}),
        Kind::Document => document(),
        Kind::Documents => json!({ "type": "array", "minItems": 1, "items": document() }),
        Kind::Mapping(table) => reference(&definition_name(table)),
        Kind::List(table) => {
            let mut list = json!({ "type": "array", "items": reference(&definition_name(table)) });
            if let Value::Object(list) = &mut list
                && table.name == RELEASE.name
            {
                list.insert("minItems".to_owned(), json!(1));
            }
            list
        }
        Kind::Object => reference("object_reference"),
        Kind::Expression => text(),
        Kind::Statuses => {
            let one = json!({ "type": ["integer", "string"], "minimum": 100, "maximum": 599, "pattern": "^([1-5]xx|[1-5][0-9]{2})$" });
            json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
        }
        Kind::PrerequisiteSteps => json!({ "type": "array", "items": reference("prerequisite_step") }),
        Kind::ReadOnlySteps => json!({ "type": "array", "items": reference("read_only_step") }),
        Kind::Steps => json!({ "type": "array", "items": reference(STEP.name) }),
    }
}
