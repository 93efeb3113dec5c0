//! One root cause, told once, with all that suffer from it.

use super::cause::{Cause, CauseClass, Certainty};
use super::finding::code;
use crate::ids::{ObjectRef, ReleaseKey};
use serde::{Deserialize, Serialize};

/// Lines of evidence and of what to do that a group keeps of all its causes.
const MOST_LINES: usize = 24;

/// A cause with all who suffer from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CauseGroup {
    /// The cause, as the first one who suffers from it tells it, with what to do for all of them.
    pub cause: Cause,
    /// The releases, in the order they came.
    pub releases: Vec<ReleaseKey>,
    /// The objects that do not work because of it, in the order they came.
    pub objects: Vec<ObjectRef>,
}

/// Groups causes by code and root, in the order they came. What only follows from another cause, or tells less than another cause
/// of the same object does, is left out.
pub fn group(causes: Vec<(ReleaseKey, Cause)>) -> Vec<CauseGroup> {
    let is_superfluous = |(release, cause): &(ReleaseKey, Cause)| {
        causes.iter().any(|(other_release, other)| other_release == release && says_more(other, cause))
    };
    let superfluous: Vec<bool> = causes.iter().map(is_superfluous).collect();
    let mut groups: Vec<CauseGroup> = Vec::new();
    for ((release, cause), _) in causes.into_iter().zip(superfluous).filter(|(_, superfluous)| !superfluous) {
        match groups.iter_mut().find(|group| group.cause.code == cause.code && group.cause.root == cause.root) {
            Some(group) => group.add(release, cause),
            None => groups.push(CauseGroup {
                releases: vec![release],
                objects: cause.object.clone().into_iter().collect(),
                cause,
            }),
        }
    }
    groups
}

