//! The table of `docs/failure-policy.md`, row by row, and what holds for all situations.

use super::*;
use pilothouse_core::{CauseClass, ObjectRef, ObjectStatus, Readiness, ReinstallReason};
use proptest::prelude::*;
use rstest::rstest;
use semver::Version;

const INSTALL: Decision = Decision::Change(Change::Install);
const UPGRADE: Decision = Decision::Change(Change::Upgrade { last_good: Some(3) });
const NEVER_DEPLOYED: Decision = Decision::Change(Change::Upgrade { last_good: None });
const HALF_REMOVED: Decision = Decision::Change(Change::Reinstall(ReinstallReason::HalfDone));

const LEAVE: &str = "on_failure is leave";
const NOTHING_BEFORE: &str = "there is no revision to roll back to";
const NO_FIRST_INSTALL: &str = "only a first install that failed is uninstalled";

const fn policy(retries: u32, then: Remedy) -> FailurePolicy {
    FailurePolicy { retries, backoff_in_seconds: 10, then }
}

fn situation<'a>(on_failure: &'a OnFailure, failed_in: Phase, decision: &'a Decision) -> Situation<'a> {
    Situation {
        on_failure,
        action: HelmAction::Deploy,
        failed_in,
        decision,
        attempt: 1,
        certain: None,
        no_return: None,
        stopped: None,
    }
}

fn left(why: &str) -> Action {
    Action::Leave(why.to_owned())
}

fn retry(attempt: u32, of: u32, seconds: u64) -> Action {
    Action::Retry { attempt, of, wait: Duration::from_secs(seconds) }
}

/// What follows the last attempt, by what was asked for, where it failed and what there was before.
#[rstest]
#[case::a1(Remedy::Leave, Phase::Exec, INSTALL, left(LEAVE))]
#[case::a2(Remedy::Leave, Phase::Validate, UPGRADE, left(LEAVE))]
#[case::a3(Remedy::Rollback, Phase::PreExec, UPGRADE, left("helm had not run"))]
#[case::a4(Remedy::Rollback, Phase::Exec, UPGRADE, Action::Rollback(3))]
#[case::a5(Remedy::Rollback, Phase::PostExec, UPGRADE, Action::Rollback(3))]
#[case::a6(Remedy::Rollback, Phase::Validate, UPGRADE, Action::Rollback(3))]
#[case::a7(Remedy::Rollback, Phase::Exec, INSTALL, left(NOTHING_BEFORE))]
#[case::a8(Remedy::Rollback, Phase::Exec, NEVER_DEPLOYED, left(NOTHING_BEFORE))]
#[case::a9(Remedy::Uninstall, Phase::Exec, INSTALL, Action::Uninstall)]
#[case::a10(Remedy::Uninstall, Phase::PostExec, INSTALL, Action::Uninstall)]
#[case::a11(Remedy::Uninstall, Phase::Validate, INSTALL, Action::Uninstall)]
#[case::a12(Remedy::Uninstall, Phase::Exec, UPGRADE, left(NO_FIRST_INSTALL))]
#[case::a13(Remedy::Uninstall, Phase::Exec, NEVER_DEPLOYED, left(NO_FIRST_INSTALL))]
#[case::a14(Remedy::Uninstall, Phase::Exec, HALF_REMOVED, left(NO_FIRST_INSTALL))]
#[case::a15(
    Remedy::Rollback,
    Phase::Exec,
    Decision::Change(Change::Reinstall(ReinstallReason::Breaking { deployed: Version::new(1, 0, 0), breaking: Version::new(2, 0, 0) })),
    left(NOTHING_BEFORE)
)]
fn the_last_attempt(
    #[case] then: Remedy,
    #[case] failed_in: Phase,
    #[case] decision: Decision,
    #[case] expected: Action,
) {
    let decided = decide_remedy(&situation(&then.into(), failed_in, &decision));
    assert_eq!(decided, Decided { action: expected.clone(), not_retried: None });
    // The same after retries.
    let on_failure = OnFailure::from(policy(2, then));
    let last = Situation { attempt: 3, ..situation(&on_failure, failed_in, &decision) };
    assert_eq!(decide_remedy(&last), Decided { action: expected, not_retried: None });
}

