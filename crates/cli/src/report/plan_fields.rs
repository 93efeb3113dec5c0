//! The fields of an object that change: in one line, or as a diff where text of several lines changes.

use crate::terminal::text::{fit, one_line};
use pilothouse_core::FieldChange;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Fields shown of one object, and lines of one diff, before the rest is counted.
const SHOWN: usize = 40;
/// Columns shown of one value before it is cut.
const VALUE: usize = 160;
/// Texts of more lines than this are not compared line by line: it would take long, and nobody reads it.
const COMPARED: usize = 4_000;
/// Lines shown around a change in text.
const CONTEXT: usize = 2;

/// What is shown of the fields of an object.
pub(super) struct ShownFields {
    pub(super) fields: Vec<ShownField>,
    /// How many fields were left out.
    pub(super) left_out: usize,
}

/// A field that changes, ready to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShownField {
    pub(super) path: String,
    pub(super) what: What,
    /// Who wrote what is there now, when it was not helm.
    pub(super) written_by: Option<String>,
}

/// How a field changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// From one value to another; `None` where there is none.
    Value { old: Option<String>, new: Option<String> },
    /// Text of several lines, and how many lines were left out.
    Diff { lines: Vec<(Sign, String)>, left_out: usize },
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Stays,
    Goes,
    Comes,
    /// Lines that stay were passed over here.
    Gap,
}

/// The fields as they are shown. `full` leaves nothing out.
pub(super) fn shown(fields: &[FieldChange], full: bool) -> ShownFields {
    let at_most = if full { fields.len() } else { SHOWN.min(fields.len()) };
    ShownFields {
        fields: fields.iter().take(at_most).map(|field| shown_field(field, full)).collect(),
        left_out: fields.len() - at_most,
    }
}

fn shown_field(field: &FieldChange, full: bool) -> ShownField {
    let what = match (text(field.old.as_ref()), text(field.new.as_ref())) {
        (Some(old), Some(new)) if old.trim_end().contains('\n') || new.trim_end().contains('\n') => {
            diff(old, new, full)
        }
        _ => {
            let (old, new) = (field.old.as_ref().map(Value::to_string), field.new.as_ref().map(Value::to_string));
            let alike = old
                .as_ref()
                .zip(new.as_ref())
                .map_or(0, |(old, new)| old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count());
            let written = |text: String| written(&text, alike, full);
            What::Value { old: old.map(written), new: new.map(written) }
        }
    };
    ShownField { path: one_line(&field.path), what, written_by: field.written_by.as_deref().map(one_line) }
}

/// The value as text, if it is text or nothing.
fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        None => Some(""),
        Some(value) => value.as_str(),
    }
}

/// The value, as JSON, in one line. One that is cut shows what follows its first `alike` characters.
fn written(text: &str, alike: usize, full: bool) -> String {
    if full {
        return one_line(text);
    }
    let is_long = text.chars().count() > VALUE;
    match alike.checked_sub(VALUE / 4).filter(|start| is_long && *start >= VALUE / 4) {
        Some(start) => fit(&format!("…{}", text.chars().skip(start).collect::<String>()), VALUE),
        None => fit(text, VALUE),
    }
}

