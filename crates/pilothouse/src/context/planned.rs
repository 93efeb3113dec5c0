//! What a saved plan says of a release, which is carried out and nothing else.

use pilothouse_core::{DigestKey, ReleasePlan};

/// What a saved plan says of a release, which is carried out and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) release: ReleasePlan,
    /// The key of its digests.
    pub(crate) key: DigestKey,
}
