//! The fields of an object that change: in one line, or as a diff where text of several lines changes.

use crate::terminal::text::{fit, one_line};
use pilothouse_core::FieldChange;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Fields shown of one object, and lines of one diff, before the rest is counted.
const SHOWN: usize = 40;
/// Columns shown of one value before it is cut.
const VALUE: usize = 160;
/// Columns shown of a value where there is little room.
const BRIEF: usize = 32;
/// Columns shown of a path where there is little room.
const PATH: usize = 44;
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
    if full { up_to(fields, None) } else { up_to(fields, Some(SHOWN)) }
}

/// The first fields, and as many lines of each.
pub(super) fn up_to(fields: &[FieldChange], at_most: Option<usize>) -> ShownFields {
    let count = at_most.unwrap_or(fields.len()).min(fields.len());
    ShownFields {
        fields: fields.iter().take(count).map(|field| shown_field(field, at_most)).collect(),
        left_out: fields.len() - count,
    }
}

/// One of the fields in one line, an image where one changes, and how many more there are.
pub(super) fn in_one_line(fields: &[FieldChange]) -> Option<String> {
    let first = fields.iter().find(|field| field.path.rsplit('.').next() == Some("image")).or(fields.first())?;
    let path = end_of(&first.path);
    let what = match (text(first.old.as_ref()), text(first.new.as_ref())) {
        (Some(old), Some(new)) if old.trim_end().contains('\n') || new.trim_end().contains('\n') => {
            format!("{path}: its text changes")
        }
        _ => {
            let (old, new) = values(first, false, BRIEF);
            let none = || "(none)".to_owned();
            format!("{path}: {} -> {}", old.unwrap_or_else(none), new.unwrap_or_else(none))
        }
    };
    let more = match fields.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more (--full)"),
    };
    Some(format!("{}{more}", one_line(&what)))
}

/// The end of a path, from a part of it that is not too far from there.
fn end_of(path: &str) -> String {
    if path.chars().count() <= PATH {
        return path.to_owned();
    }
    let starts: Vec<usize> = path.match_indices('.').map(|(at, _)| at).collect();
    let start = starts.iter().find(|at| path[**at..].chars().count() <= PATH).or(starts.last()).copied().unwrap_or(0);
    format!("…{}", &path[start..])
}

fn shown_field(field: &FieldChange, at_most: Option<usize>) -> ShownField {
    let what = match (text(field.old.as_ref()), text(field.new.as_ref())) {
        (Some(old), Some(new)) if old.trim_end().contains('\n') || new.trim_end().contains('\n') => {
            diff(old, new, at_most)
        }
        _ => {
            let (old, new) = values(field, at_most.is_none(), VALUE);
            What::Value { old, new }
        }
    };
    ShownField { path: one_line(&field.path), what, written_by: field.written_by.as_deref().map(one_line) }
}

/// What is there now and what is going to be, cut to as many columns so that what differs is seen.
fn values(field: &FieldChange, full: bool, at_most: usize) -> (Option<String>, Option<String>) {
    let (old, new) = (field.old.as_ref().map(Value::to_string), field.new.as_ref().map(Value::to_string));
    let same =
        |(old, new): (&String, &String)| old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count();
    let alike = old.as_ref().zip(new.as_ref()).map_or(0, same);
    let written = |text: String| written(&text, alike, full, at_most);
    (old.map(written), new.map(written))
}

/// The value as text, if it is text or nothing.
fn text(value: Option<&Value>) -> Option<&str> {
    match value {
        None => Some(""),
        Some(value) => value.as_str(),
    }
}

/// The value, as JSON, in one line. One that is cut shows what follows its first `alike` characters.
fn written(text: &str, alike: usize, full: bool, at_most: usize) -> String {
    if full {
        return one_line(text);
    }
    let is_long = text.chars().count() > at_most;
    match alike.checked_sub(at_most / 4).filter(|start| is_long && *start >= at_most / 4) {
        Some(start) => fit(&format!("…{}", text.chars().skip(start).collect::<String>()), at_most),
        None => fit(text, at_most),
    }
}

fn diff(old: &str, new: &str, at_most: Option<usize>) -> What {
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
            (sign, if at_most.is_none() { one_line(text) } else { fit(text, VALUE) })
        }));
    }
    let left_out = at_most.map_or(0, |at_most| lines.len().saturating_sub(at_most));
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
        assert_eq!(shown_field(&field("spec.a", old, new), Some(SHOWN)).what, expected);
    }

    #[test]
    fn what_differs_in_a_long_value_is_seen() {
        let long = |end: &str| json!(["x".repeat(300), end, "y".repeat(300)]);
        let seen = |end: &str| Some(format!("…{}\",\"{end}\",\"{}…", "x".repeat(37), "y".repeat(160 - 45 - end.len())));
        let What::Value { old, new } = shown_field(&field("spec.args", long("one"), long("two")), Some(SHOWN)).what
        else {
            panic!("no values");
        };
        assert_eq!((old, new), (seen("one"), seen("two")));
    }

    #[test]
    fn text_of_several_lines_is_compared_by_line() {
        let old = (1..=20).map(|n| format!("line {n}\n")).collect::<String>();
        let new = old.replace("line 2\n", "").replace("line 18\n", "line 18\tb\nline 18\u{1b}[1mc\n");
        let What::Diff { lines, left_out } = shown_field(&field("data.a", json!(old), json!(new)), Some(SHOWN)).what
        else {
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
        let what = shown_field(&field("data.a", json!(null), json!("a\nb")), Some(SHOWN)).what;
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
        let What::Diff { lines, left_out } =
            shown_field(&field("data.a", json!(null), json!(text)), (!full).then_some(SHOWN)).what
        else {
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
        assert_eq!(written(&long, 0, false, VALUE), format!("\"{}…", "x".repeat(VALUE - 2)));
        assert_eq!(written(&long, 0, true, VALUE), long);
        let text = "line\n".repeat(COMPARED);
        let what = shown_field(&field("data.a", json!(text), json!("a\nb")), None).what;
        assert_eq!(what, value(Some("text of 4000 lines"), Some("text of 2 lines")));
    }
}