fn diff(old: &str, new: &str, full: bool) -> What {
    let (before, after) = (old.lines().count(), new.lines().count());
    if before + after > COMPARED {
        let lines = |count: usize| Some(format!("text of {count} lines"));
        return What::Value { old: lines(before), new: lines(after) };
    }
    let mut lines = Vec::new();
    let diff = TextDiff::from_lines(old, new);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        if !lines.is_empty() {
            lines.push((Sign::Gap, "...".to_owned()));
        }
        lines.extend(hunk.iter_changes().map(|change| {
            let sign = match change.tag() {
                ChangeTag::Equal => Sign::Stays,
                ChangeTag::Delete => Sign::Goes,
                ChangeTag::Insert => Sign::Comes,
            };
            // Cut like any other value: a line may be as long as a file.
            let text = change.value().trim_end_matches(['\n', '\r']);
            (sign, if full { one_line(text) } else { fit(text, VALUE) })
        }));
    }
    let left_out = if full { 0 } else { lines.len().saturating_sub(SHOWN) };
    lines.truncate(lines.len() - left_out);
    What::Diff { lines, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::field;
    use rstest::rstest;
    use serde_json::json;

    fn value(old: Option<&str>, new: Option<&str>) -> What {
        What::Value { old: old.map(str::to_owned), new: new.map(str::to_owned) }
    }

    #[rstest]
    #[case(json!(2), json!(3), value(Some("2"), Some("3")))]
    #[case(json!(null), json!("a"), value(None, Some("\"a\"")))]
    #[case(json!({"a": [1]}), json!(null), value(Some("{\"a\":[1]}"), None))]
    #[case(json!("red \u{1b}[31m"), json!("c1 \u{9b}31m"), value(Some("\"red \\u001b[31m\""), Some("\"c1  31m\"")))]
    #[case(json!("one line\n"), json!("another\n"), value(Some("\"one line\\n\""), Some("\"another\\n\"")))]
    fn values(#[case] old: Value, #[case] new: Value, #[case] expected: What) {
        assert_eq!(shown_field(&field("spec.a", old, new), false).what, expected);
    }

    #[test]
    fn what_differs_in_a_long_value_is_seen() {
        let long = |end: &str| json!(["x".repeat(300), end, "y".repeat(300)]);
        let seen = |end: &str| Some(format!("…{}\",\"{end}\",\"{}…", "x".repeat(37), "y".repeat(160 - 45 - end.len())));
        let What::Value { old, new } = shown_field(&field("spec.args", long("one"), long("two")), false).what else {
            panic!("no values");
        };
        assert_eq!((old, new), (seen("one"), seen("two")));
    }

    #[test]
    fn text_of_several_lines_is_compared_by_line() {
        let old = (1..=20).map(|n| format!("line {n}\n")).collect::<String>();
        let new = old.replace("line 2\n", "").replace("line 18\n", "line 18\tb\nline 18\u{1b}[1mc\n");
        let What::Diff { lines, left_out } = shown_field(&field("data.a", json!(old), json!(new)), false).what else {
            panic!("no diff");
        };
        let line = |(sign, text): &(Sign, String)| format!("{sign:?} {text}");
        assert_eq!(
            lines.iter().map(line).collect::<Vec<_>>(),
            [
                "Stays line 1",
                "Goes line 2",
                "Stays line 3",
                "Stays line 4",
                "Gap ...",
                "Stays line 16",
                "Stays line 17",
                "Goes line 18",
                "Comes line 18 b",
                "Comes line 18c",
                "Stays line 19",
                "Stays line 20"
            ]
        );
        assert_eq!(left_out, 0);
    }

    #[test]
    fn a_new_text_is_all_new() {
        let what = shown_field(&field("data.a", json!(null), json!("a\nb")), false).what;
        let lines = vec![(Sign::Comes, "a".to_owned()), (Sign::Comes, "b".to_owned())];
        assert_eq!(what, What::Diff { lines, left_out: 0 });
    }

    /// How many lines, or columns of the longest value, are shown, and how many are left out.
    #[rstest]
    #[case(40, false, (40, 0))]
    #[case(52, false, (40, 12))]
    #[case(52, true, (52, 0))]
    fn what_is_long_is_cut(#[case] count: usize, #[case] full: bool, #[case] expected: (usize, usize)) {
        let text = (0..count).map(|n| format!("{n}\n")).collect::<String>();
        let What::Diff { lines, left_out } = shown_field(&field("data.a", json!(null), json!(text)), full).what else {
            panic!("no diff");
        };
        assert_eq!((lines.len(), left_out), expected);
        let fields: Vec<FieldChange> = (0..count).map(|n| field(&format!("a{n}"), json!(n), json!(n + 1))).collect();
        let shown = shown(&fields, full);
        assert_eq!((shown.fields.len(), shown.left_out), expected);
    }

    #[test]
    fn a_value_without_an_end_is_cut_and_one_without_bounds_is_counted() {
        let long = json!("x".repeat(500)).to_string();
        assert_eq!(written(&long, 0, false), format!("\"{}…", "x".repeat(VALUE - 2)));
        assert_eq!(written(&long, 0, true), long);
        let text = "line\n".repeat(COMPARED);
        let what = shown_field(&field("data.a", json!(text), json!("a\nb")), true).what;
        assert_eq!(what, value(Some("text of 4000 lines"), Some("text of 2 lines")));
    }
}
