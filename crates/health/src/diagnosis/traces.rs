//! Which line of a log says why a program has crashed: where a trace stands at the end, that is not the last one.

use super::read::one_line;

/// Lines of a message that stand above a trace.
const MOST_LINES_OF_A_MESSAGE: usize = 5;

/// The line that says why, on one line; the last one where the log does not end with a trace.
pub(super) fn decisive(log: &[String]) -> Option<String> {
    let found = of_go(log)
        .or_else(|| of_rust(log))
        .or_else(|| of_python(log))
        .or_else(|| of_frames(log))
        .or_else(|| log.last().map(|line| one_line(line)));
    found.filter(|line| !line.is_empty())
}

/// Go: `panic: ...` or `fatal error: ...`, with `goroutine 1 [running]:` behind it. A panic in a deferred call comes after the first.
fn of_go(log: &[String]) -> Option<String> {
    let says = |line: &str| ["panic: ", "fatal error: "].iter().any(|start| line.trim_start().starts_with(start));
    let is_goroutine = |line: &str| line.starts_with("goroutine ") && line.trim_end().ends_with("]:");
    let last = log.iter().rposition(|line| says(line))?;
    log[last..].iter().any(|line| is_goroutine(line)).then(|| one_line(&log[last]))
}

/// Rust: `thread 'main' panicked at src/main.rs:4:10:` with the message on the next line, or all in one.
fn of_rust(log: &[String]) -> Option<String> {
    let at = log.iter().rposition(|line| line.starts_with("thread '") && line.contains(" panicked at "))?;
    let (place, message) = (one_line(&log[at]), log.get(at + 1).filter(|_| log[at].trim_end().ends_with(':')));
    Some(message.map_or_else(|| place.clone(), |message| format!("{place} {}", one_line(message))))
}

/// Python: the first line behind the last `Traceback` that is not indented.
fn of_python(log: &[String]) -> Option<String> {
    let at = log.iter().rposition(|line| line.trim_start().starts_with("Traceback (most recent call last)"))?;
    let says = |line: &&String| !line.starts_with(char::is_whitespace);
    log[at + 1..].iter().find(says).map(|line| one_line(line))
}

/// A frame of Java, .NET, Node or Ruby.
fn is_frame(line: &str) -> bool {
    let words = line.trim_start();
    let is_indented = words.len() < line.len();
    is_indented
        && (words.starts_with("at ")
            || words.starts_with("from ")
            || (words.starts_with("... ") && words.ends_with(" more")))
}

fn is_cause(line: &str) -> bool {
    line.trim_start().starts_with("Caused by: ")
}

/// What stands above the frames at the end of the log: the last `Caused by:`, or the line that names an error.
fn of_frames(log: &[String]) -> Option<String> {
    let last = log.iter().rposition(|line| is_frame(line))?;
    // Node tells what else it knows of the error, and its version.
    let ends_with_it = last + 1 == log.len() || log.last().is_some_and(|line| line.starts_with("Node.js v"));
    if !ends_with_it {
        return None;
    }
    let above = log[..last].iter().rposition(|line| !is_frame(line) && !is_cause(line));
    let first = above.map_or(0, |above| above + 1);
    if let Some(cause) = log[first..last].iter().rfind(|line| is_cause(line)) {
        return Some(one_line(cause));
    }
    let above = above?;
    let names_it = |line: &&String| line.contains("Error") || line.contains("Exception");
    let named = log[..=above].iter().rev().take(MOST_LINES_OF_A_MESSAGE).find(names_it);
    Some(one_line(named.unwrap_or(&log[above])))
}
