//! Which claims of a StatefulSet go with it or with its pods.

use serde_json::Value;
use std::ops::Range;

/// The pods that a change takes from a StatefulSet which deletes the claims of such pods
/// (`spec.persistentVolumeClaimRetentionPolicy.whenScaled: Delete`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaledDown {
    templates: Vec<String>,
    ordinals: Vec<Range<u64>>,
}

impl ScaledDown {
    /// What `live` loses when it becomes `then`; `None` when no claim goes.
    pub fn of(live: &Value, then: &Value) -> Option<Self> {
        if then.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenScaled").and_then(Value::as_str)
            != Some("Delete")
        {
            return None;
        }
        let (is, stays) = (ordinals(live), ordinals(then));
        let ordinals = if stays.is_empty() {
            vec![is]
        } else {
            vec![is.start..is.end.min(stays.start), is.start.max(stays.end)..is.end]
        };
        let ordinals: Vec<Range<u64>> = ordinals.into_iter().filter(|range| !range.is_empty()).collect();
        let templates = claim_templates(live);
        (!ordinals.is_empty() && !templates.is_empty()).then_some(Self { templates, ordinals })
    }

    /// Whether this claim, in the namespace of the set of that name, goes: they are named `TEMPLATE-SET-ORDINAL`
    /// (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/>).
    pub fn takes(&self, set: &str, claim: &str) -> bool {
        let ordinal = claim_ordinal(&self.templates, set, claim);
        ordinal.is_some_and(|ordinal| self.ordinals.iter().any(|range| range.contains(&ordinal)))
    }

    /// The first few pods that go, and how many there are.
    pub fn pods(&self, set: &str) -> (Vec<String>, u64) {
        const NAMED: usize = 3;
        let named = self.ordinals.iter().cloned().flatten().take(NAMED).map(|ordinal| format!("{set}-{ordinal}"));
        (named.collect(), self.ordinals.iter().map(|range| range.end - range.start).sum())
    }
}

/// Whether the claims of a StatefulSet go with it.
pub fn deletes_its_claims(stateful_set: &Value) -> bool {
    let policy = stateful_set.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
    policy.and_then(Value::as_str) == Some("Delete") && !claim_templates(stateful_set).is_empty()
}

/// Whether a claim, in the namespace of the set of that name, is one that this StatefulSet has made.
pub fn is_claim_of(stateful_set: &Value, set: &str, claim: &str) -> bool {
    claim_ordinal(&claim_templates(stateful_set), set, claim).is_some()
}

fn claim_templates(stateful_set: &Value) -> Vec<String> {
    let templates = stateful_set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let name = |template: &Value| Some(template.pointer("/metadata/name")?.as_str()?.to_owned());
    templates.into_iter().flatten().filter_map(name).collect()
}

fn claim_ordinal(templates: &[String], set: &str, claim: &str) -> Option<u64> {
    let mut of = templates.iter().filter_map(|template| claim.strip_prefix(&format!("{template}-{set}-")));
    of.find_map(|ordinal| ordinal.bytes().all(|byte| byte.is_ascii_digit()).then(|| ordinal.parse().ok()).flatten())
}

/// The numbers of its pods. Without `replicas` there is one.
fn ordinals(stateful_set: &Value) -> Range<u64> {
    let number = |pointer| stateful_set.pointer(pointer).and_then(Value::as_u64);
    let start = number("/spec/ordinals/start").unwrap_or(0);
    start..start.saturating_add(number("/spec/replicas").unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn set(spec: &Value) -> Value {
        let mut set = json!({"spec": {
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "wal"}}],
        }});
        set["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        set
    }

    #[rstest]
    #[case::fewer(json!({"replicas": 3}), json!({"replicas": 1}), &[1, 2])]
    #[case::none(json!({"replicas": 2}), json!({"replicas": 0}), &[0, 1])]
    #[case::not_set_any_more(json!({"replicas": 3}), json!({}), &[1, 2])]
    #[case::the_one_by_default(json!({}), json!({"replicas": 0}), &[0])]
    #[case::more(json!({"replicas": 1}), json!({"replicas": 3}), &[])]
    #[case::the_same(json!({"replicas": 2}), json!({"replicas": 2}), &[])]
    #[case::moved(json!({"replicas": 3}), json!({"replicas": 3, "ordinals": {"start": 2}}), &[0, 1])]
    #[case::moved_back(json!({"replicas": 2, "ordinals": {"start": 5}}), json!({"replicas": 2}), &[5, 6])]
    #[case::moved_far(json!({"replicas": 2}), json!({"replicas": 2, "ordinals": {"start": 5}}), &[0, 1])]
    #[case::narrowed(json!({"replicas": 5}), json!({"replicas": 2, "ordinals": {"start": 2}}), &[0, 1, 4])]
    fn whose_claims_go(#[case] live: Value, #[case] then: Value, #[case] expected: &[u64]) {
        let scaled = ScaledDown::of(&set(&live), &set(&then));
        let goes = |n: &u64| scaled.as_ref().is_some_and(|scaled| scaled.takes("db", &format!("wal-db-{n}")));
        let gone: Vec<u64> = (0..10).filter(goes).collect();
        assert_eq!(gone, expected);
        assert_eq!(scaled.map_or(0, |scaled| scaled.pods("db").1), expected.len() as u64);
    }

    #[test]
    fn claims_that_are_kept_or_are_others() {
        let (three, one) = (set(&json!({"replicas": 3})), set(&json!({"replicas": 1})));
        let mut kept = one.clone();
        kept["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] = json!("Retain");
        assert_eq!(ScaledDown::of(&three, &kept), None, "what it becomes decides");
        let (mut three_kept, mut bare) = (three.clone(), three.clone());
        three_kept["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] = json!("Retain");
        assert!(ScaledDown::of(&three_kept, &one).is_some());
        bare["spec"]["volumeClaimTemplates"] = json!([]);
        assert_eq!(ScaledDown::of(&bare, &one), None);
        let scaled = ScaledDown::of(&three, &one).unwrap();
        let others = ["data-db-0", "data-db-x", "data-db-", "data-db-+1", "other-db-1", "data-dbs-1", "data-db-1-1"];
        assert!(others.iter().all(|claim| !scaled.takes("db", claim)));
        assert_eq!(scaled.pods("db"), (vec!["db-1".to_owned(), "db-2".to_owned()], 2));
    }
}
