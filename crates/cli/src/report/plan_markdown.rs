//! A plan as a comment on a pull request: a table of what changes, what is dangerous, and the details folded away.

use crate::report::markdown_text::{block, code, prose};
use crate::report::plan_fields::{self, ShownField, Sign, What};
use crate::report::plan_words::{self as words, Mark};
use crate::terminal::text::one_line;
use pilothouse_core::{Plan, PlannedObject, ReleasePlan, stays_in_words};

/// GitHub takes no longer comment.
const LIMIT: usize = 65_536;
/// Kept free for the notes about what was left out.
const RESERVE: usize = 512;

/// The plan as Markdown, never longer than a comment of GitHub may be.
pub(crate) fn markdown(plan: &Plan) -> String {
    let mut page = Page { text: String::new(), limit: LIMIT - RESERVE };
    let told: Vec<&ReleasePlan> = plan.releases.iter().filter(|release| !words::is_quiet(release)).collect();
    page.must(&format!("### Plan of {}\n\n**{}**\n", prose(&plan.stack), prose(&words::totals(plan))));
    let mut notes = Vec::new();
    if !told.is_empty() {
        page.must("\n| | Release | What | Chart | Objects | Why |\n|---|---|---|---|---|---|\n");
        let left_out = page.all_that_fit(told.iter().map(|release| row(release)));
        notes.extend(note(left_out, "row of the table", "rows of the table"));
    }
    let sections = [
        ("Refused", findings(&told)),
        ("Effects", effects(&told)),
        ("Warnings", each(&told, |release| &release.warnings)),
        ("Not checked", each(&told, |release| &release.not_checked)),
    ];
    for (title, items) in sections {
        if items.is_empty() || !page.fits(&format!("\n#### {title}\n\n")) {
            notes.extend(note(items.len(), "line of a list", "lines of a list"));
            continue;
        }
        let left_out = page.all_that_fit(items);
        notes.extend(note(left_out, "line of a list", "lines of a list"));
    }
    let left_out = page.each_that_fits(told.iter().map(|release| details(release)));
    notes.extend(note(left_out, "release in detail", "releases in detail"));
    if !notes.is_empty() {
        let what = notes.join(", ");
        page.must(&format!("\n> Left out, since a comment has an end: {what}. `pilothouse plan` shows all.\n"));
    }
    let made = plan.made_at.strftime("%Y-%m-%d %H:%M:%SZ");
    let on = plan.cluster.as_ref().map(|cluster| format!(" on {}", prose(&cluster.to_string()))).unwrap_or_default();
    page.must(&format!("\n<sub>made {made} with {}{on}</sub>\n", prose(&plan.made_with)));
    page.text
}

/// What was written so far, and how long it may get.
struct Page {
    text: String,
    limit: usize,
}

impl Page {
    /// Adds what is short and must be there; it may use what is reserved.
    fn must(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a text if there is room for it.
    fn fits(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() <= self.limit;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    /// Adds texts up to the first for which there is no room, and says how many were left out.
    fn all_that_fit(&mut self, texts: impl IntoIterator<Item = String>) -> usize {
        let mut texts = texts.into_iter();
        let full = texts.by_ref().any(|text| !self.fits(&text));
        usize::from(full) + texts.count()
    }

    /// Adds every text for which there is room, and says how many were left out.
    fn each_that_fits(&mut self, texts: impl Iterator<Item = String>) -> usize {
        texts.filter(|text| !self.fits(text)).count()
    }
}

fn note(left_out: usize, one: &str, several: &str) -> Option<String> {
    match left_out {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{left_out} {several}")),
    }
}

fn row(release: &ReleasePlan) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        code(Mark::of_release(release.does).sign()),
        code(&release.release.to_string()),
        words::does(release.does),
        prose(&words::chart(release).unwrap_or_default()),
        tally(release),
        prose(&release.why),
    )
}

