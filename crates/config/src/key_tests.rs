//! The list of keys, the reader and the schema against each other.

use crate::keys::{Key, Need, TABLES, Table};
use crate::text::parse;
use crate::{load, schema};
use jsonschema::Validator;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Those of the pairs that are not for `key`, as YAML.
fn other_than(key: &Key, pairs: &[(&str, &str)], end: &str) -> String {
    let lines: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| *name != key.name)
        .map(|(name, value)| format!("{name}: {value}{end}"))
        .collect();
    lines.concat()
}

/// A file with `value` for `key` of `table`, and whatever else it must have.
fn sample(table: &Table, key: &Key, value: &str) -> String {
    let mut inner = format!("{}: {value}", key.name);
    if !key.beside.is_empty() {
        inner = format!("{inner}, {}", key.beside);
    }
    let step = |verb: &str| format!("name: a, chart: {{ path: c }}, post_exec: [{{ {verb}: {{ {inner} }} }}]");
    let release = match table.name {
        "file" => {
            let rest = [("version", "1"), ("name", "x"), ("releases", "[{ name: a, chart: { path: c } }]")];
            let rest = other_than(key, &rest, "\n");
            return format!("{rest}{inner}\n");
        }
        "defaults" => {
            return format!(
                "version: 1\nname: x\ndefaults: {{ {inner} }}\nreleases: [{{ name: a, chart: {{ path: c }} }}]\n"
            );
        }
        "cluster" => {
            return format!(
                "version: 1\nname: x\ncluster: {{ {inner} }}\nreleases: [{{ name: a, chart: {{ path: c }} }}]\n"
            );
        }
        "readiness" => {
            return format!(
                "version: 1\nname: x\nreadiness: [{{ {inner} }}]\nreleases: [{{ name: a, chart: {{ path: c }} }}]\n"
            );
        }
        "release" => {
            let rest = other_than(key, &[("name", "a"), ("chart", "{ path: c }")], ", ");
            format!("{rest}{inner}")
        }
        "chart" => format!("name: a, chart: {{ {inner} }}"),
        "retry" | "on failure" => format!("name: a, chart: {{ path: c }}, on_failure: {{ {inner} }}"),
        "drift_ignore" => format!("name: a, chart: {{ path: c }}, drift_ignore: [{{ {inner} }}]"),
        "need" => format!("name: a, chart: {{ path: c }}, needs: [{{ {inner} }}]"),
        "yaml file" => format!("name: a, chart: {{ path: c }}, yaml_files_content: [{{ {inner} }}]"),
        "value" => format!("name: a, chart: {{ path: c }}, values: [{{ {inner} }}]"),
        "step" => format!("name: a, chart: {{ path: c }}, post_exec: [{{ {inner} }}]"),
        "http expect" => {
            format!("name: a, chart: {{ path: c }}, validate: [{{ http: {{ url: http://a, expect: {{ {inner} }} }} }}]")
        }
        "header" => {
            format!(
                "name: a, chart: {{ path: c }}, validate: [{{ http: {{ url: http://a, headers: [{{ {inner} }}] }} }}]"
            )
        }
        "exec expect" => {
            let exec = format!("in: deploy/a, command: [a], expect: {{ {inner} }}");
            format!("name: a, chart: {{ path: c }}, validate: [{{ exec: {{ {exec} }} }}]")
        }
        "http" | "tcp" | "exec" | "assert" | "job" | "helm_test" | "prometheus" => {
            format!("name: a, chart: {{ path: c }}, validate: [{{ {}: {{ {inner} }} }}]", table.name)
        }
        verb => step(verb),
    };
    format!("version: 1\nname: x\nreleases:\n  - {{ name: first, chart: {{ path: c }} }}\n  - {{ {release} }}\n")
}

fn every_key() -> impl Iterator<Item = (&'static Table, &'static Key)> {
    TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (*table, key)))
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

fn as_json(text: &str) -> Value {
    parse(text).unwrap().documents[0].to_json()
}

/// What the examples ask for.
fn environment() -> BTreeMap<String, String> {
    ["DB_PASSWORD", "REGION", "B", "TOKEN"].map(|name| (name.to_owned(), "x".to_owned())).into()
}

fn codes(text: &str) -> Vec<(&'static str, usize)> {
    match load(text, "pilothouse.yaml", Path::new(""), &environment()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| (problem.code, problem.span.offset)).collect(),
    }
}

#[test]
fn every_example_loads_and_fits_the_schema() {
    let validator = validator();
    for (table, key) in every_key() {
        let text = sample(table, key, key.example);
        assert_eq!(codes(&text), [], "{}.{}:\n{text}", table.name, key.name);
        let errors: Vec<String> = validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}.{}: {errors:?}\n{text}", table.name, key.name);
    }
}