/// What follows an attempt after which others are left.
#[rstest]
#[case::b1(Phase::Exec, INSTALL, 1, retry(2, 3, 10))]
#[case::b2(Phase::Exec, UPGRADE, 2, retry(3, 3, 20))]
#[case::b3(Phase::PostExec, UPGRADE, 1, retry(2, 3, 10))]
#[case::b4(Phase::Validate, UPGRADE, 1, retry(2, 3, 10))]
#[case::b5(Phase::PreExec, UPGRADE, 1, left("helm had not run"))]
#[case::b6(Phase::Exec, NEVER_DEPLOYED, 1, retry(2, 3, 10))]
// A continued run was made with more retries than the file says now.
#[case::b7(Phase::Exec, UPGRADE, 9, Action::Rollback(3))]
fn another_attempt_is_left(
    #[case] failed_in: Phase,
    #[case] decision: Decision,
    #[case] attempt: u32,
    #[case] expected: Action,
) {
    let on_failure = OnFailure::from(policy(2, Remedy::Rollback));
    let decided = decide_remedy(&Situation { attempt, ..situation(&on_failure, failed_in, &decision) });
    assert_eq!(decided, Decided { action: expected, not_retried: None });
}

/// What holds the policy back. A policy that does nothing anyway is not said to be held back.
#[rstest]
#[case::c1(policy(0, Remedy::Rollback), Some(Stopped::Interrupted), None, "the run was interrupted")]
#[case::c2(policy(2, Remedy::Leave), Some(Stopped::Interrupted), None, "the run was interrupted")]
#[case::c3(policy(0, Remedy::Leave), Some(Stopped::Interrupted), None, LEAVE)]
#[case::c4(
    policy(0, Remedy::Rollback),
    Some(Stopped::LockLost),
    None,
    "the lock of the stack is lost, another run may be at work"
)]
#[case::c5(policy(0, Remedy::Rollback), None, Some("migrate"), "`migrate` was the point of no return")]
#[case::c6(policy(2, Remedy::Leave), None, Some("migrate"), "`migrate` was the point of no return")]
#[case::c7(policy(0, Remedy::Leave), None, Some("migrate"), LEAVE)]
#[case::c8(policy(0, Remedy::Rollback), Some(Stopped::Interrupted), Some("migrate"), "the run was interrupted")]
fn held_back(
    #[case] policy: FailurePolicy,
    #[case] stopped: Option<Stopped>,
    #[case] no_return: Option<&str>,
    #[case] expected: &str,
) {
    let on_failure = policy.into();
    let seen = Situation { no_return, stopped, ..situation(&on_failure, Phase::Exec, &UPGRADE) };
    assert_eq!(decide_remedy(&seen), Decided { action: left(expected), not_retried: None });
}

#[rstest]
#[case::d1(policy(2, Remedy::Rollback), 1, Action::Rollback(3), true)]
#[case::d2(policy(2, Remedy::Leave), 1, left(LEAVE), true)]
#[case::d3(policy(2, Remedy::Rollback), 3, Action::Rollback(3), false)]
#[case::d4(policy(0, Remedy::Rollback), 1, Action::Rollback(3), false)]
fn what_is_certainly_wrong_is_not_tried_again(
    #[case] policy: FailurePolicy,
    #[case] attempt: u32,
    #[case] action: Action,
    #[case] is_said: bool,
) {
    let on_failure = policy.into();
    let certain = Some("IMAGE_NOT_FOUND (web:2)");
    let seen = Situation { attempt, certain, ..situation(&on_failure, Phase::Validate, &UPGRADE) };
    let said = "not tried again: IMAGE_NOT_FOUND (web:2) does not change by waiting".to_owned();
    assert_eq!(decide_remedy(&seen), Decided { action, not_retried: is_said.then_some(said) });
}

#[test]
fn a_failed_destroy_is_left() {
    let on_failure = OnFailure::from(policy(2, Remedy::Rollback));
    let uninstall = Decision::Change(Change::Uninstall);
    let seen = Situation { action: HelmAction::Destroy, ..situation(&on_failure, Phase::Exec, &uninstall) };
    assert_eq!(decide_remedy(&seen).action, left("a destroy that failed is left as it is"));
}

