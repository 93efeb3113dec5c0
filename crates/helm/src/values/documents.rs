//! The values of a release, as helm is given them: always as files, never on its command line.

use super::key_path::{self, Document};
use super::whole_numbers::{merge, whole_numbers};
use crate::yaml::{self, YamlError};
use pilothouse_core::{ChartInfo, Payload, Sensitive, ValueSource};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// More than this is not given on a command line, which the kernel bounds.
const MAX_NUMBERS: usize = 256 * 1024;

/// All values of a release, in the order in which helm merges them: later ones win, maps are merged, lists replaced.
///
/// 1. the values files, as they are;
/// 2. the documents given directly;
/// 3. one document made of the single settings.
///
/// # What differs from `--set`
/// The settings reach helm as a document of their own, so `hosts[1]` cannot change one entry of a list that comes from
/// an earlier file or from the chart: the list that is set replaces that one, and must be complete. Lists (`{a,b}`) and
/// escapes in the *value* are not read: that is what JSON values are for.
///
/// # Whole numbers
/// From a file, templates see numbers as floating point: `{{ .Values.n }}` of 1000000 prints `1e+06` unless the chart says
/// `| int64`, and what has more than 53 bits loses digits (seen with 3.21.4 and 4.2.4). The user's files are read so too.
/// What is given directly arrives with its digits: helm is given these numbers by `--set` as well. Text
/// ([`ValueSource::Auto`]) of which `--set` would make an integer is one at any size.
#[derive(Debug, Clone, Default)]
pub struct Values {
    documents: Vec<ValuesDocument>,
    numbers: Vec<String>,
    secrets: Vec<Sensitive<String>>,
}

/// One document of values.
#[derive(Debug, Clone)]
pub enum ValuesDocument {
    /// A file of the user's, handed to helm as it is.
    File(PathBuf),
    /// Text that is written to a file only helm is to read.
    Text {
        /// Where it comes from, for messages.
        name: String,
        /// YAML or JSON.
        text: Sensitive<String>,
    },
}

/// Values that cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// A path that is not one, or contradicts an earlier one.
    #[error("value `{key}` cannot be set: {why}")]
    Key {
        /// The path.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A list with a gap.
    #[error("{0}")]
    Gap(String),
    /// No earlier phase has put it into the payload.
    #[error("value `{key}` is to come from payload entry `{payload_key}`, which no earlier phase has set")]
    NoPayload {
        /// The path.
        key: String,
        /// The entry.
        payload_key: String,
    },
    /// A document that not every helm reads as it is meant.
    #[error("the values `{name}` cannot be given: {why}")]
    Document {
        /// Where it comes from.
        name: String,
        /// What is wrong with it.
        why: YamlError,
    },
    /// A whole number that helm cannot be given with all its digits, at this path.
    #[error("the number at `{0}` would lose digits: give it as text")]
    Digits(String),
    /// More numbers than a command line takes.
    #[error(
        "there are too many numbers of {exponent} and more among the values that are given directly: give them in a values file",
        exponent = "1000000"
    )]
    Numbers,
    /// It could not be written as JSON.
    #[error("the values cannot be written as JSON: {0}")]
    Json(String),
}

impl Values {
    /// The values of a release.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn of(info: &ChartInfo, payload: &Payload) -> Result<Self, ValuesError> {
        let (documents, numbers) = values_documents(info, payload)?;
        let secret = |value: &ValueSource| match value {
            ValueSource::Sensitive(secret) => Some(secret.clone()),
            ValueSource::Auto(_) | ValueSource::String(_) | ValueSource::Json(_) | ValueSource::Payload(_) => None,
        };
        Ok(Self { documents, numbers, secrets: info.values.iter().filter_map(|set| secret(&set.value)).collect() })
    }

    /// Values from files alone.
    pub fn from_files(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { documents: files.into_iter().map(ValuesDocument::File).collect(), ..Self::default() }
    }

    /// The documents, in order.
    pub fn documents(&self) -> &[ValuesDocument] {
        &self.documents
    }

    /// The arguments of `--set` beside the documents: whole numbers, and no secrets.
    pub fn numbers(&self) -> &[String] {
        &self.numbers
    }

    /// What must not show in helm's messages.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|secret| secret.expose().as_str())
    }
}

/// The documents of a release's values, in order, and the whole numbers among those that are given directly.
fn values_documents(info: &ChartInfo, payload: &Payload) -> Result<(Vec<ValuesDocument>, Vec<String>), ValuesError> {
    let mut documents: Vec<ValuesDocument> = info.values_files.iter().cloned().map(ValuesDocument::File).collect();
    let mut together = Value::Null;
    for file in &info.yaml_files_content {
        let read = yaml::read_values(&file.content);
        if let Some(value) = read.map_err(|why| ValuesError::Document { name: file.name.clone(), why })? {
            merge(&mut together, value);
        }
        documents.push(ValuesDocument::Text { name: file.name.clone(), text: Sensitive::new(file.content.clone()) });
    }
    let mut as_set = BTreeSet::new();
    if !info.values.is_empty() {
        let mut document = Document::default();
        for set in &info.values {
            let value = value_of(&set.key, &set.value, payload)?;
            let wrong = |why| ValuesError::Key { key: set.key.clone(), why };
            document.set(&set.key, value).map_err(wrong)?;
            if matches!(set.value, ValueSource::Auto(_)) {
                as_set.insert(key_path::parse(&set.key).map_err(wrong)?);
            }
        }
        let value = document.finish().map_err(ValuesError::Gap)?;
        let text = serde_json::to_string_pretty(&value).map_err(|error| ValuesError::Json(error.to_string()))?;
        documents.push(ValuesDocument::Text { name: "values".to_owned(), text: Sensitive::new(text) });
        merge(&mut together, value);
    }
    let numbers = whole_numbers(&together, &as_set).map_err(ValuesError::Digits)?;
    if numbers.iter().map(String::len).sum::<usize>() > MAX_NUMBERS {
        return Err(ValuesError::Numbers);
    }
    Ok((documents, numbers))
}