/// A list of lists of nothing is right for no key but `value`; a key that the reader does not look at would not be
/// reported.
#[test]
fn every_key_is_read_and_the_schema_refuses_what_the_reader_refuses() {
    let validator = validator();
    for (table, key) in every_key().filter(|(_, key)| key.name != "value") {
        let text = sample(table, key, "[[[]]]");
        let at = text.find("[[[]]]").unwrap();
        let seen = codes(&text);
        assert!(
            seen.iter().any(|(code, offset)| *code == "WRONG_TYPE" && (at..at + 6).contains(offset)),
            "{}.{}: {seen:?}\n{text}",
            table.name,
            key.name
        );
        assert!(!validator.is_valid(&as_json(&text)), "{}.{}:\n{text}", table.name, key.name);
    }
}

#[test]
fn what_is_required_is_missed_by_reader_and_schema() {
    let validator = validator();
    for (table, key) in every_key().filter(|(_, key)| key.need == Need::Required) {
        // The name of the key is misspelt, so that it is missing; other keys stay.
        let text = sample(table, key, key.example).replace(&format!("{}: {}", key.name, key.example), "zzz: 1");
        let seen: Vec<&str> = codes(&text).iter().map(|(code, _)| *code).collect();
        assert!(
            seen.contains(&"MISSING_KEY") && seen.contains(&"UNKNOWN_KEY"),
            "{}.{}: {seen:?}",
            table.name,
            key.name
        );
        assert!(!validator.is_valid(&as_json(&text)), "{}.{}", table.name, key.name);
    }
}

#[rstest]
#[case("{ path: c, oci: oci://a/b }")]
#[case("{ repo: https://a.example }")]
#[case("{ path: c, name: b }")]
#[case("{}")]
fn charts_that_schema_and_reader_refuse(#[case] chart: &str) {
    let text = format!("version: 1\nname: x\nreleases: [{{ name: a, chart: {chart} }}]\n");
    assert!(!codes(&text).is_empty());
    assert!(!validator().is_valid(&as_json(&text)));
}

#[rstest]
#[case("values: [{ key: a }]")]
#[case("values: [{ key: a, value: 1, from_env: B }]")]
#[case("values: [{ key: a, from_payload: b, type: json }]")]
#[case("validate: [{ delete: { objects: [job/a] } }]")]
#[case("check_prerequisites: [{ job: { file: a } }]")]
#[case("validate: [{ http: { url: http://a, pod: b } }]")]
#[case("validate: [{ http: { url: http://a, expect: { status: 99 } } }]")]
#[case("validate: [{ assert: { that: a } }]")]
#[case("check_prerequisites: [{ adopt: { objects: [job/a] } }]")]
#[case("pre_exec: [{}]")]
#[case("pre_exec: [{ wait: { objects: [job/a] }, restart: { objects: [deploy/a] } }]")]
#[case("pre_exec: [{ apply: {} }]")]
#[case("pre_exec: [{ delete: {} }]")]
#[case("pre_exec: [{ delete: { chart_crds: false } }]")]
#[case("pre_exec: [{ wait: { objects: [] } }]")]
#[case("pre_exec: [{ wait: { objects: [job] } }]")]
#[case("pre_exec: [{ command: { run: [] } }]")]
#[case("pre_exec: [{ command: { run: ls } }]")]
#[case("on_failure: { retry: 0 }")]
#[case("on_failure: { retry: 11 }")]
#[case("on_failure: { then: rollback }")]
#[case("on_failure: { retry: 1, install: leave }")]
#[case("on_failure: { install: rollback }")]
#[case("on_failure: { upgrade: uninstall }")]
#[case("on_failure: [leave]")]
#[case("validate: [{ command: { run: [ls] }, point_of_no_return: true }]")]
#[case("timeout_in_seconds: 0")]
#[case("timeout_in_seconds: 604801")]
#[case("timeout_in_seconds: 1.5")]
#[case("max_history: -1")]
#[case("crds: always")]
#[case("namespace: \" \"")]
fn releases_that_schema_and_reader_refuse(#[case] line: &str) {
    let text = format!("version: 1\nname: x\nreleases: [{{ name: a, chart: {{ path: c }}, {line} }}]\n");
    assert!(!codes(&text).is_empty());
    assert!(!validator().is_valid(&as_json(&text)));
}

#[test]
fn a_file_with_every_key_fits_the_schema() {
    let text = include_str!("../tests/samples/full.yaml");
    let errors: Vec<String> = validator().iter_errors(&as_json(text)).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}
