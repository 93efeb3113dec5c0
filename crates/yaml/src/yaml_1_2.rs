//! What a plain scalar means: the core schema of YAML 1.2 (<https://yaml.org/spec/1.2.2/#103-core-schema>).

use crate::meaning::Meaning;

/// What a plain scalar means by the core schema of YAML 1.2.
pub fn yaml_1_2(text: &str) -> Meaning {
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
    use serde_json::{Value, json};

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
        assert_eq!(yaml_1_2(text).to_json(text), Some(expected));
    }
}
