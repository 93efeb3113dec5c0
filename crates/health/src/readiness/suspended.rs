//! Workloads that are told to stand still: a paused rollout, a suspended Job. As the chart asks for it they are as they should be;
//! suspended by somebody else they do not go on by themselves.

use crate::conventions::fields::{array, flag, text};
use pilothouse_core::{ObjectStatus, Readiness};
use serde_json::Value;

/// Field managers that write what a chart asks for.
const OF_CHARTS: [&str; 3] = ["helm", "Helm", "pilothouse"];

/// How an object stands whose field in `spec` suspends it.
pub(super) fn suspended(object: &Value, field: &str, what: &str) -> Option<ObjectStatus> {
    if !flag(object, &format!("/spec/{field}")) {
        return None;
    }
    Some(match by(object, field) {
        Some(manager) => ObjectStatus::new(Readiness::Failed, format!("{what}, by {manager}")).because(SUSPENDED),
        None => ObjectStatus::new(Readiness::Current, format!("{what}, as its spec asks")).because(SUSPENDED),
    })
}

/// The reason of both.
pub(crate) const SUSPENDED: &str = "Suspended";

/// Who has written the field, if nobody who writes for a chart owns it too. Who owns it is told by `metadata.managedFields`; an
/// object without them is as its chart asks.
fn by<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let pointer = format!("/fieldsV1/f:spec/f:{field}");
    let owners = array(object, "/metadata/managedFields").iter().filter(|entry| entry.pointer(&pointer).is_some());
    let owners: Vec<&str> = owners.map(|entry| text(entry, "/manager")).collect();
    let of_chart = owners.iter().any(|owner| OF_CHARTS.contains(owner));
    owners.into_iter().find(|_| !of_chart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::not_suspended(json!({"spec": {"paused": false}}), None)]
    #[case::nobody_knows(json!({"spec": {"paused": true}}), Some((Readiness::Current, "the rollout is paused, as its spec asks")))]
    #[case::by_the_chart(json!({"spec": {"paused": true}, "metadata": {"managedFields": [
        {"manager": "helm", "fieldsV1": {"f:spec": {"f:paused": {}}}}, {"manager": "kube-controller-manager", "fieldsV1": {"f:status": {}}}]}}),
        Some((Readiness::Current, "the rollout is paused, as its spec asks")))]
    #[case::by_somebody(json!({"spec": {"paused": true}, "metadata": {"managedFields": [
        {"manager": "helm", "fieldsV1": {"f:spec": {"f:replicas": {}}}}, {"manager": "kubectl-rollout", "fieldsV1": {"f:spec": {"f:paused": {}}}}]}}),
        Some((Readiness::Failed, "the rollout is paused, by kubectl-rollout")))]
    fn who_has_suspended_it(#[case] object: Value, #[case] expected: Option<(Readiness, &str)>) {
        let status = suspended(&object, "paused", "the rollout is paused");
        assert_eq!(status.as_ref().map(|status| (status.readiness, status.message.as_str())), expected);
    }
}
