//! Each kind of mistake, as it is shown.

use crate::support::{case_name, mistakes, read, release};
use rstest::rstest;

#[rstest]
#[case::syntax_bracket("version: 1\nname: demo\nreleases: [\n  - name: web\n")]
#[case::syntax_constraint(
    "version: 1\nname: demo\nreleases:\n  - name: web\n    chart: { path: a }\n    x:\n    - version: >=1.2 <2\n      y: 1\n"
)]
#[case::syntax_tab("version: 1\nname: demo\nreleases:\n\t- name: web\n")]
#[case::syntax_colon("version: 1\nname: a: b\n")]
#[case::empty("")]
#[case::only_a_comment("# nothing yet\n")]
#[case::a_list("- version: 1\n")]
#[case::two_documents("version: 1\nname: a\nreleases: [{ name: a, chart: { path: a } }]\n---\nversion: 1\n")]
#[case::missing_keys("name: demo\nreleases:\n  - namespace: a\n")]
#[case::newer_version("version: 2\nname: demo\nstages: []\n")]
#[case::older_version("version: 0\n")]
#[case::version_as_text("version: \"1\"\nname: demo\nreleases: [{ name: a, chart: { path: a } }]\n")]
#[case::no_releases("version: 1\nname: demo\nreleases: []\n")]
#[case::stack_name("version: 1\nname: My Stack\nreleases: [{ name: a, chart: { path: a } }]\n")]
#[case::duplicate_release(
    "version: 1\nname: demo\nreleases:\n  - name: web\n    chart: { path: a }\n  - name: other\n    chart: { path: a }\n  - name: web\n    namespace: default\n    chart: { path: b }\n"
)]
#[case::unknown_need(
    "version: 1\nname: demo\nreleases:\n  - { name: web, chart: { path: a } }\n  - { name: api, chart: { path: a }, needs: [wen] }\n"
)]
#[case::cycle(
    "version: 1\nname: demo\nreleases:\n  - { name: web, chart: { path: a }, needs: [api] }\n  - { name: api, chart: { path: a }, needs: [web, { release: db, until: deployed }] }\n  - { name: db, chart: { path: a }, needs: [default/api] }\n"
)]
#[case::everything_about_needs(
    "version: 1\nname: demo\nreleases:\n  - { name: web, chart: { path: a }, needs: [old, nope, apps/ap] }\n  - { name: api, namespace: apps, chart: { path: a }, needs: [web, api] }\n  - { name: old, chart: { path: a }, action: destroy, needs: [web] }\n  - { name: web, chart: { path: b } }\n"
)]
#[case::set_keys(
    "version: 1\nname: demo\nfailure_policy: stop\nstate_namespace: My_State\nreleases: [{ name: a, chart: { path: a } }]\n"
)]
#[case::ambiguous_need(
    "version: 1\nname: demo\nreleases:\n  - { name: web, namespace: a, chart: { path: a } }\n  - { name: web, namespace: b, chart: { path: a } }\n  - { name: api, chart: { path: a }, needs: [web] }\n"
)]
#[case::bad_defaults(
    "version: 1\nname: demo\ndefaults: { timeout: 10m, chart: { path: a } }\nreleases: [{ name: a, chart: { path: a } }]\n"
)]
#[case::readiness(
    "version: 1\nname: demo\nreadiness:\n  - kind: A.example.com\n    current: status.phase = 'Ready'\n    failed: stats.phase == 'Bad'\n    in_progress: status.phase.lower() == 'a'\n    otherwise: failed\n  - kind: B.example.com\n    ready: status.ok\nreleases: [{ name: a, chart: { path: a } }]\n"
)]
#[case::alias_in_itself("version: 1\nname: demo\nreleases: &r\n  - *r\n")]
#[case::tag("version: 1\nname: !secret demo\nreleases: [{ name: a, chart: { path: a } }]\n")]
fn of_a_file(#[case] text: &str) {
    let name = case_name();
    insta::assert_snapshot!(format!("file_{name}"), format!("{text}\n{}", mistakes(text)));
}

