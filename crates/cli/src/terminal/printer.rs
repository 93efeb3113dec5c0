//! The one place that writes to the terminal.

use crate::terminal::args::Output;
use crate::terminal::exit::CommandError;
use anstyle::{AnsiColor, Style};
use indicatif::ProgressBar;
use miette::{GraphicalReportHandler, GraphicalTheme};
use pilothouse_core::only_colours;
use serde::Serialize;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Colours by meaning. Colour never carries meaning alone.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// Text in a style; `anstream` removes it where the stream takes no colour.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A line of the result.
pub(crate) fn out(line: impl std::fmt::Display) {
    // Whoever reads may have gone away; that is no reason to fail.
    let _ = writeln!(anstream::stdout(), "{}", only_colours(&line.to_string()));
}

/// A line beside the result: progress, warnings, errors. It stands above a live view.
pub(crate) fn err(line: impl std::fmt::Display) {
    let line = line.to_string();
    let print = || {
        // Text of others may have got here from a journal or a cluster, which anybody may have written.
        let _ = writeln!(anstream::stderr(), "{}", only_colours(&line));
    };
    let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match drawn {
        Some(view) => view.suspend(print),
        None => print(),
    }
}

/// The live view that stands on standard error right now, which lines must not be written into.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Says that a live view is drawn from now on, or none any more.
pub(crate) fn drawn(view: Option<ProgressBar>) {
    *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = view;
}

/// A question: the cursor stays behind it.
pub(crate) fn ask(question: &str) {
    let _ = write!(anstream::stderr(), "{}", only_colours(question));
}

/// Set by [`json`].
static TOLD: AtomicBool = AtomicBool::new(false);

/// Whether a JSON document was printed as the result.
pub(crate) fn has_told() -> bool {
    TOLD.load(Ordering::Relaxed)
}

/// A JSON document as the result; on one line where the output is of lines.
pub(crate) fn json(output: Output, document: &serde_json::Value) {
    match output {
        Output::Human | Output::Json => {
            TOLD.store(true, Ordering::Relaxed);
            let _ = writeln!(std::io::stdout(), "{document:#}");
        }
        Output::Jsonl => json_line(document),
    }
}

/// A JSON document on a line of its own, handed on at once.
pub(crate) fn json_line(document: &impl Serialize) {
    let mut stdout = std::io::stdout().lock();
    // What is printed here always is JSON, and whoever reads may have gone away.
    let _ = serde_json::to_writer(&mut stdout, document);
    let _ = writeln!(stdout);
    let _ = stdout.flush();
}

/// What is shown of a message that may quote anything, in characters.
const LONGEST: usize = 500;

/// An error with its causes and what to do.
pub(crate) fn error(error: &CommandError) {
    if let Some(problems) = error.problems.as_ref().filter(|problems| problems.has_long_lines()) {
        for problem in problems.iter() {
            let message: String = problem.message.chars().take(LONGEST).collect();
            err(format!("{}: {}:{}:{}: {message}", paint(BAD, "error"), problems.file(), problem.line, problem.column));
        }
        return;
    }
    if let Some(problems) = &error.problems {
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(100);
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = handler.render_report(&mut text, problems.as_ref());
        err(text.trim_end());
        return;
    }
    let mut lines = error.lines.iter();
    if let Some(first) = lines.next() {
        err(format!("{}: {first}", paint(BAD, "error")));
    }
    for line in lines {
        err(format!("  caused by: {line}"));
    }
    if let Some(hint) = &error.hint {
        err(format!("  hint: {hint}"));
    }
}
