use super::*;
use crate::context::{Compared, Outcome};
use crate::plan::held::is_free;
use crate::plan::release_plan::empty;
use pilothouse_core::{ChartInfo, Namespace, PlannedHook, SameObject, SeenObject};
use rstest::rstest;
use serde_json::{Value, json};

fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some(api_version.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ObjectRef::parse(&format!("{kind}/{name}")).unwrap()
    }
}

fn config(name: &str) -> ObjectRef {
    object("v1", "ConfigMap", Some("default"), name)
}

fn monitor() -> ObjectRef {
    object("example.com/v1", "Monitor", Some("default"), "m")
}

fn namespace(name: &str) -> ObjectRef {
    object("v1", "Namespace", None, name)
}

fn definition_of_monitors() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "monitors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Monitor", "plural": "monitors"},
            "versions": [{"name": "v1", "served": true, "storage": true}]},
    })
}

fn monitors() -> ObjectRef {
    object("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "monitors.example.com")
}

fn line(object: ObjectRef, change: ObjectChange, takes: &[ObjectRef]) -> PlannedObject {
    PlannedObject {
        object,
        change,
        ownership: None,
        not_adopted: None,
        fields: Vec::new(),
        health: None,
        seen: None,
        again: false,
        takes: (!takes.is_empty()).then(|| takes.to_vec()),
    }
}

fn delete(object: ObjectRef) -> PlannedObject {
    line(object, ObjectChange::Delete, &[])
}

fn create(object: ObjectRef) -> PlannedObject {
    line(object, ObjectChange::Create, &[])
}

/// A release of a plan with these lines; what it deletes is there, as `live`.
fn release(name: &str, objects: Vec<PlannedObject>, live: &Value) -> Draft {
    let info = ChartInfo { name: name.to_owned(), namespace: Namespace::from("default"), ..ChartInfo::default() };
    let gone = objects.iter().filter(|one| one.change == ObjectChange::Delete).map(|one| Compared {
        live: Some(Sensitive::new(live.clone())),
        ..Compared::unknown(&one.object, Outcome::Change(ObjectChange::Delete))
    });
    let compared = gone.collect();
    Draft { plan: ReleasePlan { does: PlannedAction::Upgrade, objects, ..empty(&info) }, compared }
}

fn held(objects: &[ObjectRef]) -> Held {
    Held { action: HelmAction::Deploy, objects: Some(objects.to_vec()) }
}

#[rstest]
#[case::deleted(vec![delete(config("x"))], config("x"), true)]
#[case::made_again(vec![delete(config("x")), create(config("x"))], config("x"), false)]
#[case::with_its_definition(vec![line(monitors(), ObjectChange::Delete, &[monitor()])], monitor(), true)]
#[case::with_its_definition_and_made_again(
    vec![line(monitors(), ObjectChange::Delete, &[monitor()]), create(monitors()), create(monitor())], monitor(), false
)]
#[case::in_a_namespace(vec![delete(namespace("default")), create(namespace("default"))], config("x"), true)]
#[case::in_one_of_another_api(vec![delete(object("example.com/v1", "Namespace", None, "default"))], config("x"), false)]
fn what_a_release_takes(#[case] lines: Vec<PlannedObject>, #[case] asked: ObjectRef, #[case] expected: bool) {
    let earlier = release("a", lines, &json!({}));
    let taken = taken_by([&earlier.plan]);
    assert_eq!((taken.by(&asked).is_some(), taken.is_free(&asked)), (expected, false));
    let refused = ReleasePlan { does: PlannedAction::Refuse, ..earlier.plan };
    assert!(taken_by([&refused]).objects.is_empty());
}

/// Release 0 is the earlier one, 1 wants the object, 2 is another one.
#[rstest]
#[case::nobody_else(&[], &json!({}), true)]
#[case::another_deletes_it_too(&["deletes"], &json!({}), true)]
#[case::another_makes_it(&["makes"], &json!({}), false)]
#[case::another_keeps_it_as_it_is(&["same"], &json!({}), false)]
#[case::another_has_it_in_what_is_deployed(&["has"], &json!({}), false)]
#[case::another_is_not_known(&["not known"], &json!({}), false)]
#[case::a_hook_makes_it(&["hook"], &json!({}), false)]
#[case::the_earlier_is_not_known(&["earlier not known"], &json!({}), false)]
#[case::the_earlier_makes_it_by_a_hook(&["earlier has"], &json!({}), false)]
#[case::of_the_earlier_something_is_not_read(&["unreadable"], &json!({}), false)]
#[case::it_does_not_come_first(&["unordered"], &json!({}), false)]
#[case::it_only_goes_with_another(&["with another"], &json!({}), false)]
#[case::no_finalizers(&[], &json!({"metadata": {"finalizers": []}}), true)]
#[case::a_finalizer(&[], &json!({"metadata": {"finalizers": ["example.com/hold"]}}), false)]
#[case::a_service(&[], &json!({"kind": "Service", "spec": {"type": "ClusterIP"}}), true)]
#[case::a_load_balancer(&[], &json!({"kind": "Service", "spec": {"type": "LoadBalancer"}}), false)]
#[case::being_deleted(&[], &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), false)]
fn what_is_nobodys_by_then(#[case] so: &[&str], #[case] live: &Value, #[case] expected: bool) {
    let (is, x) = (|what: &str| so.contains(&what), config("x"));
    let goes = if is("with another") {
        line(config("y"), ObjectChange::Delete, std::slice::from_ref(&x))
    } else {
        delete(x.clone())
    };
    let mut earlier = release("a", vec![goes], live);
    if is("unreadable") {
        let unread = Outcome::Unreadable { why: "no".to_owned() };
        earlier.compared.push(Compared::unknown(&config("z"), unread));
    }
    let mut other = release("c", Vec::new(), live);
    if is("deletes") {
        other = release("c", vec![delete(x.clone())], live);
    }
    if is("makes") {
        other = release("c", vec![create(x.clone())], live);
    }
    if is("same") {
        let seen = SeenObject { uid: String::new(), resource_version: String::new(), digest: String::new() };
        other.plan.same.push(SameObject { object: x.clone(), seen });
    }
    if is("hook") {
        let object = ObjectRef { namespace: None, ..x.clone() };
        other.plan.hooks.push(PlannedHook { event: "pre-delete".to_owned(), object });
    }
    let known = |not: bool, has: bool| Held {
        action: HelmAction::Deploy,
        objects: (!not).then(|| if has { vec![x.clone()] } else { Vec::new() }),
    };
    let all = [
        known(is("earlier not known"), is("earlier has")),
        held(std::slice::from_ref(&x)),
        known(is("not known"), is("has")),
    ];
    let drafts = [earlier, release("b", vec![create(x.clone())], live), other];
    let before: &[usize] = if is("unordered") { &[] } else { &[0] };
    assert_eq!(is_free(&x, 1, before, &drafts, &all), expected);
}

