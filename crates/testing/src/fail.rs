//! Failing the Nth call.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Counts calls and tells which of them are to fail.
#[derive(Debug, Default)]
pub struct Failures {
    seen: Mutex<Vec<String>>,
    fail_at: Mutex<BTreeSet<usize>>,
    fail_each: Mutex<BTreeSet<String>>,
}

impl Failures {
    /// Notes a call; `true` when it is to fail.
    pub fn hit(&self, call: impl Into<String>) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let call = call.into();
        let by_name = self.fail_each.lock().unwrap_or_else(PoisonError::into_inner).contains(&call);
        seen.push(call);
        by_name || self.fail_at.lock().unwrap_or_else(PoisonError::into_inner).contains(&seen.len())
    }

    /// Lets every call of this text fail.
    pub fn fail_each(&self, call: impl Into<String>) {
        self.fail_each.lock().unwrap_or_else(PoisonError::into_inner).insert(call.into());
    }

    /// Lets the call number `nth` fail, counted from 1 over the whole life of the fake.
    pub fn fail_at(&self, nth: usize) {
        self.fail_at.lock().unwrap_or_else(PoisonError::into_inner).insert(nth);
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
