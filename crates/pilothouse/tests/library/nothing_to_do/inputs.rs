//! What is wanted, changed in one place at a time.

use super::world::{ASKS_CLUSTER, MANIFEST, Seen, Wanted, World, nothing};
use pilothouse::{CrdPolicy, Phase, SetValue, ValueSource, YamlFile};
use pilothouse_testkit::FakeHelm;
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

/// Something that may be changed.
type Change = fn(&mut World, &mut Wanted);

const HELM_3: &str = "v3.19.0";

fn helm_3(world: &mut World, _: &mut Wanted) {
    world.helm = Arc::new(FakeHelm::new(world.cluster.clone(), MANIFEST, "1.0.0").of_version(HELM_3));
}

fn value(wanted: &mut Wanted, index: usize, value: ValueSource) {
    wanted.info.values[index].value = value;
}

/// What is rendered is the same: nothing is deployed, but the checks are made, since nobody has made them of this input.
#[rstest]
#[case::chart(|world: &mut World, _: &mut Wanted| drop(world.write("chart/templates/all.yaml", "{{ .Values }} ")))]
#[case::chart_version(|world: &mut World, _: &mut Wanted| drop(world.write("chart/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.1\n")))]
#[case::file_of_the_chart(|world: &mut World, _: &mut Wanted| drop(world.write("chart/templates/NOTES.txt", "hello")))]
#[case::values_file(|world: &mut World, _: &mut Wanted| drop(world.write("values.yaml", "colour: red\n")))]
#[case::no_values_file(|_: &mut World, wanted: &mut Wanted| wanted.info.values_files.clear())]
#[case::one_more_values_file(|world: &mut World, wanted: &mut Wanted| wanted.info.values_files.push(world.write("more.yaml", "a: 1\n")))]
#[case::document(|_: &mut World, wanted: &mut Wanted| wanted.info.yaml_files_content[0].content = "size: 2\n".to_owned())]
#[case::no_document(|_: &mut World, wanted: &mut Wanted| wanted.info.yaml_files_content.clear())]
#[case::auto(|_: &mut World, wanted: &mut Wanted| value(wanted, 0, ValueSource::Auto("2".to_owned())))]
#[case::string(|_: &mut World, wanted: &mut Wanted| value(wanted, 1, ValueSource::String("2".to_owned())))]
#[case::json(|_: &mut World, wanted: &mut Wanted| value(wanted, 2, ValueSource::Json(json!({"a": 2}))))]
#[case::sensitive(|_: &mut World, wanted: &mut Wanted| wanted.info.values[3] = SetValue::sensitive("sensitive", "hunter23"))]
#[case::auto_as_string(|_: &mut World, wanted: &mut Wanted| value(wanted, 0, ValueSource::String("1".to_owned())))]
#[case::key_of_a_value(|_: &mut World, wanted: &mut Wanted| wanted.info.values[0].key = "other".to_owned())]
#[case::order_of_values(|_: &mut World, wanted: &mut Wanted| wanted.info.values.reverse())]
#[case::no_value(|_: &mut World, wanted: &mut Wanted| drop(wanted.info.values.pop()))]
#[case::force_upgrade(|_: &mut World, wanted: &mut Wanted| wanted.info.force_upgrade = true)]
#[case::skip_schema_validation(|_: &mut World, wanted: &mut Wanted| wanted.info.skip_schema_validation = true)]
#[case::recreate_pods(|_: &mut World, wanted: &mut Wanted| wanted.info.recreate_pods = true)]
#[case::crds(|_: &mut World, wanted: &mut Wanted| wanted.info.crds = CrdPolicy::Upgrade)]
#[case::helm_major(helm_3)]
#[tokio::test]
async fn other_input_with_the_same_result(#[case] change: Change) {
    let (mut world, mut wanted) = World::deployed(World::wanted).await;
    change(&mut world, &mut wanted);
    assert_eq!(world.run(&wanted).await, validated());
    assert_eq!(world.run(&wanted).await, nothing(), "what was found out is remembered");
}

#[tokio::test]
async fn whether_it_waits() {
    let (world, mut wanted) = World::deployed(|world| {
        world.helm.renders("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\n");
        world.wanted()
    })
    .await;
    wanted.info.wait = true;
    assert_eq!(world.run(&wanted).await, validated());
    assert_eq!(world.run(&wanted).await, nothing());
}

fn validated() -> Seen {
    Seen {
        ended: vec!["done: revision 1 is what is wanted, and was not validated".to_owned()],
        helm: vec!["template default/demo".to_owned()],
        steps: vec!["smoke"],
    }
}

fn upgraded() -> Seen {
    Seen {
        ended: vec!["done: upgraded demo 1.0.0".to_owned()],
        helm: vec!["template default/demo".to_owned(), "upgrade default/demo".to_owned()],
        steps: vec!["migrate", "smoke"],
    }
}

