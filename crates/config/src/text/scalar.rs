//! A scalar of a stack file: what it means, and what else it might have been meant to be.

use pilothouse_yaml::{Meaning, yaml_1_2};
use serde_json::Value;

/// A text, a number, a boolean or null, with the text it was written as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    text: String,
    plain: bool,
    meaning: Meaning,
}

impl Scalar {
    /// A scalar as written; only `plain` ones (no quotes, no block, no `!!str`) mean anything but text.
    pub(crate) fn new(text: String, plain: bool) -> Self {
        let meaning = if plain { yaml_1_2(&text) } else { Meaning::Text };
        Self { text, plain, meaning }
    }

    /// As it was written, without quotes.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    pub(crate) fn is_null(&self) -> bool {
        self.meaning == Meaning::Null
    }

    /// Whether it is text here but a boolean for readers of YAML 1.1, as helm's is.
    pub(crate) fn is_old_bool(&self) -> bool {
        const OLD: [&str; 4] = ["yes", "no", "on", "off"];
        self.plain && OLD.contains(&self.text.to_ascii_lowercase().as_str())
    }

    /// Whether it is a number here but another one for readers of YAML 1.1 (`0755` was octal).
    pub(crate) fn is_old_octal(&self) -> bool {
        self.plain && self.text.len() > 1 && self.text.starts_with('0') && self.text.chars().all(|c| c.is_digit(8))
    }

    /// Whether it is a number whose text says more than the number: `1.20` is 1.2.
    pub(crate) fn loses_digits(&self) -> bool {
        matches!(self.meaning, Meaning::Float(_)) && self.text.contains('.') && self.text.ends_with('0')
    }

    pub(crate) fn describe(&self) -> String {
        match self.meaning {
            Meaning::Text => "text".to_owned(),
            Meaning::Null => "empty".to_owned(),
            Meaning::Bool(value) => format!("the boolean {value}"),
            Meaning::Integer(_) | Meaning::Float(_) => format!("the number {}", self.text),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        self.meaning.to_json(&self.text).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("", json!(null))]
    #[case("true", json!(true))]
    #[case("0x1F", json!(31))]
    #[case("1.20", json!(1.2))]
    #[case("1.2.3", json!("1.2.3"))]
    fn only_plain_scalars_mean_more_than_text(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(Scalar::new(text.to_owned(), true).to_json(), expected);
        assert_eq!(Scalar::new(text.to_owned(), false).to_json(), json!(text));
    }
}
