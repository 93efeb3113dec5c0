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
        Origin::Hook { events, weight, delete_policies, .. } => format!("hook {events:?} {weight} {delete_policies:?}"),
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

/// What templates are told of the revision, in the chart, in a subchart, in one that is an archive, and by what one hands on to another.
#[rstest]
#[case::none(1)]
#[case::another(7)]
#[tokio::test]
async fn the_number_of_the_revision(#[case] revision: u32, #[values(3, 4)] major: u64) {
    let tried = helm(major, None).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let chart = |name: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    let config = |name: &str, text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\ndata: {{ is: {{{{ {text} | quote }}}} }}\n"
        )
    };
    let put = |folder: &str, name: &str, templates: &[(&str, String)]| {
        write(&format!("{folder}/Chart.yaml"), &chart(name));
        for (file, text) in templates {
            write(&format!("{folder}/templates/{file}"), text);
        }
    };
    put("packed/deep", "deep", &[("z/z/z/z/z/z/z/deep.yaml", config("deep", "index .Release \"Revision\""))]);
    let archive = std::fs::File::create(folder.path().join("deep.tgz")).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(archive, flate2::Compression::fast()));
    tar.append_dir_all("deep", folder.path().join("packed/deep")).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    put(
        "app",
        "app",
        &[
            ("a.yaml", config("a", ".Release.Revision")),
            ("kind.yaml", config("kind", "kindOf .Release.Revision")),
            ("_helpers.tpl", "{{ define \"number\" }}{{ .Release.Revision }}{{ end }}".to_owned()),
            ("b.yaml", config("b", "include \"number\" .")),
            ("tpl.yaml", config("tpl", "tpl \"{{ $.Release.Revision }}\" .")),
            ("whole.yaml", config("whole", "(toJson .Release | fromJson).Revision")),
            ("files.yaml", config("files", "len (.Files.Glob \"**\")")),
            (
                "hook.yaml",
                config("hook", ".Release.Revision")
                    .replace("name: hook", "name: hook, annotations: {helm.sh/hook: post-upgrade}"),
            ),
        ],
    );
    put("app/charts/sub", "sub", &[("sub.yaml", config("sub", "include \"number\" ."))]);
    std::fs::copy(folder.path().join("deep.tgz"), folder.path().join("app/charts/deep-1.0.0.tgz")).unwrap();
    let archive = std::fs::File::create(folder.path().join("app.tgz")).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(archive, flate2::Compression::fast()));
    tar.append_dir_all("app", folder.path().join("app")).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let rendered = async |chart: &str| {
        let chart = folder.path().join(chart);
        let request = TemplateRequest {
            revision,
            is_upgrade: true,
            ..TemplateRequest::new(key("shop", "web"), chart, Values::default(), LIMIT)
        };
        let mut docs = split_manifests(&tried.helm.template(&request, &never()).await.unwrap()).unwrap();
        docs.sort_by(|one, other| one.source.cmp(&other.source));
        docs
    };
    let docs = rendered("app").await;
    assert_eq!(docs, rendered("app.tgz").await);
    let is: Vec<String> = docs
        .iter()
        .map(|doc| format!("{} {}", doc.source.as_deref().unwrap(), doc.object["data"]["is"].as_str().unwrap()))
        .collect();
    let n = revision;
    let expected = [
        format!("app/charts/deep/templates/z/z/z/z/z/z/z/deep.yaml {n}"),
        format!("app/charts/sub/templates/sub.yaml {n}"),
        format!("app/templates/a.yaml {n}"),
        format!("app/templates/b.yaml {n}"),
        "app/templates/files.yaml 0".to_owned(),
        format!("app/templates/hook.yaml {n}"),
        "app/templates/kind.yaml int".to_owned(),
        format!("app/templates/tpl.yaml {n}"),
        format!("app/templates/whole.yaml {n}"),
    ];
    assert_eq!(is, expected);
}

/// What a chart leaves out of its own files is no reason to be told another number.
#[rstest]
#[case::by_name("number*\nrevision\n")]
#[case::by_folder("revision/\n")]
#[case::by_path("templates/r*\n")]
#[case::by_ending("[a-z]*.yaml\n")]
#[case::all_folders_of_templates("templates/*/\n")]
#[case::whatever_is_like_it("*-revision\n")]
#[tokio::test]
async fn the_number_of_the_revision_of_a_chart_that_ignores_files(#[case] ignored: &str, #[values(3, 4)] major: u64) {
    let tried = helm(major, None).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    write("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n");
    write(".helmignore", ignored);
    let object = "kind: ConfigMap\napiVersion: v1\nmetadata: { name: a-{{ .Release.Revision }} }\n";
    write("templates/a.yml", object);
    let chart = folder.path().to_owned();
    let request = TemplateRequest {
        revision: 7,
        is_upgrade: true,
        ..TemplateRequest::new(key("shop", "web"), chart, Values::default(), LIMIT)
    };
    let docs = split_manifests(&tried.helm.template(&request, &never()).await.unwrap()).unwrap();
    let names: Vec<&str> = docs.iter().map(|doc| doc.object["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a-7"]);
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
