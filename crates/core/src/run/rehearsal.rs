//! What a rehearsal on a copy of a cluster tells about that cluster.

use super::outcome::{ReleaseOutcome, RunOutcome};
use crate::ids::{ObjectRef, Phase, ReleaseKey};
use crate::kubernetes::HelmOwner;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a run on a copy of a cluster tells about the same run on the cluster itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rehearsal {
    /// The version of the cluster that was copied.
    pub cluster_version: String,
    /// The version of the control plane the run was on.
    pub plane_version: String,
    /// Why releases would not end well.
    pub refuses: Vec<Refusal>,
    /// Objects that would be deleted and made anew.
    pub recreates: Vec<ObjectRef>,
    /// Objects that would be deleted, what goes with another one included.
    pub deletes: Vec<ObjectRef>,
    /// Objects that are there and would become part of a release.
    pub adopts: Vec<Adopted>,
    /// Objects that would be changed in place.
    pub changes: Vec<ObjectRef>,
    /// Objects that would be made.
    pub creates: Vec<ObjectRef>,
    /// Objects that could not be looked at, before the run or after it: nothing is told of them.
    pub unknown: Vec<Untold>,
    /// How many objects of each kind were copied.
    pub copied: BTreeMap<String, usize>,
    /// What could not be copied: it is missing in the copy, and may be there in the cluster.
    pub not_copied: Vec<Untold>,
    /// What the copy cannot show.
    pub not_exercised: Vec<String>,
}

/// Why a release would not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The release.
    pub release: ReleaseKey,
    /// The phase in which it failed, or was refused.
    pub phase: Phase,
    /// The stable code, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it is about, where that is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was said.
    pub message: String,
}

/// An object that would become part of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Adopted {
    /// The object.
    pub object: ObjectRef,
    /// The release.
    pub by: ReleaseKey,
    /// The release that has it now, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ReleaseKey>,
}

/// Something of which nothing is known, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Untold {
    /// What it is.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Untold {
    /// Something and why nothing is known of it.
    pub fn new(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { what: what.to_string(), why: why.to_string() }
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// How an object was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectSeen {
    /// It is not there.
    Absent,
    /// It is there.
    There {
        /// Which one of all that had its name.
        uid: String,
        /// Who owns it in Helm's eyes.
        owner: HelmOwner,
        /// A digest of what it holds, without its status and what the server keeps for itself.
        content: String,
    },
    /// It could not be read.
    Unreadable(String),
}

/// How objects were found at one moment.
pub type ObjectsSeen = BTreeMap<ObjectRef, ObjectSeen>;

/// What became of objects from one moment to a later one. An object that was made anew and belongs to a release now is told
/// as made anew only.
pub fn what_became(before: &ObjectsSeen, after: &ObjectsSeen) -> Rehearsal {
    let mut told = Rehearsal::default();
    for (object, was) in before {
        let is = after.get(object).unwrap_or(&ObjectSeen::Absent);
        match (was, is) {
            (ObjectSeen::Unreadable(why), _) | (_, ObjectSeen::Unreadable(why)) => {
                told.unknown.push(Untold::new(object, why));
            }
            (ObjectSeen::Absent, ObjectSeen::Absent) => {}
            (ObjectSeen::Absent, ObjectSeen::There { .. }) => told.creates.push(object.clone()),
            (ObjectSeen::There { .. }, ObjectSeen::Absent) => told.deletes.push(object.clone()),
            (
                ObjectSeen::There { uid: old, owner: from, content: held },
                ObjectSeen::There { uid: new, owner: by, content: holds },
            ) => match (new_owner(from, by), old == new, held == holds) {
                (_, false, _) => told.recreates.push(object.clone()),
                (Some((from, by)), true, _) => told.adopts.push(Adopted { object: object.clone(), by, from }),
                (None, true, false) => told.changes.push(object.clone()),
                (None, true, true) => {}
            },
        }
    }
    told
}

/// The release that has the object now and has not had it before, and the one that had it.
fn new_owner(from: &HelmOwner, by: &HelmOwner) -> Option<(Option<ReleaseKey>, ReleaseKey)> {
    match (from, by) {
        (_, HelmOwner::Partial { .. } | HelmOwner::Nobody { .. }) => None,
        (HelmOwner::Release(from), HelmOwner::Release(by)) => (from != by).then(|| (Some(from.clone()), by.clone())),
        (HelmOwner::Partial { .. } | HelmOwner::Nobody { .. }, HelmOwner::Release(by)) => Some((None, by.clone())),
    }
}

