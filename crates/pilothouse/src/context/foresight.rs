//! What is known of a release before anything is changed.

use crate::context::deploy_preview::DeployPreview;
use pilothouse_core::Finding;
use std::time::{Duration, Instant};

/// How long what was found counts: no longer than looking and acting are apart when a release is looked at in its turn.
pub(crate) const LOOK_COUNTS: Duration = Duration::from_secs(5);

/// How long it counts where Helm's records show that nobody has been at work on the release since.
const RECENT: Duration = Duration::from_secs(60);

/// What is known of a release before anything is changed. Made from findings, or as [`Foresight::default`] and then filled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Foresight {
    /// Why it must not be begun, or would fail.
    pub findings: Vec<Finding>,
    /// What does not stop anything now, a line each.
    pub warnings: Vec<String>,
    /// What could not be looked at and why, a line each.
    pub not_checked: Vec<String>,
    /// What the server has answered about each object, where it was asked: a plan tells this, and does not
    /// ask for these objects once more.
    pub(crate) preview: Option<Box<DeployPreview>>,
}

impl Foresight {
    /// With what another look has found.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        self.warnings.extend(other.warnings);
        self.not_checked.extend(other.not_checked);
        self
    }

    /// Something that could not be looked at.
    pub(crate) fn not_checked(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self { not_checked: vec![format!("{what}: {why}")], ..Self::default() }
    }
}

impl From<Vec<Finding>> for Foresight {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, ..Self::default() }
    }
}

/// What was found before the first change of a run, kept until the release's turn.
#[derive(Debug)]
pub(crate) struct Foreseen {
    pub(crate) foresight: Foresight,
    pub(crate) at: Instant,
}

impl Foreseen {
    /// Whether it is recent enough to be built on.
    pub(crate) fn is_fresh(&self) -> bool {
        self.at.elapsed() < LOOK_COUNTS
    }

    /// Whether it is recent enough for a release that nobody has been at work on.
    pub(crate) fn is_recent(&self) -> bool {
        self.at.elapsed() < RECENT
    }
}
