//! Whole numbers, in every form in which values are given, as templates of both real helms print them.

use crate::support::{LIMIT, chart, helm, key, never, program};
use pilothouse_core::{ChartInfo, Payload, PayloadKey, SetValue, ValueSource, YamlFile};
use pilothouse_helm::{HelmClient, TemplateRequest, Values, split_manifests};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rstest::rstest;
use serde_json::{Map, Value, json};
use std::path::Path;

const SUM: PayloadKey<Value> = PayloadKey::new("sum");

/// What the templates saw: each number as it is printed, and what kind of value it is.
type Seen = Map<String, Value>;

async fn seen(major: u64, info: &ChartInfo, payload: &Payload) -> Seen {
    let tried = helm(major, None).await;
    let values = Values::of(info, payload).unwrap();
    let request = TemplateRequest::new(key("shop", "web"), chart("numbers"), values, LIMIT);
    data(&tried.helm.template(&request, &never()).await.unwrap())
}

/// The same of a helm that is called as a person would call it.
fn by_hand(program: &Path, arguments: &[String]) -> Seen {
    let mut command = std::process::Command::new(program);
    let output = command.args(["template", "web"]).arg(chart("numbers")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    data(&String::from_utf8(output.stdout).unwrap())
}

fn data(rendered: &str) -> Seen {
    split_manifests(rendered).unwrap()[0].object["data"].as_object().cloned().unwrap_or_default()
}

/// Whole numbers of every size, and what lies at the borders.
fn whole() -> Vec<i64> {
    let mut numbers = vec![0, 1, -1, 999_999, 1_000_000, -1_000_000, 123_456_789_012, (1 << 53) + 1, -(1 << 53) - 1];
    numbers.extend([i64::MAX, i64::MIN]);
    let any = (0_u32..63, any::<i64>()).prop_map(|(bits, number)| number >> bits);
    let mut runner = TestRunner::deterministic();
    numbers.extend((0..60).map(|_| any.new_tree(&mut runner).unwrap().current()));
    numbers
}

/// Texts of which `--set` makes an integer, and some of which it does not.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = whole().iter().map(ToString::to_string).collect();
    let others = ["+7", "-0", "007", "0x1F", "1e6", "1000000.0", "1_000", "9223372036854775808", "true", "x", "-"];
    texts.extend(others.map(str::to_owned));
    texts
}

#[rstest]
#[tokio::test]
async fn text_is_what_set_makes_of_it(#[values(3, 4)] major: u64) {
    let texts = texts();
    let values = texts.iter().enumerate().map(|(n, text)| SetValue::auto(format!("all.k{n}"), text)).collect();
    let ours = seen(major, &ChartInfo { values, ..ChartInfo::default() }, &Payload::default()).await;
    let arguments: Vec<String> =
        texts.iter().enumerate().flat_map(|(n, text)| ["--set".to_owned(), format!("all.k{n}={text}")]).collect();
    assert_eq!(ours, by_hand(&program(major).await, &arguments));
}

