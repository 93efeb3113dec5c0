//! What a release waits for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A release that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Need {
    /// The release, as `name` or `namespace/name`.
    pub release: String,
    /// How far it must have come.
    pub until: Until,
}

impl Need {
    /// Waits until the release is validated.
    pub fn new(release: impl Into<String>) -> Self {
        Self { release: release.into(), until: Until::default() }
    }

    /// Waits only until helm has deployed it.
    #[must_use]
    pub fn deployed(mut self) -> Self {
        self.until = Until::Deployed;
        self
    }
}

impl From<&str> for Need {
    fn from(release: &str) -> Self {
        Self::new(release)
    }
}

/// How far a needed release must have come. What is destroyed must be gone altogether, whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Its `exec` has ended well: helm has deployed it.
    Deployed,
    /// Its whole lifecycle has ended well.
    #[default]
    Validated,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployed => "deployed",
            Self::Validated => "validated",
        })
    }
}
