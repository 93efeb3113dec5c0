//! Why something does not work, for people and for programs.

use crate::terminal::printer::{BAD, FAINT, STRONG, WARN, paint};
use crate::terminal::text;
use pilothouse_core::{Cause, CauseGroup, Certainty, ObjectRef, ReleaseKey, ReleaseOutcome, RunOutcome, group};
use serde::Serialize;

/// Lines of evidence shown of one cause; JSON has all.
const EVIDENCE: usize = 8;
/// Objects named before the rest is counted.
const OBJECTS: usize = 6;
/// Releases named before the rest is counted: people go through them one by one.
const RELEASES: usize = 24;
/// The column of labels.
const LABEL: usize = 10;
/// No narrower than this is wrapped.
const NARROWEST: usize = 24;

/// A root cause with all who suffer from it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToldCause {
    #[serde(flatten)]
    group: Flat,
    /// Releases that were not begun because of it.
    waiting: Vec<ReleaseKey>,
}

/// A group with the fields of its cause beside its own.
#[derive(Debug, Clone, Serialize)]
struct Flat {
    #[serde(flatten)]
    cause: Cause,
    objects: Vec<ObjectRef>,
    releases: Vec<ReleaseKey>,
}

/// A cause in one line: code, object and the decisive fact.
pub(crate) fn one_line(cause: &Cause) -> String {
    let object = cause.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    format!("{} {object}{}", cause.code, cause.why)
}

/// Causes of releases, each root once, the decisive ones first.
pub(crate) fn told(causes: Vec<(ReleaseKey, Cause)>) -> Vec<ToldCause> {
    let mut groups = group(causes);
    groups.sort_by_key(|group| group.cause.certainty);
    let flat = |CauseGroup { cause, releases, objects }| Flat { cause, objects, releases };
    groups.into_iter().map(|group| ToldCause { group: flat(group), waiting: Vec::new() }).collect()
}

/// The causes of a run's failures, with the releases that were not begun because of them.
pub(crate) fn of_run(outcome: &RunOutcome) -> Vec<ToldCause> {
    let failures = outcome.releases.iter().filter_map(|(release, outcome)| match outcome {
        ReleaseOutcome::Failed(failure) => Some((release, failure)),
        _ => None,
    });
    let causes =
        failures.flat_map(|(release, failure)| failure.causes.iter().map(|cause| (release.clone(), cause.clone())));
    let mut told = told(causes.collect());
    for (release, outcome) in &outcome.releases {
        let ReleaseOutcome::NotStarted { blocked_by: Some(by), .. } = outcome else { continue };
        for cause in told.iter_mut().filter(|cause| cause.group.releases.contains(by)) {
            cause.waiting.push(release.clone());
        }
    }
    told
}

/// Which codes stand behind a release's failure.
pub(crate) fn codes<'a>(told: &'a [ToldCause], release: &ReleaseKey) -> Vec<&'a str> {
    let of_release = told.iter().filter(|cause| cause.group.releases.contains(release));
    let mut codes: Vec<&str> = of_release.map(|cause| cause.group.cause.code.as_str()).collect();
    codes.dedup();
    codes
}

/// The causes as paragraphs: what, why, the evidence, who suffers, what to do. With a width, lines are broken to fit.
/// `releases` says whether it is worth telling which release it is about.
pub(crate) fn paragraphs(told: &[ToldCause], width: Option<usize>, releases: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for cause in told {
        lines.extend(paragraph(cause, width, releases));
        lines.push(String::new());
    }
    if let Some(first) = told.first() {
        let hint = format!("`pilothouse explain {}` tells more", first.group.cause.code);
        lines.extend([paint(FAINT, hint), String::new()]);
    }
    lines
}

fn paragraph(told: &ToldCause, width: Option<usize>, with_releases: bool) -> Vec<String> {
    let Flat { cause, objects, releases } = &told.group;
    let (style, outlook) = match cause.certainty {
        Certainty::Certain => (BAD, ", will not pass by itself"),
        Certainty::Passing => (WARN, ", may pass by itself"),
        Certainty::Unclear => (WARN, ""),
    };
    let mut lines = vec![format!("{}{outlook}", paint(style, &cause.code))];
    let mut field = |label: &str, texts: &[String]| {
        for (at, text) in texts.iter().enumerate() {
            lines.extend(labelled(if at == 0 { label } else { "" }, text, width));
        }
    };
    field("what", &what(cause, objects));
    field("why", std::slice::from_ref(&cause.why));
    let mut evidence: Vec<String> = cause.evidence.iter().take(EVIDENCE).cloned().collect();
    if cause.evidence.len() > EVIDENCE {
        evidence.push(format!("and {} more lines (--output json has them)", cause.evidence.len() - EVIDENCE));
    }
    field("evidence", &evidence);
    if with_releases {
        field("releases", &[listed(releases, RELEASES)]);
    }
    if !told.waiting.is_empty() {
        field("waiting", &[listed(&told.waiting, RELEASES)]);
    }
    field("next", &cause.next);
    lines
}

