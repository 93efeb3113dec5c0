//! What must never be: a secret in a cause, a panic, a cause whose certainty is not the table's.

use super::{Of, ago, now};
use crate::diagnosis::{HelmEvidence, causes, helm_causes, rules};
use pilothouse_core::{Certainty, ReleaseKey};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

const CANARY: &str = "c4n4ry-Zq81";

/// Every text that comes from elsewhere carries the canary in one of the forms that can be told.
#[test]
fn canaries_do_not_get_out() {
    let forms = [
        format!("Get https://user:{CANARY}@registry.example/v2/: denied"),
        format!("Authorization: Bearer {CANARY}"),
        format!("DB_PASSWORD={CANARY}"),
        format!("{{\"token\": \"{CANARY}\"}}"),
    ];
    for form in forms {
        let crashing = json!({"restartCount": 2, "ready": false,
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": form}}, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": form}}});
        let pulling = json!({"restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull", "message": form}}});
        let unready = json!({"restartCount": 0, "ready": false, "state": {"running": {"startedAt": ago(9)}}});
        let waiting = json!({"state": {"waiting": {"reason": "ContainerCreating"}}});
        let all = [
            Of::web().container_since(9, &crashing).log("web-1", "web", &[&form]),
            Of::web().container_since(9, &pulling).event(
                "Pod/web-1",
                "Failed",
                &format!("Failed to pull image: {form}"),
            ),
            Of::web().container_since(9, &unready).event(
                "Pod/web-1",
                "Unhealthy",
                &format!("Readiness probe failed: {form}"),
            ),
            Of::web().container_since(9, &waiting).event("Pod/web-1", "FailedMount", &format!("volume \"a\": {form}")),
            Of::web().event(
                "Deployment/web",
                "FailedCreate",
                &format!("admission webhook \"a\" denied the request: {form}"),
            ),
            Of::web().event("Deployment/web", "Odd", &form),
        ];
        for mut of in all {
            of.0.status.message.clone_from(&form);
            of.0.unreadable.push(form.clone());
            let told = format!("{:?}", causes(&of.0, now()));
            assert!(!told.contains(CANARY), "{told}");
        }
        let told = format!("{:?}", helm_causes(&HelmEvidence::new(ReleaseKey::new("a", "b"), form), now()));
        assert!(!told.contains(CANARY), "{told}");
    }
}

/// What is shortened is masked before: a secret whose end is cut off is not told by its form.
#[rstest]
#[case::a_url("https://user:")]
#[case::quoted("password=\"")]
#[case::assigned("password=")]
fn a_canary_across_the_limit(#[case] before: &str) {
    for length in 560..610 {
        let text = format!("{} {before}{CANARY}@registry.example/\" b", "x".repeat(length));
        let of = Of::web().event("Deployment/web", "Odd", &text);
        let told = format!("{:?}", causes(&of.0, now()));
        assert!(!told.contains("c4n4"), "{told}");
    }
}

/// Values of any shape, with the words that are looked for among them.
fn any_value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("Pod".to_owned()),
        Just("False".to_owned()),
        Just("PodScheduled".to_owned()),
        Just("CrashLoopBackOff".to_owned()),
        Just("ErrImagePull".to_owned()),
        Just("volume \"".to_owned()),
        Just("secret \"".to_owned()),
        ".{0,20}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    let key = prop_oneof![
        Just("metadata"),
        Just("status"),
        Just("spec"),
        Just("conditions"),
        Just("containerStatuses"),
        Just("state"),
        Just("waiting"),
        Just("reason"),
        Just("message"),
        Just("type"),
        Just("kind"),
        Just("name"),
        Just("lastState"),
        Just("terminated"),
        Just("volumes"),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|entries| Value::Object(
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bad_input_never_panics(mut pod in any_value(), event in any_value(), text in ".{0,200}") {
        if let Some(pod) = pod.as_object_mut() {
            pod.insert("kind".to_owned(), Value::from("Pod"));
        }
        let mut of = Of::web().owns(pod.clone()).around(pod);
        of.0.events.push(Arc::new(event));
        let told = causes(&of.0, now());
        prop_assert!(!told.is_empty());
        let _ = super::super::wanted(&of.0, now());
        prop_assert!(!helm_causes(&HelmEvidence::new(ReleaseKey::new("a", "b"), text), now()).is_empty());
        for cause in told {
            prop_assert!(rules().iter().any(|rule| (rule.code, rule.class, rule.certainty) == (cause.code.as_str(), cause.class, cause.certainty)));
        }
    }
}

/// Only what is not understood is unclear.
#[test]
fn what_is_told_is_certain_or_passing() {
    let unclear: Vec<&str> =
        rules().iter().filter(|rule| rule.certainty == Certainty::Unclear).map(|rule| rule.code).collect();
    assert_eq!(unclear, ["UNKNOWN"]);
}
