//! Spans of what a run does, for whoever measures where its time goes. They hold names, never contents.

use std::fmt::Display;
use tracing::{Span, trace_span};

/// A part of a run, before or after the releases.
pub(crate) fn part(of: &'static str) -> Span {
    trace_span!(target: "pilothouse::spans", "part", of)
}

/// What goes on beside everything else, and ends later than what has begun it.
pub(crate) fn beside(of: &'static str) -> Span {
    trace_span!(target: "pilothouse::spans", parent: None, "part", of)
}

/// What is done of one release before its turn, or in it.
pub(crate) fn release(release: impl Display) -> Span {
    trace_span!(target: "pilothouse::spans", "release", of = %release)
}

/// A phase of a release.
pub(crate) fn phase(phase: impl Display) -> Span {
    trace_span!(target: "pilothouse::spans", "phase", of = %phase)
}
