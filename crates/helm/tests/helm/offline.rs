//! Both real helms, without a cluster.

use crate::support::{LIMIT, chart, helm, key, never, values};
use pilothouse_core::SetValue;
use pilothouse_helm::{HelmClient, HelmConfig, Kind, Origin, RenderedDoc, TemplateRequest, Values, split_manifests};
use rstest::rstest;
use serde_json::json;

fn request(name: &str, values: Values) -> TemplateRequest {
    TemplateRequest::new(key("shop", "web"), chart(name), values, LIMIT)
}

fn line(doc: &RenderedDoc) -> String {
    let text = |pointer: &str| doc.object.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let origin = match &doc.origin {
        Origin::Template => "template".to_owned(),
        Origin::Crd => "crd".to_owned(),
        Origin::Hook { events, weight, delete_policies } => format!("hook {events:?} {weight} {delete_policies:?}"),
    };
    format!("{} {} | {origin} | {}", text("/kind"), text("/metadata/name"), doc.source.as_deref().unwrap_or("-"))
}

#[rstest]
#[tokio::test]
async fn every_object_is_what_it_is(#[values(3, 4)] major: u64) {
    let tried = helm(major, None).await;
    let text = tried.helm.template(&request("web", Values::default()), &never()).await.unwrap();
    let lines: Vec<String> = split_manifests(&text).unwrap().iter().map(line).collect();
    insta::allow_duplicates! { insta::assert_snapshot!(lines.join("\n"), @r#"
    CustomResourceDefinition widgets.example.com | crd | web/crds/widgets.yaml
    CustomResourceDefinition gadgets.example.com | crd | web/crds/widgets.yaml
    CustomResourceDefinition subs.example.com | crd | web/charts/sub/crds/subs.yaml
    Secret web-secret | template | web/templates/config.yaml
    ConfigMap web-config | template | web/templates/config.yaml
    Service web | template | web/templates/service.yaml
    ConfigMap web-one | template | web/charts/sub/templates/list.yaml
    ConfigMap web-two | template | web/charts/sub/templates/list.yaml
    Pod web-test | hook ["test"] 0 [] | web/templates/tests/answers.yaml
    Job web-prepare | hook ["pre-install", "pre-upgrade"] -5 ["before-hook-creation", "hook-succeeded"] | web/templates/job.yaml
    "#) };
}

#[rstest]
#[tokio::test]
async fn values_and_cluster_reach_the_templates(#[values(3, 4)] major: u64) {
    let tried = helm(major, None).await;
    let settings = vec![
        SetValue::string("greeting", "good, \"evening\": {{ }}"),
        SetValue::json("tags", json!(["c"])),
        SetValue::auto("gone", "null"),
    ];
    let mut request = request("web", values(settings));
    request.kube_version = Some("v1.33.4".to_owned());
    request.api_versions = vec!["example.com/v1/Widget".to_owned()];
    request.is_upgrade = true;
    let docs = split_manifests(&tried.helm.template(&request, &never()).await.unwrap()).unwrap();
    let config = docs.iter().find(|doc| doc.object["metadata"]["name"] == "web-config").unwrap();
    let expected = json!({
        "greeting": "good, \"evening\": {{ }}", "gone": null, "tags": "c", "upgrade": "true", "kube": "v1.33.4", "widgets": "true",
    });
    assert_eq!(config.object["data"], expected);
}

#[rstest]
#[case("needs", vec![], Kind::DependencyMissing)]
#[case("newer", vec![], Kind::KubeVersion)]
#[case("broken", vec![], Kind::TemplateFailed)]
#[case("web", vec![SetValue::string("replicas", "many")], Kind::Schema)]
#[case("nothing-here", vec![], Kind::ChartNotFound)]
#[tokio::test]
async fn what_is_wrong_with_a_chart(
    #[case] name: &str,
    #[case] settings: Vec<SetValue>,
    #[case] kind: Kind,
    #[values(3, 4)] major: u64,
) {
    let tried = helm(major, None).await;
    let error = tried.helm.template(&request(name, values(settings)), &never()).await.unwrap_err();
    assert_eq!(error.kind(), Some(&kind), "{error}");
    assert_eq!(error.is_values_schema(), kind == Kind::Schema);
    let charts = chart("");
    let text = error.to_string().replace(charts.to_str().unwrap(), "CHARTS/");
    insta::assert_snapshot!(format!("wrong_{name}_{major}"), text);
}

#[rstest]
#[tokio::test]
async fn values_that_are_not_yaml(#[values(3, 4)] major: u64) {
    let tried = helm(major, None).await;
    let file = tried.home.path().join("bad.yaml");
    std::fs::write(&file, "a: [1\n").unwrap();
    let error = tried.helm.template(&request("web", Values::from_files([file])), &never()).await.unwrap_err();
    assert_eq!(error.kind(), Some(&Kind::Values), "{error}");
    assert!(error.is_values_schema());
}

#[rstest]
#[tokio::test]
async fn nothing_is_written_outside_our_folder(#[values(3, 4)] major: u64) {
    let home = tempfile::tempdir().unwrap();
    let users = tempfile::tempdir().unwrap();
    let mut config = HelmConfig::new(crate::support::program(major).await, home.path());
    config.base_env.insert("HOME".into(), users.path().into());
    let helm = pilothouse_helm::Helm::discover(config).await.unwrap();
    helm.template(&request("web", Values::default()), &never()).await.unwrap();
    assert_eq!(std::fs::read_dir(users.path()).unwrap().count(), 0);
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["versions.json"]);
}

#[rstest]
#[tokio::test]
async fn a_helm_whose_version_is_known_is_not_started(#[values(3, 4)] major: u64) {
    let home = tempfile::tempdir().unwrap();
    let discover = async || {
        let config = HelmConfig::new(crate::support::program(major).await, home.path());
        pilothouse_helm::Helm::discover(config).await.unwrap().version().to_string()
    };
    let asked = discover().await;
    let file = home.path().join("versions.json");
    // What only the file can tell: the program would say something else.
    let text = std::fs::read_to_string(&file).unwrap().replace(&format!("{asked:?}"), "\"4.99.0\"");
    std::fs::write(&file, text).unwrap();
    assert_eq!(discover().await, "4.99.0");
    std::fs::write(&file, "nonsense").unwrap();
    assert_eq!(discover().await, asked);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
