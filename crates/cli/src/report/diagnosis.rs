//! What `pilothouse diagnose` prints: how each release stands, then the causes, each root once.

use crate::report::causes::{self, ToldCause, codes};
use crate::report::outcome::indented;
use crate::terminal::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use anstyle::Style;
use pilothouse::diagnosis::{Diagnosis, Health};

/// The lines of a diagnosis. With a width, what is told of causes is broken to fit.
pub(crate) fn lines(diagnoses: &[Diagnosis], told: &[ToldCause], width: Option<usize>) -> Vec<String> {
    let mut lines: Vec<String> = diagnoses.iter().flat_map(|one| release(one, told)).collect();
    if !told.is_empty() {
        lines.push(String::new());
        lines.extend(causes::paragraphs(told, width, diagnoses.len() > 1));
        // Nothing follows.
        lines.pop();
    }
    lines
}

fn release(one: &Diagnosis, told: &[ToldCause]) -> Vec<String> {
    let (style, word) = state(one.state);
    let head = format!("{}  {}", paint(STRONG, &one.release), paint(style, word));
    if let Some(error) = &one.error {
        return indented(&format!("{head}  "), error, "      ");
    }
    let Some(revision) = &one.revision else { return vec![head] };
    let chart = one.chart.as_deref().unwrap_or("unknown chart");
    let mut lines = vec![format!(
        "{head}  revision {} {}, {chart}, {} of {} objects ready",
        revision.revision, revision.status, one.ready, one.objects
    )];
    if let Some(description) = one.description.as_ref().filter(|text| !text.is_empty()) {
        lines.extend(indented("  helm: ", description, "      "));
    }
    let codes = codes(told, &one.release);
    for text in &one.not_looked_at {
        lines.extend(indented("  not known: ", text, "      "));
    }
    if !codes.is_empty() {
        lines.push(format!("  because of {}", codes.join(", ")));
    }
    lines
}

fn state(state: Health) -> (Style, &'static str) {
    match state {
        Health::Healthy => (GOOD, "healthy"),
        Health::InProgress => (WARN, "in progress"),
        Health::Wrong => (BAD, "not healthy"),
        Health::NotInstalled => (FAINT, "not installed"),
        Health::Unreadable => (BAD, "unreadable"),
    }
}
