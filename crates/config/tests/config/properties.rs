//! What holds for any text.

use crate::support::{read, show};
use proptest::prelude::*;

/// Lines that look like a stack file, in any order and with any indentation: they get further than random characters.
fn lines_like_a_stack() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("version: 1"),
        Just("name: a"),
        Just("releases:"),
        Just("- name: ü"),
        Just("chart: { path: charts/a }"),
        Just("chart: &c"),
        Just("values: *c"),
        Just("- { key: a, value: [1, 2.50] }"),
        Just("<<: *c"),
        Just("pre_exec: &c [{ wait: { objects: [a/b] } }]"),
        Just("validate:"),
        Just("- command: { run: \"😀\" }"),
        Just("timeout_in_seconds: 10m"),
        Just("labels: {"),
        Just("}"),
        Just("? [a]"),
        Just("text: |"),
        Just("---"),
        Just("!x y"),
        Just("\u{feff}"),
    ];
    let indented = (0_usize..8, line).prop_map(|(spaces, line)| format!("{}{line}\n", " ".repeat(spaces)));
    prop::collection::vec(indented, 0..30).prop_map(|lines| lines.concat())
}

fn never_panics(text: &str) {
    if let Err(problems) = read(text) {
        assert!(!problems.is_empty());
        for problem in problems.iter() {
            assert!(text.get(problem.span.offset..problem.span.offset + problem.span.len).is_some());
        }
        let shown = show(&problems);
        for problem in problems.iter() {
            assert!(!problem.message.is_empty() && shown.contains(problem.code));
        }
    }
}

#[derive(Debug, Clone)]
struct Release {
    name: String,
    namespace: String,
    timeout: u64,
    wait: bool,
    values: Vec<(String, i64)>,
}

impl Release {
    fn as_yaml(&self) -> String {
        let value = |(key, value): &(String, i64)| format!("{{ key: \"{key}\", value: {value} }}");
        let values: Vec<String> = self.values.iter().map(value).collect();
        format!(
            "  - name: \"{}\"\n    namespace: \"{}\"\n    chart: {{ path: a }}\n    timeout_in_seconds: {}\n    wait: {}\n    values: [{}]\n",
            self.name,
            self.namespace,
            self.timeout,
            self.wait,
            values.join(", ")
        )
    }
}

/// What floating point holds whole (2^53): under a key that is called like a secret, a larger number is refused.
const LARGEST: i64 = 1 << 53;

fn release() -> impl Strategy<Value = Release> {
    let name = "[a-z]([a-z0-9-]{0,20}[a-z0-9])?";
    let values = prop::collection::vec(("[a-z]{1,5}(\\.[a-z]{1,5}){0,2}", -LARGEST..=LARGEST), 0..4);
    (name, name, 1_u64..=604_800, any::<bool>(), values).prop_map(|(name, namespace, timeout, wait, values)| Release {
        name,
        namespace,
        timeout,
        wait,
        values,
    })
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        never_panics(&text);
    }

    #[test]
    fn text_like_a_stack_is_read_without_panic(text in lines_like_a_stack()) {
        never_panics(&text);
    }

    #[test]
    fn a_good_stack_loads_as_written(releases in prop::collection::vec(release(), 1..6)) {
        let mut releases = releases;
        releases.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        releases.dedup_by(|a, b| a.namespace == b.namespace && a.name == b.name);
        let texts: Vec<String> = releases.iter().map(Release::as_yaml).collect();
        let text = format!("version: 1\nname: demo\nreleases:\n{}", texts.concat());
        let loaded = read(&text).map_err(|problems| TestCaseError::fail(show(&problems)))?;
        prop_assert_eq!(loaded.stack.releases.len(), releases.len());
        for (read, written) in loaded.stack.releases.iter().zip(&releases) {
            prop_assert_eq!(&read.info.name, &written.name);
            prop_assert_eq!(read.info.namespace.as_str(), &written.namespace);
            prop_assert_eq!(read.info.timeout_in_seconds, written.timeout);
            prop_assert_eq!(read.info.wait, written.wait);
            let values: Vec<_> = read.info.values.iter().map(|v| (v.key.clone(), v.value.clone())).collect();
            let expected: Vec<_> = written
                .values
                .iter()
                .map(|(key, value)| (key.clone(), pilothouse_core::ValueSource::Json((*value).into())))
                .collect();
            prop_assert_eq!(values, expected);
        }
    }
}
