//! Whatever an object is, it is judged, and always alike.

use jiff::Timestamp;
use pilothouse_core::ReadinessRule;
use pilothouse_health::Rules;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Names and words that the rules look at, so that what is made comes to them.
const WORDS: [&str; 44] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "status",
    "conditions",
    "type",
    "reason",
    "message",
    "observedGeneration",
    "generation",
    "replicas",
    "readyReplicas",
    "updatedReplicas",
    "phase",
    "state",
    "health",
    "creationTimestamp",
    "deletionTimestamp",
    "annotations",
    "parents",
    "parentRefs",
    "statuses",
    "size",
    "ready",
    "desiredNumberScheduled",
    "True",
    "False",
    "Ready",
    "Failed",
    "Progressing",
    "Deployment",
    "apps/v1",
    "v1",
    "Pod",
    "HTTPRoute",
    "gateway.networking.k8s.io/v1",
    "karpenter.sh/v1",
    "NodeClaim",
    "gloo.solo.io/v1",
    "promoter.argoproj.io/v1",
    "1/2",
    "PersistentVolumeClaim",
    "2026-11-21T08:00:00Z",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..7)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// An object of a kind that has rules, with anything in it.
fn object() -> impl Strategy<Value = Value> {
    let kinds = Rules::shipped_kinds().into_iter().chain(
        ["Deployment.apps", "Pod", "Service", "Job.batch", "HTTPRoute.gateway.networking.k8s.io", "Widget.example.com"]
            .map(str::to_owned),
    );
    let kinds: Vec<String> = kinds.map(|kind| kind.replace('*', "any")).collect();
    (prop::sample::select(kinds), value(), value(), value()).prop_map(|(kind, metadata, spec, status)| {
        let (kind, group) = kind.split_once('.').unwrap_or((&kind, ""));
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let parts = [
            ("apiVersion", version.into()),
            ("kind", kind.into()),
            ("metadata", metadata),
            ("spec", spec),
            ("status", status),
        ];
        Value::Object(parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
    })
}

proptest! {
    #[test]
    fn any_json_is_judged_always_alike(value in prop_oneof![value(), object()], seconds in -100_000_000_000..100_000_000_000_i64) {
        let now = Timestamp::from_second(seconds).unwrap();
        let first = Rules::default().judge(&value, now);
        prop_assert_eq!(&first, &Rules::default().judge(&value, now));
        prop_assert!(!first.status.message.is_empty());
        prop_assert!(!first.rule.is_empty());
        let together = Rules::default().judge_together(&[&value, &value], now);
        prop_assert_eq!(together.len(), 2);
    }

    #[test]
    fn any_expression_is_refused_or_asked(
        parts in prop::collection::vec(prop::sample::select(vec![
            "status", "object", "conditions", ".Ready", ".status", ".phase", "['a']", "==", "&&", "||", "!", "(", ")", "[", "]",
            "'a'", "1", "-", "+", "*", "/", "%", "has(", "size(", ".all(x,", ".exists(x,", "x", "9223372036854775807", "in",
            "int(", "string(", ".map(x,", "[0]", "?", ":", "true", ".matches('[')", "duration('1h')", "timestamp(", "1e999",
        ]), 0..24),
        object in object(),
    ) {
        let source = parts.concat();
        let rule = ReadinessRule { kind: "*.example.com".to_owned(), current: Some(source.clone()), message: Some(source), ..ReadinessRule::default() };
        if let Ok(rules) = Rules::with(&[rule]) {
            let mut object = object;
            object["apiVersion"] = "example.com/v1".into();
            rules.judge(&object, Timestamp::UNIX_EPOCH);
        }
    }
}
