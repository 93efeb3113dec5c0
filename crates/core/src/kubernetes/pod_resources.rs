//! What a pod asks of its node.

use super::quantity::quantity;
use serde_json::Value;

/// What a pod with this spec asks for of a resource (`cpu` in cores, `memory` in bytes), as the scheduler and quotas count it: its
/// containers and sidecars together, or its largest init container where that is more, with its overhead. `list` is `requests` or
/// `limits`; a limit without a request is the request too (`k8s.io/component-helpers/resource/helpers.go`).
pub fn pod_amount(spec: &Value, list: &str, resource: &str) -> f64 {
    let amount = |container: &Value| {
        let at = |list: &str| container.get("resources")?.get(list)?.get(resource);
        at(list).or_else(|| at("limits")).and_then(quantity).unwrap_or_default()
    };
    let containers = |list: &str| spec.get(list).and_then(Value::as_array).into_iter().flatten();
    let is_sidecar = |container: &&Value| container.get("restartPolicy").and_then(Value::as_str) == Some("Always");
    let together: f64 =
        containers("containers").chain(containers("initContainers").filter(is_sidecar)).map(amount).sum();
    let largest =
        containers("initContainers").filter(|container| !is_sidecar(container)).map(amount).fold(together, f64::max);
    let overhead = spec.get("overhead").and_then(|overhead| overhead.get(resource)).and_then(quantity);
    largest + overhead.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn container(resources: &Value) -> Value {
        json!({"resources": resources})
    }

    #[rstest]
    #[case::nothing(json!({"containers": [{}]}), 0.0)]
    #[case::together(json!({"containers": [container(&json!({"requests": {"cpu": "500m"}})), container(&json!({"requests": {"cpu": 1}}))]}), 1.5)]
    #[case::a_limit_alone(json!({"containers": [container(&json!({"limits": {"cpu": "2"}}))]}), 2.0)]
    #[case::a_large_init(json!({"containers": [container(&json!({"requests": {"cpu": "1"}}))], "initContainers": [container(&json!({"requests": {"cpu": "3"}}))]}), 3.0)]
    #[case::a_sidecar(json!({"containers": [container(&json!({"requests": {"cpu": "1"}}))], "initContainers": [{"restartPolicy": "Always", "resources": {"requests": {"cpu": "3"}}}]}), 4.0)]
    #[case::overhead(json!({"containers": [container(&json!({"requests": {"cpu": "1"}}))], "overhead": {"cpu": "250m"}}), 1.25)]
    fn amounts(#[case] spec: Value, #[case] expected: f64) {
        assert!((pod_amount(&spec, "requests", "cpu") - expected).abs() < 1e-9, "{spec}");
    }
}
