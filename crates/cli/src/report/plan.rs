//! A plan for people: a paragraph per release that changes, one line for all that stay, counts at the end.

use crate::report::plan_condensed as condensed;
use crate::report::plan_fields::{self, ShownField, Sign, What};
use crate::report::plan_words::{self as words, Mark};
use crate::terminal::hints::hint;
use crate::terminal::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use crate::terminal::text::{fit, one_line};
use pilothouse_core::{
    Drift, Effect, FieldChange, Finding, ObjectChange, Plan, PlannedAction, PlannedObject, ReleaseKey, ReleasePlan,
    stays_in_words,
};
use serde_json::Value;
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

/// How many unchanged releases are named before the rest is counted.
const NAMED: usize = 20;
/// No narrower than this is wrapped.
const NARROWEST: usize = 24;
/// The column of effects, with a gap behind the longest word.
const EFFECT: usize = 13;
/// The most lines for the objects of a release; with more they are shown in a shorter form. Leaves two screens enough room for the rest.
const ROOM: usize = 55;
/// The most fields shown of an object, and the most lines of one field, from the longest form to the shortest.
const FIELDS: [usize; 3] = [40, 12, 4];
/// Columns of a line that is cut, where the screen's are not known.
const SHORT: usize = 118;
/// Columns of one value of a label.
const LABEL: usize = 40;
/// How many objects are named that are affected alike.
const AFFECTED: usize = 3;
/// Where the parts of a release begin.
const PART: &str = "    ";

/// The plan as text. With a width, lines are broken to fit; `full` leaves nothing out.
pub(crate) fn text(plan: &Plan, width: Option<usize>, full: bool) -> String {
    let page = Page { width, full };
    let (quiet, told): (Vec<&ReleasePlan>, Vec<_>) = plan.releases.iter().partition(|release| words::is_quiet(release));
    let made = plan.made_at.strftime("%Y-%m-%d %H:%M:%SZ");
    let head = format!("Plan of {}, made {made} with {}", one_line(&plan.stack), one_line(&plan.made_with));
    let mut lines = page.wrapped("", &head, "  ");
    if let Some(cluster) = &plan.cluster {
        lines.extend(page.wrapped("", &one_line(&format!("On {cluster}")), "  "));
    }
    lines.extend(page.legend(&told));
    lines.push(String::new());
    for release in told {
        lines.extend(page.release(release));
        lines.push(String::new());
    }
    if !quiet.is_empty() {
        let names: Vec<&ReleaseKey> = quiet.iter().map(|release| &release.release).collect();
        lines.extend(page.quiet(&names));
        lines.push(String::new());
    }
    lines.push(paint(STRONG, words::totals(plan)));
    lines.join("\n") + "\n"
}

/// How much of an object is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Everything.
    Full,
    /// Its fields, up to a number.
    Fields(usize),
    /// One of its fields.
    Short,
}

/// The lines of an object, or of several of a kind.
enum Entry<'a> {
    Alone { object: &'a PlannedObject, fields: Vec<FieldChange> },
    Group { mark: Mark, kind: &'a str, objects: Vec<&'a PlannedObject> },
}

/// How the text is laid out.
struct Page {
    width: Option<usize>,
    full: bool,
}

impl Page {
    /// What the signs mean that are used.
    fn legend(&self, releases: &[&ReleasePlan]) -> Vec<String> {
        let objects = releases.iter().flat_map(|release| words::by_severity(release));
        let mut marks: BTreeSet<Mark> = objects.map(Mark::of_object).collect();
        marks.extend(releases.iter().map(|release| Mark::of_release(release.does)));
        if marks.is_empty() {
            return Vec::new();
        }
        let meanings: Vec<String> = marks.iter().map(|mark| format!("{} {}", mark.sign(), mark.meaning())).collect();
        let lines = self.wrapped("", &meanings.join(", "), "");
        lines.into_iter().map(|line| paint(FAINT, line)).collect()
    }

    fn quiet(&self, releases: &[&ReleaseKey]) -> Vec<String> {
        let at_most = if self.full { releases.len() } else { NAMED };
        let mut names: Vec<String> =
            releases.iter().take(at_most).map(|release| one_line(&release.to_string())).collect();
        if releases.len() > at_most {
            names.push(format!("and {} more (--full)", releases.len() - at_most));
        }
        self.wrapped(&sign(Mark::Same), &format!("unchanged: {}", names.join(", ")), PART)
    }

