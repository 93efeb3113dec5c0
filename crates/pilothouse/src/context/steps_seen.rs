//! What is known of a chart's steps before the run.

use pilothouse_core::Sensitive;

/// What is known of a chart's steps before the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StepsSeen {
    /// The digest of all steps that run in a deploy, in their order.
    pub(crate) digest: String,
    /// What that digest may have been in the form before.
    pub(crate) former: Vec<String>,
    /// Whether any of them runs in every run.
    pub(crate) every_run: bool,
    /// Whether there are any before `exec`.
    pub(crate) before_exec: bool,
    /// What must not be shown of what they are given.
    pub(crate) secrets: Vec<Sensitive<String>>,
}
