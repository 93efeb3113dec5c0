//! What is known of why a release does not work: what was told already, and what was seen while it could still be seen.

use jiff::Timestamp;
use pilothouse_core::{Cause, Certainty, ObjectRef, code};
use pilothouse_health::{Family, rules};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Lines of evidence that are kept of a cause.
const MOST_EVIDENCE: usize = 24;

/// How long what was understood of an object counts when a later look understands nothing.
const LATELY: Duration = Duration::from_secs(10);

/// What was seen of an object.
#[derive(Debug)]
struct Seen {
    object: ObjectRef,
    causes: Vec<Cause>,
    at: Instant,
}

/// Whether anything of it is understood.
fn is_understood(causes: &[Cause]) -> bool {
    causes.iter().any(|cause| cause.code != code::UNKNOWN)
}

/// Whether a code tells of a program that ends again and again, perhaps since something it waits for is not there yet.
fn is_of_restarts(code: &str) -> bool {
    rules().iter().any(|rule| rule.code == code && rule.family == Family::Restarting)
}

/// What is known of a release's trouble.
#[derive(Debug, Default)]
pub(crate) struct ReportedCauses {
    /// Since when a run is at work on the release, by the server's clock; `None` where nothing is put right.
    pub(crate) since: Option<Timestamp>,
    /// The hooks that run or are to run, while helm does.
    pub(crate) hooks: Vec<ObjectRef>,
    /// Code and root of each cause that was told, and whether as certain.
    told: HashSet<(String, String, bool)>,
    /// Object, code and root of each cause that was told as certain, until something comes that it may have waited for.
    certain: Vec<(Option<ObjectRef>, String, String)>,
    /// Code and root of each cause that was told as certain before something came that it may have waited for, and not seen since.
    doubted: HashSet<(String, String)>,
    /// What each object's causes were when it was last looked at in the running phase. A hook's object may be gone since.
    seen: Vec<Seen>,
    /// How often each container was started when the last thing came that it may have waited for.
    starts: HashMap<(String, String), i64>,
    /// Objects of which a container was started again.
    restarted: Vec<ObjectRef>,
    /// Whether something has come since the containers were last looked at.
    has_come: bool,
}

impl ReportedCauses {
    /// A phase begins: what was told stays told.
    pub(crate) fn enter_phase(&mut self) {
        self.seen.clear();
        self.hooks.clear();
        self.restarted.clear();
    }

    /// Something has come that containers may have waited for: a hook has run, another object is ready, another release is done.
    /// What they were started for before says nothing, and what was certain of their ends without it is no more. What else was certain
    /// does not hang on that.
    pub(crate) fn something_came(&mut self) {
        self.has_come = true;
        let gone = self.certain.extract_if(.., |(_, code, _)| is_of_restarts(code));
        self.doubted.extend(gone.map(|(_, code, root)| (code, root)));
    }

    /// How often the containers were started before that, given how often they were by now.
    pub(crate) fn starts_before(
        &mut self,
        now: impl IntoIterator<Item = ((String, String), i64)>,
    ) -> &HashMap<(String, String), i64> {
        if std::mem::take(&mut self.has_come) {
            self.starts = now.into_iter().collect();
        }
        &self.starts
    }

    /// A container of the object was started again.
    pub(crate) fn see_restart(&mut self, object: &ObjectRef) {
        if !self.restarted.contains(object) {
            self.restarted.push(object.clone());
        }
    }

    /// The objects of which a container was started again in the running phase.
    pub(crate) fn restarted(&self) -> &[ObjectRef] {
        &self.restarted
    }

    /// Keeps the causes of an object in place of what was known of it. What was seen for the same cause before stays: a pod that is
    /// being deleted has no log any more. What was understood a moment ago stays where nothing is now: a pod that was just made anew
    /// tells nothing yet.
    pub(crate) fn see(&mut self, object: &ObjectRef, causes: &[Cause], now: Instant) {
        let mut causes = causes.to_vec();
        if !is_understood(&causes) && self.lately(object, now).is_some() {
            return;
        }
        match self.seen.iter_mut().find(|seen| seen.object.same_object(object)) {
            Some(Seen { causes: known, at, .. }) => {
                for cause in &mut causes {
                    let before = known.iter().find(|known| (&known.code, &known.root) == (&cause.code, &cause.root));
                    let lines = before.into_iter().flat_map(|before| &before.evidence);
                    let lost: Vec<_> = lines.filter(|line| !cause.evidence.contains(line)).cloned().collect();
                    cause.evidence.extend(lost.into_iter().take(MOST_EVIDENCE.saturating_sub(cause.evidence.len())));
                }
                (*known, *at) = (causes, now);
            }
            None => self.seen.push(Seen { object: object.clone(), causes, at: now }),
        }
    }

