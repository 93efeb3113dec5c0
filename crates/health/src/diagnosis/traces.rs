//! Which line of a log says why a program has crashed.

use super::read::one_line;

/// The line that says why, on one line.
pub(super) fn decisive(log: &[String]) -> Option<String> {
    log.last().map(|line| one_line(line))
}
