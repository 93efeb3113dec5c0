//! What files that load become.

use crate::support::{read, release, show};
use pilothouse_config::{Problem, SourceMap, load};
use pilothouse_core::{
    ChartSource, CheckKind, CheckStep, CheckTerms, Endpoint, FilePath, Header, HeaderValue, HelmAction, HttpCheck,
    HttpExpect, Need, On, OnFailure, Phase, PortRef, PrometheusCheck, ReleaseKey, Remedy, Sensitive, SetValue,
    StatusPattern, StepKind, StepSpec, TlsTrust, ValueSource, YamlFile,
};
use rstest::rstest;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every key of every mapping, each with something else than its default.
pub(crate) const FULL: &str = include_str!("../samples/full.yaml");
/// The shortest file that loads.
pub(crate) const SMALL: &str = "version: 1\nname: demo\nreleases:\n  - name: web\n    chart: { path: charts/web }\n";

#[test]
fn checks() {
    let text = release(
        "validate:\n  - name: login\n    http: { service: a/web, port: http, headers: [{ name: A, from_env: TOKEN, prefix: \"Bearer \" }], expect: { status: [204, 3xx] }, must_fail: true }\n  - prometheus: { url: \"https://prom.example.com/x/\", query: up, expect: \"> 0\", stable_for_in_seconds: 5, baseline: true }",
    );
    let env = [("TOKEN".to_owned(), "hunter22".to_owned())].into();
    let stack = load(&text, "pilothouse.yaml", Path::new("/stack"), &env).unwrap().stack;
    let steps = &stack.releases[0].steps[&Phase::Validate];
    let http = CheckStep {
        terms: CheckTerms { must_fail: true, ..CheckTerms::default() },
        kind: CheckKind::Http(HttpCheck {
            endpoint: Endpoint::Service { service: "a/web".to_owned(), port: PortRef::Name("http".to_owned()) },
            tls: None,
            path: "/".to_owned(),
            method: "GET".to_owned(),
            headers: vec![Header {
                name: "A".to_owned(),
                value: HeaderValue::Sensitive(Sensitive::new("Bearer hunter22".to_owned())),
            }],
            body: None,
            expect: HttpExpect {
                status: vec![StatusPattern::Exactly(204), StatusPattern::Class(3)],
                ..HttpExpect::default()
            },
        }),
    };
    let prometheus = CheckStep {
        terms: CheckTerms { stable_for_in_seconds: 5, baseline: true, ..CheckTerms::default() },
        kind: CheckKind::Prometheus(PrometheusCheck {
            endpoint: Endpoint::Address { host: "prom.example.com".to_owned(), port: 443 },
            tls: Some(TlsTrust::default()),
            path_prefix: "/x".to_owned(),
            headers: Vec::new(),
            query: "up".to_owned(),
            expect: "> 0".to_owned(),
        }),
    };
    let expected = [(Some("login"), http), (None, prometheus)].map(|(name, check)| StepSpec {
        name: name.map(str::to_owned),
        on: On::Deploy,
        point_of_no_return: false,
        every_run: false,
        kind: StepKind::Check(Box::new(check)),
    });
    assert_eq!(*steps, expected);
}

#[test]
fn every_key_arrives() {
    let loaded = read(FULL).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", show(&loaded.warnings));
    // What may be secret is in no picture.
    let releases = &loaded.stack.releases;
    let contents: Vec<&str> = releases
        .iter()
        .flat_map(|release| &release.info.yaml_files_content)
        .map(|file| file.content.as_str())
        .collect();
    assert_eq!(contents, ["{\n  \"installCRDs\": true\n}", "installCRDs: false\n"]);
    let (mut manifests, mut commands) = (Vec::new(), Vec::new());
    for step in releases.iter().flat_map(|release| &release.steps).flat_map(|(_, steps)| steps) {
        match &step.kind {
            StepKind::Apply(apply) => manifests.extend(apply.manifests.clone()),
            StepKind::Command(command) => commands.push((command.argv.clone(), command.env.clone())),
            _ => {}
        }
    }
    assert_eq!(
        manifests,
        [
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\n    \"name\": \"a\"\n  }\n}",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: b }\n",
        ]
    );
    let env = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let argv = |argv: &[&str]| argv.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        commands,
        [
            (argv(&["./check.sh", ""]), env(&[])),
            (argv(&["sh", "-c", "echo $COLOUR"]), env(&[("COLOUR", "blue"), ("COUNT", "7")])),
        ]
    );
    insta::assert_debug_snapshot!(loaded.stack);
}

