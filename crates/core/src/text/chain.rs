//! An error with all that caused it.

use std::error::Error;

/// The text of an error and of all that caused it, outermost first, without repetitions.
pub fn error_chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if lines.last() != Some(&line) {
            lines.push(line);
        }
        cause = error.source();
    }
    lines
}
