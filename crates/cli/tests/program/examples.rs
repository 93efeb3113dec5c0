//! The stack files of `examples/`, as they are but for where the chart comes from, and the same ideas on charts of our own.

use crate::support::{World, display, kubectl_get, plane, settings, writes};
use pilothouse_testkit::{community_chart, repository};

/// An example's stack file with its chart taken from a package.
fn example(name: &str, package: &std::path::Path) -> String {
    let text = std::fs::read_to_string(repository().join("examples").join(name).join("pilothouse.yaml")).unwrap();
    let begin = text.find("    chart:\n").unwrap();
    let rest = &text[begin + "    chart:\n".len()..];
    let length: usize = rest.split_inclusive('\n').take_while(|line| line.starts_with("      ")).map(str::len).sum();
    format!("{}    chart: {{ path: {} }}\n{}", &text[..begin], display(package), &rest[length..])
}

#[test]
#[ignore = "the largest chart once more"]
fn the_prometheus_operator_comes_and_goes_with_its_definitions() {
    let test = "the_prometheus_operator_comes_and_goes_with_its_definitions";
    let Some(old) = community_chart("kube-prometheus-stack-75.17.0", test) else { return };
    let Some(package) = community_chart("kube-prometheus-stack-88.5.3", test) else { return };
    let world = World::with_stack(&example("prometheus-operator", &old));
    let install = world.transcript(&mut world.on_plane(&["plan"]));
    // Grouped by kind: some fifty rules and dashboards take two lines.
    assert!(screen_lines(&install) <= SCREEN, "{install}");
    assert!(install.contains("    +   35 PrometheusRule  "), "{install}");
    let before = world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    assert!(before.starts_with("exit code: 0\n"), "{before}");
    world.write("pilothouse.yaml", &example("prometheus-operator", &package));
    let plan = world.transcript(&mut world.on_plane(&["plan"]));
    assert!(screen_lines(&plan) <= 2 * SCREEN, "{} lines:\n{plan}", screen_lines(&plan));
    let at = |text: &str| plan.find(text).unwrap_or_else(|| panic!("no {text:?} in {plan}"));
    let order = ["effects:", "    -   Role ", "schema changed: ", "labels that change alike in many objects:"].map(at);
    assert!(order.is_sorted(), "{plan}");
    assert_eq!(plan.matches("\"75.17.0\" -> \"88.5.3\"").count(), 1, "{plan}");
    settings().bind(|| {
        insta::assert_snapshot!("prometheus_apply", world.transcript(&mut world.on_plane(&["apply", "--yes"])));
        insta::assert_snapshot!("prometheus_destroy", world.transcript(&mut world.on_plane(&["destroy", "--yes"])));
    });
}

/// Lines of a screen.
const SCREEN: usize = 45;

/// How many lines of a screen with 120 columns the results of a transcript take.
fn screen_lines(transcript: &str) -> usize {
    let (_, text) = transcript.split_once("----- stdout -----\n").unwrap();
    let text = text.split("----- stderr -----").next().unwrap_or_default();
    text.lines().map(|line| line.chars().count().div_ceil(120).max(1)).sum()
}

#[test]
fn the_network_plugin_is_adopted() {
    let Some(package) = community_chart("aws-vpc-cni-1.22.4", "the_network_plugin_is_adopted") else { return };
    let world = World::with_stack(&example("aws-vpc-cni", &package));
    world.write("before/pilothouse.yaml", BEFORE);
    let before = world.transcript(&mut world.on_plane(&["apply", "--yes", "before"]));
    assert!(before.starts_with("exit code: 0\n"), "{before}");
    let uid = || {
        kubectl_get(plane(), "apps/v1", "DaemonSet", Some("kube-system"), "aws-node").unwrap()["metadata"]["uid"]
            .clone()
    };
    let before = uid();
    settings().bind(|| {
        insta::assert_snapshot!("network_plugin", world.transcript(&mut world.on_plane(&["apply", "--yes"])));
    });
    assert_eq!(uid(), before);
    // How to take it back is found on this machine and, where its journal is not, in the cluster.
    let list = world.transcript(&mut world.on_plane(&["history"]));
    let run = list.split_once("  run ").unwrap().1.split_whitespace().next().unwrap();
    let commands = || {
        let details = world.transcript(&mut world.on_plane(&["history", run]));
        let commands = details.lines().filter(|line| line.contains("kubectl patch")).map(|line| line.trim().to_owned());
        (details.contains("its journal is not on this machine"), commands.collect::<Vec<_>>())
    };
    let patch = r#"--type merge --patch '{"metadata":{"labels":{"app.kubernetes.io/managed-by":null},"annotations":{"meta.helm.sh/release-name":null,"meta.helm.sh/release-namespace":null}}}'"#;
    let expected = [
        format!("kubectl patch --namespace kube-system daemonset.apps/aws-node serviceaccount/aws-node {patch}"),
        format!(
            "kubectl patch clusterrole.rbac.authorization.k8s.io/aws-node \
             clusterrolebinding.rbac.authorization.k8s.io/aws-node {patch}"
        ),
    ];
    assert_eq!(commands(), (false, expected.to_vec()));
    std::fs::remove_dir_all(world.path("state/pilothouse/runs")).unwrap();
    assert_eq!(commands(), (true, expected.to_vec()));
}