#[test]
fn a_first_install_and_an_upgrade_have_their_own_policies() {
    let on_failure = OnFailure { install: policy(1, Remedy::Uninstall), upgrade: policy(0, Remedy::Rollback) };
    assert_eq!(decide_remedy(&situation(&on_failure, Phase::Exec, &INSTALL)).action, retry(2, 2, 10));
    assert_eq!(decide_remedy(&situation(&on_failure, Phase::Exec, &UPGRADE)).action, Action::Rollback(3));
}

#[test]
fn only_a_certain_cause_is_certain() {
    let object = ObjectRef::parse("Pod/web/a").unwrap();
    let unclear = Cause::unknown(object, ObjectStatus::new(Readiness::Failed, "it fails"));
    let passing = Cause { certainty: Certainty::Passing, ..unclear.clone() };
    let known = Cause {
        code: "X".to_owned(),
        class: CauseClass::Config,
        certainty: Certainty::Certain,
        root: "Secret web/a".to_owned(),
        ..unclear.clone()
    };
    assert_eq!(certain_cause(&[unclear.clone(), passing.clone()]), None);
    assert_eq!(certain_cause(&[unclear, passing, known]).as_deref(), Some("X (Secret web/a)"));
}

fn decisions() -> impl Strategy<Value = Decision> {
    prop::sample::select(vec![
        INSTALL,
        UPGRADE,
        NEVER_DEPLOYED,
        HALF_REMOVED,
        Decision::Change(Change::Uninstall),
        Decision::Keep { why: String::new() },
    ])
}

fn policies() -> impl Strategy<Value = FailurePolicy> {
    let remedies = prop::sample::select(vec![Remedy::Leave, Remedy::Rollback, Remedy::Uninstall]);
    (0..20_u32, 0..1000_u64, remedies).prop_map(|(retries, backoff_in_seconds, then)| FailurePolicy {
        retries,
        backoff_in_seconds,
        then,
    })
}

proptest! {
    /// Whatever fails however often, it ends: after as many attempts as the policy allows at most, with one action.
    #[test]
    fn it_ends(install in policies(), upgrade in policies(), decision in decisions(), phases in prop::collection::vec(prop::sample::select(Phase::ALL.to_vec()), 30)) {
        let on_failure = OnFailure { install, upgrade };
        let most = failure_policy_for(&on_failure, &decision).tries();
        let mut attempt = 1;
        for failed_in in phases {
            match decide_remedy(&Situation { attempt, ..situation(&on_failure, failed_in, &decision) }).action {
                Action::Retry { attempt: following, of, .. } => {
                    prop_assert_eq!((following, of), (attempt + 1, most));
                    attempt = following;
                }
                Action::Leave(_) | Action::Rollback(_) | Action::Uninstall => break,
            }
            prop_assert!(attempt <= most);
        }
    }

    /// Nothing is undone or done again when that is impossible, forbidden, or not asked for.
    #[test]
    fn nothing_is_done_that_must_not_be(
        policy in policies(),
        decision in decisions(),
        failed_in in prop::sample::select(Phase::ALL.to_vec()),
        no_return in prop::option::of(Just("migrate")),
        is_stopped: bool,
    ) {
        let on_failure = OnFailure::from(policy);
        let stopped = is_stopped.then_some(Stopped::Interrupted);
        let seen = Situation { no_return, stopped, ..situation(&on_failure, failed_in, &decision) };
        let free = no_return.is_none() && stopped.is_none() && failed_in > Phase::PreExec;
        match decide_remedy(&seen).action {
            Action::Leave(why) => prop_assert!(!why.is_empty()),
            Action::Retry { .. } => prop_assert!(free && policy.retries > 0),
            Action::Rollback(revision) => {
                let last_good = Decision::Change(Change::Upgrade { last_good: Some(revision) });
                prop_assert!(free && policy.then == Remedy::Rollback && decision == last_good);
            }
            Action::Uninstall => prop_assert!(free && policy.then == Remedy::Uninstall && decision == INSTALL),
        }
    }
}