/// How many objects change how, the worst first: `1 delete, 2 update`.
fn tally(release: &ReleasePlan) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for object in words::by_severity(release) {
        let word = words::happens(object);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn findings(releases: &[&ReleasePlan]) -> Vec<String> {
    let of_release = |release: &&ReleasePlan| {
        let item = |finding| {
            let consent = words::consent(finding).map(|consent| format!("; to consent: {}", code(&consent)));
            format!(
                "- {}: {} {}{}\n",
                code(&release.release.to_string()),
                code(&finding.code),
                prose(&finding.to_string()),
                consent.unwrap_or_default()
            )
        };
        release.findings.iter().map(item).collect::<Vec<_>>()
    };
    releases.iter().flat_map(of_release).collect()
}

/// What happens to what is running, in all releases, the worst first.
fn effects(releases: &[&ReleasePlan]) -> Vec<String> {
    let of_release = |release: &&ReleasePlan| {
        let item = |effect: &pilothouse_core::Effect| {
            let (_, word) = words::effect(effect.kind);
            let what = prose(&effect.what);
            let object = code(&effect.object.to_string());
            (effect.kind, format!("- **{word}**: {object}: {what} ({})\n", code(&release.release.to_string())))
        };
        release.effects.iter().map(item).collect::<Vec<_>>()
    };
    let mut effects: Vec<_> = releases.iter().flat_map(of_release).collect();
    effects.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
    effects.into_iter().map(|(_, line)| line).collect()
}

fn each(releases: &[&ReleasePlan], lines: impl Fn(&ReleasePlan) -> &Vec<String>) -> Vec<String> {
    let line =
        |release: &ReleasePlan, what: &str| format!("- {}: {}\n", code(&release.release.to_string()), prose(what));
    releases.iter().flat_map(|release| lines(release).iter().map(|what| line(release, what))).collect()
}

fn details(release: &ReleasePlan) -> String {
    let mut lines: Vec<String> = words::by_severity(release).into_iter().flat_map(object).collect();
    if !release.stays.is_empty() {
        lines.push(format!("  stays: {}", one_line(&stays_in_words(&release.stays))));
    }
    lines.extend(words::ownership(release).map(|ownership| format!("  whose objects: {ownership}")));
    lines.extend(
        release
            .hooks
            .iter()
            .map(|hook| format!("  hook {} {}", one_line(&hook.event), one_line(&hook.object.to_string()))),
    );
    lines.extend(release.steps.iter().map(|step| format!("  step {}: {}", step.phase, one_line(&step.text))));
    if release.has_changes() && !release.on_failure.is_empty() {
        lines.push(format!("  if it fails: {}", one_line(&release.on_failure)));
    }
    if lines.is_empty() {
        return String::new();
    }
    let title = format!("{} {}", prose(&release.release.to_string()), words::does(release.does));
    format!("\n<details><summary>{title}</summary>\n\n{}\n</details>\n", block("diff", &lines))
}

/// An object as lines of a diff. GitHub colours a line by its first character: `+`, `-` and `!`.
fn object(object: &PlannedObject) -> Vec<String> {
    let sign = match Mark::of_object(object) {
        Mark::Add => '+',
        Mark::Remove => '-',
        Mark::Refused | Mark::Replace | Mark::Change => '!',
        Mark::Later | Mark::Same => ' ',
    };
    let mut head = vec![format!("{sign} {} {}", words::happens(object), object.object)];
    head.extend(words::unhealthy(object).map(|health| format!("now {health}")));
    head.extend(words::remark(object));
    let mut lines = vec![one_line(&head.join("  "))];
    let shown = plan_fields::shown(&object.fields, false);
    lines.extend(shown.fields.iter().flat_map(field));
    if shown.left_out > 0 {
        lines.push(format!("      ... and {} more", shown.left_out));
    }
    lines
}

fn field(field: &ShownField) -> Vec<String> {
    let path = &field.path;
    let by = field.written_by.as_ref().map(|by| format!("  (written by {by})")).unwrap_or_default();
    match &field.what {
        What::Value { old, new } => {
            let old = old.iter().map(|old| format!("-     {path}: {old}{by}"));
            old.chain(new.iter().map(|new| format!("+     {path}: {new}"))).collect()
        }
        What::Diff { lines, left_out } => {
            let mut shown = vec![format!("      {path}:{by}")];
            shown.extend(lines.iter().map(|(sign, text)| match sign {
                Sign::Stays => format!("        {text}"),
                Sign::Gap => format!("      {text}"),
                Sign::Goes => format!("-       {text}"),
                Sign::Comes => format!("+       {text}"),
            }));
            if *left_out > 0 {
                shown.push(format!("      ... and {left_out} more lines"));
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plan_samples::{every_way, field, object, plan, release, unchanged};
    use pilothouse_core::{ObjectChange, PlannedAction};
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn a_comment() {
        insta::assert_snapshot!("plan_markdown", markdown(&every_way()));
    }

    #[test]
    fn nothing_to_do() {
        insta::assert_snapshot!(markdown(&unchanged(50)), @r"
        ### Plan of shop

        **Nothing to do: 50 releases unchanged.**

        <sub>made 2026-11-21 12:00:03Z with Kubernetes v1.36.2, helm 4.2.4 on context prod (https://10.0.0.1:6443, user ada)</sub>
        ");
    }

    fn large(releases: usize, fields: usize) -> Plan {
        let fields: Vec<_> =
            (0..fields).map(|n| field(&format!("spec.f{n}"), json!(n), json!("`".repeat(99)))).collect();
        let one = |n| ReleasePlan {
            objects: vec![object("ConfigMap/web/a", ObjectChange::Update, fields.clone())],
            not_checked: vec!["x".repeat(99)],
            ..release(&format!("web/app-{n}"), PlannedAction::Upgrade)
        };
        plan((0..releases).map(one).collect())
    }

    /// The note of what was left out.
    #[rstest]
    #[case(2, 40, None)]
    #[case(16, 40, Some("6 releases in detail"))]
    #[case(400, 1, Some("70 lines of a list, 400 releases in detail"))]
    #[case(2_000, 0, Some("1016 rows of the table, 2000 lines of a list, 2000 releases in detail"))]
    fn a_comment_is_never_too_long(#[case] releases: usize, #[case] fields: usize, #[case] left_out: Option<&str>) {
        let text = markdown(&large(releases, fields));
        assert!(text.len() <= LIMIT, "{}", text.len());
        let note = text.lines().find_map(|line| line.strip_prefix("> Left out, since a comment has an end: "));
        assert_eq!(note, left_out.map(|what| format!("{what}. `pilothouse plan` shows all.")).as_deref());
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
}