/// The objects of the time before helm, put there by a release of something else.
const BEFORE: &str = r#"
version: 1
name: before
releases:
  - name: before
    namespace: kube-system
    chart: { path: CHARTS/data }
    wait: false
    pre_exec:
      - apply:
          manifests:
            - { apiVersion: v1, kind: ServiceAccount, metadata: { name: aws-node } }
            - { apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: { name: aws-node }, rules: [] }
            - apiVersion: rbac.authorization.k8s.io/v1
              kind: ClusterRoleBinding
              metadata: { name: aws-node }
              roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: aws-node }
              subjects: [{ kind: ServiceAccount, name: aws-node, namespace: kube-system }]
            - apiVersion: apps/v1
              kind: DaemonSet
              metadata: { name: aws-node }
              spec:
                selector: { matchLabels: { k8s-app: aws-node } }
                template:
                  metadata: { labels: { k8s-app: aws-node } }
                  spec: { containers: [{ name: aws-node, image: "registry.example.com/cni:1.10" }] }
"#;

/// What belongs to another release is not adopted, and this is known before anything is changed.
#[test]
fn what_belongs_to_another_release_is_not_adopted() {
    let world = World::with_stack(&STEALING.replace("pre_exec", "post_exec").replace("adopt", "restart"));
    let owner = world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    assert!(owner.starts_with("exit code: 0\n"), "{owner}");
    world.write("thief/pilothouse.yaml", &STEALING.replace("name: owner", "name: thief"));
    settings().bind(|| insta::assert_snapshot!(world.transcript(&mut world.on_plane(&["apply", "--yes", "thief"]))));
}

const STEALING: &str = "
version: 1
name: stealing
releases:
  - name: owner
    namespace: stealing
    chart: { path: CHARTS/node-agent }
    values: [{ key: clusterRole, value: stealing }]
    pre_exec:
      - adopt: { objects: [daemonset/node-agent] }
";

const OPERATOR: &str = "\
version: 1
name: operator
releases:
  - name: operator
    namespace: operator
    chart: { path: CHARTS/operator-1 }
    crds: upgrade
    last_breaking_version_requiring_restart: 1.5.0
    post_exec:
      - on: destroy
        delete: { chart_crds: true }
";

/// The whole idea on a chart of our own: installed, reinstalled over a breaking version with its definition brought along,
/// refused while somebody's object exists, destroyed with consent.
#[ignore = "what it shows one by one is tested every day; the whole takes twenty seconds"]
#[test]
fn an_operator_of_our_own() {
    let world = World::with_stack(OPERATOR);
    let crd = || {
        kubectl_get(
            plane(),
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            None,
            "widgets.fixtures.example.com",
        )
    };
    settings().bind(|| {
        insta::assert_snapshot!("operator_1_install", world.transcript(&mut world.on_plane(&["apply", "--yes"])));
        insta::assert_snapshot!("operator_2_status", world.transcript(&mut world.on_plane(&["status"])));
        world.write("pilothouse.yaml", &OPERATOR.replace("operator-1", "operator-2"));
        insta::assert_snapshot!(
            "operator_3_breaking_upgrade",
            world.transcript(&mut world.on_plane(&["apply", "--yes"]))
        );
        assert_eq!(crd().unwrap()["metadata"]["annotations"]["fixtures.example.com/version"], "2");
        world.write("somebody/pilothouse.yaml", SOMEBODY);
        let somebody = world.transcript(&mut world.on_plane(&["apply", "--yes", "somebody"]));
        assert!(somebody.starts_with("exit code: 0\n"), "{somebody}");
        insta::assert_snapshot!("operator_4_refused", world.transcript(&mut world.on_plane(&["destroy", "--yes"])));
        assert!(crd().is_some());
        let consent = ["destroy", "--yes", "--consent", "crd/widgets.fixtures.example.com"];
        insta::assert_snapshot!("operator_5_destroy", world.transcript(&mut world.on_plane(&consent)));
        assert!(crd().is_none());
        insta::assert_snapshot!("operator_6_status", world.transcript(&mut world.on_plane(&["status"])));
    });
}

const SOMEBODY: &str = "
version: 1
name: somebody
releases:
  - name: somebody
    namespace: somebody
    chart: { path: CHARTS/data }
    post_exec:
      - apply:
          manifests:
            - { apiVersion: fixtures.example.com/v1, kind: Widget, metadata: { name: precious }, spec: { size: 7 } }
";

/// A claim goes with the release it belongs to, so a destroy needs consent that names it.
#[test]
fn data_is_not_deleted_by_accident() {
    let world = World::with_stack(
        "version: 1\nname: data\nreleases:\n  - name: precious\n    namespace: data\n    chart: { path: CHARTS/data }\n",
    );
    let installed = world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    assert!(installed.starts_with("exit code: 0\n"), "{installed}");
    let claim = || kubectl_get(plane(), "v1", "PersistentVolumeClaim", Some("data"), "precious");
    let before = writes("data");
    assert!(
        before.iter().any(|write| write.contains("persistentvolumeclaims")),
        "the counting sees no writes: {before:?}"
    );
    settings()
        .bind(|| insta::assert_snapshot!("data_refused", world.transcript(&mut world.on_plane(&["destroy", "--yes"]))));
    assert!(claim().is_some());
    assert_eq!(writes("data"), before);
    let consented = world.transcript(&mut world.on_plane(&["destroy", "--yes", "--consent", "pvc/precious"]));
    assert!(consented.starts_with("exit code: 0\n"), "{consented}");
    assert!(claim().is_none());
}