/// Each of these changes what is rendered.
#[rstest]
#[case::another_value("blue", "red", upgraded())]
#[case::another_label("example.com/owner: me", "example.com/owner: you", upgraded())]
#[case::a_comment("  size: 1", "  size: 1 # as ever", validated())]
#[case::a_hook("example.com/owner: me", "helm.sh/hook: pre-upgrade", upgraded())]
#[case::a_test_of_the_chart("example.com/owner: me", "helm.sh/hook: test", upgraded())]
#[tokio::test]
async fn other_input_with_another_result(#[case] from: &str, #[case] to: &str, #[case] expected: Seen) {
    let (world, mut wanted) = World::deployed(World::wanted).await;
    world.helm.renders(MANIFEST.replace(from, to));
    value(&mut wanted, 0, ValueSource::Auto("2".to_owned()));
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.run(&wanted).await, nothing());
}

/// A document is not taken for a value that reads the same.
#[tokio::test]
async fn values_and_documents_are_kept_apart() {
    let (world, mut wanted) = World::deployed(|world| {
        let mut wanted = world.wanted();
        wanted.info.yaml_files_content.clear();
        wanted.info.values = vec![SetValue::auto("a", "b")];
        wanted
    })
    .await;
    let document = |content: &str| YamlFile { name: "inline".to_owned(), content: content.to_owned() };
    wanted.info.yaml_files_content = vec![document("a"), document("auto b")];
    wanted.info.values.clear();
    assert_eq!(world.run(&wanted).await, validated());
}

fn steps_only(steps: &[&'static str]) -> Seen {
    Seen {
        ended: vec!["done: its steps have changed".to_owned()],
        helm: vec!["template default/demo".to_owned()],
        steps: steps.to_vec(),
    }
}

#[rstest]
#[case::one_more(|_: &mut World, wanted: &mut Wanted| { wanted.step(Phase::PostExec, "index"); }, steps_only(&["migrate", "index", "smoke"]))]
#[case::one_less(|_: &mut World, wanted: &mut Wanted| { wanted.steps.remove(0); }, steps_only(&["smoke"]))]
#[case::another(|_: &mut World, wanted: &mut Wanted| wanted.steps[0].1.name = "move", steps_only(&["move", "smoke"]))]
#[case::another_check(|_: &mut World, wanted: &mut Wanted| wanted.steps[1].1.name = "look", steps_only(&["migrate", "look"]))]
#[case::in_another_phase(|_: &mut World, wanted: &mut Wanted| wanted.steps[0].0 = Phase::Validate, steps_only(&["migrate", "smoke"]))]
#[case::for_the_case_of_a_failure(|_: &mut World, wanted: &mut Wanted| { wanted.step(Phase::OnDeployFailure, "clean"); }, steps_only(&["migrate", "smoke"]))]
#[case::lifecycle_version(|_: &mut World, wanted: &mut Wanted| wanted.lifecycle_version = "2", steps_only(&["migrate", "smoke"]))]
#[tokio::test]
async fn other_steps(#[case] change: Change, #[case] expected: Seen) {
    let (mut world, mut wanted) = World::deployed(World::wanted).await;
    change(&mut world, &mut wanted);
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.run(&wanted).await, nothing());
}

/// What runs before helm may be made for helm to run after it.
#[tokio::test]
async fn a_step_before_helm() {
    let (world, mut wanted) = World::deployed(World::wanted).await;
    wanted.step(Phase::PreExec, "prepare");
    let expected = Seen { steps: vec!["prepare", "migrate", "smoke"], ..upgraded() };
    assert_eq!(world.run(&wanted).await, expected);
    assert_eq!(world.run(&wanted).await, nothing());
}

#[rstest]
#[case::version(|world: &mut World, _: &mut Wanted| world.cluster.become_version("v1.37.0"))]
#[case::kinds(|world: &mut World, _: &mut Wanted| world.cluster.serve("x", "Gadget"))]
#[tokio::test]
async fn what_the_cluster_serves(#[case] change: Change) {
    let (mut world, mut wanted) = World::deployed(World::wanted).await;
    change(&mut world, &mut wanted);
    assert_eq!(world.run(&wanted).await, nothing(), "its templates do not ask");

    let asks = |world: &World| {
        world.write("chart/templates/all.yaml", ASKS_CLUSTER);
        world.wanted()
    };
    let (mut world, mut wanted) = World::deployed(asks).await;
    change(&mut world, &mut wanted);
    assert_eq!(world.run(&wanted).await, rendered(1));
    assert_eq!(world.run(&wanted).await, nothing(), "what was found out is remembered");
}

/// What a run does that has to render to find that nothing is to be done.
fn rendered(times: usize) -> Seen {
    Seen { helm: vec!["template default/demo".to_owned(); times], ..nothing() }
}

#[tokio::test]
async fn what_nobody_asks_for_may_be_served() {
    let (world, wanted) = World::deployed(|world| {
        world.write("chart/templates/all.yaml", ASKS_CLUSTER);
        world.wanted()
    })
    .await;
    world.cluster.serve("another.com", "Gadget");
    assert_eq!(world.run(&wanted).await, nothing());
}

