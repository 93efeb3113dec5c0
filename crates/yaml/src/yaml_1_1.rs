//! What a plain scalar means to Go's `yaml.v2` (`resolve.go` of go.yaml.in/yaml/v2): YAML 1.1, as far as it goes.

use crate::meaning::Meaning;
use serde_json::Number;

/// What a plain scalar means to Go's `yaml.v2`.
pub fn yaml_1_1(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => float(text),
        b'+' | b'-' | b'0'..=b'9' => {
            let plain: String = text.chars().filter(|&c| c != '_').collect();
            integer(&plain).or_else(|| float(&plain))
        }
        _ => None,
    };
    number.unwrap_or(Meaning::Text)
}

/// An integer in the notations of Go: `0x1f`, `0o17`, `017`, `0b1`.
fn integer(text: &str) -> Option<Meaning> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefixed = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (digits, radix) = if let Some(rest) = prefixed(["0x", "0X"]) {
        (rest, 16)
    } else if let Some(rest) = prefixed(["0b", "0B"]) {
        (rest, 2)
    } else if let Some(rest) = prefixed(["0o", "0O"]) {
        (rest, 8)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    let number = if negative { Number::from(0_i64.checked_sub_unsigned(size)?) } else { Number::from(size) };
    Some(Meaning::Integer(number))
}

/// A float. One without a fraction becomes an integer, since Go writes it as one into JSON.
fn float(text: &str) -> Option<Meaning> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !unsigned.chars().all(plain) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number of that size")]
    if value.fract() == 0.0 && value.abs() < 9e18 {
        return Some(Meaning::Integer(Number::from(value as i64)));
    }
    value.is_finite().then_some(Meaning::Float(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case("0644", json!(420))]
    #[case("0o644", json!(420))]
    #[case("0x1F", json!(31))]
    #[case("0b101", json!(5))]
    #[case("-0b101", json!(-5))]
    #[case("089", json!(89))]
    #[case("1_000", json!(1000))]
    #[case("-1", json!(-1))]
    #[case("+1", json!(1))]
    #[case("0", json!(0))]
    #[case("18446744073709551615", json!(18_446_744_073_709_551_615_u64))]
    #[case("1.5", json!(1.5))]
    #[case("1.0", json!(1))]
    #[case("1e3", json!(1000))]
    #[case(".5", json!(0.5))]
    #[case("1.2.3", json!("1.2.3"))]
    #[case("100m", json!("100m"))]
    #[case("1Gi", json!("1Gi"))]
    #[case("12:30", json!("12:30"))]
    #[case("2026-11-21", json!("2026-11-21"))]
    #[case("10.0.0.0/8", json!("10.0.0.0/8"))]
    #[case("-", json!("-"))]
    #[case("+", json!("+"))]
    #[case(".", json!("."))]
    #[case("e3", json!("e3"))]
    #[case("yes", json!(true))]
    #[case("Off", json!(false))]
    #[case("y", json!(true))]
    #[case("yEs", json!("yEs"))]
    #[case("", json!(null))]
    #[case("~", json!(null))]
    #[case("NULL", json!(null))]
    #[case("infinity", json!("infinity"))]
    #[case("nan", json!("nan"))]
    fn plain_scalars(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(yaml_1_1(text).to_json(text), Some(expected));
    }

    #[rstest]
    #[case(".inf")]
    #[case(".NaN")]
    fn what_json_does_not_have(#[case] text: &str) {
        assert_eq!(yaml_1_1(text).to_json(text), None);
    }
}
