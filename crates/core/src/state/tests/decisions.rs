//! Every state with every action, consent and policy.

use super::samples::*;
use crate::ids::Phase;
use crate::release::RevisionStatus as S;
use crate::release::{Drift, DriftPolicy, HelmAction, InputPart};
use crate::state::{Decision, ReleaseState, Rendered, Wish, decide};
use DriftPolicy::{Correct, Ignore, Report};
use rstest::rstest;
use semver::Version;

const POLICIES: [DriftPolicy; 3] = [Report, Correct, Ignore];

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
    Decision::Nothing { why: why.to_owned() }
}

fn upgrade() -> Decision {
    Decision::Upgrade { last_good: Some(2) }
}

fn validate() -> Decision {
    Decision::Validate { why: "revision 2 is what is wanted, and was not validated".to_owned() }
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

fn stop(state: &ReleaseState) -> Decision {
    Decision::Stop { state: state.clone() }
}

const WANTED: &str = "revision 2 is what is wanted, and was validated";
const DRIFTED: &str = "Deployment ns/a has drifted (spec.replicas by kubectl-scale), reported only";
const SAME: Option<Rendered> = Some(Rendered::Same);
const DIFFERS: Option<Rendered> = Some(Rendered::Differs);

/// What is not deployed: the same whatever is done about drift, and whether what is installed is skipped.
#[rstest]
#[case(ReleaseState::Absent, Decision::Install, nothing("it is not installed"))]
#[case(ReleaseState::HalfRemoved, Decision::FinishUninstallThenInstall, Decision::Uninstall)]
#[case(ReleaseState::HalfInstalled { revision: 1, hook: "Job a".to_owned() }, Decision::FinishUninstallThenInstall, Decision::Uninstall)]
#[case(stale(S::PendingUpgrade, GONE), Decision::Unlock { revision: 2, why: GONE.to_owned() }, Decision::Unlock { revision: 2, why: GONE.to_owned() })]
#[case(locked(2, S::PendingUpgrade, NO_LOCK), stop(&locked(2, S::PendingUpgrade, NO_LOCK)), stop(&locked(2, S::PendingUpgrade, NO_LOCK)))]
#[case(ReleaseState::Unknown { why: "x".to_owned() }, stop(&ReleaseState::Unknown { why: "x".to_owned() }), stop(&ReleaseState::Unknown { why: "x".to_owned() }))]
#[case(ReleaseState::FailedClean { revision: 3, last_good: Some(2) }, upgrade(), Decision::Uninstall)]
#[case(ReleaseState::FailedDirty { revision: 3, last_good: Some(2) }, upgrade(), Decision::Uninstall)]
#[case(ReleaseState::FailedDirty { revision: 1, last_good: None }, Decision::Upgrade { last_good: None }, Decision::Uninstall)]
fn what_is_not_deployed(#[case] state: ReleaseState, #[case] to_deploy: Decision, #[case] to_destroy: Decision) {
    for wish in wishes(HelmAction::Deploy) {
        assert_eq!(decide(&state, &wish), to_deploy, "{wish:?}");
    }
    for wish in wishes(HelmAction::Destroy) {
        assert_eq!(decide(&state, &wish), to_destroy, "{wish:?}");
    }
    for wish in wishes(HelmAction::Skip) {
        assert_eq!(decide(&state, &wish), nothing("action is skip"), "{wish:?}");
    }
}

/// What is deployed, by what is done about drift: reported, corrected, ignored.
#[rstest]
#[case(is_breaking(), each(Decision::Reinstall { deployed: Version::new(1, 0, 0), breaking: Version::new(2, 0, 0) }))]
#[case(unmanaged(None), each(Decision::Compare { last_good: Some(2) }))]
#[case(unmanaged(DIFFERS), each(upgrade()))]
#[case(unmanaged(SAME), each(upgrade()))]
#[case(ReleaseState::InputUnknown { revision: 2 }, each(upgrade()))]
#[case(out_of_sync(None), each(Decision::Compare { last_good: Some(2) }))]
#[case(out_of_sync(DIFFERS), each(upgrade()))]
#[case(ReleaseState::LifecycleChanged { revision: 2 }, each(Decision::Steps { why: "its steps have changed".to_owned() }))]
#[case(
    ReleaseState::Unfinished { revision: 2, reached: Phase::Exec },
    each(Decision::Steps { why: "of revision 2, nothing after exec is known to have ended well".to_owned() })
)]
#[case(ReleaseState::LiveUnknown { revision: 2, validated: true }, [Decision::Look, Decision::Look, nothing(WANTED)])]
#[case(ReleaseState::LiveUnknown { revision: 2, validated: false }, [Decision::Look, Decision::Look, validate()])]
#[case(unreadable(true), [stop(&unreadable(true)), stop(&unreadable(true)), nothing(WANTED)])]
#[case(unreadable(false), [stop(&unreadable(false)), stop(&unreadable(false)), validate()])]
#[case(live_drifted(true), [nothing(DRIFTED), upgrade(), nothing(WANTED)])]
#[case(live_drifted(false), [nothing(DRIFTED), upgrade(), validate()])]
#[case(ReleaseState::Unvalidated { revision: 2 }, each(validate()))]
#[case(ReleaseState::InSync { revision: 2 }, each(nothing(WANTED)))]
fn what_is_deployed(#[case] state: ReleaseState, #[case] by_policy: [Decision; 3]) {
    let decided = POLICIES.map(|drift| decide(&state, &Wish { drift, ..wish(HelmAction::Deploy) }));
    assert_eq!(decided, by_policy);
    for wish in wishes(HelmAction::Deploy).into_iter().filter(|wish| wish.skip_if_already_installed) {
        assert_eq!(decide(&state, &wish), nothing("it is already installed"), "{wish:?}");
    }
    for wish in wishes(HelmAction::Destroy) {
        assert_eq!(decide(&state, &wish), Decision::Uninstall, "{wish:?}");
    }
    for wish in wishes(HelmAction::Skip) {
        assert_eq!(decide(&state, &wish), nothing("action is skip"), "{wish:?}");
    }
}

fn each(decision: Decision) -> [Decision; 3] {
    [decision.clone(), decision.clone(), decision]
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
        let expected = if wish.take_over { decide(&otherwise, &wish) } else { stop(&state) };
        assert_eq!(decide(&state, &wish), expected, "{wish:?}");
    }
    for wish in wishes(HelmAction::Skip) {
        assert_eq!(decide(&state, &wish), nothing("action is skip"), "{wish:?}");
    }
}

fn drift(name: &str) -> Drift {
    let mut drift = drifts().remove(0);
    name.clone_into(&mut drift.object.name);
    drift
}

#[rstest]
#[case(vec![], "live objects have drifted, reported only")]
#[case(vec![drift("a")], DRIFTED)]
#[case(vec![drift("a"), drift("b"), drift("c")], "Deployment ns/a has drifted (spec.replicas by kubectl-scale) and 2 more, reported only")]
fn words_about_drift(#[case] drifts: Vec<Drift>, #[case] expected: &str) {
    let state = ReleaseState::Drifted { revision: 2, drifts, validated: true };
    assert_eq!(decide(&state, &wish(HelmAction::Deploy)), nothing(expected));
}
