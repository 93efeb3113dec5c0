//! The order of rules, the data file, and rules from the stack file.

use super::*;
use crate::check_rule;
use rstest::rstest;
use serde_json::json;

const LATER: Timestamp = Timestamp::MAX;

fn rule(kind: &str) -> ReadinessRule {
    ReadinessRule { kind: kind.to_owned(), ..ReadinessRule::default() }
}

fn told(rules: &Rules, object: &Value) -> (Readiness, String) {
    let verdict = rules.judge(object, LATER);
    (verdict.status.readiness, verdict.rule)
}

#[test]
fn every_expression_of_the_data_file_can_be_used_and_no_kind_is_given_twice() {
    let rules: Vec<ReadinessRule> = serde_saphyr::from_str(SHIPPED).unwrap();
    assert!(rules.len() > 80);
    for rule in &rules {
        assert_eq!(check_rule(rule), [], "{}", rule.kind);
    }
    let mut kinds: Vec<&str> = rules.iter().map(|rule| rule.kind.as_str()).collect();
    kinds.sort_unstable();
    let all = kinds.len();
    kinds.dedup();
    assert_eq!(kinds.len(), all);
}

#[test]
fn rules_given_win_over_all_but_deletion() {
    let given = ReadinessRule { current: Some("spec.fine".to_owned()), ..rule("Deployment.apps") };
    let rules = Rules::with(&[given]).unwrap();
    let mut object =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 2}, "spec": {"fine": true}});
    assert_eq!(told(&rules, &object), (Readiness::Current, "stack file: Deployment.apps: current".to_owned()));
    assert_eq!(told(&Rules::default(), &object), (Readiness::InProgress, "Kubernetes: Deployment".to_owned()));
    object["spec"] = json!({});
    let none = "stack file: Deployment.apps: none of its conditions holds".to_owned();
    assert_eq!(told(&rules, &object), (Readiness::InProgress, none));
    object["metadata"]["deletionTimestamp"] = json!("2026-11-21T08:00:00Z");
    assert_eq!(told(&rules, &object), (Readiness::Terminating, "deletion".to_owned()));
}

#[test]
fn a_rule_for_a_kind_comes_before_the_general_ones_and_the_generation_before_it() {
    let mut object = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"generation": 2},
        "status": {"conditions": [{"type": "Registered", "status": "True"}]}});
    let none = "shipped: NodeClaim.karpenter.sh: none of its conditions holds".to_owned();
    assert_eq!(told(&Rules::default(), &object), (Readiness::InProgress, none));
    assert_eq!(told(&Rules::general_only(), &object), (Readiness::Current, "general: conditions".to_owned()));
    object["status"]["observedGeneration"] = json!(1);
    let generation = "general: the generation its controller has seen".to_owned();
    assert_eq!(told(&Rules::default(), &object), (Readiness::InProgress, generation));
}

#[rstest]
#[case(json!({"status": {"phase": "Bad", "why": "no disk"}}), (Readiness::Failed, None, "no disk"))]
#[case(json!({"status": {"phase": "Halted"}}), (Readiness::InProgress, Some("Suspended"), "it is not ready yet by the rule for its kind"))]
#[case(json!({"status": {"phase": "Kept"}}), (Readiness::Current, None, "it is ready by the rule for its kind"))]
#[case(json!({"status": {"phase": "?"}}), (Readiness::Unknown, None, "phase is ?, a word that no rule knows"))]
#[case(json!({"status": {"phase": 7}}), (Readiness::InProgress, None, "its controller has not said yet how it stands"))]
#[case(json!({"status": "Kept"}), (Readiness::InProgress, None, "it is not ready yet by the rule for its kind"))]
#[case(json!({}), (Readiness::InProgress, None, "its controller has not written a status yet"))]
// The words of the object are kept.
#[case(json!({"status": {"phase": "Copying"}}), (Readiness::InProgress, Some("Copying"), "phase is Copying"))]
fn conditions_of_a_rule(#[case] mut object: Value, #[case] expected: (Readiness, Option<&'static str>, &'static str)) {
    let text = |text: &str| Some(text.to_owned());
    let given = ReadinessRule {
        failed: text("status.phase == 'Bad'"),
        suspended: text("status.phase == 'Halted'"),
        current: text("status.phase == 'Kept'"),
        unknown: text("status.phase == '?'"),
        message: text("status.why"),
        ..rule("Backup.example.com")
    };
    object["apiVersion"] = json!("example.com/v1");
    object["kind"] = json!("Backup");
    let status = Rules::with(&[given]).unwrap().judge(&object, LATER).status;
    assert_eq!((status.readiness, status.reason.as_deref(), status.message.as_str()), expected);
}