#[test]
fn a_short_file_gets_the_defaults() {
    insta::assert_debug_snapshot!(read(SMALL).unwrap().stack);
}

#[rstest]
#[case("value: 1.2.3", ValueSource::Auto("1.2.3".to_owned()))]
#[case("value: \"7\"", ValueSource::Auto("7".to_owned()))]
#[case("value: \"7\", type: string", ValueSource::String("7".to_owned()))]
#[case("value: 7, type: string", ValueSource::String("7".to_owned()))]
#[case("value: 1.20, type: string", ValueSource::String("1.20".to_owned()))]
#[case("value: 7, type: auto", ValueSource::Auto("7".to_owned()))]
#[case("value: 7", ValueSource::Json(json!(7)))]
#[case("value: true", ValueSource::Json(json!(true)))]
#[case("value: ~", ValueSource::Json(json!(null)))]
#[case("value: [1, { a: b }]", ValueSource::Json(json!([1, { "a": "b" }])))]
#[case("value: '{\"a\": 1}', type: json", ValueSource::Json(json!({ "a": 1 })))]
#[case("from_env: DB_PASSWORD", ValueSource::Auto("hunter22".to_owned()))]
#[case("from_env: DB_PASSWORD, type: string", ValueSource::String("hunter22".to_owned()))]
#[case("from_payload: selector", ValueSource::Payload("selector".to_owned()))]
fn values(#[case] written: &str, #[case] expected: ValueSource) {
    let stack = read(&release(&format!("values: [{{ key: a, {written} }}]"))).unwrap().stack;
    assert_eq!(stack.releases[0].info.values, [SetValue { key: "a".to_owned(), value: expected }]);
}

#[rstest]
#[case("1.2.3", "1.2.3")]
#[case("v1.20.0", "v1.20.0")]
#[case("~1.20", "~1.20")]
#[case("1.20", "1.20")]
#[case("1", "1")]
#[case("1.x", "1.x")]
#[case("\">=1.2 <2 || ^3\"", ">=1.2 <2 || ^3")]
fn versions_arrive_as_written(#[case] written: &str, #[case] expected: &str) {
    let text = SMALL.replace("charts/web", &format!("charts/web, version: {written}"));
    assert_eq!(read(&text).unwrap().stack.releases[0].info.chart.version.as_deref(), Some(expected));
}

#[rstest]
#[case("from_env: DB_PASSWORD, sensitive: true")]
#[case("value: hunter22, sensitive: true")]
#[case("value: hunter22, sensitive: true, type: string")]
fn sensitive_values(#[case] written: &str) {
    let stack = read(&release(&format!("values: [{{ key: a, {written} }}]"))).unwrap().stack;
    assert_eq!(stack.releases[0].info.values, [SetValue::sensitive("a", "hunter22")]);
}

#[rstest]
#[case("true", HelmAction::Deploy)]
#[case("false", HelmAction::Skip)]
#[case("env.DB_PASSWORD == 'hunter22'", HelmAction::Deploy)]
#[case("has(env.NOT_THERE) && env.NOT_THERE == 'x'", HelmAction::Skip)]
#[case("\"release.namespace + '/' + release.name == 'default/web' ? false : true\"", HelmAction::Skip)]
#[case("release.labels.tier == 'web'\nlabels: { tier: web }", HelmAction::Deploy)]
#[case("true\naction: destroy", HelmAction::Destroy)]
#[case("false\naction: destroy", HelmAction::Skip)]
fn what_is_not_enabled_is_skipped(#[case] enabled: &str, #[case] expected: HelmAction) {
    let stack = read(&release(&format!("enabled: {enabled}"))).unwrap().stack;
    assert_eq!(stack.releases[0].info.action, expected);
}

