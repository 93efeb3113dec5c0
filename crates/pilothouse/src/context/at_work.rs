//! Which releases of the run are at work, so that what others lack may come of them.

use pilothouse_core::{ObjectRef, ReleaseKey};
use pilothouse_health::OtherRelease;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A release that is at work.
#[derive(Debug, Default)]
struct Work {
    /// Whether what it lacks would certainly not come, were it not for the others.
    stuck: bool,
    /// What it was rendered to, hooks included, once that is known.
    makes: Arc<[ObjectRef]>,
}

type Releases = HashMap<ReleaseKey, Work>;

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
        self.with(|all| all.insert(release.clone(), Work::default()));
        Working { release, all: self.clone() }
    }

    /// Notes whether a release is stuck. Two that wait for each other would otherwise hope for ever.
    pub(crate) fn note_stuck(&self, release: &ReleaseKey, stuck: bool) {
        self.with(|all| all.get_mut(release).map(|of| of.stuck = stuck));
    }

    /// Notes what a release is about to make.
    pub(crate) fn note_makes(&self, release: &ReleaseKey, objects: Vec<ObjectRef>) {
        self.with(|all| all.get_mut(release).map(|of| of.makes = objects.into()));
    }

    /// The others that are at work and not stuck, by name.
    pub(crate) fn beside(&self, release: &ReleaseKey) -> Vec<OtherRelease> {
        let of =
            |(other, work): (&ReleaseKey, &Work)| OtherRelease { release: other.clone(), makes: work.makes.clone() };
        let mut others: Vec<OtherRelease> =
            self.with(|all| all.iter().filter(|(other, work)| *other != release && !work.stuck).map(of).collect());
        others.sort_unstable_by(|one, other| one.release.cmp(&other.release));
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
        let names = || all.beside(&web).into_iter().map(|other| other.release).collect::<Vec<_>>();
        assert_eq!(names(), []);
        let working = all.begin(setup.clone());
        assert_eq!(names(), std::slice::from_ref(&setup));
        all.note_stuck(&setup, true);
        assert_eq!(names(), []);
        all.note_stuck(&setup, false);
        let secret = ObjectRef::parse("Secret/shop/db").unwrap();
        all.note_makes(&setup, vec![secret.clone()]);
        assert_eq!(*all.beside(&web)[0].makes, [secret]);
        drop(working);
        assert_eq!(names(), []);
    }
}
