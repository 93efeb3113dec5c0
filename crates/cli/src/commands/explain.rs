//! `pilothouse explain`

use crate::input::settings::Settings;
use crate::terminal::args;
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer::{self, FAINT, STRONG, paint};
use pilothouse_core::{Certainty, code, nearest};
use pilothouse_health::{Rule, Story, explain as story_of};
use serde_json::{Value, json};

/// Tells the story of a code, or lists all codes. Looks at nothing.
pub(crate) fn explain(settings: &Settings, args: &args::Explain) -> Result<Exit, CommandError> {
    match &args.code {
        Some(code) => {
            let story = story_of(code).ok_or_else(|| unknown(code))?;
            if settings.human() {
                printer::out(text(story));
            } else {
                printer::json(settings.output, &document(story));
            }
        }
        None if settings.human() => printer::out(list()),
        None => {
            let all = code::ALL.iter().filter_map(|(code, _)| story_of(code));
            printer::json(settings.output, &json!({ "codes": all.map(document).collect::<Vec<_>>() }));
        }
    }
    Ok(Exit::Done)
}

fn unknown(code: &str) -> CommandError {
    let error = CommandError::input(format!("there is no code `{code}`"));
    match nearest(code::ALL.iter().map(|(code, _)| *code), code) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`pilothouse explain` lists all codes"),
    }
}

/// Every code with its meaning, in columns.
fn list() -> String {
    let width = code::ALL.iter().map(|(code, _)| code.len()).max().unwrap_or_default();
    let line = |(code, meaning): &(&str, &str)| format!("{}  {meaning}", paint(STRONG, format!("{code:width$}")));
    code::ALL.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn text(story: &Story) -> String {
    let mut lines = vec![paint(STRONG, story.code), format!("  {}", story.meaning())];
    let mut part = |title: &str, texts: Vec<String>| {
        lines.push(String::new());
        lines.push(paint(STRONG, title));
        lines.extend(texts.into_iter().map(|text| format!("  {text}")));
    };
    part("How it shows", vec![story.shows.to_owned()]);
    part("What usually causes it", vec![story.usually.to_owned()]);
    part("What to do", story.todo.iter().map(|what| format!("- {what}")).collect());
    let rules: Vec<&Rule> = story.rules().collect();
    if rules.is_empty() {
        part("When", vec!["It is found before anything is changed.".to_owned()]);
    } else {
        part("Whether it ends a wait", rules.into_iter().map(rule_line).collect());
    }
    lines.join("\n")
}

fn rule_line(rule: &Rule) -> String {
    let ends = match rule.certainty {
        Certainty::Certain => "ends it",
        Certainty::Passing => "is given its time",
        Certainty::Unclear => "does not end it",
    };
    let when =
        if matches!(rule.when, "always" | "at once") { rule.when.to_owned() } else { format!("when: {}", rule.when) };
    format!("- {ends}, {when} {}", paint(FAINT, format!("({})", rule.because)))
}

fn document(story: &Story) -> Value {
    let rules: Vec<&Rule> = story.rules().collect();
    json!({
        "code": story.code,
        "meaning": story.meaning(),
        "class": rules.first().map(|rule| rule.class),
        "shows": story.shows,
        "usually": story.usually,
        "todo": story.todo,
        "certainty": rules.iter().map(|rule| json!({
            "certainty": rule.certainty, "when": rule.when, "because": rule.because,
        })).collect::<Vec<_>>(),
    })
}
