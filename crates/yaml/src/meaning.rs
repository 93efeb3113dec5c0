//! What a scalar means.

use serde_json::{Number, Value};

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// The text it was written as.
    Text,
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that fits into 64 bits.
    Integer(Number),
    /// Any other number, including infinite ones.
    Float(f64),
}

impl Meaning {
    /// Whether a scalar, written as `text`, is a whole number that Go's readers cannot keep: they have no more than 64 bits with a
    /// sign, and make a floating point number of it, whose last digits are others.
    pub fn is_too_large(&self, text: &str) -> bool {
        match self {
            Self::Integer(number) => number.as_i64().is_none(),
            Self::Float(_) => {
                let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
            }
            Self::Text | Self::Null | Self::Bool(_) => false,
        }
    }

    /// The same as JSON, for a scalar written as `text`; `None` for a number that JSON does not have.
    pub fn to_json(&self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::from(text)),
            Self::Null => Some(Value::Null),
            Self::Bool(value) => Some(Value::Bool(*value)),
            Self::Integer(number) => Some(Value::Number(number.clone())),
            Self::Float(number) => Number::from_f64(*number).map(Value::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{yaml_1_1, yaml_1_2};
    use rstest::rstest;

    #[rstest]
    #[case("9223372036854775807", false)]
    #[case("9223372036854775808", true)]
    #[case("+9223372036854775808", true)]
    #[case("-9223372036854775808", false)]
    #[case("-9223372036854775809", true)]
    #[case("18446744073709551616", true)]
    #[case("123456789012345678901234567890", true)]
    #[case("1e30", false)]
    #[case("123456789012345678901234567890.0", false)]
    #[case(".inf", false)]
    #[case("x", false)]
    #[case("-", false)]
    fn whole_numbers_that_lose_digits(#[case] text: &str, #[case] expected: bool) {
        assert_eq!([yaml_1_1(text), yaml_1_2(text)].map(|meaning| meaning.is_too_large(text)), [expected; 2]);
    }
}