    /// What was understood of an object a moment ago.
    pub(crate) fn lately(&self, object: &ObjectRef, now: Instant) -> Option<&[Cause]> {
        let seen = self.seen.iter().find(|seen| seen.object.same_object(object))?;
        let is_recent = now.saturating_duration_since(seen.at) < LATELY;
        (is_recent && is_understood(&seen.causes)).then_some(seen.causes.as_slice())
    }

    /// Forgets what was seen of all other objects: they have come to be as they should.
    pub(crate) fn keep_only(&mut self, wanted: impl Fn(&ObjectRef) -> bool) {
        self.seen.retain(|seen| wanted(&seen.object));
        self.certain.retain(|(object, ..)| object.as_ref().is_some_and(&wanted));
    }

    /// What was seen of objects other than these.
    pub(crate) fn of_others(&self, objects: &[ObjectRef]) -> Vec<Cause> {
        let other = |object: &ObjectRef| !objects.iter().any(|known| known.same_object(object));
        self.seen.iter().filter(|seen| other(&seen.object)).flat_map(|seen| seen.causes.clone()).collect()
    }

    /// A word told as certain is kept until something comes that it may have waited for: the same cause, looked at again while a program
    /// happens to run, is told so too.
    pub(crate) fn keep_word(&self, cause: &mut Cause) {
        let is_same = |(_, code, root): &(_, String, String)| (code, root) == (&cause.code, &cause.root);
        if self.certain.iter().any(is_same) {
            cause.certainty = Certainty::Certain;
        }
    }