/// A release may need one that comes later in the file, by its name or with its namespace, up to a stage.
#[test]
fn needs_in_any_order() {
    let lines = "needs: [api, { release: data/db }, { release: cache, until: deployed }]";
    let others = "  - { name: api, chart: { path: a } }\n  - { name: db, namespace: data, chart: { path: a } }\n  - { name: cache, chart: { path: a } }\n";
    let stack = read(&format!("{}{others}", release(lines))).unwrap().stack;
    assert_eq!(stack.releases[0].info.needs, [Need::new("api"), Need::new("data/db"), Need::new("cache").deployed()]);
}

#[test]
fn documents_arrive_as_text() {
    let lines = "yaml_files_content:\n  - { name: a, content: { b: 1, a: [x] } }\n  - name: b\n    content: |\n      # as it is\n      a: yes\n";
    let stack = read(&release(lines)).unwrap().stack;
    let file = |name: &str, content: &str| YamlFile { name: name.to_owned(), content: content.to_owned() };
    assert_eq!(
        stack.releases[0].info.yaml_files_content,
        [file("a", "{\n  \"b\": 1,\n  \"a\": [\n    \"x\"\n  ]\n}"), file("b", "# as it is\na: yes\n")]
    );
}

#[rstest]
#[case("uninstall", "uninstall", "uninstall")]
#[case("{ retry: 2 }", "retry 2 times, then leave", "retry 2 times, then leave")]
#[case("{ retry: 1, then: rollback }", "retry once, then rollback", "retry once, then rollback")]
#[case("{ install: uninstall }", "uninstall", "rollback")]
#[case("{ upgrade: leave }", "rollback", "leave")]
#[case("{ install: { retry: 3, then: uninstall }, upgrade: leave }", "retry 3 times, then uninstall", "leave")]
fn forms_of_on_failure(#[case] form: &str, #[case] install: &str, #[case] upgrade: &str) {
    let text = format!(
        "version: 1\nname: demo\ndefaults: {{ on_failure: rollback }}\nreleases:\n  - {{ name: web, chart: {{ path: c }}, on_failure: {form} }}\n"
    );
    let policy = read(&text).unwrap().stack.releases[0].info.on_failure;
    assert_eq!((policy.install.to_string(), policy.upgrade.to_string()), (install.to_owned(), upgrade.to_owned()));
}

#[test]
fn aliases_and_merge_keys_work() {
    let text = "version: 1
name: demo
releases:
  - &base
    name: web
    chart: { path: charts/web }
    on_failure: rollback
    labels: &labels { team: a }
  - <<: *base
    name: api
    on_failure: leave
  - name: db
    chart: { path: charts/db }
    labels: *labels
";
    let stack = read(text).unwrap().stack;
    let seen: Vec<(&str, String, OnFailure, &str)> = stack
        .releases
        .iter()
        .map(|release| &release.info)
        .map(|info| (info.name.as_str(), info.chart.to_string(), info.on_failure, info.labels["team"].as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("web", "stack/charts/web".to_owned(), Remedy::Rollback.into(), "a"),
            ("api", "stack/charts/web".to_owned(), OnFailure::default(), "a"),
            ("db", "stack/charts/db".to_owned(), OnFailure::default(), "a"),
        ]
    );
}

#[rstest]
#[case::with_a_byte_order_mark(format!("\u{feff}{SMALL}"))]
#[case::with_windows_line_ends(SMALL.replace('\n', "\r\n"))]
#[case::as_json(r#"{"version": 1, "name": "demo", "releases": [{"name": "web", "chart": {"path": "charts/web"}}]}"#.to_owned())]
fn the_same_file_in_other_clothes(#[case] text: String) {
    assert_eq!(read(&text).unwrap().stack, read(SMALL).unwrap().stack);
}

#[test]
fn warnings_are_shown_but_the_file_loads() {
    let lines = "values:\n  - { key: image.tag, value: 1.20 }\n  - { key: mode, value: 0755 }\nyaml_files_content:\n  - { name: a, content: { enabled: yes } }";
    insta::assert_snapshot!(show(&read(&release(lines)).unwrap().warnings));
}

