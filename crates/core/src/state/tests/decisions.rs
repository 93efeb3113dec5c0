//! Every state with every action, consent and policy.

use super::samples::*;
use crate::ids::Phase;
use crate::release::RevisionStatus as S;
use crate::release::{Drift, DriftPolicy, HelmAction, InputPart};
use crate::state::{Change, Decision, Missing, ReinstallReason, ReleaseState, Remaining, Rendered, Wish, decide};
use DriftPolicy::{Correct, Ignore, Report};
use rstest::rstest;
use semver::Version;

const POLICIES: [DriftPolicy; 3] = [Report, Correct, Ignore];

type Decided = Result<Decision, Missing>;

fn wish(action: HelmAction) -> Wish {
    Wish { action, ..Wish::default() }
}

/// Every wish to do this.
fn wishes(action: HelmAction) -> Vec<Wish> {
    let mut all = Vec::new();
    for drift in POLICIES {
        for (skip_if_already_installed, take_over) in [(false, false), (false, true), (true, false), (true, true)] {
            all.push(Wish { action, skip_if_already_installed, drift, take_over });
        }
    }
    all
}

fn nothing(why: &str) -> Decision {
    Decision::Keep { why: why.to_owned() }
}

fn upgrade() -> Decision {
    Decision::Change(Change::Upgrade { last_good: Some(2) })
}

fn validate() -> Decision {
    let why = "revision 2 is what is wanted, and was not validated".to_owned();
    Decision::Finish { remaining: Remaining::Validation, why }
}

fn unmanaged(compared: Option<Rendered>) -> ReleaseState {
    ReleaseState::Unmanaged { revision: 2, why: "there is no record of ours".to_owned(), last_good: Some(2), compared }
}

fn out_of_sync(rendered: Option<Rendered>) -> ReleaseState {
    ReleaseState::OutOfSync { revision: 2, differs: vec![InputPart::Values], rendered }
}

fn live_drifted(validated: bool) -> ReleaseState {
    ReleaseState::Drifted { revision: 2, drifts: drifts(), validated }
}

fn unreadable(validated: bool) -> ReleaseState {
    ReleaseState::LiveUnreadable { revision: 2, why: "forbidden".to_owned(), validated }
}

fn refuse(state: &ReleaseState) -> Decision {
    Decision::Refuse { state: state.clone() }
}

fn steps(why: &str) -> Decision {
    Decision::Finish { remaining: Remaining::Steps, why: why.to_owned() }
}

fn unlock() -> Missing {
    Missing::Unlock { revision: 2, why: GONE.to_owned() }
}

fn change(change: Change) -> Decision {
    Decision::Change(change)
}

const WANTED: &str = "revision 2 is what is wanted, and was validated";
const DRIFTED: &str = "Deployment ns/a has drifted (spec.replicas by kubectl-scale), reported only";
const SAME: Option<Rendered> = Some(Rendered::Same);
const DIFFERS: Option<Rendered> = Some(Rendered::Differs);

/// What is not deployed: the same whatever is done about drift, and whether what is installed is skipped.
#[rstest]
#[case(ReleaseState::Absent, Ok(change(Change::Install)), Ok(nothing("it is not installed")))]
#[case(
    ReleaseState::HalfRemoved,
    Ok(change(Change::Reinstall(ReinstallReason::HalfDone))),
    Ok(change(Change::Uninstall))
)]
#[case(
    ReleaseState::HalfInstalled { revision: 1, hook: "Job a".to_owned() },
    Ok(change(Change::Reinstall(ReinstallReason::HalfDone))),
    Ok(change(Change::Uninstall))
)]
#[case(stale(S::PendingUpgrade, GONE), Err(unlock()), Err(unlock()))]
#[case(locked(2, S::PendingUpgrade, NO_LOCK), Ok(refuse(&locked(2, S::PendingUpgrade, NO_LOCK))), Ok(refuse(&locked(2, S::PendingUpgrade, NO_LOCK))))]
#[case(ReleaseState::Unknown { why: "x".to_owned() }, Ok(refuse(&ReleaseState::Unknown { why: "x".to_owned() })), Ok(refuse(&ReleaseState::Unknown { why: "x".to_owned() })))]
#[case(ReleaseState::FailedClean { revision: 3, last_good: Some(2) }, Ok(upgrade()), Ok(change(Change::Uninstall)))]
#[case(ReleaseState::FailedDirty { revision: 3, last_good: Some(2) }, Ok(upgrade()), Ok(change(Change::Uninstall)))]
#[case(ReleaseState::FailedDirty { revision: 1, last_good: None }, Ok(change(Change::Upgrade { last_good: None })), Ok(change(Change::Uninstall)))]
fn what_is_not_deployed(#[case] state: ReleaseState, #[case] to_deploy: Decided, #[case] to_destroy: Decided) {
    for wish in wishes(HelmAction::Deploy) {
        assert_eq!(decide(&state, &wish), to_deploy, "{wish:?}");
    }
    for wish in wishes(HelmAction::Destroy) {
        assert_eq!(decide(&state, &wish), to_destroy, "{wish:?}");
    }
    for wish in wishes(HelmAction::Skip) {
        assert_eq!(decide(&state, &wish), Ok(nothing("action is skip")), "{wish:?}");
    }
}

