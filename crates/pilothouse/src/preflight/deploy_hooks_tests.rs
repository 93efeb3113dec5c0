//! The same of hooks, of definitions in `crds/`, and of what an uninstall leaves or a chart looks up.

use super::*;

/// A hook of these events, and of this weight.
fn hook(manifest: &str, events: &str, weight: i32) -> String {
    let annotations = format!(", annotations: {{helm.sh/hook: '{events}', helm.sh/hook-weight: '{weight}'}}}}\n");
    manifest.replacen("}\n", &annotations, 1)
}

/// A cluster where this is deployed, with these hooks of its uninstall.
fn deployed_with_hooks(manifest: &str, hooks: &[(&str, &str, &[&str])]) -> Arc<FakeCluster> {
    let cluster = deployed(manifest);
    let hook = |(manifest, event, policies): &(&str, &str, &[&str])| {
        let object = pilothouse_helm::parse_documents(manifest).unwrap().remove(0);
        json!({"name": object["metadata"]["name"], "kind": object["kind"], "path": "a/templates/h.yaml", "manifest": manifest,
            "events": [event], "delete_policies": policies})
    };
    let hooks: Vec<serde_json::Value> = hooks.iter().map(hook).collect();
    cluster.put(pilothouse_testkit::record_secret(&json!({"name": "demo", "namespace": "default", "version": 1,
        "info": {"status": "deployed", "description": "Install complete"}, "hooks": hooks, "manifest": manifest,
        "chart": {"metadata": {"name": "fake", "version": "1.0.0"}}})));
    cluster
}

fn upgrade() -> Change {
    Change::Upgrade { last_good: Some(1) }
}

async fn told_of(cluster: &Arc<FakeCluster>, chart: &str, change: Change) -> Vec<String> {
    let found = foreseen_of(cluster, &Steps::default(), chart, change, |_| {}).await.findings;
    found.into_iter().map(|one| format!("{} {}", one.code, one.subject)).collect()
}

/// Helm runs hooks when the old release has gone, or half an upgrade is done.
#[rstest]
#[case::reinstall(reinstall(), "pre-install", true)]
#[case::reinstall_at_its_end(reinstall(), "post-install", true)]
#[case::install(Change::Install, "pre-install", true)]
#[case::upgrade(upgrade(), "post-upgrade", true)]
#[case::of_several_events(upgrade(), "post-install,pre-upgrade", true)]
#[case::of_another_change(reinstall(), "pre-upgrade", false)]
#[case::of_tests(reinstall(), "test", false)]
#[tokio::test]
async fn a_hook_that_the_server_refuses(
    #[case] change: Change,
    #[case] events: &str,
    #[case] is_told: bool,
    #[values(true, false)] is_there: bool,
) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "old", ""));
    if is_there {
        cluster.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "h", "namespace": "default"}}));
    }
    for verb in ["apply", "update", "dry-create"] {
        cluster.refuse(format!("{verb} Service"), invalid("Service \"h\" is invalid: spec.ports: Required value"));
    }
    let chart = manifest("v1", "ConfigMap", "old", "") + &hook(&manifest("v1", "Service", "h", ""), events, 0);
    let expected: &[&str] = if is_told { &["OBJECT_INVALID Service default/h"] } else { &[] };
    let found = told_of(&cluster, &chart, change).await;
    let refused: Vec<&String> = found.iter().filter(|one| one.starts_with("OBJECT_INVALID")).collect();
    assert_eq!(refused, expected);
}

/// Only what helm makes before the hook is of use to it.
#[rstest]
#[case::nobody("pre-install", String::new(), true)]
#[case::by_crds("pre-install", definition(false).replace("a/templates/", "a/crds/"), false)]
#[case::by_templates_before("post-install", definition(false), false)]
#[case::by_templates_too_late("pre-install", definition(false), true)]
#[case::by_a_hook_before("pre-install", hook(&definition(false), "pre-install", -1), false)]
#[case::by_a_hook_after("pre-install", hook(&definition(false), "pre-install", 1), true)]
#[case::by_a_hook_at_the_beginning("post-install", hook(&definition(false), "pre-install", 1), false)]
#[tokio::test]
async fn a_hook_without_its_kind(
    #[case] event: &str,
    #[case] more: String,
    #[case] is_told: bool,
    #[values(reinstall(), Change::Install)] change: Change,
) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "old", ""));
    let nope = more.replace("Widget", "Gadget").replace("widgets", "gadgets");
    let chart = manifest("v1", "ConfigMap", "old", "")
        + &hook(&manifest("example.com/v1", "Gadget", "h", ""), event, 0)
        + &nope;
    let expected: &[&str] = if is_told { &["API_NOT_SERVED Gadget h"] } else { &[] };
    let found = told_of(&cluster, &chart, change).await;
    assert_eq!(found.iter().filter(|one| one.contains("Gadget")).collect::<Vec<_>>(), expected);
}