#[rstest]
#[case::definition_does_not_come_again(vec![delete(monitors())], monitor(), true, &["API_NOT_SERVED"])]
#[case::definition_comes_again(vec![delete(monitors()), create(monitors())], monitor(), true, &[])]
#[case::in_another_version(
    vec![delete(monitors()), create(monitors())],
    ObjectRef { api_version: Some("example.com/v2".to_owned()), ..monitor() },
    true,
    &["API_NOT_SERVED"]
)]
#[case::another_kind(vec![delete(monitors())], config("x"), true, &[])]
#[case::namespace_does_not_come_again(
    vec![delete(namespace("apart"))], object("v1", "ConfigMap", Some("apart"), "x"), true, &["NAMESPACE_MISSING"]
)]
#[case::namespace_comes_again(
    vec![delete(namespace("apart")), create(namespace("apart"))],
    object("v1", "ConfigMap", Some("apart"), "x"), true, &[]
)]
#[case::its_records_go(
    vec![delete(namespace("default")), create(namespace("default"))], config("x"), true, &["NAMESPACE_MISSING"]
)]
#[case::it_has_no_records(vec![delete(namespace("default")), create(namespace("default"))], config("x"), false, &[])]
#[case::a_namespace_of_another_api(
    vec![delete(object("example.com/v1", "Namespace", None, "default"))], config("x"), true, &[]
)]
fn what_a_later_release_loses(
    #[case] lines: Vec<PlannedObject>,
    #[case] object: ObjectRef,
    #[case] has_records: bool,
    #[case] expected: &[&str],
) {
    let earlier = release("a", lines, &definition_of_monitors());
    let brings = Brings { kinds: crd_facts(&definition_of_monitors()).into_iter().collect(), ..Brings::default() };
    let later = ReleaseKey::new("default", "b");
    let findings = lost(&later, (&[object], has_records), [(&earlier, &brings)]);
    let said: Vec<&str> = findings.iter().map(|one| &*one.code).collect();
    assert_eq!(said, expected, "{findings:?}");
    assert!(findings.iter().all(|one| one.class == Class::Unsafe && one.message.contains("default/a")), "{findings:?}");
}

#[rstest]
#[case::side_by_side(&[], PlannedAction::Upgrade, &["ConfigMap default/x goes with default/a: let this release need default/a"])]
#[case::it_comes_after(&[(0, 1)], PlannedAction::Upgrade, &[
    "ConfigMap default/x goes with default/a, which comes after this release"
])]
#[case::it_comes_first(&[(1, 0)], PlannedAction::Upgrade, &[])]
#[case::it_is_destroyed(&[], PlannedAction::Uninstall, &["ConfigMap default/x goes with default/a"])]
#[case::it_is_refused(&[], PlannedAction::Refuse, &[])]
fn what_goes_with_a_release_that_does_not_come_first(
    #[case] needs: &[(usize, usize)],
    #[case] does: PlannedAction,
    #[case] expected: &[&str],
) {
    let mut from = release("a", vec![delete(config("x"))], &json!({}));
    from.plan.does = does;
    let mut drafts = [from, release("b", Vec::new(), &json!({}))];
    let mut stands_on = vec![Vec::new(), Vec::new()];
    for &(node, on) in needs {
        stands_on[node].push(on);
    }
    goes_with_others(&mut drafts, &[held(&[]), held(&[config("x"), config("y")])], &stands_on);
    assert_eq!(drafts[1].plan.warnings, expected);
    assert!(drafts[0].plan.warnings.is_empty());
}

#[rstest]
#[case::upgraded(PlannedAction::Upgrade, "its owner: let this release need default/a, which deletes it")]
#[case::destroyed(PlannedAction::Uninstall, "its owner")]
fn whom_a_release_is_told_to_need(#[case] does: PlannedAction, #[case] expected: &str) {
    let mut from = release("a", vec![delete(config("x"))], &json!({}));
    from.plan.does = does;
    let mut to = release("b", Vec::new(), &json!({}));
    to.plan.findings.push(Finding::new(Class::Unsafe, code::OWNERSHIP_CONFLICT, config("x"), "its owner"));
    let mut drafts = [from, to];
    hint_at_needs(&mut drafts, &[Vec::new(), Vec::new()]);
    assert_eq!(drafts[1].plan.findings[0].message, expected);
}