#[rstest]
#[case::atomic("atomic: true")]
#[case::timeout("timeout: 600")]
#[case::set("set: { a: 1 }")]
#[case::checks(
    "validate:\n  - http: { service: web, scheme: https, path: healthz, expect: { status: 20x, json: bdy.ok } }\n  - http: { url: \"https://a:hunter22@b\", port: 1 }\n  - assert: { object: pod/a, for: any, that: object.x = 1 }\n  - tcp: { host: a, port: http, stable_for_in_seconds: 60 }\n  - prometheus: { service: p, port: 1, query: up, expect: \"> \" }\n  - http: { service: w, port: 1, headers: [{ name: A, value: hunter22, sensitive: true, prefix: b }, { name: \"a b\", from_env: NOPE }] }\npre_exec:\n  - tcp: { service: a, port: 1, baseline: true }\ncheck_prerequisites:\n  - job: { file: a }"
)]
#[case::near_key("value_files: [a.yaml]\ncreate-namespace: true\nyaml_file_content: []")]
#[case::far_key("something: else")]
#[case::duplicate_key("crds: skip\nwait: true\ncrds: create")]
#[case::wrong_types(
    "wait: yes\nmax_history: many\nvalues_files: a.yaml\nlabels: [a]\nnamespace: 7\nneeds: [[web]]\nvalues: {}"
)]
#[case::durations("timeout_in_seconds: 10m")]
#[case::zero_timeout("timeout_in_seconds: 0")]
#[case::negative_timeout("timeout_in_seconds: -5")]
#[case::endless_timeout("timeout_in_seconds: 99999999999")]
#[case::negative_history("max_history: -1")]
#[case::choices("on_failure: rolback\ncrds: always\naction: delete")]
#[case::failure_policy(
    "on_failure:\n  install: rollback\n  upgrade: { retry: 11, then: uninstall, backoff_in_seconds: 10s }\npost_exec:\n  - { command: { run: [ls] }, point_of_no_return: yes }\nvalidate:\n  - { command: { run: [ls] }, point_of_no_return: true }"
)]
#[case::failure_policy_of_two_forms("on_failure: { retry: 2, install: uninstall }")]
#[case::namespace("namespace: Kube_System")]
#[case::self_need("needs: [web]")]
#[case::needs(
    "needs:\n  - { release: web, until: ready }\n  - { until: deployed }\n  - [a]\n  - { releases: a }\n  - ~"
)]
#[case::disabled("disabled: true")]
#[case::enabled_as_a_list("enabled: [true]")]
#[case::enabled_as_a_number("enabled: 1")]
#[case::enabled_with_syntax_error("enabled: env.REGION = 'eu'")]
#[case::enabled_gives_text("enabled: env.DB_PASSWORD")]
#[case::enabled_without_variable("enabled: env.REGION == 'eu'")]
#[case::breaking_version("last_breaking_version_requiring_restart: 19.0")]
#[case::consent("consent: [data, persistentvolumeclaim/data]")]
#[case::env("values:\n  - { key: a, from_env: NOT_THERE }")]
#[case::value_and_env("values:\n  - key: a\n    value: 1\n    from_env: DB_PASSWORD")]
#[case::value_without_source("values:\n  - key: a")]
#[case::value_types(
    "values:\n  - { key: a, value: [1], type: string }\n  - { key: a, value: '{', type: json }\n  - { key: a, value: 1, type: number }\n  - { key: a, value: .inf }"
)]
#[case::numbers_that_lose_digits(
    "values:\n  - { key: a, value: 123456789012345678901234567890 }\n  - { key: b, value: { c: [-9223372036854775809] } }\n  - { key: d, value: '{\"e\": 18446744073709551615}', type: json }\n  - { key: whole, value: [9223372036854775807, \"9223372036854775808\", 1e30] }\n  - { key: db.password, value: 1234567 }\n  - { key: db, value: { token: 9007199254740993, size: 9007199254740993, pass: 9223372036854775808 } }\nyaml_files_content:\n  - { name: f, content: { g: 9223372036854775808 } }\n  - name: h\n    content: |\n      i: 1\n      j: 9223372036854775808\npre_exec:\n  - apply: { manifests: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: a }, x: 9223372036854775808 }] }"
)]
#[case::numbers_in_a_text_that_lose_digits(
    "values:\n  - { key: a, value: '{\"token\": 9007199254740993, \"size\": 9007199254740993}', type: json }\n  - { key: db.password, value: '[1234567, 12]', type: json }"
)]
#[case::value_keys("values:\n  - { key: a..b, value: 1 }\n  - { key: \"\", value: 1 }")]
#[case::sensitive_value_is_not_shown(
    "values:\n  - { key: a, value: hunter22, sensitive: maybe }\n  - { key: a, value: swordfish, sensitive: true, type: json }"
)]
#[case::payload(
    "values:\n  - { key: a, from_payload: b, sensitive: true }\n  - { key: a, from_payload: b, type: json }"
)]
#[case::documents(
    "yaml_files_content:\n  - { name: a, content: [1] }\n  - { name: b, content: \"- 1\" }\n  - name: c\n    content: |\n      a: 1\n      a: 2\n      b: }"
)]
#[case::one_verb(
    "pre_exec:\n  - name: nothing\n  - adopt: { objects: [deployment/a] }\n    restart: { objects: [deployment/a] }"
)]
#[case::unknown_verb("pre_exec:\n  - run: [ls]\n  - commands: { run: [ls] }")]
#[case::changes_in_validate(
    "check_prerequisites:\n  - adopt: { objects: [deployment/a] }\nvalidate:\n  - delete: { objects: [job/a] }"
)]
#[case::run_as_text("validate:\n  - command: { run: \"curl http://web | grep ok\" }")]
#[case::empty_steps(
    "pre_exec:\n  - apply: {}\n  - delete: { chart_crds: false }\n  - wait: { objects: [] }\n  - command: { run: [] }\n  - adopt:\n"
)]
#[case::manifests(
    "pre_exec:\n  - apply:\n      manifests:\n        - { kind: ConfigMap, metadata: { name: a } }\n        - |\n          apiVersion: v1\n          kind: ConfigMap\n          ---\n          apiVersion: v1\n          kind: Secret\n          metadata: { name: s }\n        - 7"
)]
#[case::restart("post_exec:\n  - restart: { objects: [service/web, deployment/web, sts/db] }")]
#[case::step_values(
    "pre_exec:\n  - { on: delete, wait: { objects: [pod/a/b/c], for: running, timeout_in_seconds: 0 } }"
)]
fn of_a_release(#[case] lines: &str) {
    let name = case_name();
    let text = release(lines);
    insta::assert_snapshot!(format!("release_{name}"), format!("{lines}\n{}", mistakes(&text)));
}

