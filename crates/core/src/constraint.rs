//! Version constraints by the rules of Masterminds/semver, which Helm uses.

use semver::Version;

/// A parsed constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionConstraint {
    text: String,
}

/// A text that is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version constraint: {why}")]
pub struct ConstraintError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}
