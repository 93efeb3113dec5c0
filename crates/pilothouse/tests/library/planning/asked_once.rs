//! How often a plan asks the server about an object: a round trip to it is felt.

use super::support::{World, changes, plane};
use pilothouse::{ChartInfo, CrdPolicy};
use pilothouse_core::{ObjectChange, PlannedAction};
use pilothouse_plane::AuditLog;
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use std::collections::BTreeMap;

const DEFINITION: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: gadgets.GROUP }
spec:
  group: GROUP
  scope: Namespaced
  names: { kind: Gadget, plural: gadgets, singular: gadget, shortNames: [ SHORT ] }
  versions:
    - name: v1
      served: true
      storage: true
      schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
";

const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: changed }
data: { text: {{ .Values.text }} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: same }
---
apiVersion: GROUP/v1
kind: Gadget
metadata: { name: own }
spec: { text: {{ .Values.text }} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: {{ .Values.text }} }
";

/// What was asked about each object since `before`: how often it was read, and how often the server was asked what becomes of it.
fn asked(names: &[&str], world: &World, before: usize) -> BTreeMap<String, (usize, usize)> {
    let log = AuditLog::read(&plane().audit_log().unwrap()).unwrap();
    let mut asked: BTreeMap<String, (usize, usize)> = names.iter().map(|name| ((*name).to_owned(), (0, 0))).collect();
    for event in log.events().iter().skip(before).filter(|event| event.user_agent.starts_with("pilothouse/")) {
        let here = event.namespace.as_ref().is_none_or(|namespace| *namespace == world.namespace);
        let Some(count) = event.name.as_ref().filter(|_| here).and_then(|name| asked.get_mut(name)) else { continue };
        count.0 += usize::from(event.verb == "get");
        count.1 += usize::from(event.verb == "patch" && event.uri.contains("dryRun=All"));
    }
    asked
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_is_told_of_an_object_is_asked_once(#[case] tool: Tool) {
    let world = World::new("asked-once", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let chart = |short: &str| {
        let definition = DEFINITION.replace("GROUP", &group).replace("SHORT", short);
        let objects = OBJECTS.replace("GROUP", &group);
        world.chart("asked", &[("crds/gadgets.yaml", &definition), ("templates/all.yaml", &objects)])
    };
    let info = |text: &str, short: &str| ChartInfo {
        crds: CrdPolicy::Upgrade,
        ..world.info("asked", &chart(short), &[("text", text)])
    };
    assert_eq!(world.done(info("old", "gad")).await, "installed asked 1.0.0, 1 CRD applied");

    let before = AuditLog::read(&plane().audit_log().unwrap()).unwrap().events().len();
    let plan = world.plan_one(info("new", "gadg")).await;
    let definition = format!("gadgets.{group}");
    let config = |name: &str| world.object("v1", "ConfigMap", name).to_string();
    assert_eq!(
        (plan.does, changes(&plan), plan.unchanged, &plan.findings[..]),
        (
            PlannedAction::Upgrade,
            vec![
                (format!("CustomResourceDefinition {definition}"), ObjectChange::Update),
                (config("changed"), ObjectChange::Update),
                (config("new"), ObjectChange::Create),
                (world.object(&format!("{group}/v1"), "Gadget", "own").to_string(), ObjectChange::Update),
                (config("old"), ObjectChange::Delete),
            ],
            1,
            &[][..]
        )
    );
    let asked = asked(&[&definition, "changed", "same", "new", "own", "old"], &world, before);
    let times = [
        // That the release is not as it was deployed is told by its objects.
        (&definition[..], (1, 1)),
        // Once to tell whose it is, and once whole: where that is told by a list, it has the metadata of ConfigMaps alone.
        ("changed", (2, 1)),
        ("same", (2, 1)),
        ("new", (1, 1)),
        // Its definition changes first: the server would judge it by that of today.
        ("own", (1, 0)),
        // It is not wanted any more.
        ("old", (1, 0)),
    ];
    assert_eq!(asked, times.map(|(name, times)| (name.to_owned(), times)).into());
}