#[rstest]
#[tokio::test]
async fn a_number_arrives_with_its_digits(#[values(3, 4)] major: u64) {
    let numbers = whole();
    let mut payload = Payload::default();
    for number in &numbers {
        payload.put_value(number.to_string(), json!(number));
    }
    let name = |n: usize| format!("k{n}");
    let all: Map<String, Value> = numbers.iter().enumerate().map(|(n, number)| (name(n), json!(number))).collect();
    let set = |value: &dyn Fn(usize, i64) -> SetValue| ChartInfo {
        values: numbers.iter().enumerate().map(|(n, number)| value(n, *number)).collect(),
        ..ChartInfo::default()
    };
    let document = |content: String| ChartInfo {
        yaml_files_content: vec![YamlFile { name: "inline".to_owned(), content }],
        ..ChartInfo::default()
    };
    let in_yaml: String = numbers.iter().enumerate().map(|(n, number)| format!("  k{n}: {number}\n")).collect();
    let forms = [
        ("a setting", set(&|n, number| SetValue::json(format!("all.k{n}"), number))),
        (
            "a payload entry",
            set(&|n, number| SetValue { key: format!("all.k{n}"), value: ValueSource::Payload(number.to_string()) }),
        ),
        ("a mapping", ChartInfo { values: vec![SetValue::json("all", all.clone())], ..ChartInfo::default() }),
        ("a document in JSON", document(json!({"all": all}).to_string())),
        ("a document in YAML", document(format!("# values\nall:\n{in_yaml}"))),
    ];
    for (form, info) in forms {
        let seen = seen(major, &info, &payload).await;
        for (n, number) in numbers.iter().enumerate() {
            let printed = seen.get(&name(n)).and_then(Value::as_str);
            assert_eq!(printed, Some(number.to_string().as_str()), "{form}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_comes_later_wins_and_no_other_number_does(#[values(3, 4)] major: u64) {
    let big = 123_456_789_012_i64;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, format!("all: {{ file: {big}, list: [{big}], over: {big} }}\n")).unwrap();
    let content = |content: String| YamlFile { name: "inline".to_owned(), content };
    let info = ChartInfo {
        values_files: vec![file.clone()],
        yaml_files_content: vec![
            content(format!("all: {{ twice: {big}, gone: {big}, map: {{ a: {big} }}, over: {} }}", big + 1)),
            content("all: { twice: text, gone: null, map: { b: 1000000.5, c: [1, 2000000] } }".to_owned()),
        ],
        values: vec![
            SetValue::json("all.map.c", json!([1, 3_000_000])),
            SetValue::auto(r"all.a\.b\,c", "4000000"),
            SetValue::auto("all.text", "5000000"),
            SetValue::string("all.text", "five"),
            SetValue::json("all.list", json!([{"a": 6_000_000}, [7_000_000], 1e7])),
        ],
        ..ChartInfo::default()
    };
    let seen = seen(major, &info, &Payload::default()).await;
    let shown = seen.iter().filter(|(name, _)| !name.contains(".kind"));
    let shown: Vec<String> = shown.map(|(name, value)| format!("{name}: {}", value.as_str().unwrap())).collect();
    insta::allow_duplicates! { insta::assert_snapshot!(shown.join("\n"), @r"
    a.b,c: 4000000
    file: 1.23456789012e+11
    gone: <nil>
    list: [map[a:6000000] [7000000] 1e+07]
    map: map[a:123456789012 b:1.0000005e+06 c:[1 3000000]]
    over: 123456789013
    text: five
    twice: text
    ") };
    // A file of the user's is what helm makes of it.
    let files = ChartInfo { values_files: vec![file.clone()], ..ChartInfo::default() };
    let by_file = by_hand(&program(major).await, &[format!("--values={}", file.display())]);
    assert_eq!(self::seen(major, &files, &Payload::default()).await, by_file);
}

/// In a file of the user's, and in one document behind another, numbers are what helm makes of them, whatever they are.
#[rstest]
#[tokio::test]
async fn a_file_is_what_helm_makes_of_it(#[values(3, 4)] major: u64) {
    // A list in YAML.
    let mut texts: Vec<String> = texts().into_iter().filter(|text| text != "-").collect();
    let more = ["9007199254740993", "18446744073709551616", "123456789012345678901234567890", "1e30", "-0.0", "0o17"];
    texts.extend(more.map(str::to_owned));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let lines: String = texts.iter().enumerate().map(|(n, text)| format!("  k{n}: {text}\n")).collect();
    let whole: String = whole().iter().enumerate().map(|(n, number)| format!("  l{n}: {number}\n")).collect();
    let files = vec![
        write("one.yaml", &format!("all:\n{lines}")),
        write("two.yaml", &format!("all: {{k0: 7}}\n---\nall:\n{whole}")),
    ];
    let arguments: Vec<String> = files.iter().map(|file| format!("--values={}", file.display())).collect();
    let info = ChartInfo { values_files: files, ..ChartInfo::default() };
    let ours = seen(major, &info, &Payload::default()).await;
    assert_eq!(ours, by_hand(&program(major).await, &arguments));
    // Helm 3 reads the first document alone.
    assert_eq!(ours.contains_key("l0"), major >= 4);
}

/// What would lose digits in any helm is given to none, in whatever form.
#[test]
fn what_cannot_be_given_whole_is_refused() {
    let document = |content: &str| ChartInfo {
        yaml_files_content: vec![YamlFile { name: "inline".to_owned(), content: content.to_owned() }],
        ..ChartInfo::default()
    };
    let set = |value: SetValue| ChartInfo { values: vec![value], ..ChartInfo::default() };
    let mut payload = Payload::default();
    payload.put_value("sum", json!({"n": u64::MAX}));
    let digits = "would lose digits";
    let cases = [
        (set(SetValue::json("all.n", u64::MAX)), "the number at `all.n` would lose digits: give it as text"),
        (set(SetValue::json("all", json!([{"n": u64::MAX}]))), "`all[0].n`"),
        (set(SetValue::from_payload("all", SUM)), "`all.n`"),
        (set(SetValue::json("all.password", (1_i64 << 53) + 1)), "`all.password`"),
        (set(SetValue::auto("all.password", "9007199254740993")), "`all.password`"),
        (document("a: 1\nn: 9223372036854775808\n"), "the values `inline` cannot be given: line 2: a whole number"),
        (document("n: [-123456789012345678901234567890]"), digits),
        (document(r#"{"n": 18446744073709551616}"#), digits),
        (document("a: 1\n---\nn: 1000000\n"), "it has more than one document: helm 3 reads the first one alone"),
    ];
    for (info, expected) in cases {
        let error = Values::of(&info, &payload).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for content in ["", "# nothing\n", "---\na: 9223372036854775807\n---\n", "n: \"9223372036854775808\"", "n: 1e30"] {
        Values::of(&document(content), &payload).unwrap();
    }
}