impl CauseGroup {
    fn add(&mut self, release: ReleaseKey, mut cause: Cause) {
        // Who has looked at the object knows more than helm's words do.
        if self.cause.status.is_none() && cause.status.is_some() {
            std::mem::swap(&mut self.cause, &mut cause);
        }
        if !self.releases.contains(&release) {
            self.releases.push(release);
        }
        if let Some(object) = cause.object
            && !self.objects.contains(&object)
        {
            self.objects.push(object);
        }
        // What is certain for one of them does not pass for the others.
        if cause.certainty == Certainty::Certain {
            self.cause.certainty = Certainty::Certain;
        }
        for (lines, more) in [(&mut self.cause.evidence, cause.evidence), (&mut self.cause.next, cause.next)] {
            for line in more {
                if lines.len() < MOST_LINES && !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
}

/// Whether one cause of a release makes another one superfluous.
fn says_more(one: &Cause, other: &Cause) -> bool {
    let (depth, other_depth) = (depth(one), depth(other));
    depth > other_depth
        && match (&one.object, &other.object) {
            (Some(one), Some(other)) => one.same_object(other),
            // What helm says without naming an object is explained by any object of the release that does not work.
            (_, None) => true,
            (None, Some(_)) => false,
        }
}

/// How near to the root a cause is, among those of one object: a failed hook says less than why its pod does not start, and an
/// unknown cause less than anything.
fn depth(cause: &Cause) -> u8 {
    match (cause.code.as_str(), cause.class) {
        (_, CauseClass::Unknown) => 0,
        (_, CauseClass::Derived) => 1,
        (code::HOOK_FAILED | code::JOB_FAILED, _) => {
            if cause.object.is_some() {
                2
            } else {
                1
            }
        }
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::{ObjectStatus, Readiness};

    fn cause(code: &str, class: CauseClass, object: Option<&str>, root: &str) -> Cause {
        let object = object.map(|object| ObjectRef::parse(object).unwrap());
        let status = ObjectStatus::new(Readiness::InProgress, "it is starting");
        Cause {
            code: code.to_owned(),
            class,
            root: root.to_owned(),
            certainty: Certainty::Passing,
            next: object.iter().map(|object| format!("look at {object}")).collect(),
            ..Cause::unknown(object.unwrap_or_else(|| ObjectRef::parse("a/b").unwrap()), status)
        }
    }

    fn told(groups: &[CauseGroup]) -> Vec<(String, usize, usize)> {
        groups.iter().map(|group| (group.cause.code.clone(), group.releases.len(), group.objects.len())).collect()
    }

    #[test]
    fn twelve_releases_that_lack_one_pull_secret_are_one_cause() {
        let causes = (0..12).map(|n| {
            let object = format!("Deployment/ns{n}/web");
            (
                ReleaseKey::new(format!("ns{n}"), "web"),
                cause(code::IMAGE_PULL_DENIED, CauseClass::Config, Some(&object), "pull Secret regcred"),
            )
        });
        let groups = group(causes.collect());
        assert_eq!(told(&groups), [(code::IMAGE_PULL_DENIED.to_owned(), 12, 12)]);
        assert_eq!(groups[0].cause.next.len(), 12, "what to do is told for each");
    }

    #[test]
    fn one_missing_secret_is_told_once_for_three_deployments_of_a_release() {
        let release = ReleaseKey::new("web", "shop");
        let causes = ["a", "b", "c"].map(|name| {
            (
                release.clone(),
                cause(
                    code::SECRET_MISSING,
                    CauseClass::Config,
                    Some(&format!("Deployment/web/{name}")),
                    "Secret web/db",
                ),
            )
        });
        assert_eq!(told(&group(causes.to_vec())), [(code::SECRET_MISSING.to_owned(), 1, 3)]);
    }

    #[test]
    fn what_follows_from_another_cause_is_left_out() {
        let release = ReleaseKey::new("web", "shop");
        let web = Some("Deployment/web/a");
        let stuck = cause(code::ROLLOUT_STUCK, CauseClass::Derived, web, "Deployment web/a");
        let crash = cause(code::CRASH_LOOP, CauseClass::App, web, "Deployment web/a: container a");
        let unknown = cause(code::UNKNOWN, CauseClass::Unknown, Some("Widget/web/w"), "Widget web/w");
        let mut of_helm = cause(code::UNKNOWN, CauseClass::Unknown, web, "helm");
        of_helm.object = None;
        let all = [stuck.clone(), crash, unknown, of_helm].map(|cause| (release.clone(), cause));
        assert_eq!(told(&group(all.to_vec())), [(code::CRASH_LOOP.to_owned(), 1, 1), (code::UNKNOWN.to_owned(), 1, 1)]);
        let elsewhere = cause(code::CRASH_LOOP, CauseClass::App, Some("Deployment/web/b"), "b");
        assert_eq!(
            group(vec![(release.clone(), stuck.clone()), (release, elsewhere)]).len(),
            2,
            "another object explains nothing"
        );
        assert_eq!(group(vec![(ReleaseKey::new("web", "shop"), stuck)]).len(), 1, "alone it is told");
    }

    #[test]
    fn who_has_looked_at_the_object_tells_it() {
        let seen = cause(code::HOOK_FAILED, CauseClass::Chart, Some("Job/a/migrate"), "Job a/migrate");
        let of_helm = Cause { status: None, why: "helm says so".to_owned(), ..seen.clone() };
        let release = ReleaseKey::new("a", "b");
        let groups = group(vec![(release.clone(), of_helm), (release, seen.clone())]);
        assert_eq!((groups.len(), &groups[0].cause.why), (1, &seen.why));
    }

    #[test]
    fn certain_for_one_is_certain() {
        let mut certain = cause(code::CRASH_LOOP, CauseClass::App, Some("Pod/a/b"), "x");
        let passing = certain.clone();
        certain.certainty = Certainty::Certain;
        let release = ReleaseKey::new("a", "b");
        let groups = group(vec![(release.clone(), passing), (release, certain)]);
        assert_eq!(groups[0].cause.certainty, Certainty::Certain);
    }
}