/// What is deployed, by what is done about drift: reported, corrected, ignored.
#[rstest]
#[case(is_breaking(), each(Ok(change(Change::Reinstall(ReinstallReason::Breaking { deployed: Version::new(1, 0, 0), breaking: Version::new(2, 0, 0) })))))]
#[case(unmanaged(None), each(Err(Missing::Comparison)))]
#[case(unmanaged(DIFFERS), each(Ok(upgrade())))]
#[case(unmanaged(SAME), each(Ok(upgrade())))]
#[case(ReleaseState::InputUnknown { revision: 2 }, each(Ok(upgrade())))]
#[case(out_of_sync(None), each(Err(Missing::Comparison)))]
#[case(out_of_sync(DIFFERS), each(Ok(upgrade())))]
#[case(ReleaseState::LifecycleChanged { revision: 2 }, each(Ok(steps("its steps have changed"))))]
#[case(
    ReleaseState::Unfinished { revision: 2, reached: Phase::Exec },
    each(Ok(steps("of revision 2, nothing after exec is known to have ended well")))
)]
#[case(ReleaseState::LiveUnknown { revision: 2, validated: true }, [Err(Missing::LiveObjects), Err(Missing::LiveObjects), Ok(nothing(WANTED))])]
#[case(ReleaseState::LiveUnknown { revision: 2, validated: false }, [Err(Missing::LiveObjects), Err(Missing::LiveObjects), Ok(validate())])]
#[case(unreadable(true), [Ok(refuse(&unreadable(true))), Ok(refuse(&unreadable(true))), Ok(nothing(WANTED))])]
#[case(unreadable(false), [Ok(refuse(&unreadable(false))), Ok(refuse(&unreadable(false))), Ok(validate())])]
#[case(live_drifted(true), [Ok(nothing(DRIFTED)), Ok(upgrade()), Ok(nothing(WANTED))])]
#[case(live_drifted(false), [Ok(nothing(DRIFTED)), Ok(upgrade()), Ok(validate())])]
#[case(ReleaseState::Unvalidated { revision: 2 }, each(Ok(validate())))]
#[case(ReleaseState::InSync { revision: 2 }, each(Ok(nothing(WANTED))))]
fn what_is_deployed(#[case] state: ReleaseState, #[case] by_policy: [Decided; 3]) {
    let decided = POLICIES.map(|drift| decide(&state, &Wish { drift, ..wish(HelmAction::Deploy) }));
    assert_eq!(decided, by_policy);
    for wish in wishes(HelmAction::Deploy).into_iter().filter(|wish| wish.skip_if_already_installed) {
        assert_eq!(decide(&state, &wish), Ok(nothing("it is already installed")), "{wish:?}");
    }
    for wish in wishes(HelmAction::Destroy) {
        assert_eq!(decide(&state, &wish), Ok(change(Change::Uninstall)), "{wish:?}");
    }
    for wish in wishes(HelmAction::Skip) {
        assert_eq!(decide(&state, &wish), Ok(nothing("action is skip")), "{wish:?}");
    }
}

fn each(decided: Decided) -> [Decided; 3] {
    [decided.clone(), decided.clone(), decided]
}

/// With consent it is as if nobody else managed it.
#[rstest]
#[case(ReleaseState::Absent)]
#[case(locked(2, S::PendingUpgrade, NO_LOCK))]
#[case(ReleaseState::FailedDirty { revision: 3, last_good: Some(2) })]
#[case(is_breaking())]
#[case(unmanaged(None))]
#[case(live_drifted(true))]
#[case(ReleaseState::InSync { revision: 2 })]
fn what_another_tool_manages(#[case] otherwise: ReleaseState) {
    let state = ReleaseState::Foreign { foreign: flux(), otherwise: Box::new(otherwise.clone()) };
    for wish in [wishes(HelmAction::Deploy), wishes(HelmAction::Destroy)].concat() {
        let expected = if wish.take_over { decide(&otherwise, &wish) } else { Ok(refuse(&state)) };
        assert_eq!(decide(&state, &wish), expected, "{wish:?}");
    }
    for wish in wishes(HelmAction::Skip) {
        assert_eq!(decide(&state, &wish), Ok(nothing("action is skip")), "{wish:?}");
    }
}

fn drift(name: &str) -> Drift {
    let mut drift = drifts().remove(0);
    name.clone_into(&mut drift.object.name);
    drift
}

/// What is gone is made again, unless drift is of no interest.
#[rstest]
#[case(DriftPolicy::Report, true)]
#[case(DriftPolicy::Correct, true)]
#[case(DriftPolicy::Ignore, false)]
fn what_is_gone(#[case] drift: DriftPolicy, #[case] comes_again: bool) {
    let state = ReleaseState::Drifted { revision: 2, drifts: gone_ones(), validated: true };
    let decided = decide(&state, &Wish { drift, ..wish(HelmAction::Deploy) });
    assert_eq!(decided == Ok(upgrade()), comes_again, "{decided:?}");
}

/// An upgrade for what is gone would take back the changes of others too.
#[test]
fn what_is_gone_beside_what_others_have_changed() {
    let drifts = [drifts(), gone_ones()].concat();
    let state = ReleaseState::Drifted { revision: 2, drifts, validated: true };
    let decided = decide(&state, &wish(HelmAction::Deploy));
    assert!(matches!(decided, Ok(Decision::Keep { .. })), "{decided:?}");
}

#[rstest]
#[case(vec![], "live objects have drifted, reported only")]
#[case(vec![drift("a")], DRIFTED)]
#[case(vec![drift("a"), drift("b"), drift("c")], "Deployment ns/a has drifted (spec.replicas by kubectl-scale) and 2 more, reported only")]
fn words_about_drift(#[case] drifts: Vec<Drift>, #[case] expected: &str) {
    let state = ReleaseState::Drifted { revision: 2, drifts, validated: true };
    assert_eq!(decide(&state, &wish(HelmAction::Deploy)), Ok(nothing(expected)));
}
