//! What a release asks for after a failed deploy.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What to do after a failed deploy, for a first install and for an upgrade. Helm's own `--atomic` is never used: it
/// destroys the evidence.
///
/// ```
/// # use pilothouse_core as pilothouse;
/// use pilothouse::{FailurePolicy, OnFailure, Remedy};
///
/// // The same for both: a failed upgrade is rolled back, a failed first install has nothing to go back to.
/// let both = OnFailure::from(Remedy::Rollback);
/// assert_eq!(both.install, both.upgrade);
///
/// let each = OnFailure {
///     install: Remedy::Uninstall.into(),
///     upgrade: FailurePolicy { retries: 2, then: Remedy::Rollback, ..FailurePolicy::default() },
/// };
/// assert_eq!(each.upgrade.to_string(), "retry 2 times, then rollback");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct OnFailure {
    /// When the release was not deployed before.
    pub install: FailurePolicy,
    /// When it was.
    pub upgrade: FailurePolicy,
}

/// What to do after a failed deploy: try again so often, then apply the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailurePolicy {
    /// How often the deploy (`exec` and what follows) is tried again; at most [`MAX_RETRIES`](Self::MAX_RETRIES) count.
    /// 0 means that it is not.
    pub retries: u32,
    /// Wall-clock seconds before the first retry. They double for each further one, up to
    /// [`LONGEST_BACKOFF`](Self::LONGEST_BACKOFF) or themselves if they are more.
    pub backoff_in_seconds: u64,
    /// What is done when there is no other try.
    pub then: Remedy,
}

/// What is done about a failed deploy in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Leave everything as it is, to be looked at.
    #[default]
    Leave,
    /// Go back to the revision that was deployed before. After a failed first install there is none: it is left.
    Rollback,
    /// Uninstall what a failed first install left. A failed upgrade is left.
    Uninstall,
}

impl FailurePolicy {
    /// The most retries that count.
    pub const MAX_RETRIES: u32 = 10;
    /// No wait between two tries is longer, unless the first one is.
    pub const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

    /// How often a deploy is tried at most; at least once.
    pub fn tries(&self) -> u32 {
        1 + self.retries.min(Self::MAX_RETRIES)
    }

    /// How long to wait before a try, where the second one is the first retry.
    pub fn backoff(&self, attempt: u32) -> Duration {
        let first = Duration::from_secs(self.backoff_in_seconds);
        let doubled = first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(2)));
        doubled.min(first.max(Self::LONGEST_BACKOFF))
    }
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { retries: 0, backoff_in_seconds: 10, then: Remedy::Leave }
    }
}

impl From<Remedy> for FailurePolicy {
    fn from(then: Remedy) -> Self {
        Self { then, ..Self::default() }
    }
}

impl From<FailurePolicy> for OnFailure {
    fn from(policy: FailurePolicy) -> Self {
        Self { install: policy, upgrade: policy }
    }
}

impl From<Remedy> for OnFailure {
    fn from(remedy: Remedy) -> Self {
        FailurePolicy::from(remedy).into()
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leave => "leave",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
        })
    }
}

impl fmt::Display for FailurePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tries() - 1 {
            0 => {}
            1 => f.write_str("retry once, then ")?,
            n => write!(f, "retry {n} times, then ")?,
        }
        self.then.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(10, &[10, 20, 40, 80, 160, 300, 300])]
    #[case(0, &[0, 0])]
    #[case(200, &[200, 300, 300])]
    // What the user asks for is not shortened.
    #[case(900, &[900, 900])]
    fn waits_double_up_to_the_longest(#[case] backoff_in_seconds: u64, #[case] expected: &[u64]) {
        let policy = FailurePolicy { backoff_in_seconds, ..FailurePolicy::default() };
        let waits: Vec<u64> = (2..).take(expected.len()).map(|attempt| policy.backoff(attempt).as_secs()).collect();
        assert_eq!(waits, expected);
    }

    proptest! {
        #[test]
        fn no_number_is_too_large(retries: u32, backoff_in_seconds: u64, attempt: u32) {
            let policy = FailurePolicy { retries, backoff_in_seconds, then: Remedy::Leave };
            prop_assert!((1..=1 + FailurePolicy::MAX_RETRIES).contains(&policy.tries()));
            prop_assert!(policy.backoff(attempt) <= policy.backoff(attempt.saturating_add(1)));
        }
    }
}