fn key() -> ReleaseKey {
    ReleaseKey::new("default", "web")
}

fn later_problem(source_map: &SourceMap) -> String {
    let places = source_map.release(&key()).unwrap();
    let problem = Problem::error("FILE_NOT_READABLE", places.values_files[1], "stack/b.yaml does not exist");
    let problem = problem.label("this file").also(places.name, "for this release");
    show(&source_map.problems(vec![problem]))
}

#[test]
fn a_problem_found_later_can_be_shown_at_its_place() {
    let lines = "values_files:\n  - a.yaml\n  - b.yaml\nvalues:\n  - { key: a, value: hunter22, sensitive: true }";
    let loaded = read(&release(lines)).unwrap();
    insta::assert_snapshot!(later_problem(&loaded.source_map));
    assert_eq!(loaded.source_map.release(&ReleaseKey::new("default", "api")), None);
}

/// The first file a user sees loads as it is, and what it names is there.
#[test]
fn the_quickstart_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart");
    let text = std::fs::read_to_string(folder.join("pilothouse.yaml")).unwrap();
    let loaded = load(&text, "pilothouse.yaml", &folder, &BTreeMap::new())
        .unwrap_or_else(|problems| panic!("{}", show(&problems)));
    assert!(loaded.warnings.is_empty(), "{}", show(&loaded.warnings));
    let mut phases = BTreeSet::new();
    for release in &loaded.stack.releases {
        let ChartSource::Path(chart) = &release.info.chart.source else { panic!("the quickstart needs no network") };
        assert!(chart.join("Chart.yaml").is_file(), "{}", chart.display());
        let steps = release.steps.values().flatten();
        let applied =
            steps.filter_map(|step| if let StepKind::Apply(apply) = &step.kind { Some(&apply.files) } else { None });
        for file in release.info.values_files.iter().map(PathBuf::as_path).chain(applied.flatten().map(FilePath::path))
        {
            assert!(file.is_file(), "{}", file.display());
        }
        phases.extend(release.steps.keys().copied());
    }
    let all_but_exec: BTreeSet<Phase> = Phase::ALL.into_iter().filter(|phase| *phase != Phase::Exec).collect();
    assert_eq!(phases, all_but_exec);
}

/// Every stack file of the examples loads without a warning.
#[test]
fn the_examples_load() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let files = std::fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path().join("pilothouse.yaml"));
    let files: Vec<_> = files.filter(|file| file.is_file()).collect();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let loaded = load(&text, &file.display().to_string(), &examples, &BTreeMap::new())
            .unwrap_or_else(|problems| panic!("{}", show(&problems)));
        assert!(loaded.warnings.is_empty(), "{}", show(&loaded.warnings));
    }
}

/// What a variable gives that is not set is left out where it is not needed, and named.
#[test]
fn variables_that_are_not_set() {
    use pilothouse_config::{Unset, load_for};
    let text = "version: 1\nname: s\nreleases:\n  - name: a\n    chart: { path: a }\n    \
        values: [{ key: b, from_env: VALUE }, { key: c, value: 1 }]\n    \
        validate: [{ name: look, http: { url: \"http://a/\", headers: [{ name: A, from_env: HEADER }] } }]\n";
    let read = |unset| load_for(text, "pilothouse.yaml", Path::new("/stack"), &BTreeMap::new(), unset);
    let problems =
        |unset| read(unset).map(|_| ()).unwrap_err().iter().map(|one| one.message.clone()).collect::<Vec<_>>();
    let not_set = |name: &str| format!("the environment variable `{name}` is not set");
    assert_eq!(problems(Unset::Problem), [not_set("VALUE"), not_set("HEADER")]);
    assert_eq!(problems(Unset::LeftOutOfValues), [not_set("HEADER")]);
    let loaded = read(Unset::LeftOut).unwrap();
    let release = loaded.stack.releases[0].info.key();
    assert_eq!(loaded.left_out, [(release.clone(), "VALUE".to_owned()), (release, "HEADER".to_owned())]);
    assert_eq!(loaded.stack.releases[0].info.values, [SetValue::json("c", serde_json::json!(1))]);
}
