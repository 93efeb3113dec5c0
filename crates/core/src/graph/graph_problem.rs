//! Why releases make no graph.

use crate::ids::ReleaseKey;

/// Where a need stands: which release it is of, and which of that release's needs it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeedPlace {
    /// The place of the release in the stack, from 0.
    pub node: usize,
    /// The place among its needs, from 0.
    pub need: usize,
}

/// One thing that is wrong with the needs of a stack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphProblem {
    /// Two releases have the same key.
    #[error("the release {release} is given twice")]
    DuplicateRelease {
        /// The place of the later one.
        node: usize,
        /// The place of the first one.
        first: usize,
        /// What both are called.
        release: ReleaseKey,
    },
    /// There is no such release.
    #[error("release {release} needs `{need}`, which is not in this stack")]
    UnknownNeed {
        /// Where it is asked for.
        at: NeedPlace,
        /// Who asks for it.
        release: ReleaseKey,
        /// What was written.
        need: String,
    },
    /// Several releases have this name.
    #[error("release {release} needs `{need}`, which could be any of {}", joined(candidates, ", "))]
    AmbiguousNeed {
        /// Where it is asked for.
        at: NeedPlace,
        /// Who asks for it.
        release: ReleaseKey,
        /// What was written.
        need: String,
        /// Those that have this name, at least two.
        candidates: Vec<ReleaseKey>,
    },
    /// A release needs itself.
    #[error("release {release} needs itself")]
    SelfNeed {
        /// Where.
        at: NeedPlace,
        /// The release.
        release: ReleaseKey,
    },
    /// Releases need each other in a circle, so that none could begin.
    #[error("releases need each other in a circle: {} -> {}", joined(releases, " -> "), first(releases))]
    Cycle {
        /// Where each of them needs the next one, and the last one the first.
        at: Vec<NeedPlace>,
        /// The releases, in the same order.
        releases: Vec<ReleaseKey>,
    },
    /// A release that is to be deployed needs one that is to be destroyed.
    #[error("release {release} is to be deployed, but needs {needed}, which is to be destroyed")]
    NeedsDestroyed {
        /// Where.
        at: NeedPlace,
        /// The release that is to be deployed.
        release: ReleaseKey,
        /// The place of the other one.
        on: usize,
        /// The other one.
        needed: ReleaseKey,
    },
}

fn joined(releases: &[ReleaseKey], separator: &str) -> String {
    releases.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

fn first(releases: &[ReleaseKey]) -> String {
    releases.first().map(ToString::to_string).unwrap_or_default()
}
