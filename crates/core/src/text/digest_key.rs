//! The key of digests that are kept.

use super::hex::hex;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The key of digests that are kept or shown: without it nobody can find out by trying what a digest was made of. It is written
/// only where secrets may be: in Secrets, and in files that only the user can read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestKey(String);

impl DigestKey {
    /// A key of these bytes, which nobody can guess.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(hex(&bytes))
    }

    /// The key itself. Every call is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