#[rstest]
#[case::text("podinfo")]
#[case::nothing("{}")]
#[case::two("{ path: a, oci: oci://b/c }")]
#[case::repo_without_name("{ repo: https://charts.example.com }")]
#[case::name_without_repo("{ path: a, name: b }")]
#[case::repo_of_a_registry("{ repo: oci://b/c, name: c }")]
#[case::repo_without_scheme("{ repo: charts.example.com, name: c }")]
#[case::oci_without_scheme("{ oci: b/c }")]
#[case::repo_with_password("{ repo: \"https://joe:hunter22@charts.example.com\", name: c }")]
#[case::repo_with_token("{ repo: https://ghp0123@charts.example.com/a, name: c }")]
#[case::repo_with_password_without_scheme("{ repo: joe:hunter22@charts.example.com, name: c }")]
#[case::oci_with_password("{ oci: oci://joe:hunter22@registry.example.com/c }")]
#[case::oci_with_password_without_scheme("{ oci: joe:hunter22@registry.example.com/c }")]
#[case::constraint("{ path: a, version: newest }")]
#[case::constraint_with_wrong_parts("{ path: a, version: \">=1.2 <two\" }")]
#[case::typo("{ path: a, verison: 1.2.3 }")]
fn of_a_chart(#[case] chart: &str) {
    let name = case_name();
    let text = format!("version: 1\nname: demo\nreleases:\n  - name: web\n    chart: {chart}\n");
    let shown = mistakes(&text);
    assert!(!shown.contains("hunter22") && !shown.contains("ghp0123"), "{shown}");
    insta::assert_snapshot!(format!("chart_{name}"), shown);
}

