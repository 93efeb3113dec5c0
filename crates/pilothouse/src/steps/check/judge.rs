//! How attempts add up: pure.

use pilothouse_core::{CheckTerms, CheckVerdict};
use pilothouse_probe::ProbeResult;
use std::time::Duration;

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It has held for long enough.
    Done,
    /// Once more.
    Again,
    /// The time is up.
    Over,
}

/// The attempts so far. Times are since the beginning of the check.
#[derive(Debug)]
pub(super) struct Pacing {
    timeout: Duration,
    interval: Duration,
    stable_for: Duration,
    held_since: Option<Duration>,
}

impl Pacing {
    pub(super) fn new(terms: &CheckTerms) -> Self {
        Self {
            timeout: Duration::from_secs(terms.timeout_in_seconds),
            interval: Duration::from_secs(terms.interval_in_seconds),
            stable_for: Duration::from_secs(terms.stable_for_in_seconds),
            held_since: None,
        }
    }

    /// An attempt has ended. One that holds counts from its end: nobody knows what was before.
    pub(super) fn next(&mut self, ended: Duration, held: bool) -> Next {
        if held {
            let since = *self.held_since.get_or_insert(ended);
            if ended.saturating_sub(since) >= self.stable_for {
                return Next::Done;
            }
        } else {
            self.held_since = None;
        }
        if ended + self.interval >= self.timeout { Next::Over } else { Next::Again }
    }
}

/// Whether a look is as wanted. What must fail must have been there to be asked.
pub(super) fn wanted(look: &ProbeResult, must_fail: bool) -> CheckVerdict {
    match (look.verdict, must_fail) {
        (verdict, false) => verdict,
        (CheckVerdict::Held, true) => CheckVerdict::NotHeld,
        (CheckVerdict::NotHeld, true) if look.nobody_there => CheckVerdict::Unknown,
        (CheckVerdict::NotHeld, true) => CheckVerdict::Held,
        (CheckVerdict::Unknown, true) => CheckVerdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CheckVerdict as V;
    use rstest::rstest;

    fn terms(timeout: u64, stable_for: u64) -> CheckTerms {
        CheckTerms {
            timeout_in_seconds: timeout,
            interval_in_seconds: 2,
            stable_for_in_seconds: stable_for,
            ..CheckTerms::default()
        }
    }

    /// Attempts of a second each: whether they hold, and what follows the last.
    #[rstest]
    #[case::at_once(10, 0, &[true], Next::Done)]
    #[case::later(10, 0, &[false, false, true], Next::Done)]
    #[case::not_yet(10, 0, &[false, false], Next::Again)]
    #[case::never(10, 0, &[false, false, false, false], Next::Over)]
    #[case::stable(20, 5, &[true, true, true], Next::Done)]
    #[case::not_long_enough(20, 5, &[true, true], Next::Again)]
    #[case::a_break_begins_anew(20, 5, &[true, true, false, true, true], Next::Again)]
    #[case::and_is_made_up_for(20, 5, &[true, false, true, true, true], Next::Done)]
    #[case::too_late_to_become_stable(10, 5, &[false, false, false, true], Next::Over)]
    fn attempts(#[case] timeout: u64, #[case] stable_for: u64, #[case] held: &[bool], #[case] expected: Next) {
        let mut pacing = Pacing::new(&terms(timeout, stable_for));
        let mut at = Duration::ZERO;
        let mut last = Next::Again;
        for &held in held {
            assert_eq!(last, Next::Again, "nothing follows the end");
            let ended = at + Duration::from_secs(1);
            last = pacing.next(ended, held);
            at = ended + Duration::from_secs(2);
        }
        assert_eq!(last, expected);
    }

    #[rstest]
    #[case(V::Held, false, false, V::Held)]
    #[case(V::NotHeld, false, false, V::NotHeld)]
    #[case(V::Unknown, false, false, V::Unknown)]
    #[case(V::Held, true, false, V::NotHeld)]
    #[case(V::NotHeld, true, false, V::Held)]
    #[case(V::NotHeld, true, true, V::Unknown)]
    #[case(V::NotHeld, false, true, V::NotHeld)]
    #[case(V::Unknown, true, false, V::Unknown)]
    fn a_negative_check_needs_somebody_to_ask(
        #[case] verdict: V,
        #[case] must_fail: bool,
        #[case] nobody_there: bool,
        #[case] expected: V,
    ) {
        let mut look = ProbeResult::unknown("");
        (look.verdict, look.nobody_there) = (verdict, nobody_there);
        assert_eq!(wanted(&look, must_fail), expected);
    }
}