    fn release(&self, release: &ReleasePlan) -> Vec<String> {
        let mark = Mark::of_release(release.does);
        let mut head = format!(
            "{}  {}",
            paint(STRONG, one_line(&release.release.to_string())),
            paint(mark.style(), words::does(release.does))
        );
        if let Some(chart) = words::chart(release) {
            head.push_str("  ");
            head.push_str(&one_line(&chart));
        }
        if release.revision > 0 {
            head.push_str(&paint(FAINT, format!("  revision {}", release.revision)));
        }
        let mut lines = self.wrapped(&sign(mark), &head, "      ");
        lines.extend(self.wrapped(PART, &format!("why: {}", one_line(&release.why)), "      "));
        if !release.findings.is_empty() {
            lines.push(format!("{PART}{}", paint(BAD, "refused, because:")));
        }
        lines.extend(release.findings.iter().flat_map(|finding| self.finding(finding)));
        lines.extend(self.effects(&words::worst_first(&release.effects)));
        lines.extend(self.objects(release));
        if !release.stays.is_empty() {
            lines.extend(self.wrapped(
                PART,
                &format!("stays: {}", one_line(&stays_in_words(&release.stays))),
                "      ",
            ));
        }
        if let Some(ownership) = words::ownership(release) {
            lines.extend(self.wrapped(PART, &format!("whose objects: {ownership}"), "      "));
        }
        if release.unchanged > 0 && release.does != PlannedAction::Nothing {
            let objects = if release.unchanged == 1 { "object" } else { "objects" };
            let line = format!("{PART}{}{} {objects} unchanged", sign(Mark::Same), release.unchanged);
            lines.push(paint(FAINT, line));
        }
        let drift = |drift: &Drift| format!("{}: {}", drift.object, drift.what);
        lines.extend(self.list("changed by others", release.drifts.iter().map(drift)));
        lines.extend(self.list("hooks", condensed::hooks(&release.hooks, self.full).into_iter()));
        lines.extend(self.list("steps", release.steps.iter().map(|step| format!("{}: {}", step.phase, step.text))));
        if release.has_changes() && !release.on_failure.is_empty() {
            lines.extend(self.wrapped(PART, &format!("if it fails: {}", one_line(&release.on_failure)), "      "));
        }
        lines.extend(self.list("warnings", release.warnings.iter().cloned()));
        lines.extend(self.list("not checked", condensed::same_reasons(&release.not_checked, self.full).into_iter()));
        lines
    }

    fn list(&self, label: &str, items: impl Iterator<Item = String>) -> Vec<String> {
        let mut lines: Vec<String> =
            items.flat_map(|item| self.wrapped("      - ", &one_line(&item), "        ")).collect();
        if !lines.is_empty() {
            lines.insert(0, format!("{PART}{label}:"));
        }
        lines
    }

    fn finding(&self, finding: &Finding) -> Vec<String> {
        let text = format!("{} {}", finding.code, one_line(&finding.to_string()));
        let mut lines = self.wrapped("      - ", &text, "        ");
        match (words::consent(finding), hint(finding)) {
            // Not broken: it is there to be copied.
            (Some(consent), _) => lines.push(format!("        to consent: {consent}")),
            (None, Some(hint)) => lines.extend(self.wrapped("        ", &format!("hint: {hint}"), "          ")),
            (None, None) => {}
        }
        lines
    }

    fn effects(&self, effects: &[&Effect]) -> Vec<String> {
        let mut lines = Vec::new();
        if !effects.is_empty() {
            lines.push(format!("{PART}effects:"));
        }
        let groups = if self.full {
            effects.iter().map(|effect| (*effect, vec![&effect.object])).collect()
        } else {
            condensed::effects(effects)
        };
        for (effect, objects) in groups {
            let (style, word) = words::effect(effect.kind);
            let objects = objects.iter().map(|object| one_line(&object.to_string())).collect();
            let text = format!("{}: {}", condensed::listed(objects, AFFECTED), one_line(&effect.what));
            let first = format!("      {}{}", paint(style, word), " ".repeat(EFFECT - word.len()));
            lines.extend(self.wrapped(&first, &text, "        "));
        }
        lines
    }

