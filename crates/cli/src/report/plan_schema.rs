//! The JSON schema of a plan.

use pilothouse_core::Plan;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The JSON schema (draft 2020-12) of what `plan --output json` prints.
pub(crate) fn plan_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Plan>();
    schema.insert("title".to_owned(), Value::from("What `pilothouse plan --output json` prints"));
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{every_way, unchanged};
    use serde_json::json;

    fn schema() -> jsonschema::Validator {
        jsonschema::draft202012::new(&plan_schema()).unwrap()
    }

    /// `PILOTHOUSE_BLESS=1` writes it anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
    fn the_schema_is_published() {
        let expected = format!("{:#}\n", plan_schema());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plan.schema.json");
        if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(published == expected, "{path} is out of date: run this test with PILOTHOUSE_BLESS=1");
    }

    #[test]
    fn plans_follow_the_schema_and_can_be_read_again() {
        for plan in [every_way(), unchanged(2)] {
            let document = serde_json::to_value(&plan).unwrap();
            if let Err(error) = schema().validate(&document) {
                panic!("{error} in {document:#}");
            }
            assert_eq!(serde_json::from_value::<Plan>(document).unwrap(), plan);
        }
    }

    /// The schema says something: with another value in any field of a plan, a release or an object, no plan follows it.
    #[test]
    fn what_is_no_plan_does_not_follow_the_schema() {
        let schema = schema();
        let document = serde_json::to_value(every_way()).unwrap();
        for place in
            ["", "/releases/0", "/releases/0/objects/1", "/releases/0/objects/1/fields/0", "/releases/2/effects/0"]
        {
            let there = document.pointer(place).and_then(Value::as_object).unwrap();
            for name in there.keys() {
                // Any value can be in a field of an object.
                if ["old", "new"].contains(&name.as_str()) {
                    continue;
                }
                let mut wrong = document.clone();
                wrong.pointer_mut(place).unwrap()[name.as_str()] = json!([["no such value"]]);
                assert!(!schema.is_valid(&wrong), "with another `{name}` in `{place}`");
            }
        }
    }
}
