//! What follows a failed deploy: one pure function. `docs/failure-policy.md` holds the same table, with reasons.

use pilothouse_core::{Cause, Certainty, Change, Decision, FailurePolicy, HelmAction, OnFailure, Phase, Remedy};
use std::time::Duration;

/// Everything that decides about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation<'a> {
    /// What the release asks for.
    pub(crate) on_failure: &'a OnFailure,
    /// What was being done.
    pub(crate) action: HelmAction,
    /// How far it came.
    pub(crate) failed_in: Phase,
    /// What was decided before anything was deployed.
    pub(crate) decision: &'a Decision,
    /// The attempt that failed, from 1.
    pub(crate) attempt: u32,
    /// Why another attempt cannot do better.
    pub(crate) certain: Option<&'a str>,
    /// What was begun that cannot be taken back.
    pub(crate) no_return: Option<&'a str>,
    /// Why the run begins nothing any more.
    pub(crate) stopped: Option<Stopped>,
}

/// Why a run begins nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    Interrupted,
    LockLost,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing, and why.
    Leave(String),
    /// The deploy is tried again.
    Retry {
        /// The attempt that follows.
        attempt: u32,
        /// How many there are at most.
        of: u32,
        /// How long is waited before it.
        wait: Duration,
    },
    /// The release is rolled back to this revision.
    Rollback(u32),
    /// The release is uninstalled.
    Uninstall,
}

/// What follows, and why the deploy is not tried again although an attempt is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) action: Action,
    pub(crate) not_retried: Option<String>,
}

/// The policy for what was decided: a release that was never deployed is installed.
pub(crate) fn failure_policy_for<'a>(on_failure: &'a OnFailure, decision: &Decision) -> &'a FailurePolicy {
    match decision {
        Decision::Change(Change::Install | Change::Reinstall(_) | Change::Upgrade { last_good: None }) => {
            &on_failure.install
        }
        Decision::Change(Change::Upgrade { last_good: Some(_) } | Change::Uninstall)
        | Decision::Keep { .. }
        | Decision::Refuse { .. }
        | Decision::Finish { .. } => &on_failure.upgrade,
    }
}

/// Decides what follows.
pub(crate) fn decide_remedy(seen: &Situation<'_>) -> Decided {
    let only = |action| Decided { action, not_retried: None };
    if seen.action != HelmAction::Deploy {
        return only(Action::Leave("a destroy that failed is left as it is".to_owned()));
    }
    match seen.failed_in {
        Phase::CheckPrerequisites | Phase::PreExec => return only(Action::Leave("helm had not run".to_owned())),
        Phase::Exec | Phase::OnDeployFailure | Phase::PostExec | Phase::Validate => {}
    }
    match seen.decision {
        // A check that fails over what was there already is no reason to deploy, nor to take something back.
        Decision::Keep { .. } | Decision::Finish { .. } => {
            return only(Action::Leave("nothing was deployed".to_owned()));
        }
        Decision::Refuse { .. } | Decision::Change(_) => {}
    }
    let policy = failure_policy_for(seen.on_failure, seen.decision);
    let is_left = seen.attempt < policy.tries();
    let in_the_end = remedy(policy.then, seen.decision);
    // Of a policy that does nothing anyway, nothing is held back.
    if is_left || !matches!(in_the_end, Action::Leave(_)) {
        if let Some(stopped) = seen.stopped {
            return only(Action::Leave(match stopped {
                Stopped::Interrupted => "the run was interrupted".to_owned(),
                Stopped::LockLost => "the lock of the stack is lost, another run may be at work".to_owned(),
            }));
        }
        if let Some(what) = seen.no_return {
            return only(Action::Leave(format!("`{what}` was the point of no return")));
        }
    }
    match (is_left, seen.certain) {
        (true, None) => {
            let attempt = seen.attempt + 1;
            only(Action::Retry { attempt, of: policy.tries(), wait: policy.backoff(attempt) })
        }
        (true, Some(why)) => {
            let not_retried = format!("not tried again: {why} does not change by waiting");
            Decided { action: in_the_end, not_retried: Some(not_retried) }
        }
        (false, _) => only(in_the_end),
    }
}

/// What takes back a deploy that has ended well, if its own policy would take back one that has failed.
pub(crate) fn taken_back(on_failure: &OnFailure, decision: &Decision) -> Action {
    remedy(failure_policy_for(on_failure, decision).then, decision)
}

fn remedy(then: Remedy, decision: &Decision) -> Action {
    match (then, decision) {
        (Remedy::Leave, _) => Action::Leave("on_failure is leave".to_owned()),
        (Remedy::Rollback, Decision::Change(Change::Upgrade { last_good: Some(revision) })) => {
            Action::Rollback(*revision)
        }
        (Remedy::Rollback, _) => Action::Leave("there is no revision to roll back to".to_owned()),
        (Remedy::Uninstall, Decision::Change(Change::Install)) => Action::Uninstall,
        (Remedy::Uninstall, _) => Action::Leave("only a first install that failed is uninstalled".to_owned()),
    }
}

/// What is certainly wrong, in a few words, if anything is.
pub(crate) fn certain_cause(causes: &[Cause]) -> Option<String> {
    let cause = causes.iter().find(|cause| cause.certainty == Certainty::Certain)?;
    Some(if cause.root.is_empty() { cause.code.clone() } else { format!("{} ({})", cause.code, cause.root) })
}

#[cfg(test)]
#[path = "remedy_tests.rs"]
mod tests;