    /// The objects of a release, the worst first: in detail if that fits, else each in few words.
    fn objects(&self, release: &ReleasePlan) -> Vec<String> {
        let objects = words::by_severity(release);
        if self.full {
            return objects.iter().flat_map(|object| self.object(object, &object.fields, None, Detail::Full)).collect();
        }
        let fits = |detail: &Detail| self.condensed(release, &objects, *detail).len() <= ROOM;
        let detail = FIELDS.map(Detail::Fields).into_iter().find(fits).unwrap_or(Detail::Short);
        self.condensed(release, &objects, detail)
    }

    /// The objects of a release: what comes or goes by its kind, labels that change alike once, schemas by what they gain and lose.
    fn condensed(&self, release: &ReleasePlan, objects: &[&PlannedObject], detail: Detail) -> Vec<String> {
        let labels = condensed::labels(objects);
        let crowded = if detail == Detail::Short { condensed::crowded(objects, &labels) } else { BTreeSet::new() };
        let (mut entries, mut only_labels): (Vec<Entry<'_>>, Vec<&PlannedObject>) = (Vec::new(), Vec::new());
        for object in objects {
            let (mark, fields) = (Mark::of_object(object), condensed::without(object, &labels));
            let kind = object.object.kind.as_str();
            let is_update = object.change == ObjectChange::Update && words::unhealthy(object).is_none();
            if is_update && fields.is_empty() && !object.fields.is_empty() {
                only_labels.push(object);
                continue;
            }
            let is_crowded = is_update && crowded.contains(kind);
            if !is_crowded && !condensed::is_plain(object) {
                entries.push(Entry::Alone { object, fields });
                continue;
            }
            let group = entries.iter_mut().find_map(|entry| match entry {
                Entry::Group { mark: of, kind: its, objects } if *of == mark && *its == kind => Some(objects),
                Entry::Group { .. } | Entry::Alone { .. } => None,
            });
            match group {
                Some(group) => group.push(object),
                None => entries.push(Entry::Group { mark, kind, objects: vec![object] }),
            }
        }
        let mut lines = Vec::new();
        for entry in entries {
            match entry {
                Entry::Alone { object, fields } => {
                    let (schema, fields) = condensed::schema(fields);
                    lines.extend(self.object(object, &fields, schema.as_deref(), detail));
                }
                Entry::Group { mark, kind, objects } => {
                    let text = condensed::together(kind, &objects, &release.release);
                    lines.extend(self.wrapped(&format!("{PART}{}", sign(mark)), &text, "          "));
                }
            }
        }
        if !only_labels.is_empty() {
            let counted = condensed::counted(&only_labels);
            let text = format!("in nothing but these labels: {counted}");
            lines.extend(self.wrapped(&format!("{PART}{}", sign(Mark::Change)), &text, "          "));
        }
        if !labels.is_empty() {
            lines.push(format!("{PART}labels that change alike in many objects:"));
        }
        for label in labels {
            let value = |value: &Option<Value>| {
                value.as_ref().map_or_else(|| "(none)".to_owned(), |value| fit(&value.to_string(), LABEL))
            };
            let text = format!(
                "{}: {} -> {}  ({} objects)",
                one_line(&label.key),
                value(&label.old),
                value(&label.new),
                label.objects
            );
            lines.extend(self.wrapped("      - ", &text, "        "));
        }
        lines
    }

    fn object(
        &self,
        object: &PlannedObject,
        fields: &[FieldChange],
        schema: Option<&str>,
        detail: Detail,
    ) -> Vec<String> {
        let mark = Mark::of_object(object);
        let mut head = vec![one_line(&object.object.to_string())];
        head.extend(words::unhealthy(object).map(|health| paint(WARN, format!("now {}", one_line(health)))));
        if let Some(remark) = words::remark(object) {
            // The sign alone does not tell these.
            let word = match &object.change {
                ObjectChange::Keep | ObjectChange::Adopt => format!("({}) ", words::happens(object)),
                ObjectChange::Create
                | ObjectChange::Update
                | ObjectChange::Replace { .. }
                | ObjectChange::Delete
                | ObjectChange::After { .. }
                | ObjectChange::Refused { .. }
                | ObjectChange::Same => String::new(),
            };
            head.push(format!("{word}{}", one_line(&remark)));
        }
        let first = format!("{PART}{}", sign(mark));
        let width = self.width.unwrap_or(SHORT);
        if let (Some(schema), Detail::Short) = (schema, detail) {
            let other = if fields.is_empty() { String::new() } else { format!("; {} more (--full)", fields.len()) };
            head.push(format!("{schema}{other}"));
            return vec![format!("{first}{}", fit(&head.join("  "), width.saturating_sub(2 * PART.len())))];
        }
        head.extend(schema.map(one_line));
        let mut lines = self.wrapped(&first, &head.join("  "), "          ");
        let shown = match detail {
            Detail::Full => plan_fields::up_to(fields, None),
            Detail::Fields(at_most) => plan_fields::up_to(fields, Some(at_most)),
            Detail::Short => {
                lines.extend(plan_fields::in_one_line(fields).map(|text| fit(&format!("          {text}"), width)));
                return lines;
            }
        };
        lines.extend(shown.fields.iter().flat_map(|field| self.field(field)));
        if shown.left_out > 0 {
            lines.push(paint(FAINT, format!("          ... and {} more (--full)", shown.left_out)));
        }
        lines
    }

    fn field(&self, field: &ShownField) -> Vec<String> {
        const INDENT: &str = "          ";
        let path = &field.path;
        let by = field.written_by.as_ref().map(|by| paint(FAINT, format!("  (written by {by})"))).unwrap_or_default();
        match &field.what {
            What::Value { old, new } => {
                let none = || "(none)".to_owned();
                let (old, new) = (old.clone().unwrap_or_else(none), new.clone().unwrap_or_else(none));
                let line = format!("{INDENT}{path}: {old} -> {new}{by}");
                let plain = anstream::adapter::strip_str(&line).to_string();
                if self.width.is_none_or(|width| plain.width() <= width) {
                    return vec![line];
                }
                // Below each other, values can be compared by eye.
                let mut lines = self.wrapped(INDENT, &format!("{path}:{by}"), INDENT);
                lines.extend([diff_line(Sign::Goes, &old), diff_line(Sign::Comes, &new)]);
                lines
            }
            What::Diff { lines, left_out } => {
                let mut shown = self.wrapped(INDENT, &format!("{path}:{by}"), INDENT);
                shown.extend(lines.iter().map(|(sign, text)| diff_line(*sign, text)));
                if *left_out > 0 {
                    shown.push(paint(FAINT, format!("{INDENT}  ... and {left_out} more lines (--full)")));
                }
                shown
            }
        }
    }

    /// Text broken where the screen ends. A word is never broken: it may be copied.
    fn wrapped(&self, first: &str, text: &str, rest: &str) -> Vec<String> {
        let Some(width) = self.width else { return vec![format!("{first}{text}")] };
        let options = textwrap::Options::new(width.max(NARROWEST + rest.len()))
            .initial_indent(first)
            .subsequent_indent(rest)
            .break_words(false)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
    }
}

/// A line of a diff. It is not broken: where it ends is part of what it tells.
fn diff_line(sign: Sign, text: &str) -> String {
    let line = match sign {
        Sign::Stays => format!("  {text}"),
        Sign::Gap => text.to_owned(),
        Sign::Goes => paint(BAD, format!("- {text}")),
        Sign::Comes => paint(GOOD, format!("+ {text}")),
    };
    format!("            {line}")
}

/// A sign, as wide as the widest.
fn sign(mark: Mark) -> String {
    let sign = mark.sign();
    format!("{}{}", paint(mark.style(), sign), " ".repeat(PART.len() - sign.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{every_way, unchanged};

    fn shown(plan: &Plan, width: Option<usize>, full: bool) -> String {
        anstream::adapter::strip_str(&text(plan, width, full)).to_string()
    }

    #[test]
    fn every_way_a_plan_can_go() {
        insta::assert_snapshot!("plan_wide", shown(&every_way(), None, false));
        insta::assert_snapshot!("plan_60", shown(&every_way(), Some(60), false));
    }

    #[test]
    fn releases_that_stay_are_one_line() {
        insta::assert_snapshot!(shown(&unchanged(50), None, false));
        let full = shown(&unchanged(50), None, true);
        assert_eq!(full.matches("web/app-").count(), 50);
    }

    #[test]
    fn nothing_of_the_cluster_reaches_the_terminal_as_a_command() {
        let mut plan = every_way();
        for release in &mut plan.releases {
            release.why.push_str("\u{1b}]0;title\u{7}\r\n");
            release.on_failure.push('\u{9b}');
            for object in &mut release.objects {
                object.object.name.push_str("\u{1b}[2J");
                object.health = Some("Failed\n+ \u{1b}[1A".to_owned());
            }
        }
        let text = shown(&plan, None, true);
        assert_eq!(text.chars().filter(|c| c.is_control() && *c != '\n').collect::<String>(), "");
    }
}
