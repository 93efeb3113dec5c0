//! What a scalar means: the core schema of YAML 1.2 (<https://yaml.org/spec/1.2.2/#103-core-schema>).

use serde_json::{Number, Value};

/// A text, a number, a boolean or null, with the text it was written as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    text: String,
    plain: bool,
    meaning: Meaning,
}

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    Text,
    Null,
    Bool(bool),
    /// An integer that fits into 64 bits.
    Integer(Number),
    /// Any other number, including infinite ones.
    Float(f64),
}

impl Scalar {
    /// A scalar as written; only `plain` ones (no quotes, no block, no `!!str`) mean anything but text.
    pub(crate) fn new(text: String, plain: bool) -> Self {
        let meaning = if plain { meaning(&text) } else { Meaning::Text };
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

    pub(crate) fn is_merge_key(&self) -> bool {
        self.plain && self.text == "<<"
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
        match &self.meaning {
            Meaning::Text => Value::from(self.text.as_str()),
            Meaning::Null => Value::Null,
            Meaning::Bool(value) => Value::Bool(*value),
            Meaning::Integer(number) => Value::Number(number.clone()),
            Meaning::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        }
    }
}

fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Meaning::Float(f64::NEG_INFINITY),
        _ => number(text).unwrap_or(Meaning::Text),
    }
}

fn number(text: &str) -> Option<Meaning> {
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let shape_fits = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    if !shape_fits {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = text.parse::<i64>() {
            return Some(Meaning::Integer(number.into()));
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(Meaning::Integer(number.into()));
        }
    }
    text.parse::<f64>().ok().map(Meaning::Float)
}

fn digits(text: &str, radix: u32) -> Option<Meaning> {
    // `from_str_radix` would take a sign.
    if !text.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(text, radix).ok().map(|number| Meaning::Integer(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("", json!(null))]
    #[case("~", json!(null))]
    #[case("~1.20", json!("~1.20"))]
    #[case("true", json!(true))]
    #[case("yes", json!("yes"))]
    #[case("7", json!(7))]
    #[case("-7", json!(-7))]
    #[case("+7", json!(7))]
    #[case("18446744073709551615", json!(18_446_744_073_709_551_615_u64))]
    #[case("0x1F", json!(31))]
    #[case("0o17", json!(15))]
    #[case("0x-1", json!("0x-1"))]
    #[case("1.20", json!(1.2))]
    #[case("1e3", json!(1000.0))]
    #[case(".5", json!(0.5))]
    #[case("1.2.3", json!("1.2.3"))]
    #[case("1-2", json!("1-2"))]
    #[case(".", json!("."))]
    #[case("e5", json!("e5"))]
    #[case("2001-01-01", json!("2001-01-01"))]
    fn plain_scalars(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(Scalar::new(text.to_owned(), true).to_json(), expected);
        assert_eq!(Scalar::new(text.to_owned(), false).to_json(), json!(text));
    }
}