/// What is shown beside a mistake has nothing to do with it, and may be anything.
#[rstest]
#[case::env("    pre_exec: [{ command: { run: [a], env: { PASSWORD: c4n4ryA } } }]")]
#[case::url("    pre_exec: [{ command: { run: [sh, -c, 'curl https://joe:c4n4ryA@h'] } }]")]
#[case::query("    validate: [{ http: { url: 'https://h/?token=c4n4ryA' } }]")]
#[case::option("    pre_exec: [{ command: { run: [a, --password, c4n4ryA] } }]")]
#[case::option_with_value("    pre_exec: [{ command: { run: [a, --api-key=c4n4ryA] } }]")]
#[case::option_of_a_program("    pre_exec: [{ command: { run: [mysql, -pc4n4ryA, x] } }]")]
#[case::option_on_a_line("    pre_exec: [{ command: { run: [sh, -c, 'mysql -u x -pc4n4ryA'] } }]")]
#[case::header("    pre_exec: [{ command: { run: [curl, -H, 'Authorization: Bearer c4n4ryA'] } }]")]
#[case::header_of_a_check(
    "    validate: [{ http: { url: 'https://h/', headers: [{ name: X-Auth-Token, value: c4n4ryA }] } }]"
)]
#[case::value("    values: [{ key: db.password, value: c4n4ryA }]")]
#[case::quoted("    values: [{ key: db.password, value: \"c4n4ryA, }b\" }]")]
#[case::escaped("    values: [{ key: a, value: \"pass\\x77ord=c4n4ryA\" }]")]
#[case::list("    yaml_files_content: [{ name: a, content: { tokens: { token: [c4n4ryA, c4n4ryB] } } }]")]
#[case::secret("    pre_exec: [{ apply: { manifests: [{ kind: Secret, stringData: { a: c4n4ryA } }] } }]")]
#[case::comment("    # password: c4n4ryA")]
#[case::comment_with_url("    # https://joe:c4n4ryA@h")]
fn nothing_beside_a_mistake_is_a_credential(#[case] line: &str) {
    // Before and after it, in a text that is YAML and in one that is none.
    for wrong in ["nope: 1", "nope: [", "nope: >= 1", "\tnope: 1", "nope: a: b"] {
        let before = format!("{line}\n    {wrong}\n");
        let after = format!("    {wrong}\n{line}\n");
        for lines in [before, after] {
            let shown = mistakes(&format!(
                "version: 1\nname: demo\nreleases:\n  - name: web\n    chart: {{ path: a }}\n{lines}"
            ));
            assert!(!shown.contains("c4n4ry"), "{wrong}: {shown}");
            assert!(shown.contains("nope"), "the mistake itself is shown: {shown}");
        }
    }
}

#[rstest]
#[case("    values:\n      - key: db.password\n        nope: 1\n        value: |\n          c4n4ryA\n")]
#[case("    values:\n      - key: db.password\n        value: |\n          c4n4ryA\n        nope: 1\n")]
#[case("    values:\n      - key: db.password\n        value: >-\n          b\n           c4n4ryA\n      nope: [\n")]
#[case(
    "    pre_exec:\n      - command:\n          nope: 1\n          run:\n            - --password\n            - c4n4ryA\n          nope: 2\n"
)]
#[case("    pre_exec:\n      - command:\n          run:\n            - --password\n            - @c4n4ryA\n")]
#[case("    password: @c4n4ryA\n")]
#[case("    password: c4n4ryA: b\n")]
#[case("    env: { PASSWORD: c4n4ryA: b }\n")]
#[case("    password: \"c4n4ryA\n    nope: 1\n")]
#[case("    validate: [{ command: { run: \"curl -u joe:c4n4ryA https://h\" } }]\n")]
#[case("    validate: [{ command: { run: \"curl https://joe:c4n4ryA@h\" } }]\n")]
#[case("    validate: [{ command: { run: [mysql, -pc4n4ryA], env: [{ name: PASSWORD, value: c4n4ryB }] } }]\n")]
#[case("    validate: [{ command: { run: \"x --password c4n4ryA\" } }]\n")]
#[case("    wait: password=c4n4ryA\n")]
fn a_mistake_in_a_credential_does_not_show_it(#[case] lines: &str) {
    let text = format!("version: 1\nname: demo\nreleases:\n  - name: web\n    chart: {{ path: a }}\n{lines}");
    let shown = mistakes(&text);
    assert!(!shown.contains("c4n4ry"), "{shown}");
}

const TEN: &str = "\
version: 1
name: demo
releases:
  - name: Web
    namespace: web
    chart: { path: charts/web, version: newest }
    atomic: true
    timeout_in_seconds: 10m
    values:
      - { key: password, from_env: NOT_THERE, sensitive: true }
  - name: api
    chart: {}
    needs: [databse]
    crds: always
    crds: skip
  - name: api
    chart: { path: charts/api }
    validate:
      - restart: { objects: [deployment/api] }
";

#[test]
fn ten_mistakes_are_reported_together() {
    assert_eq!(read(TEN).unwrap_err().len(), 11);
    insta::assert_snapshot!(mistakes(TEN));
}

#[test]
fn problems_as_json() {
    insta::assert_json_snapshot!(read(TEN).unwrap_err());
}

/// Ten levels of ten aliases each stand for 10^10 values.
#[test]
fn a_yaml_bomb_ends_at_the_limit() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    for level in 1..=10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        lines.push(format!("a{level}: &a{level} [{aliases}]"));
    }
    let text = lines.join("\n");
    let problems = read(&text).unwrap_err();
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["YAML_TOO_LARGE"]);
}

#[test]
fn nesting_ends_at_the_limit() {
    let problems = read(&"- ".repeat(150)).unwrap_err();
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["YAML_TOO_DEEP"]);
}