fn value_of(key: &str, source: &ValueSource, payload: &Payload) -> Result<Value, ValuesError> {
    Ok(match source {
        ValueSource::Auto(text) => auto(text),
        ValueSource::String(text) => Value::from(text.as_str()),
        ValueSource::Json(value) => value.clone(),
        ValueSource::Sensitive(secret) => Value::from(secret.expose().as_str()),
        ValueSource::Payload(payload_key) => match payload.value(payload_key) {
            Some(value) => value.clone(),
            None => return Err(ValuesError::NoPayload { key: key.to_owned(), payload_key: payload_key.clone() }),
        },
    })
}

/// Guesses a type as `--set` does (`typedVal` in `pkg/strvals/parser.go`): fractions stay text.
fn auto(text: &str) -> Value {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("false") {
        return Value::Bool(is("true"));
    }
    if is("null") {
        return Value::Null;
    }
    if text == "0" {
        return Value::from(0);
    }
    match text.parse::<i64>() {
        Ok(number) if !text.starts_with('0') => Value::from(number),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{PayloadKey, SetValue, YamlFile};
    use rstest::rstest;
    use serde_json::json;

    const SUM: PayloadKey<serde_json::Value> = PayloadKey::new("sum");

    #[rstest]
    #[case("true", json!(true))]
    #[case("FALSE", json!(false))]
    #[case("Null", json!(null))]
    #[case("0", json!(0))]
    #[case("42", json!(42))]
    #[case("-42", json!(-42))]
    #[case("+42", json!(42))]
    #[case("007", json!("007"))]
    #[case("-0", json!(0))]
    #[case("1.5", json!("1.5"))]
    #[case("1e3", json!("1e3"))]
    #[case("yes", json!("yes"))]
    #[case("9223372036854775808", json!("9223372036854775808"))]
    #[case("", json!(""))]
    #[case(" 1", json!(" 1"))]
    #[case("{a,b}", json!("{a,b}"))]
    fn types_are_guessed_as_by_set(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(auto(text), expected);
    }

    #[test]
    fn documents_come_in_order_and_settings_last() {
        let mut payload = Payload::default();
        payload.put_value("sum", json!({"a": [1]}));
        let info = ChartInfo {
            values_files: vec!["one.yaml".into(), "two.yaml".into()],
            yaml_files_content: vec![YamlFile { name: "inline".to_owned(), content: "a: 1".to_owned() }],
            values: vec![
                SetValue::auto("image.tag", "123"),
                SetValue::string("image.digest", "123"),
                SetValue::from_payload("sum", SUM),
                SetValue::sensitive("db.password", "hunter22"),
                SetValue::auto("gone", "null"),
            ],
            ..ChartInfo::default()
        };
        let values = Values::of(&info, &payload).unwrap();
        let shown = |document: &ValuesDocument| match document {
            ValuesDocument::File(path) => path.display().to_string(),
            ValuesDocument::Text { name, text } => format!("{name}: {}", text.expose()),
        };
        let lines: Vec<String> = values.documents().iter().map(shown).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        one.yaml
        two.yaml
        inline: a: 1
        values: {
          "image": {
            "tag": 123,
            "digest": "123"
          },
          "sum": {
            "a": [
              1
            ]
          },
          "db": {
            "password": "hunter22"
          },
          "gone": null
        }
        "#);
        assert!(!format!("{values:?}").contains("hunter22"));
        assert_eq!(values.secrets().collect::<Vec<_>>(), ["hunter22"]);
    }

    #[test]
    fn without_settings_there_is_no_document_for_them() {
        assert!(Values::of(&ChartInfo::default(), &Payload::default()).unwrap().documents().is_empty());
    }

    #[rstest]
    #[case(vec![SetValue::auto("a..b", "1")], "value `a..b` cannot be set: a part of it is empty")]
    #[case(vec![SetValue::auto("a[1]", "1")], "`a` has [1], but not [0]: a list is set as a whole")]
    #[case(vec![SetValue::from_payload("a", SUM)], "value `a` is to come from payload entry `sum`, which no earlier phase has set")]
    fn what_is_wrong_is_said(#[case] values: Vec<SetValue>, #[case] expected: &str) {
        let info = ChartInfo { values, ..ChartInfo::default() };
        assert_eq!(Values::of(&info, &Payload::default()).unwrap_err().to_string(), expected);
    }
}
