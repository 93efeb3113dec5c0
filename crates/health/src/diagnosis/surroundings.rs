//! What is still running that could put a problem right, and what that means for its certainty, as one table: the family of a cause
//! and what runs around it give certain, passing or unclear. A cause that may still go away is never certain.

use super::evidence::{Evidence, OtherRelease};
use super::line::Line;
use crate::groups::is_built_in;
use pilothouse_core::{Certainty, ObjectRef, Readiness};

/// What is still running that could put a problem right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtWork {
    /// Nothing that could change it.
    Nothing,
    /// A workload of the release is starting.
    Starting,
    /// A Job or custom resource of the release is starting.
    Making,
    /// A hook of the release runs or is to run.
    Hook,
    /// Another release of the run is still making progress.
    Release,
    /// A custom resource names what is missing, and its controller may make it.
    Controller,
    /// An autoscaler may add nodes.
    Autoscaler,
    /// What is at work was not looked at, or could not be read.
    Unseen,
    /// It was last seen before the run, and nobody has tried again since.
    Before,
}

/// Causes that depend on the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Another attempt gives the same answer, or nothing tries again.
    Fixed,
    /// Something does not exist that something else may create.
    Missing,
    /// A program was restarted three or four times.
    Restarting,
    /// Rules and permissions of the cluster refuse it.
    Ruled,
    /// No node has the labels, or all have a taint.
    Placed,
    /// The pod is larger than any node.
    TooLarge,
    /// A node lacks a file, or is not set up for it.
    OnNode,
    /// A rollout has passed its deadline, and nothing is known to be wrong.
    Stopped,
    /// It may pass by itself, whatever is at work.
    Passing,
    /// It is not understood.
    Unknown,
}

/// One row of the table.
struct Row {
    #[cfg(test)]
    family: Family,
    /// What these causes are, in words.
    what: &'static str,
    /// How certain they are while nothing below is at work, and why.
    alone: (Certainty, &'static str),
    /// What lets them pass, and why.
    passes: &'static [(AtWork, &'static str)],
}

impl AtWork {
    /// All there are, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Starting,
        Self::Making,
        Self::Hook,
        Self::Release,
        Self::Controller,
        Self::Autoscaler,
        Self::Unseen,
        Self::Before,
    ];

    /// In words that follow `while`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing else is at work",
            Self::Starting => "a workload of the release is starting",
            Self::Making => "a Job or custom resource of the release is starting",
            Self::Hook => "a hook of the release runs or is to run",
            Self::Release => "another release of the run is at work",
            Self::Controller => "a custom resource names what is missing",
            Self::Autoscaler => "an autoscaler may add nodes",
            Self::Unseen => "what else is at work could not be read",
            Self::Before => "it was last seen before the run",
        }
    }
}