/// What an earlier hook makes is there by then.
#[rstest]
#[case::nobody("", true)]
#[case::a_hook(&hook(&manifest("v1", "ServiceAccount", "runs", ""), "pre-install", -5), false)]
#[tokio::test]
async fn a_hook_that_needs_what_another_makes(#[case] more: &str, #[case] is_told: bool) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "old", ""));
    cluster.refuse(
        "apply Service h",
        forbidden("error looking up service account default/runs: serviceaccount \"runs\" not found"),
    );
    let chart = hook(&manifest("v1", "Service", "h", ""), "pre-install", 0) + more;
    assert_eq!(told_of(&cluster, &chart, reinstall()).await.len(), usize::from(is_told));
}

/// Without them helm does not end an uninstall.
#[rstest]
#[case::destroy(Change::Uninstall)]
#[case::reinstall(reinstall())]
#[tokio::test]
async fn a_hook_of_the_uninstall_that_the_server_refuses(
    #[case] change: Change,
    #[values("pre-delete", "post-delete")] event: &str,
) {
    let (old, h) = (manifest("v1", "ConfigMap", "old", ""), manifest("v1", "Service", "h", ""));
    let nope = manifest("no.such/v1", "Nope", "gone", "");
    let cluster = deployed_with_hooks(&old, &[(&h, event, &[]), (&nope, event, &[])]);
    cluster.refuse("apply Service", invalid("Service \"h\" is invalid: spec.ports: Required value"));
    let mut found = told_of(&cluster, &old, change).await;
    found.sort();
    assert_eq!(found, ["API_NOT_SERVED Nope gone", "OBJECT_INVALID Service default/h"]);
}

/// The server would refuse them in the middle of the run.
#[rstest]
#[case::that_is_not_there(false, CrdPolicy::Create, true)]
#[case::that_is_brought(true, CrdPolicy::Upgrade, true)]
#[case::that_stays_as_it_is(true, CrdPolicy::Create, false)]
#[case::that_is_not_brought(false, CrdPolicy::Skip, false)]
#[tokio::test]
async fn a_definition_of_crds_that_the_server_refuses(
    #[case] is_there: bool,
    #[case] policy: CrdPolicy,
    #[case] is_told: bool,
    #[values(reinstall(), Change::Install, upgrade())] change: Change,
) {
    let cluster = deployed(&manifest("v1", "ConfigMap", "old", ""));
    let crd = definition(false).replace("a/templates/", "a/crds/");
    if is_there {
        cluster.put(pilothouse_helm::parse_documents(&crd).unwrap().remove(0));
    }
    cluster.refuse("apply CustomResourceDefinition", invalid("CustomResourceDefinition \"widgets.example.com\" is invalid: spec.versions[0].schema: Unsupported value: \"wrong\""));
    let chart = manifest("v1", "ConfigMap", "old", "") + &crd;
    let found = foreseen_of(&cluster, &Steps::default(), &chart, change, |info| info.crds = policy).await.findings;
    let refused: Vec<&str> =
        found.iter().filter(|one| one.code == "OBJECT_INVALID").map(|one| one.subject.as_str()).collect();
    let expected: &[&str] = if is_told { &["CustomResourceDefinition widgets.example.com"] } else { &[] };
    assert_eq!(refused, expected);
}

/// The one that is there goes first, and may be one that could not be changed into it.
#[rstest]
#[case::invalid("spec.versions[0].schema: Unsupported value: \"wrong\"", 1)]
#[case::of_the_one_that_goes("status.storedVersions[0]: Invalid value: \"v0\": missing from spec.versions", 0)]
#[tokio::test]
async fn a_definition_that_takes_the_place_of_one_that_goes(#[case] why: &'static str, #[case] expected: usize) {
    let cluster = deployed(&definition(false));
    cluster.refuse("update CustomResourceDefinition", invalid(why));
    let chart = definition(false).replace("a/templates/", "a/crds/");
    let found = findings(&cluster, &chart).await;
    assert_eq!(found.iter().filter(|(code, _)| code == "OBJECT_INVALID").count(), expected, "{found:?}");
}