/// What is not there makes a condition not hold, and never an error.
#[rstest]
#[case("status.a.b == 'c'", false)]
#[case("!(status.a.b == 'c')", false)]
#[case("!has(status.a)", true)]
#[case("status.a == 'x' || status.n > 1", true)]
#[case("status.n / 0 == 1", false)]
#[case("status.n + 9223372036854775807 > 0", false)]
#[case("-9223372036854775808 / -1 > 0", false)]
#[case("status.list[7] == 1", false)]
#[case("status.list.exists(x, x == 2)", true)]
#[case("status['n'] == 2", true)]
#[case("size(status) == 4 && size(object.status) == 4", true)]
#[case("conditions.Ready.status == 'True' && conditions.Ready.reason == 'Done'", true)]
#[case("conditions['example.com/ok'].status == 'False'", true)]
#[case("size(conditions) == 2", true)]
#[case("status.list", false)]
#[case("metadata.name == 'n' && spec.size == 1.5", true)]
fn expressions(#[case] source: &str, #[case] expected: bool) {
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "A", "metadata": {"name": "n"}, "spec": {"size": 1.5},
        "status": {"n": 2, "list": [1, 2], "nothing": null, "conditions": [
            {"type": "Ready", "status": true, "reason": "Done"}, {"type": "example.com/ok", "status": "False"},
            {"type": "Ready", "status": "False"}]},
    });
    let given = ReadinessRule { current: Some(source.to_owned()), ..rule("A.example.com") };
    let ready = Rules::with(&[given]).unwrap().judge(&object, LATER).status.is_ready();
    assert_eq!(ready, expected);
}

#[rstest]
#[case("A.example.com", "A", "example.com", true)]
#[case("A.example.com", "B", "example.com", false)]
#[case("A.example.com", "A", "other.example.com", false)]
#[case("*.example.com", "A", "example.com", true)]
#[case("*.example.com", "A", "a.example.com", false)]
#[case("*.*.example.com", "A", "a.b.example.com", true)]
#[case("*.*.example.com", "A", "example.com", false)]
#[case("*.*.example.com", "A", "myexample.com", false)]
#[case("A.*.example.com", "A", "b.example.com", true)]
#[case("A", "A", "", true)]
#[case("A", "A", "example.com", false)]
fn kinds(#[case] pattern: &str, #[case] kind: &str, #[case] group: &str, #[case] expected: bool) {
    let given = ReadinessRule { current: Some("true".to_owned()), ..rule(pattern) };
    let rules = Rules::with(&[given]).unwrap();
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let verdict = rules.judge(&json!({"apiVersion": version, "kind": kind}), LATER);
    assert_eq!(verdict.rule.starts_with("stack file"), expected);
}

#[test]
fn the_kind_itself_comes_before_its_group_and_the_last_of_several_counts() {
    let given = |kind: &str, current: &str| ReadinessRule { current: Some(current.to_owned()), ..rule(kind) };
    let rules = [given("A.example.com", "false"), given("A.example.com", "true"), given("*.example.com", "false")];
    let object = json!({"apiVersion": "example.com/v1", "kind": "A"});
    assert!(Rules::with(&rules).unwrap().judge(&object, LATER).status.is_ready());
}

#[test]
fn a_rule_that_cannot_be_used_is_named() {
    let broken = ReadinessRule { failed: Some("status.a = 1".to_owned()), ..rule("A.example.com") };
    let error = Rules::with(&[rule("B.example.com"), broken]).unwrap_err();
    assert_eq!(error.to_string(), "rule 1 (`A.example.com`): `failed` cannot be used");
    assert_eq!(error.error.message, "it is not CEL: character 10: mismatched input '=' expecting <EOF>");
}

/// A claim is looked at with what is given beside it.
#[test]
fn together() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"},
        "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}});
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
        "volumeBindingMode": "WaitForFirstConsumer"});
    let readiness = |objects: &[&Value]| {
        let verdicts = Rules::default().judge_together(objects, LATER);
        verdicts.into_iter().map(|verdict| verdict.status.readiness).collect::<Vec<_>>()
    };
    assert_eq!(readiness(&[&claim]), [Readiness::InProgress]);
    assert_eq!(readiness(&[&claim, &class]), [Readiness::Current, Readiness::Current]);
}

/// A machine that is switched off is ready only where that is what was asked for.
#[rstest]
#[case(json!({"running": false}), "Stopped", Readiness::Current)]
#[case(json!({"runStrategy": "Halted"}), "Stopped", Readiness::Current)]
#[case(json!({"runStrategy": "Manual"}), "Stopped", Readiness::Current)]
#[case(json!({"running": true}), "Stopped", Readiness::InProgress)]
#[case(json!({"runStrategy": "Always"}), "Stopped", Readiness::InProgress)]
#[case(json!({"running": false}), "Stopping", Readiness::InProgress)]
#[case(json!({"running": true}), "Paused", Readiness::InProgress)]
fn virtual_machines(#[case] spec: Value, #[case] word: &str, #[case] expected: Readiness) {
    let object = json!({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "spec": spec, "status": {
        "printableStatus": word, "conditions": [{"type": "Ready", "status": "False", "reason": "VMINotExists", "message": "VMI does not exist"}],
    }});
    assert_eq!(told(&Rules::default(), &object).0, expected);
}
