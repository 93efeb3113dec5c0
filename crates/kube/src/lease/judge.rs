//! Whose a lease is.

use super::record::{duration, holder, identity, moved_to};
use pilothouse_core::Holder;
use serde_json::Value;
use std::time::Duration;

/// Whose a lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody's.
    Free,
    /// Ours.
    Ours,
    /// Somebody's who may be at work.
    Held {
        /// Who, when it is one of us.
        holder: Option<Holder>,
    },
    /// Nobody's, for good: what it protects is in another namespace.
    Moved {
        /// Which one.
        to: String,
    },
    /// Somebody's who certainly is not at work any more.
    Gone {
        /// Who, when it was one of us.
        holder: Option<Holder>,
        /// What proves it, in one line.
        why: String,
    },
}

/// Tells whose the lease is. `seen_unchanged_for` is how long, by our own monotonic clock, it was seen without any change;
/// `proof` whether the holder's process is known to have ended. No clock of anybody else's counts.
pub(super) fn judge(lease: Option<&Value>, us: &Holder, seen_unchanged_for: Duration, proof: Option<bool>) -> Verdict {
    let Some(lease) = lease else { return Verdict::Free };
    if let Some(to) = moved_to(lease) {
        return Verdict::Moved { to: to.to_owned() };
    }
    let Some(named) = identity(lease) else { return Verdict::Free };
    let holder = holder(lease);
    if holder.as_ref() == Some(us) {
        return Verdict::Ours;
    }
    // Of somebody unknown no process can be known.
    if holder.is_some() && proof == Some(true) {
        return Verdict::Gone { holder, why: format!("the process of {named} has ended") };
    }
    let valid = duration(lease);
    if seen_unchanged_for >= valid.saturating_add(slack(valid)) {
        let seconds = seen_unchanged_for.as_secs();
        return Verdict::Gone { holder, why: format!("{named} has not renewed the lock for {seconds} s") };
    }
    Verdict::Held { holder }
}

/// So much earlier than `valid` a holder takes its lock for lost, and so much later others take it over.
pub(super) fn slack(valid: Duration) -> Duration {
    (valid / 5).min(Duration::from_secs(2))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::lease::record::{lease_ref, taken};
    use rstest::rstest;
    use serde_json::json;
    use std::collections::BTreeMap;

    pub(crate) fn somebody(number: u32) -> Holder {
        let run = serde_json::from_value(json!(format!("00000000-0000-0000-0000-{number:012}"))).unwrap();
        Holder { run, user: "ann".to_owned(), host: "desk".to_owned(), pid: number, process: None, ci_job: None }
    }

    fn of(number: u32) -> Value {
        let now = "2026-03-01T10:00:00Z".parse().unwrap();
        let target = lease_ref("ops", "shop");
        taken(None, &target, &somebody(number), &BTreeMap::new(), Duration::from_secs(15), now)
    }

    fn with(mut lease: Value, pointer: &str, value: Value) -> Value {
        *lease.pointer_mut(pointer).unwrap() = value;
        lease
    }

    fn moved_away(mut lease: Value) -> Value {
        lease["metadata"]["annotations"]["pilothouse.dev/moved-to"] = json!("pilothouse");
        lease
    }

    const HOLDER: &str = "/metadata/annotations/pilothouse.dev~1holder";

    fn held() -> Verdict {
        Verdict::Held { holder: Some(somebody(2)) }
    }

    fn held_by_somebody_unknown() -> Verdict {
        Verdict::Held { holder: None }
    }

    fn gone(why: &str) -> Verdict {
        Verdict::Gone { holder: Some(somebody(2)), why: why.to_owned() }
    }

    fn unknown_gone(why: &str) -> Verdict {
        Verdict::Gone { holder: None, why: why.to_owned() }
    }

    #[rstest]
    #[case::no_lease(None, 0, None, Verdict::Free)]
    #[case::nobody(Some(with(of(2), "/spec/holderIdentity", json!(""))), 0, None, Verdict::Free)]
    #[case::nobody_at_all(Some(with(of(2), "/spec/holderIdentity", Value::Null)), 0, None, Verdict::Free)]
    #[case::no_spec(Some(json!({"metadata": {}})), 0, None, Verdict::Free)]
    #[case::ours(Some(of(1)), 0, None, Verdict::Ours)]
    #[case::ours_whatever_else(Some(of(1)), 99, Some(true), Verdict::Ours)]
    #[case::ours_taken_by_hand(Some(with(of(1), "/spec/holderIdentity", json!("kubectl"))), 0, None, held_by_somebody_unknown())]
    #[case::fresh(Some(of(2)), 0, None, held())]
    #[case::alive(Some(of(2)), 0, Some(false), held())]
    #[case::past_its_duration_only(Some(of(2)), 16, None, held())]
    #[case::past_the_slack_too(
        Some(of(2)),
        17,
        None,
        gone("ann@desk (process 2, run 00000002) has not renewed the lock for 17 s")
    )]
    #[case::stopped(
        Some(of(2)),
        17,
        Some(false),
        gone("ann@desk (process 2, run 00000002) has not renewed the lock for 17 s")
    )]
    #[case::dead(Some(of(2)), 0, Some(true), gone("the process of ann@desk (process 2, run 00000002) has ended"))]
    #[case::long_ago_by_its_own_clock(Some(with(of(2), "/spec/renewTime", json!("1999-01-01T00:00:00Z"))), 0, None, held())]
    #[case::its_own_duration_counts(Some(with(of(2), "/spec/leaseDurationSeconds", json!(60))), 61, None, held())]
    #[case::no_duration(Some(with(of(2), "/spec/leaseDurationSeconds", Value::Null)), 16, None, held())]
    #[case::a_short_one(Some(with(of(2), "/spec/leaseDurationSeconds", json!(1))), 1, None, held())]
    #[case::an_endless_one(Some(with(of(2), "/spec/leaseDurationSeconds", json!(u64::MAX))), u64::MAX - 1, None, held())]
    #[case::moved(Some(moved_away(of(2))), u64::MAX, Some(true), Verdict::Moved { to: "pilothouse".to_owned() })]
    #[case::unreadable(Some(with(of(2), HOLDER, json!("{"))), 0, None, held_by_somebody_unknown())]
    #[case::no_proof_about_the_unknown(Some(with(of(2), HOLDER, json!("{"))), 0, Some(true), held_by_somebody_unknown())]
    #[case::unknown_gone(
        Some(with(with(of(2), HOLDER, Value::Null), "/spec/holderIdentity", json!("other"))), 17, None,
        unknown_gone("other has not renewed the lock for 17 s")
    )]
    fn whose_it_is(
        #[case] lease: Option<Value>,
        #[case] unchanged_s: u64,
        #[case] proof: Option<bool>,
        #[case] expected: Verdict,
    ) {
        assert_eq!(judge(lease.as_ref(), &somebody(1), Duration::from_secs(unchanged_s), proof), expected);
    }

    #[test]
    fn the_same_run_in_another_process_is_not_us() {
        let us = Holder { pid: 9, ..somebody(2) };
        assert_eq!(judge(Some(&of(2)), &us, Duration::ZERO, None), held());
    }
}