/// What hooks of the uninstall make and leave is there when helm installs, and nobody's.
#[rstest]
#[case::after_it("post-delete", &[], "", true)]
#[case::before_it("pre-delete", &["before-hook-creation"], "", true)]
#[case::deleted_where_it_fails("post-delete", &["hook-failed"], "", true)]
#[case::deleted_once_it_ends("post-delete", &["hook-succeeded"], "", false)]
#[case::deleted_with_the_release("pre-delete", &[], "w", false)]
#[case::made_once_more("post-delete", &[], "w", true)]
#[case::of_a_test("test", &[], "", false)]
#[tokio::test]
async fn what_the_uninstall_leaves_in_the_way(
    #[case] event: &str,
    #[case] policies: &[&str],
    #[case] also: &str,
    #[case] is_told: bool,
) {
    let w = manifest("v1", "ConfigMap", "w", "");
    let old = manifest("v1", "ConfigMap", "z", "") + if also.is_empty() { "" } else { &w };
    let cluster = deployed_with_hooks(&old, &[(&w, event, policies)]);
    let expected: &[&str] = if is_told { &["OWNERSHIP_CONFLICT ConfigMap default/w"] } else { &[] };
    assert_eq!(told_of(&cluster, &(old.clone() + &w), reinstall()).await, expected);
    assert_eq!(told_of(&cluster, &old.replace("name: w", "name: v"), reinstall()).await, [""; 0]);
}

/// Helm looks up what the uninstall has left, which is something between all and nothing.
#[rstest]
#[case::the_same("a: b", "a: b", None, 0)]
#[case::other_content("a: b", "a: c", None, 1)]
#[case::renders_with_what_goes_only("[", "a: b", Some("CHART_TEMPLATE_FAILED default/demo"), 0)]
#[case::renders_with_nothing_only("a: b", "[", Some("CHART_TEMPLATE_FAILED default/demo"), 0)]
#[tokio::test]
async fn a_chart_that_looks_up_what_goes(
    #[case] without: &str,
    #[case] with: &str,
    #[case] expected: Option<&str>,
    #[case] not_checked: usize,
    #[values(true, false)] is_rendered_with: bool,
) {
    let old = manifest("v1", "ConfigMap", "z", "");
    let cluster = deployed(&old);
    let text = |data: &str| manifest("v1", "ConfigMap", "z", &format!("data: {{{data}}}").replace("{[}", "["));
    let (without, with) = (text(without), text(with));
    let helm = Arc::new(FakeHelm::new(cluster.clone(), &without, "1.0.0"));
    helm.renders_as_upgrade(&with);
    let world = over(cluster.clone(), helm, HelmDriver::Secret, |info| {
        info.chart.source = pilothouse_core::ChartSource::Path(pilothouse_testkit::fixture_chart("config"));
    });
    let chart = render::chart_without_helm(&world.ctx).await;
    assert!(chart.is_some());
    // As it was made before: with a look at the cluster only where it does not render without one.
    let (made, upgrade) = if is_rendered_with { (&with, Some(1)) } else { (&without, None) };
    let Ok(rendering) = Rendering::new(made) else { return };
    let wanted = Wanted {
        chart,
        rendering,
        rendered_as: crate::context::RenderedAs { upgrade, looks_up: is_rendered_with },
        uses: pilothouse_helm::TemplateUse { lookup: true, ..Default::default() },
        ..Wanted::default()
    };
    let found = deploy_findings(&Steps::default(), &world.ctx, &wanted, &Decision::Change(reinstall()), &[], &[]).await;
    let told: Vec<String> = found.findings.iter().map(|one| format!("{} {}", one.code, one.subject)).collect();
    assert_eq!(
        (told, found.not_checked.len()),
        (expected.iter().map(ToString::to_string).collect(), not_checked),
        "{found:#?}"
    );
    let of_install =
        deploy_findings(&Steps::default(), &world.ctx, &wanted, &Decision::Change(Change::Install), &[], &[]).await;
    assert_eq!((of_install.findings, of_install.not_checked), (Vec::new(), Vec::new()));
}

/// A look counts on Helm's records as they were observed; the permit reads them once more.
#[rstest]
#[case::reinstall(reinstall())]
#[case::uninstall(Change::Uninstall)]
#[case::upgrade(upgrade())]
#[tokio::test]
async fn a_look_does_not_list_helms_records_again(#[case] change: Change) {
    let old = manifest("v1", "ConfigMap", "z", "");
    let cluster = deployed_with_hooks(&old, &[(&manifest("v1", "ConfigMap", "h", ""), "pre-delete", &[])]);
    cluster.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "h", "namespace": "default"}}));
    let world = fake(&cluster, HelmDriver::Secret);
    let lists = || cluster.failures.calls().iter().filter(|call| call.starts_with("list Secret")).count();
    observe::observed(&world.ctx).await;
    assert_eq!(lists(), 1, "{:?}", cluster.failures.calls());
    let rendering = Rendering::new(&manifest("v1", "ConfigMap", "new", "")).unwrap();
    let wanted = Wanted { rendering, ..Wanted::default() };
    deploy_findings(&Steps::default(), &world.ctx, &wanted, &Decision::Change(change), &[], &[]).await;
    assert_eq!(lists(), 1, "{:?}", cluster.failures.calls());
}
