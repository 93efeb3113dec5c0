//! The pods and events that belong to an object: how they are asked for, and which of those found are the object's.

use super::requests::ListQuery;
use serde_json::Value;

/// The events about the objects with these UIDs (all when there are none), oldest first.
pub(crate) fn events_about(all: Vec<Value>, uids: &[String]) -> Vec<Value> {
    let about = |event: &Value| {
        let uid = event.pointer("/involvedObject/uid").and_then(Value::as_str);
        uids.is_empty() || uid.is_some_and(|uid| uids.iter().any(|wanted| wanted == uid))
    };
    let mut wanted: Vec<Value> = all.into_iter().filter(about).collect();
    wanted.sort_by_key(event_time);
    wanted
}

/// When an event was last seen, as RFC 3339 text to whole seconds, which sorts by time.
pub(crate) fn event_time(event: &Value) -> String {
    let keys = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let time = keys.into_iter().find_map(|key| event.pointer(key).and_then(Value::as_str)).unwrap_or_default();
    time.chars().take(19).collect()
}

/// Whether pods of objects of this kind are known.
pub(crate) fn may_have_pods(kind: &str) -> bool {
    ["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"].contains(&kind)
}

/// What a workload's selector selects in its namespace.
pub(crate) struct Selected<'a> {
    namespace: &'a str,
    selector: String,
}

impl<'a> Selected<'a> {
    /// `None` when the workload selects nothing, or everything.
    pub(crate) fn by(workload: &'a Value) -> Option<Self> {
        let namespace = text(workload, "/metadata/namespace").unwrap_or("default");
        let selector = workload.pointer("/spec/selector").and_then(label_selector)?;
        Some(Self { namespace, selector })
    }

    pub(crate) fn query(&self, kind: &str) -> ListQuery {
        let api_version = if kind == "Pod" { "v1" } else { "apps/v1" };
        ListQuery::new(api_version, kind).within(self.namespace).labelled(&self.selector)
    }
}

/// The UID of the newest ReplicaSet that a Deployment controls.
pub(crate) fn newest_set(sets: &[Value], deployment: &Value) -> Option<String> {
    let owner = uid(deployment);
    let newest = sets.iter().filter(|set| controller(set) == owner).max_by_key(|set| revision(set));
    newest.and_then(uid).map(str::to_owned)
}

/// Those of the pods that this object controls.
pub(crate) fn controlled_by(owner: &str, pods: Vec<Value>) -> Vec<Value> {
    pods.into_iter().filter(|pod| controller(pod) == Some(owner)).collect()
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// An object's UID.
pub(crate) fn uid(object: &Value) -> Option<&str> {
    text(object, "/metadata/uid")
}

/// The owner reference of an object's controller.
fn controller_reference(object: &Value) -> Option<&Value> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
}

fn controller(object: &Value) -> Option<&str> {
    controller_reference(object)?.get("uid")?.as_str()
}

/// The revision a Deployment's controller wrote on a ReplicaSet.
pub(crate) fn revision(set: &Value) -> u64 {
    let annotations = set.pointer("/metadata/annotations");
    let revision = annotations.and_then(|all| all.get("deployment.kubernetes.io/revision")).and_then(Value::as_str);
    revision.and_then(|revision| revision.parse().ok()).unwrap_or_default()
}

/// Writes a `LabelSelector` as the API's query parameter wants it; `None` for one that selects everything.
fn label_selector(selector: &Value) -> Option<String> {
    let mut parts = Vec::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression.get("key").and_then(Value::as_str)?;
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<&str> = values.filter_map(Value::as_str).collect();
        parts.push(match expression.get("operator").and_then(Value::as_str)? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!parts.is_empty()).then(|| parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"matchLabels": {"app": "web", "tier": "front"}}), Some("app=web,tier=front"))]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}, {"key": "d", "operator": "NotIn", "values": ["e"]}]}),
        Some("a in (b,c),d notin (e)"))]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "DoesNotExist"}]}), Some("a,!b"))]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "Gt"}]}), None)]
    #[case(json!({}), None)]
    fn selectors(#[case] selector: Value, #[case] expected: Option<&str>) {
        assert_eq!(label_selector(&selector).as_deref(), expected);
    }

    #[rstest]
    #[case(json!({"lastTimestamp": "2026-11-21T08:00:00Z", "eventTime": null}), "2026-11-21T08:00:00")]
    #[case(json!({"lastTimestamp": null, "eventTime": "2026-11-21T08:00:01.123456Z"}), "2026-11-21T08:00:01")]
    #[case(json!({"series": {"lastObservedTime": "2026-11-21T08:00:02.5Z"}, "eventTime": "2026-11-21T08:00:01.1Z"}), "2026-11-21T08:00:02")]
    #[case(json!({}), "")]
    fn times_of_events(#[case] event: Value, #[case] expected: &str) {
        assert_eq!(event_time(&event), expected);
    }
}
