//! Bad input of every kind: a clear error, exit code 2, and no write to the cluster.

use crate::support::{World, fake_helm, plane, settings, writes};
use pilothouse_testkit::{fixture_chart, repository};
use rstest::rstest;
use std::process::Command;

/// One release besides which something is wrong; it would be deployed first.
fn stack(second: &str) -> String {
    format!(
        "version: 1\nname: bad\nreleases:\n  - name: first\n    namespace: bad-input\n    chart: {{ path: CHARTS/data }}\n{second}"
    )
}

fn second(lines: &str) -> String {
    stack(&format!("  - name: second\n    namespace: bad-input\n{lines}"))
}

#[rstest]
#[case::missing_values_file(second("    chart: { path: CHARTS/data }\n    values_files: [values/none.yaml]\n"))]
#[case::unreadable_values_file(second("    chart: { path: CHARTS/data }\n    values_files: [a-folder]\n"))]
#[case::unknown_key(second("    chart: { path: CHARTS/data }\n    atomic: true\n    valuesfiles: []\n"))]
#[case::duplicate_release(stack("  - name: first\n    namespace: bad-input\n    chart: { path: CHARTS/data }\n"))]
#[case::bad_version_constraint(second("    chart: { path: CHARTS/data, version: \"~>x.y\" }\n"))]
#[case::another_version(second("    chart: { path: CHARTS/data, version: ^2.0 }\n"))]
#[case::chart_that_is_not_there(second("    chart: { path: charts/none }\n"))]
#[case::folder_that_is_no_chart(second("    chart: { path: a-folder }\n"))]
#[case::truncated_archive(second("    chart: { path: cut.tgz }\n"))]
#[case::values_against_the_schema(second(
    "    chart: { path: WEB }\n    values:\n      - { key: replicas, value: many }\n"
))]
#[case::kube_version_that_does_not_fit(second("    chart: { path: CHARTS/needs-newer }\n"))]
#[case::values_that_are_not_yaml(second("    chart: { path: CHARTS/data }\n    values_files: [broken.yaml]\n"))]
#[case::manifest_that_is_not_there(second(
    "    chart: { path: CHARTS/data }\n    pre_exec:\n      - apply: { files: [none.yaml] }\n"
))]
fn is_told_and_nothing_is_changed(#[case] stack: String) {
    let web = repository().join("examples/quickstart/charts/web");
    let world = World::with_stack(&stack.replace("WEB", &web.display().to_string()));
    std::fs::create_dir(world.path("a-folder")).unwrap();
    world.write("broken.yaml", "a: [1, 2\n");
    let whole = packaged();
    std::fs::write(world.path("cut.tgz"), &whole[..whole.len() / 2]).unwrap();
    let transcript = world.transcript(&mut world.on_plane(&["apply", "--yes"]));
    let case =
        std::thread::current().name().unwrap().rsplit("::").next().unwrap().splitn(3, '_').nth(2).unwrap().to_owned();
    settings().bind(|| insta::assert_snapshot!(case, transcript));
    assert!(transcript.starts_with("exit code: 2\n"));
    assert_eq!(writes("bad-input"), [""; 0]);
}

/// A chart as `helm package` would make it.
fn packaged() -> Vec<u8> {
    let tar = Command::new("tar").args(["-cz", "operator-1"]).current_dir(fixture_chart("")).output().unwrap();
    assert!(tar.status.success());
    tar.stdout
}

const GOOD: &str =
    "version: 1\nname: good\nreleases:\n  - name: first\n    namespace: bad-input\n    chart: { path: CHARTS/data }\n";

#[test]
fn not_a_kubeconfig() {
    let world = World::with_stack(GOOD);
    world.write("config", "this: is no kubeconfig\n");
    let transcript = world.transcript(&mut world.program(&["apply", "--yes", "--kubeconfig", "config"]));
    insta::assert_snapshot!(transcript);
}

#[test]
fn unreachable_api_within_bounds() {
    let world = World::with_stack(GOOD);
    world.write(
        "config",
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n\
         clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {}}]\n",
    );
    let begun = std::time::Instant::now();
    let transcript = world.transcript(&mut world.program(&["apply", "--yes", "--kubeconfig", "config"]));
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    settings().bind(|| insta::assert_snapshot!(transcript));
}

#[test]
fn no_such_context() {
    let world = World::with_stack(GOOD);
    let transcript = world.transcript(&mut world.on_plane(&["apply", "--yes", "--context", "none"]));
    let mut settings = settings();
    settings.add_filter(&plane().kubeconfig().display().to_string(), "KUBECONFIG");
    settings.bind(|| insta::assert_snapshot!(transcript));
}

#[test]
fn missing_helm() {
    let world = World::with_stack(GOOD);
    let transcript = world.transcript(world.on_plane(&["apply", "--yes"]).env("PILOTHOUSE_HELM", "/no/such/helm"));
    insta::assert_snapshot!(transcript);
}

#[test]
fn helm_with_a_known_defect() {
    let world = World::with_stack(GOOD);
    let helm = fake_helm(&world, "v4.2.1");
    let transcript = world.transcript(world.on_plane(&["apply", "--yes"]).env("PILOTHOUSE_HELM", helm));
    insta::assert_snapshot!(transcript);
}

#[test]
fn nobody_to_ask() {
    let world = World::with_stack(GOOD);
    insta::assert_snapshot!(world.transcript(&mut world.on_plane(&["apply"])));
    assert_eq!(writes("bad-input"), [""; 0]);
}
