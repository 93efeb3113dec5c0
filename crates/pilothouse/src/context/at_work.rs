//! Which releases of the run are at work, so that what others lack may come of them.

use pilothouse_core::ReleaseKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Each release that is at work, and whether it is stuck: what it lacks would certainly not come, were it not for the others.
type Releases = HashMap<ReleaseKey, bool>;

/// The releases of a run that are at work.
#[derive(Debug, Default, Clone)]
pub(crate) struct AtWork(Arc<Mutex<Releases>>);

/// A release is at work as long as this lives.
#[derive(Debug)]
pub(crate) struct Working {
    release: ReleaseKey,
    all: AtWork,
}

impl AtWork {
    /// A release begins.
    pub(crate) fn begin(&self, release: ReleaseKey) -> Working {
        self.with(|all| all.insert(release.clone(), false));
        Working { release, all: self.clone() }
    }

    /// Notes whether a release is stuck. Two that wait for each other would otherwise hope for ever.
    pub(crate) fn note_stuck(&self, release: &ReleaseKey, stuck: bool) {
        self.with(|all| all.get_mut(release).map(|of| *of = stuck));
    }

    /// The others that are at work and not stuck, by name.
    pub(crate) fn beside(&self, release: &ReleaseKey) -> Vec<ReleaseKey> {
        let mut others: Vec<ReleaseKey> = self.with(|all| {
            all.iter().filter(|(other, stuck)| *other != release && !**stuck).map(|(other, _)| other.clone()).collect()
        });
        others.sort_unstable();
        others
    }

    fn with<T>(&self, work: impl FnOnce(&mut Releases) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.all.with(|all| all.remove(&self.release));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_others_that_get_on_count() {
        let all = AtWork::default();
        let [web, setup] = ["web", "setup"].map(|name| ReleaseKey::new("shop", name));
        let _web = all.begin(web.clone());
        assert_eq!(all.beside(&web), []);
        let working = all.begin(setup.clone());
        assert_eq!(all.beside(&web), std::slice::from_ref(&setup));
        all.note_stuck(&setup, true);
        assert_eq!(all.beside(&web), []);
        all.note_stuck(&setup, false);
        drop(working);
        assert_eq!(all.beside(&web), []);
    }
}
