//! The lines of `--output jsonl` and their JSON schema.

use crate::terminal::exit::ErrorLine;
use pilothouse_core::{Event, Rehearsal};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

/// A line of `--output jsonl`. Readers should pass over events and fields they do not know: later versions add some.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Line")]
#[expect(dead_code, reason = "events and errors are printed as they are; this is their schema")]
enum Line {
    Event(Box<Event>),
    Error(ErrorLine),
    Rehearsal(Box<RehearsalLine>),
}

/// What a run on a copy of a cluster tells about that cluster. It stands behind a run's events.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RehearsalLine {
    pub(crate) event: RehearsalTag,
    /// What would happen.
    pub(crate) rehearsal: Rehearsal,
}

/// The tag of a rehearsal among events.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RehearsalTag {
    Rehearsed,
}

/// The JSON schema (draft 2020-12) of each line.
pub(crate) fn event_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Line>();
    schema.insert("title".to_owned(), Value::from("A line of `pilothouse --output jsonl`"));
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Script, every_kind};
    use crate::terminal::exit::CommandError;
    use serde_json::json;

    fn schema() -> jsonschema::Validator {
        jsonschema::draft202012::new(&event_schema()).unwrap()
    }

    /// `PILOTHOUSE_BLESS=1` writes it anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
    fn the_schema_is_published() {
        let expected = format!("{:#}\n", event_schema());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.schema.json");
        if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(published == expected, "{path} is out of date: run this test with PILOTHOUSE_BLESS=1");
    }

    #[test]
    fn every_kind_of_event_follows_the_schema() {
        let schema = schema();
        let mut script = Script::default();
        script.then(every_kind());
        for event in &script.events {
            let line = serde_json::to_value(event).unwrap();
            if let Err(error) = schema.validate(&line) {
                panic!("{error} in {line:#}");
            }
            assert_eq!(serde_json::from_value::<Event>(line).unwrap(), *event);
        }
    }

    /// The schema says something: without any field that cannot be left out, or with another kind, no line follows it.
    #[test]
    fn what_is_no_event_does_not_follow_the_schema() {
        let schema = schema();
        let mut script = Script::default();
        script.then(every_kind());
        for event in &script.events {
            let line = serde_json::to_value(event).unwrap();
            let fields: Vec<String> = line.as_object().unwrap().keys().cloned().collect();
            for field in
                fields.iter().filter(|field| !["holder", "blocked_by", "baseline_of"].contains(&field.as_str()))
            {
                let mut wrong = line.clone();
                wrong.as_object_mut().unwrap().remove(field);
                assert!(!schema.is_valid(&wrong), "without `{field}`: {wrong:#}");
                let mut wrong = line.clone();
                wrong[field] = json!(["no such value"]);
                assert!(!schema.is_valid(&wrong), "with another `{field}`: {wrong:#}");
            }
        }
    }

    #[test]
    fn a_rehearsal_follows_the_schema() {
        let rehearsal = crate::report::rehearsal::sample();
        let line = serde_json::to_value(RehearsalLine { event: RehearsalTag::Rehearsed, rehearsal: rehearsal.clone() });
        let line = line.unwrap();
        assert!(schema().is_valid(&line), "{line:#}");
        assert_eq!(serde_json::from_value::<Rehearsal>(line["rehearsal"].clone()).unwrap(), rehearsal);
        assert!(!schema().is_valid(&json!({"event": "rehearsed"})));
    }

    #[test]
    fn an_error_follows_the_schema() {
        let error = CommandError::input("there is no kubeconfig").hint("name one");
        let line = serde_json::to_value(error.as_line()).unwrap();
        assert_eq!(
            line,
            json!({"event": "error", "exit_code": 2, "code": null, "error": ["there is no kubeconfig"], "hint": "name one", "problems": null})
        );
        assert!(schema().is_valid(&line));
        assert!(!schema().is_valid(&json!({"event": "error"})));
    }
}