    /// Whether a cause is to be told now: it was not yet, or not as certain, or was certain until something came. What is not understood is told at the end only, and
    /// what a healthy start may look like as well, when that `lasts`.
    pub(crate) fn is_news(&mut self, cause: &Cause, lasts: bool) -> bool {
        let may_be_well = [code::WAITING, code::CONDITION_NOT_MET].contains(&cause.code.as_str());
        if cause.code == code::UNKNOWN || may_be_well && !lasts {
            return false;
        }
        let certain = cause.certainty == Certainty::Certain;
        let word = (cause.object.clone(), cause.code.clone(), cause.root.clone());
        if certain && !self.certain.contains(&word) {
            self.certain.push(word);
        }
        let told = |certain| (cause.code.clone(), cause.root.clone(), certain);
        if self.doubted.remove(&(cause.code.clone(), cause.root.clone())) && !certain {
            self.told.remove(&told(true));
            self.told.insert(told(false));
            return true;
        }
        !self.told.contains(&told(true)) && self.told.insert(told(certain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{ObjectStatus, Readiness};

    fn cause(code: &str, root: &str, certainty: Certainty) -> Cause {
        let status = ObjectStatus::new(Readiness::InProgress, "0 of 1");
        let object = ObjectRef::parse("Deployment/web/a").unwrap();
        Cause { code: code.to_owned(), root: root.to_owned(), certainty, ..Cause::unknown(object, status) }
    }

    #[test]
    fn a_cause_is_told_once_and_once_more_when_it_is_certain() {
        let mut known = ReportedCauses::default();
        let told = [
            cause("A", "x", Certainty::Passing),
            cause("A", "x", Certainty::Passing),
            cause("A", "y", Certainty::Passing),
            cause("A", "x", Certainty::Certain),
            cause("A", "x", Certainty::Certain),
            cause("A", "x", Certainty::Passing),
            cause(code::UNKNOWN, "x", Certainty::Unclear),
        ]
        .map(|cause| known.is_news(&cause, false));
        assert_eq!(told, [true, false, true, true, false, false, false]);
        let waits = cause(code::WAITING, "x", Certainty::Passing);
        assert_eq!([false, true, true].map(|lasts| known.is_news(&waits, lasts)), [false, true, false]);
    }

    #[test]
    fn what_was_seen_for_a_cause_before_stays() {
        let job = ObjectRef::parse("Job/web/hook").unwrap();
        let with = |lines: &[&str]| Cause {
            evidence: lines.iter().map(|line| (*line).into()).collect(),
            ..cause("A", "x", Certainty::Passing)
        };
        let mut known = ReportedCauses::default();
        known.see(&job, &[with(&["exit code 4", "log: no table"])], Instant::now());
        known.see(&job, &[with(&["exit code 4"])], Instant::now());
        assert_eq!(known.of_others(&[])[0].evidence, with(&["exit code 4", "log: no table"]).evidence);
        known.see(&job, &[cause("B", "x", Certainty::Passing)], Instant::now());
        assert!(known.of_others(&[])[0].evidence.is_empty());
    }

    #[test]
    fn what_was_seen_of_an_object_that_is_gone_is_still_known() {
        let object = |name: &str| ObjectRef::parse(name).unwrap();
        let (job, web) = (object("Job/web/hook"), object("Deployment/web/a"));
        let mut known = ReportedCauses::default();
        known.see(&job, &[cause("A", "x", Certainty::Passing)], Instant::now());
        known.see(&job, &[cause("B", "x", Certainty::Passing)], Instant::now());
        known.see(&web, &[cause("C", "x", Certainty::Passing)], Instant::now());
        let codes = |causes: Vec<Cause>| causes.into_iter().map(|cause| cause.code).collect::<Vec<_>>();
        assert_eq!(codes(known.of_others(std::slice::from_ref(&web))), ["B"]);
        known.keep_only(|object| !object.same_object(&job));
        assert_eq!(codes(known.of_others(&[])), ["C"]);
        known.enter_phase();
        assert_eq!(codes(known.of_others(&[])), [""; 0]);
    }

    /// A pod that is made anew tells nothing at first; after a while what was before is over.
    #[test]
    fn what_was_understood_a_moment_ago_counts() {
        let web = ObjectRef::parse("Deployment/web/a").unwrap();
        let now = Instant::now();
        let mut known = ReportedCauses::default();
        known.see(&web, &[cause("A", "x", Certainty::Passing)], now);
        known.see(&web, &[cause(code::UNKNOWN, "x", Certainty::Unclear)], now + Duration::from_secs(9));
        assert_eq!(known.of_others(&[])[0].code, "A");
        assert!(known.lately(&web, now + Duration::from_secs(9)).is_some());
        known.see(&web, &[cause(code::UNKNOWN, "x", Certainty::Unclear)], now + Duration::from_secs(11));
        assert_eq!(known.of_others(&[])[0].code, code::UNKNOWN);
        assert_eq!(known.lately(&web, now + Duration::from_secs(11)), None);
    }

    /// What comes after a word was given may be what it was given for the want of.
    #[test]
    fn a_word_is_not_kept_when_what_it_waited_for_has_come() {
        let later = |known: &ReportedCauses| {
            let mut cause = cause(code::CRASH_LOOP, "x", Certainty::Passing);
            known.keep_word(&mut cause);
            cause.certainty
        };
        let mut known = ReportedCauses::default();
        let tell = |known: &mut ReportedCauses| known.is_news(&cause(code::CRASH_LOOP, "x", Certainty::Certain), false);
        assert!(tell(&mut known));
        known.keep_only(|object| object.name == "a");
        assert_eq!(later(&known), Certainty::Certain, "others are ready");
        known.keep_only(|object| object.name != "a");
        assert_eq!(later(&known), Certainty::Passing, "it is ready");
        // One that is certain again is kept again, and told only once.
        assert!(!tell(&mut known));
        assert_eq!(later(&known), Certainty::Certain);
        known.something_came();
        assert_eq!(later(&known), Certainty::Passing, "something else came");
    }

    /// Whoever was told that a cause is certain is told that it is no more.
    #[test]
    fn a_word_that_is_taken_back_is_told() {
        let mut known = ReportedCauses::default();
        let tell =
            |known: &mut ReportedCauses, certainty| known.is_news(&cause(code::CRASH_LOOP, "x", certainty), false);
        assert!(tell(&mut known, Certainty::Passing));
        assert!(tell(&mut known, Certainty::Certain));
        known.something_came();
        assert!(!tell(&mut known, Certainty::Certain), "nothing has changed");
        known.something_came();
        let told = [Certainty::Passing, Certainty::Passing, Certainty::Certain].map(|now| tell(&mut known, now));
        assert_eq!(told, [true, false, true]);
    }

    /// A program that ends may have waited for what came; an image that does not exist has not.
    #[test]
    fn a_word_that_does_not_hang_on_what_came_is_kept() {
        let mut known = ReportedCauses::default();
        assert!(known.is_news(&cause(code::IMAGE_NOT_FOUND, "x", Certainty::Certain), false));
        known.something_came();
        let mut later = cause(code::IMAGE_NOT_FOUND, "x", Certainty::Passing);
        known.keep_word(&mut later);
        assert_eq!(later.certainty, Certainty::Certain);
        assert!(!known.is_news(&cause(code::IMAGE_NOT_FOUND, "x", Certainty::Passing), false));
    }

    #[test]
    fn what_was_told_as_certain_stays_so() {
        let mut known = ReportedCauses::default();
        assert!(known.is_news(&cause("A", "x", Certainty::Certain), false));
        let later = |known: &ReportedCauses, root: &str| {
            let mut cause = cause("A", root, Certainty::Passing);
            known.keep_word(&mut cause);
            cause.certainty
        };
        known.enter_phase();
        assert_eq!([later(&known, "x"), later(&known, "y")], [Certainty::Certain, Certainty::Passing]);
    }
}