/// Why the releases of a run did not end well. What was not begun because of another is told with that one.
pub fn refusals(outcome: &RunOutcome) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (release, outcome) in &outcome.releases {
        match outcome {
            ReleaseOutcome::Refused { findings } => refusals.extend(findings.iter().map(|finding| Refusal {
                release: release.clone(),
                phase: Phase::CheckPrerequisites,
                code: Some(finding.code.clone()),
                subject: Some(finding.subject.clone()),
                message: finding.message.clone(),
            })),
            ReleaseOutcome::Failed(failure) => refusals.push(Refusal {
                release: release.clone(),
                phase: failure.phase,
                code: failure.causes.first().map(|cause| cause.code.clone()),
                subject: failure.causes.first().and_then(|cause| cause.object.as_ref()).map(ToString::to_string),
                message: failure.error.join(": "),
            }),
            ReleaseOutcome::Done { .. }
            | ReleaseOutcome::Unchanged { .. }
            | ReleaseOutcome::Skipped { .. }
            | ReleaseOutcome::Undone { .. }
            | ReleaseOutcome::Interrupted { .. }
            | ReleaseOutcome::NotStarted { .. } => {}
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Class, Failure, Finding, NextStep};
    use rstest::rstest;

    fn nobody() -> HelmOwner {
        HelmOwner::Nobody { managed_by: None }
    }

    fn of(name: &str) -> HelmOwner {
        HelmOwner::Release(ReleaseKey::new("web", name))
    }

    fn there(uid: &str, owner: HelmOwner, content: &str) -> ObjectSeen {
        ObjectSeen::There { uid: uid.to_owned(), owner, content: content.to_owned() }
    }

    fn object() -> ObjectRef {
        ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "ConfigMap".to_owned(),
            namespace: Some("web".to_owned()),
            name: "a".to_owned(),
        }
    }

    fn partly(name: Option<&str>) -> HelmOwner {
        HelmOwner::Partial { lacks: Vec::new(), names: name.map(|name| ReleaseKey::new("web", name)) }
    }

    #[rstest]
    #[case(ObjectSeen::Absent, ObjectSeen::Absent, "nothing")]
    #[case(ObjectSeen::Absent, there("1", of("a"), "x"), "creates")]
    #[case(there("1", of("a"), "x"), ObjectSeen::Absent, "deletes")]
    #[case(there("1", of("a"), "x"), there("1", of("a"), "x"), "nothing")]
    #[case(there("1", of("a"), "x"), there("1", of("a"), "y"), "changes")]
    #[case(there("1", of("a"), "x"), there("2", of("a"), "x"), "recreates")]
    #[case(there("1", nobody(), "x"), there("2", of("a"), "y"), "recreates")]
    #[case(there("1", nobody(), "x"), there("1", of("a"), "y"), "adopts from nobody")]
    #[case(there("1", partly(Some("b")), "x"), there("1", of("a"), "y"), "adopts from nobody")]
    #[case(there("1", of("b"), "x"), there("1", of("a"), "y"), "adopts from web/b")]
    #[case(there("1", of("a"), "x"), there("1", nobody(), "y"), "changes")]
    #[case(there("1", of("a"), "x"), there("1", partly(None), "y"), "changes")]
    #[case(ObjectSeen::Unreadable("why".to_owned()), there("1", nobody(), "y"), "unknown")]
    #[case(there("1", nobody(), "y"), ObjectSeen::Unreadable("why".to_owned()), "unknown")]
    fn what_becomes_of_an_object(#[case] before: ObjectSeen, #[case] after: ObjectSeen, #[case] expected: &str) {
        let told = what_became(&[(object(), before)].into(), &[(object(), after)].into());
        let lists = [("recreates", &told.recreates), ("deletes", &told.deletes), ("changes", &told.changes)];
        let mut found: Vec<String> = lists
            .into_iter()
            .chain([("creates", &told.creates)])
            .filter(|(_, objects)| **objects == [object()])
            .map(|(name, _)| name.to_owned())
            .collect();
        found.extend(told.unknown.iter().map(|_| "unknown".to_owned()));
        found.extend(told.adopts.iter().map(|adopted| {
            format!("adopts from {}", adopted.from.as_ref().map_or("nobody".to_owned(), ToString::to_string))
        }));
        assert_eq!(if found.is_empty() { vec!["nothing".to_owned()] } else { found }, [expected]);
    }

    #[test]
    fn what_is_not_seen_afterwards_is_gone() {
        let told = what_became(&[(object(), there("1", nobody(), "x"))].into(), &ObjectsSeen::new());
        assert_eq!(told, Rehearsal { deletes: vec![object()], ..Rehearsal::default() });
    }

    #[test]
    fn only_what_did_not_end_well_by_itself_is_a_refusal() {
        let (a, b, c) = (ReleaseKey::new("web", "a"), ReleaseKey::new("web", "b"), ReleaseKey::new("web", "c"));
        let finding = |code: &str| Finding::new(Class::Unsafe, code, "Secret web/s", "it is another's");
        let failure = Failure {
            phase: Phase::Exec,
            step: None,
            error: vec!["helm failed".to_owned(), "denied".to_owned()],
            causes: Vec::new(),
            attempts: Vec::new(),
            on_deploy_failure_error: None,
            next: NextStep::Uninstalled,
        };
        let outcome = RunOutcome {
            releases: vec![
                (a.clone(), ReleaseOutcome::Refused { findings: vec![finding("X"), finding("Y")] }),
                (b.clone(), ReleaseOutcome::Failed(failure)),
                (c, ReleaseOutcome::NotStarted { reason: "it needs b".to_owned(), blocked_by: Some(b.clone()) }),
            ],
            stopped: None,
        };
        let refused = |code: &str| Refusal {
            release: a.clone(),
            phase: Phase::CheckPrerequisites,
            code: Some(code.to_owned()),
            subject: Some("Secret web/s".to_owned()),
            message: "it is another's".to_owned(),
        };
        let failed = Refusal {
            release: b.clone(),
            phase: Phase::Exec,
            code: None,
            subject: None,
            message: "helm failed: denied".to_owned(),
        };
        assert_eq!(refusals(&outcome), [refused("X"), refused("Y"), failed]);
    }
}