/// The objects that do not work: the first with how it stands.
fn what(cause: &Cause, objects: &[ObjectRef]) -> Vec<String> {
    let first = cause.object.as_ref().map(|object| match &cause.status {
        Some(status) => format!("{object} is {}: {}", status.readiness, status.message),
        None => object.to_string(),
    });
    let others: Vec<&ObjectRef> = objects.iter().filter(|object| Some(*object) != cause.object.as_ref()).collect();
    let others = (!others.is_empty()).then(|| format!("and {}", listed(&others, OBJECTS)));
    first.into_iter().chain(others).collect()
}

fn listed<T: ToString>(all: &[T], at_most: usize) -> String {
    let mut names: Vec<String> = all.iter().take(at_most).map(ToString::to_string).collect();
    if all.len() > at_most {
        names.push(format!("{} more", all.len() - at_most));
    }
    names.join(", ")
}

/// Text behind a label, broken where the screen ends. A word is never broken: it may be copied.
fn labelled(label: &str, text: &str, width: Option<usize>) -> Vec<String> {
    let text = text::one_line(text);
    let indent = format!("  {}", " ".repeat(LABEL));
    let parts = match width {
        Some(width) => {
            let options = textwrap::Options::new(width.saturating_sub(indent.len()).max(NARROWEST))
                .break_words(false)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            textwrap::wrap(&text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
        }
        None => vec![text],
    };
    let head = format!("  {}{}", paint(STRONG, label), " ".repeat(LABEL.saturating_sub(label.len())));
    let line = |(at, part): (usize, String)| {
        let lead = if at == 0 && !label.is_empty() { &head } else { &indent };
        format!("{lead}{part}")
    };
    parts.into_iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{cause, key};
    use pilothouse_core::{CauseClass, Failure, NextStep, ObjectStatus, Phase, Readiness};

    fn failed(causes: Vec<Cause>) -> ReleaseOutcome {
        ReleaseOutcome::Failed(Failure {
            phase: Phase::Validate,
            step: None,
            error: vec!["1 object is not as it should be and will not get there".to_owned()],
            causes,
            attempts: Vec::new(),
            on_deploy_failure_error: None,
            next: NextStep::Left { why: "on_failure is leave".to_owned() },
        })
    }

    fn blocked(by: &str) -> ReleaseOutcome {
        ReleaseOutcome::NotStarted { reason: "it waits".to_owned(), blocked_by: Some(key(by)) }
    }

    fn of(name: &str) -> Cause {
        Cause { object: Some(ObjectRef::parse(&format!("Deployment/web/{name}")).unwrap()), ..cause() }
    }

    /// Two releases suffer from the same, a third one from something else, and two wait.
    fn outcome() -> RunOutcome {
        let other = Cause {
            code: "UNSCHEDULABLE_RESOURCES".to_owned(),
            class: CauseClass::Cluster,
            certainty: Certainty::Passing,
            why: "no node has 4 cpu free; the largest lacks 2".to_owned(),
            root: "cpu".to_owned(),
            evidence: (1..=10).map(|n| format!("event {n}")).collect(),
            next: Vec::new(),
            ..Cause::unknown(
                ObjectRef::parse("StatefulSet/data/db").unwrap(),
                ObjectStatus::new(Readiness::InProgress, "0 of 1 replicas are ready"),
            )
        };
        RunOutcome {
            releases: vec![
                (key("data/db"), failed(vec![other])),
                (key("web/podinfo"), failed(vec![of("podinfo")])),
                (key("web/api"), failed(vec![of("api")])),
                (key("web/shop"), blocked("web/podinfo")),
                (key("web/cart"), blocked("data/db")),
            ],
            stopped: None,
        }
    }

    fn shown(width: Option<usize>) -> String {
        let lines = paragraphs(&of_run(&outcome()), width, true);
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn a_root_cause_is_told_once_with_all_who_suffer_from_it() {
        insta::assert_snapshot!("causes_80", shown(Some(80)));
        insta::assert_snapshot!("causes_40", shown(Some(40)));
        insta::assert_snapshot!("causes_160", shown(Some(160)));
        assert_eq!(shown(None), shown(Some(10_000)));
    }

    #[test]
    fn a_release_names_the_codes_behind_its_failure() {
        let told = of_run(&outcome());
        assert_eq!(codes(&told, &key("web/api")), ["IMAGE_NOT_FOUND"]);
        assert_eq!(codes(&told, &key("web/shop")), [""; 0]);
    }

    #[test]
    fn programs_get_all_of_a_cause() {
        insta::assert_json_snapshot!("causes_json", of_run(&outcome())[0]);
    }
}
