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
