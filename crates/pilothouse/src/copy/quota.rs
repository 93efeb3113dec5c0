//! Quotas of the copy: what others use in the cluster is not there, so there is that much less to be had. Pure.

use pilothouse_core::{parse_quantity, quantity};
use serde_json::{Map, Value};

/// The limits a quota has in the copy: those of the cluster, less what is used there and not here. `None` where nothing has to
/// be changed.
pub(super) fn without_others(
    hard: &Map<String, Value>,
    used_in_cluster: &Map<String, Value>,
    used_in_copy: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let amount =
        |amounts: &Map<String, Value>, resource: &str| amounts.get(resource)?.as_str().and_then(parse_quantity);
    let mut limits = hard.clone();
    for (resource, limit) in &mut limits {
        let used = amount(used_in_cluster, resource).unwrap_or_default();
        let others = used - amount(used_in_copy, resource).unwrap_or_default();
        // Sums of fractions are not exact.
        if others > 1e-6
            && let Some(whole) = limit.as_str().and_then(parse_quantity)
        {
            *limit = Value::from(written((whole - others).max(0.0)));
        }
    }
    (limits != *hard).then_some(limits)
}

/// Whether these are the same amounts, however the server writes them: `1000` comes back as `1k`.
pub(super) fn are_same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    let is_same = |(resource, a): (&String, &Value)| {
        let both = quantity(a).zip(b.get(resource).and_then(quantity));
        both.is_some_and(|(a, b)| (a - b).abs() <= 1e-6 * a.abs().max(1.0))
    };
    a.len() == b.len() && a.iter().all(is_same)
}

/// A quantity as Kubernetes reads it, exact to a thousandth.
fn written(amount: f64) -> String {
    if amount.fract().abs() < 1e-9 { format!("{amount:.0}") } else { format!("{:.0}m", amount * 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"pods": "1000"}), json!({"pods": "1k"}), true)]
    #[case(json!({"pods": "1"}), json!({"pods": "2"}), false)]
    #[case(json!({"pods": "1"}), json!({"services": "1"}), false)]
    #[case(json!({"pods": "1"}), json!({}), false)]
    fn however_they_are_written(#[case] a: Value, #[case] b: Value, #[case] same: bool) {
        let map = |value: &Value| value.as_object().unwrap().clone();
        assert_eq!(are_same(&map(&a), &map(&b)), same);
    }

    #[rstest]
    #[case(json!({"pods": "10"}), json!({"pods": "8"}), json!({"pods": "2"}), Some(json!({"pods": "4"})))]
    #[case(json!({"pods": "10"}), json!({"pods": "2"}), json!({"pods": "2"}), None)]
    // Here more runs than there: what is copied may have failed there.
    #[case(json!({"pods": "10"}), json!({"pods": "1"}), json!({"pods": "2"}), None)]
    #[case(json!({"pods": "1"}), json!({"pods": "3"}), json!({}), Some(json!({"pods": "0"})))]
    #[case(json!({"requests.cpu": "2"}), json!({"requests.cpu": "1100m"}), json!({"requests.cpu": "500m"}), Some(json!({"requests.cpu": "1400m"})))]
    #[case(json!({"requests.memory": "1Gi"}), json!({"requests.memory": "512Mi"}), json!({"requests.memory": "0"}), Some(json!({"requests.memory": "536870912"})))]
    #[case(json!({"pods": "10", "services": "5"}), json!({"pods": "1"}), json!({}), Some(json!({"pods": "9", "services": "5"})))]
    fn what_others_use_is_not_to_be_had(
        #[case] hard: Value,
        #[case] there: Value,
        #[case] here: Value,
        #[case] expected: Option<Value>,
    ) {
        let map = |value: &Value| value.as_object().unwrap().clone();
        assert_eq!(without_others(&map(&hard), &map(&there), &map(&here)).map(Value::Object), expected);
    }
}