impl Family {
    /// All there are, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Fixed,
        Self::Missing,
        Self::Restarting,
        Self::Ruled,
        Self::Placed,
        Self::TooLarge,
        Self::OnNode,
        Self::Stopped,
        Self::Passing,
        Self::Unknown,
    ];

    /// What these causes are, in words.
    pub fn what(self) -> &'static str {
        self.row().what
    }

    /// How certain such a cause is while this is at work, and why.
    pub fn while_at_work(self, at_work: AtWork) -> (Certainty, &'static str) {
        let row = self.row();
        let passes = row.passes.iter().find(|(passing, _)| *passing == at_work);
        passes.map_or(row.alone, |(_, because)| (Certainty::Passing, *because))
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

const AGAIN: (AtWork, &str) =
    (AtWork::Before, "what was wrong may have been put right, and nobody has tried again since");
const UNSEEN: (AtWork, &str) = (AtWork::Unseen, "what could not be read may be what mends it");

static TABLE: [Row; 10] = [
    Row {
        #[cfg(test)]
        family: Family::Fixed,
        what: "the answer stays the same",
        alone: (Certainty::Certain, "the same input gets the same answer, or nobody tries again"),
        passes: &[AGAIN],
    },
    Row {
        #[cfg(test)]
        family: Family::Missing,
        what: "something is missing",
        alone: (Certainty::Certain, "what nobody makes does not come; programs that merely start make nothing"),
        passes: &[
            (AtWork::Making, "Jobs and operators make such things"),
            (AtWork::Hook, "hooks are there to make such things"),
            (AtWork::Release, "it may be one of its objects, or come of its hooks"),
            (AtWork::Controller, "its controller makes it when it can"),
            UNSEEN,
            AGAIN,
        ],
    },
    Row {
        #[cfg(test)]
        family: Family::Restarting,
        what: "a program ended three or four times",
        alone: (Certainty::Certain, "what it needs is there, and has had its time"),
        passes: &[
            (AtWork::Starting, "it may wait for that; after five times it has had its time"),
            (AtWork::Making, "it may wait for that; after five times it has had its time"),
            (AtWork::Hook, "it may wait for what the hook makes; after five times it has had its time"),
            (AtWork::Release, "it may wait for that release; after five times it has had its time"),
            UNSEEN,
            AGAIN,
        ],
    },
    Row {
        #[cfg(test)]
        family: Family::Ruled,
        what: "a rule of the cluster refuses it",
        alone: (Certainty::Certain, "rules and permissions do not change for a pod that waits"),
        passes: &[
            (AtWork::Hook, "hooks label namespaces and give permissions"),
            (AtWork::Release, "releases bring rules, quotas and permissions, and change them"),
            UNSEEN,
            AGAIN,
        ],
    },
    Row {
        #[cfg(test)]
        family: Family::Placed,
        what: "no node has the labels, or all have a taint",
        alone: (
            Certainty::Certain,
            "labels and taints are set by people; what else of the release starts waits for the same nodes",
        ),
        passes: &[
            (AtWork::Hook, "hooks may label nodes"),
            (AtWork::Release, "what finds out about nodes labels them, and takes its taint away"),
            (AtWork::Autoscaler, "a new node may have the labels"),
            UNSEEN,
            AGAIN,
        ],
    },
    Row {
        #[cfg(test)]
        family: Family::TooLarge,
        what: "the pod is larger than any node",
        alone: (Certainty::Certain, "nothing that is deployed makes a node larger"),
        passes: &[(AtWork::Autoscaler, "a new node may be large enough"), UNSEEN, AGAIN],
    },
    Row {
        #[cfg(test)]
        family: Family::OnNode,
        what: "the node lacks a file or setting",
        alone: (Certainty::Certain, "a node does not get files and settings by itself"),
        passes: &[
            (AtWork::Starting, "a DaemonSet of the release may put it there"),
            (AtWork::Making, "a Job may put it there"),
            (AtWork::Hook, "a hook may put it there"),
            (AtWork::Release, "drivers and agents put files onto nodes and set them up"),
            UNSEEN,
            AGAIN,
        ],
    },
    Row {
        #[cfg(test)]
        family: Family::Stopped,
        what: "the rollout has passed its deadline",
        alone: (Certainty::Certain, "its author gave it this time"),
        passes: &[
            (AtWork::Starting, "the rollout goes on when what it waits for comes, also after its deadline"),
            (AtWork::Making, "the rollout goes on when what it waits for comes, also after its deadline"),
            (AtWork::Hook, "the rollout goes on when what it waits for comes, also after its deadline"),
            (AtWork::Release, "the rollout goes on when what it waits for comes, also after its deadline"),
            UNSEEN,
            AGAIN,
        ],
    },
    Row {
        #[cfg(test)]
        family: Family::Passing,
        what: "it may pass by itself",
        alone: (Certainty::Passing, "somebody tries again"),
        passes: &[],
    },
    Row {
        #[cfg(test)]
        family: Family::Unknown,
        what: "it is not understood",
        alone: (Certainty::Unclear, "what is not understood is not judged"),
        passes: &[],
    },
];

/// The family of a cause.
pub(super) const fn family(line: Line) -> Family {
    match line {
        Line::ImageAbsent
        | Line::ImageOnNoNode
        | Line::PullDenied
        | Line::ImageNameInvalid
        | Line::ContainerRefused
        | Line::CannotStart
        | Line::EndedForGood
        | Line::Oom
        | Line::ObjectInvalid
        | Line::NamespaceTerminating
        | Line::CrdRefused
        | Line::CrdTerminating
        | Line::CrdNamesConflict
        | Line::HookFailed
        | Line::HookLeftover
        | Line::JobFailed
        | Line::OldPodBlocks
        | Line::ImmutableField
        | Line::OwnershipConflict
        | Line::FieldConflict
        | Line::ReleaseStaleLock
        | Line::ValuesInvalid
        | Line::TemplateFailed
        | Line::ChartNotFound
        | Line::ChartDependencyMissing
        | Line::KubeVersionUnsupported
        | Line::ReleaseTooLarge
        | Line::Suspended => Family::Fixed,
        Line::PullSecretMissing
        | Line::SecretMissing
        | Line::SecretKeyMissing
        | Line::ConfigMapMissing
        | Line::ConfigMapKeyMissing
        | Line::ServiceAccountMissing
        | Line::ClassMissing
        | Line::ClaimMissing
        | Line::ClaimHopeless
        | Line::WebhookNobody
        | Line::ApiServiceNobody
        | Line::NamespaceMissing
        | Line::ApiNotServed
        | Line::LoadBalancerNobody => Family::Missing,
        Line::Crashing | Line::ProbeKills | Line::InitFailing | Line::PostStartFailing => Family::Restarting,
        Line::QuotaTooSmall
        | Line::LimitRange
        | Line::PodSecurity
        | Line::WebhookDenied
        | Line::PolicyDenied
        | Line::RbacForbidden => Family::Ruled,
        Line::SelectorUnmatched | Line::Tainted | Line::AffinityUnmatched => Family::Placed,
        Line::ResourcesNever => Family::TooLarge,
        Line::MountHopeless | Line::Unsupported => Family::OnNode,
        Line::RolloutStuck => Family::Stopped,
        Line::ImageAbsentOnce
        | Line::ImageHidden
        | Line::PullDeniedOnce
        | Line::PullSecretMissingYet
        | Line::RegistryUnreachable
        | Line::PullFailing
        | Line::SecretMissingYet
        | Line::SecretAwaited
        | Line::SecretKeyMissingYet
        | Line::ConfigMapMissingYet
        | Line::ConfigMapKeyMissingYet
        | Line::ServiceAccountMissingYet
        | Line::ClassMissingYet
        | Line::ContainerNotMade
        | Line::ClaimMissingYet
        | Line::MountFailing
        | Line::CrashingFew
        | Line::OomFew
        | Line::ProbeFailing
        | Line::InitFailingFew
        | Line::PostStartFailingFew
        | Line::Evicted
        | Line::Rejected
        | Line::SandboxFailing
        | Line::ResourcesShort
        | Line::SelectorUnmatchedYet
        | Line::TaintedYet
        | Line::AffinityUnmet
        | Line::ClaimWaiting
        | Line::QuotaUsedUp
        | Line::WebhookUnreachable
        | Line::WebhookDeniedOnce
        | Line::PolicyDeniedOnce
        | Line::CrdPending
        | Line::LoadBalancerPending
        | Line::HookFailing
        | Line::HookOutOfTime
        | Line::JobFailing
        | Line::OldPodBlocksYet
        | Line::ObjectMissing
        | Line::ObjectTerminating
        | Line::ReleaseLocked
        | Line::ChartUnreachable
        | Line::ApiUnreachable
        | Line::ApiServiceDown
        | Line::Waiting
        | Line::ConditionNotMet => Family::Passing,
        Line::Unknown => Family::Unknown,
    }
}

/// Certain lines, each with the line of the same code for a cause that may still change. A line that is not listed stays as it is.
const TWINS: [(Line, Line); 21] = [
    (Line::PullSecretMissing, Line::PullSecretMissingYet),
    (Line::SecretMissing, Line::SecretMissingYet),
    (Line::SecretKeyMissing, Line::SecretKeyMissingYet),
    (Line::ConfigMapMissing, Line::ConfigMapMissingYet),
    (Line::ConfigMapKeyMissing, Line::ConfigMapKeyMissingYet),
    (Line::ServiceAccountMissing, Line::ServiceAccountMissingYet),
    (Line::ClassMissing, Line::ClassMissingYet),
    (Line::ClaimMissing, Line::ClaimMissingYet),
    (Line::ClaimHopeless, Line::ClaimWaiting),
    (Line::WebhookNobody, Line::WebhookUnreachable),
    (Line::ApiServiceNobody, Line::ApiServiceDown),
    (Line::LoadBalancerNobody, Line::LoadBalancerPending),
    (Line::Crashing, Line::CrashingFew),
    (Line::ProbeKills, Line::ProbeFailing),
    (Line::InitFailing, Line::InitFailingFew),
    (Line::PostStartFailing, Line::PostStartFailingFew),
    (Line::SelectorUnmatched, Line::SelectorUnmatchedYet),
    (Line::Tainted, Line::TaintedYet),
    (Line::AffinityUnmatched, Line::AffinityUnmet),
    (Line::ResourcesNever, Line::ResourcesShort),
    (Line::MountHopeless, Line::MountFailing),
];

/// The line of a cause that something may still change.
pub(super) fn while_open(line: Line) -> Line {
    TWINS.iter().find(|(certain, _)| *certain == line).map_or(line, |(_, open)| *open)
}

/// Whether the line says that something is missing, for certain or not yet.
pub(super) fn is_missing(line: Line) -> bool {
    let certain = TWINS.iter().find(|(_, open)| *open == line).map_or(line, |(certain, _)| *certain);
    family(certain) == Family::Missing
}

/// What is still running according to the evidence, each with a line about it.
pub(super) fn at_work(evidence: &Evidence) -> Vec<(AtWork, String)> {
    let mut found = Vec::new();
    let is_starting = |status: &pilothouse_core::ObjectStatus| status.readiness == Readiness::InProgress;
    let starting = evidence.beside.iter().flatten().filter(|(_, status)| is_starting(status)).map(|(object, _)| object);
    if let Some(maker) = starting.clone().find(|object| makes_things(object)) {
        found.push((AtWork::Making, format!("{maker} is still starting")));
    }
    if let Some(other) = starting.clone().find(|object| !makes_things(object)) {
        found.push((AtWork::Starting, format!("{other} is still starting")));
    }
    // Hooks run one after the other: a later one cannot help one that waits.
    let is_hook = evidence.hooks.iter().any(|hook| hook.same_object(&evidence.object));
    if let Some(hook) = evidence.hooks.first().filter(|_| !is_hook) {
        found.push((AtWork::Hook, format!("hook {hook} has not ended")));
    }
    found.extend(release_at_work(&evidence.releases));
    if evidence.beside.is_none() {
        found.push((AtWork::Unseen, String::new()));
    }
    found
}

/// Another release that is still running.
pub(super) fn release_at_work(releases: &[OtherRelease]) -> Option<(AtWork, String)> {
    let other = releases.first()?;
    Some((AtWork::Release, format!("release {} is still at work", other.release)))
}

/// Whether objects of this kind create Secrets and the like: Jobs and custom resources do, other built-in workloads do not.
fn makes_things(object: &ObjectRef) -> bool {
    object.kind == "Job" || !is_built_in(object.group().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::line::{ALL_LINES, rules};
    use super::*;

    /// The row of each family stands at its place, and tells why for each cell.
    #[test]
    fn each_family_has_its_row() {
        for family in Family::ALL {
            assert_eq!(family.row().family, family);
            assert!(AtWork::ALL.iter().all(|at_work| !family.while_at_work(*at_work).1.is_empty()), "{family:?}");
        }
    }

    /// What a rule says of a cause with nothing at work is what the table says.
    #[test]
    fn rules_and_table_agree() {
        for (line, rule) in ALL_LINES.iter().zip(rules()) {
            assert_eq!(family(*line).while_at_work(AtWork::Nothing).0, rule.certainty, "{line:?}");
        }
    }

    #[test]
    fn twins_have_one_code() {
        for (certain, open) in TWINS {
            assert_eq!(certain.rule().code, open.rule().code);
            assert_eq!((certain.rule().certainty, open.rule().certainty), (Certainty::Certain, Certainty::Passing));
        }
    }
}
