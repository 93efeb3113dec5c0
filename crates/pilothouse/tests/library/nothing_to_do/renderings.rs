//! How often helm renders a chart for what is to be found out about its release.

use super::world::{MANIFEST, PLAIN, World};
use pilothouse::ValueSource;
use rstest::rstest;

const ACTION: &str = "{{ if .Release.IsUpgrade }}a{{ end }}";
const SERVED: &str = "{{ range .Capabilities.APIVersions }}{{ . }}{{ end }}";
const LOOKUP: &str = "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}";
const NUMBER: &str = "{{ .Release.Revision }}";
const MADE_UP: &str = "{{ uuidv4 }}{{ now }}";

/// How many renderings each takes.
#[derive(Debug, PartialEq, Eq)]
struct Renderings {
    install: usize,
    /// Nothing was changed but what the cluster serves.
    served: usize,
    /// The plan of an upgrade.
    plan: usize,
    upgrade: usize,
}

impl World {
    /// Renderings so far.
    fn rendered(&self) -> usize {
        self.helm.failures.calls().iter().filter(|call| call.starts_with("template ")).count()
    }
}

/// One each. What is looked up is looked up again right before helm, since steps may have changed it; and what is
/// made up where it finds nothing is told by a second rendering, once. Where the number of the revision is asked for, what is deployed
/// is compared under its own number, and what is going to be has the next one.
#[rstest]
#[case::plain(&[PLAIN], [1, 0, 1, 1])]
#[case::made_up(&[MADE_UP], [1, 0, 1, 1])]
#[case::action(&[ACTION], [1, 0, 1, 1])]
#[case::action_and_made_up(&[ACTION, MADE_UP], [1, 0, 1, 1])]
#[case::served(&[SERVED], [1, 1, 1, 1])]
#[case::served_and_action(&[SERVED, ACTION], [1, 1, 1, 1])]
#[case::served_and_made_up(&[SERVED, MADE_UP], [1, 1, 1, 1])]
// What is looked up is looked up again right before helm: for an install too.
#[case::lookup(&[LOOKUP], [2, 1, 1, 2])]
#[case::lookup_and_made_up(&[LOOKUP, MADE_UP], [2, 1, 1, 2])]
#[case::number(&[NUMBER], [1, 0, 2, 2])]
#[case::number_and_action(&[NUMBER, ACTION], [1, 0, 2, 2])]
#[case::number_and_served(&[NUMBER, SERVED], [1, 1, 2, 2])]
#[case::number_and_lookup(&[NUMBER, LOOKUP], [2, 1, 2, 3])]
#[case::all_of_it(&[LOOKUP, ACTION, SERVED, MADE_UP], [2, 1, 1, 2])]
#[tokio::test]
async fn each_chart_is_rendered_once(#[case] templates: &[&str], #[case] expected: [usize; 4]) {
    let world = World::new();
    world.write("chart/templates/all.yaml", &templates.concat());
    if templates.contains(&MADE_UP) {
        world.helm.renders(MANIFEST.replace("blue", "\"@MADE_UP@\""));
    }
    if templates.contains(&NUMBER) {
        world.helm.renders(MANIFEST.replace("blue", "n@REVISION@"));
    }
    if templates.contains(&ACTION) {
        world.helm.renders_as_upgrade(MANIFEST.replace("blue", "\"@MADE_UP@ again\""));
    }
    let mut wanted = world.wanted();
    world.run(&wanted).await;
    let install = world.rendered();

    world.cluster.serve("another.com", "Gadget");
    let seen = world.run(&wanted).await;
    assert!(seen.ended[0].starts_with("unchanged: "), "{seen:?}");
    let served = world.rendered() - install;

    wanted.info.values[0].value = ValueSource::Auto("2".to_owned());
    world.helm.renders(MANIFEST.replace("size: 1", "size: 2"));
    world.helm.renders_as_upgrade(MANIFEST.replace("size: 1", "size: 2"));
    let before = world.rendered();
    world.plan(std::slice::from_ref(&wanted)).await;
    let plan = world.rendered() - before;
    let seen = world.run(&wanted).await;
    assert_eq!(seen.ended, ["done: upgraded demo 1.0.0"]);
    let upgrade = world.rendered() - before - plan;

    let [i, s, p, u] = expected;
    let expected = Renderings { install: i, served: s, plan: p, upgrade: u };
    assert_eq!(Renderings { install, served, plan, upgrade }, expected);
}