/// What is served now may be something to deploy; what is made up is not.
#[tokio::test]
async fn what_the_cluster_serves_by_now_is_deployed() {
    let made_up = MANIFEST.replace("blue", "\"@MADE_UP@\"");
    let (world, wanted) = World::deployed(|world| {
        world.write("chart/templates/all.yaml", &format!("{ASKS_CLUSTER}{{{{ uuidv4 }}}}"));
        world.helm.renders(&made_up);
        world.wanted()
    })
    .await;
    world.cluster.serve("x", "Gadget");
    assert_eq!(world.run(&wanted).await, rendered(1), "what is made up is remembered of the deploy");
    assert_eq!(world.run(&wanted).await, nothing());
    world.cluster.become_version("v1.37.0");
    world.helm.renders(made_up.replace("size: 1", "size: 2"));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended);
    assert_eq!(world.run(&wanted).await, nothing());
}

/// What templates read of the clock or of chance, or of the revision that is to be, is no reason to deploy.
#[rstest]
#[case::chance("{{ randAlpha 5 }}")]
#[case::certificates("{{ genCA \"a\" 1 }}")]
#[case::clock("{{ now }}")]
#[case::install("{{ if .Release.IsInstall }}")]
#[case::upgrade("{{ if .Release.IsUpgrade }}")]
#[case::revision("{{ .Release.Revision }}")]
#[case::all_of_it("{{ $r := .Release }}{{ now }}{{ uuidv4 }}{{ .Capabilities.KubeVersion }}")]
#[tokio::test]
async fn what_is_made_up_is_no_reason(#[case] template: &str) {
    let (world, mut wanted) = World::deployed(|world| {
        world.write("chart/templates/all.yaml", template);
        world.helm.renders(MANIFEST.replace("blue", "\"@MADE_UP@\""));
        world.helm.renders_as_upgrade(MANIFEST.replace("blue", "\"@MADE_UP@ again\""));
        world.wanted()
    })
    .await;
    value(&mut wanted, 0, ValueSource::Auto("2".to_owned()));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended, "what somebody wants is");
    assert_eq!(world.run(&wanted).await, nothing());
}

/// What is looked up is compared with a revision as that one was rendered: not as the next one, nor, after a rollback, as the newest.
#[tokio::test]
async fn what_is_looked_up_beside_the_number_of_the_revision() {
    let world = World::new();
    world.write("chart/templates/all.yaml", "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}{{ .Release.Revision }}");
    let (plain, numbered) = (MANIFEST.replace("blue", "n@REVISION@"), "size: 2");
    world.helm.renders(plain.clone());
    let mut wanted = world.wanted();
    world.run(&wanted).await;
    assert_eq!(world.run(&wanted).await, rendered(1));
    value(&mut wanted, 0, ValueSource::Auto("2".to_owned()));
    world.helm.renders(plain.replace("size: 1", numbered));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended);
    assert_eq!(world.run(&wanted).await, rendered(1));
    world.helm.renders(plain);
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended, "what it finds is another thing");
    assert_eq!(world.run(&wanted).await, rendered(1));
}

/// What a chart reads of the cluster is asked each time, and costs one rendering.
#[rstest]
#[case::the_same(MANIFEST, MANIFEST, 1)]
#[case::as_an_upgrade(MANIFEST, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n", 1)]
#[tokio::test]
async fn what_is_looked_up(#[case] install: &str, #[case] upgrade: &str, #[case] times: usize) {
    let world = World::new();
    world.write("chart/templates/all.yaml", "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}{{ .Release.IsInstall }}");
    world.helm.renders(install);
    world.helm.renders_as_upgrade(upgrade);
    let wanted = world.wanted();
    world.run(&wanted).await;
    assert_eq!(world.run(&wanted).await, rendered(times));
    world.helm.renders(install.replace("blue", "red"));
    world.helm.renders_as_upgrade(install.replace("blue", "red"));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended);
    assert_eq!(world.run(&wanted).await, rendered(times));
}

/// A password is looked up, or made up where there is none: the first of it is kept.
#[tokio::test]
async fn what_is_looked_up_and_made_up() {
    let world = World::new();
    world.write("chart/templates/all.yaml", "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}{{ randAlphaNum 5 }}");
    world.helm.renders(MANIFEST.replace("blue", "\"@MADE_UP@\""));
    let wanted = world.wanted();
    world.run(&wanted).await;
    assert_eq!(world.run(&wanted).await, rendered(1));
    world.helm.renders(MANIFEST.replace("blue", "\"@MADE_UP@\"").replace("size: 1", "size: 2"));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended);
}

/// What an upgrade makes is compared with what an upgrade made: that an install would make what is deployed says nothing.
#[tokio::test]
async fn what_is_looked_up_by_an_upgrade_alone() {
    let world = World::new();
    world.write(
        "chart/templates/all.yaml",
        "{{ if .Release.IsUpgrade }}{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}{{ end }}",
    );
    let mut wanted = world.wanted();
    world.run(&wanted).await;
    value(&mut wanted, 0, ValueSource::Auto("2".to_owned()));
    world.helm.renders(MANIFEST.replace("blue", "red"));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended);
    assert_eq!(world.run(&wanted).await, rendered(1));
    world.helm.renders_as_upgrade(MANIFEST.replace("blue", "green"));
    assert_eq!(world.run(&wanted).await.ended, upgraded().ended);
}
