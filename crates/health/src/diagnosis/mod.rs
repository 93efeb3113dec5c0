//! From evidence to causes.

mod evidence;

pub use evidence::{Evidence, LogTail, Referred, Want, Whereabouts};

use jiff::Timestamp;
use pilothouse_core::Cause;

/// What should be read besides what the evidence has already, so that its cause becomes certain. Asked again after each
/// round of reading, until it wants nothing more.
pub fn wanted(evidence: &Evidence) -> Vec<Want> {
    let _ = evidence;
    Vec::new()
}

/// Why the object is not ready, the decisive cause first. Never empty for an object that is not ready: what is not
/// understood has the code `UNKNOWN`.
pub fn causes(evidence: &Evidence, now: Timestamp) -> Vec<Cause> {
    let _ = (evidence, now);
    Vec::new()
}
