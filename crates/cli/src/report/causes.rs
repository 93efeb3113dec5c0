//! Why something does not work, for people.

use pilothouse_core::Cause;

/// A cause in one line: code, object and the decisive fact.
pub(crate) fn one_line(cause: &Cause) -> String {
    let object = cause.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    format!("{} {object}{}", cause.code, cause.why)
}
