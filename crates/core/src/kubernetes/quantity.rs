//! Amounts as Kubernetes writes them: `500m`, `64Mi`, `2`.

use serde_json::Value;
use std::fmt::Write as _;

/// Suffixes with what they stand for; two letters before one.
const SUFFIXES: [(&str, f64); 16] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("", 1.0),
];

/// The amount in a text, in the unit without a suffix: cores, bytes; `None` for what is not one
/// (`k8s.io/apimachinery/pkg/api/resource/quantity.go`).
pub fn parse_quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    // `1e3` has no suffix, `1E` has.
    if let Ok(plain) = text.parse::<f64>() {
        return plain.is_finite().then_some(plain);
    }
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| !suffix.is_empty() && text.ends_with(suffix))?;
    let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
    number.is_finite().then_some(number * factor)
}

/// The amount in a field that holds one, as text or as a plain number; `None` for what is not one.
pub fn quantity(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => parse_quantity(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The amount for people: bytes in the largest unit that leaves at least 1, cores with up to three places.
pub fn show_quantity(amount: f64, resource: &str) -> String {
    let is_bytes = resource.contains("memory") || resource.contains("storage");
    let units = [("Ti", SUFFIXES[3].1), ("Gi", SUFFIXES[2].1), ("Mi", SUFFIXES[1].1), ("Ki", SUFFIXES[0].1)];
    let (unit, amount) = match units.iter().find(|(_, factor)| is_bytes && amount >= *factor) {
        Some((unit, factor)) => (*unit, amount / factor),
        None => ("", amount),
    };
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = write!(text, "{:.*}", if is_bytes { 1 } else { 3 }, amount);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("500m", Some(0.5))]
    #[case("2", Some(2.0))]
    #[case("64Mi", Some(67_108_864.0))]
    #[case("1e3", Some(1000.0))]
    #[case("1E", Some(1e18))]
    #[case("1.5Gi", Some(1_610_612_736.0))]
    #[case("", None)]
    #[case("many", None)]
    #[case("m", None)]
    #[case("inf", None)]
    #[case("NaN", None)]
    fn amounts(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(parse_quantity(text), expected);
    }

    #[rstest]
    #[case(0.5, "cpu", "0.5")]
    #[case(64.0, "requests.cpu", "64")]
    #[case(1_610_612_736.0, "memory", "1.5Gi")]
    #[case(67_108_864.0, "ephemeral-storage", "64Mi")]
    #[case(100.0, "pods", "100")]
    fn shown(#[case] amount: f64, #[case] resource: &str, #[case] expected: &str) {
        assert_eq!(show_quantity(amount, resource), expected);
    }

    proptest! {
        #[test]
        fn bad_input_never_panics(text in ".{0,12}") {
            let _ = parse_quantity(&text);
        }
    }
}
