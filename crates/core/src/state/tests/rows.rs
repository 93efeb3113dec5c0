//! Every state, and what leads to it.

use super::samples::*;
use crate::ids::Phase;
use crate::release::{DeployRecord, InputPart, ReleaseHistory, RevisionStatus};
use crate::state::{LiveSeen, Observation, PendingOf, PendingSeen, RecordSeen, ReleaseState, Rendered, determine};
use InputPart::{Capabilities, Chart, HelmMajor, Lifecycle, Options, Values};
use RevisionStatus as S;
use rstest::rstest;
use semver::Version;

fn unlooked(revision: u32) -> ReleaseState {
    ReleaseState::Unmanaged {
        revision,
        why: "nobody has looked for our record".to_owned(),
        last_good: Some(revision),
        compared: None,
    }
}

fn failed(revision: u32, last_good: Option<u32>) -> ReleaseState {
    ReleaseState::FailedDirty { revision, last_good }
}

#[rstest]
#[case(&[], ReleaseState::Absent)]
#[case(&[S::Uninstalled], ReleaseState::Absent)]
#[case(&[S::Superseded, S::Deployed], unlooked(2))]
#[case(&[S::Superseded], unlooked(1))]
#[case(&[S::Failed], failed(1, None))]
#[case(&[S::Superseded, S::Deployed, S::Failed], failed(3, Some(2)))]
#[case(&[S::Deployed, S::Uninstalling], locked(2, S::Uninstalling, UNASKED))]
#[case(&[S::PendingInstall], locked(1, S::PendingInstall, UNASKED))]
#[case(&[S::Deployed, S::PendingUpgrade], locked(2, S::PendingUpgrade, UNASKED))]
#[case(&[S::PendingUpgrade, S::Deployed], unlooked(2))]
#[case(&[S::Deployed, S::PendingRollback], locked(2, S::PendingRollback, UNASKED))]
#[case(&[S::Deployed, S::Unknown], ReleaseState::Unknown { why: "revision 2 has a status this program does not know".to_owned() })]
fn by_helms_records_alone(#[case] statuses: &[RevisionStatus], #[case] expected: ReleaseState) {
    assert_eq!(determine(&seen(statuses)), expected);
}

#[rstest]
#[case(over(), Ok(OVER))]
#[case(PendingSeen { unchanged: false, ..over() }, Err(AGAIN))]
#[case(PendingSeen { lock_held: false, ..over() }, Err(NO_LOCK))]
#[case(PendingSeen { lock_held: false, unchanged: false, ..over() }, Err(NO_LOCK))]
#[case(PendingSeen { age_ms: None, ..over() }, Err("another operation may be in progress, and how old its record is cannot be told"))]
#[case(PendingSeen { age_ms: Some(60_000), ..over() }, Err("another operation may be in progress, for 0 s more at most"))]
#[case(PendingSeen { age_ms: Some(59_001), ..over() }, Err("another operation may be in progress, for 1 s more at most"))]
#[case(PendingSeen { age_ms: Some(60_001), ..over() }, Ok("its record is 60 s old and nobody writes it, and its operation can take 60 s at most"))]
// Of somebody else's operation, no time is long enough.
#[case(PendingSeen { of: PendingOf::Somebody, ..over() }, Err(SOMEBODY))]
#[case(PendingSeen { of: PendingOf::Somebody, age_ms: Some(u64::MAX), ..over() }, Err(SOMEBODY))]
#[case(PendingSeen { of: PendingOf::SomebodyDead, age_ms: None, ..over() }, Ok("consent `lock` takes its operation for dead"))]
#[case(PendingSeen { of: PendingOf::SomebodyDead, unchanged: false, ..over() }, Err(AGAIN))]
#[case(PendingSeen { of: PendingOf::SomebodyDead, lock_held: false, ..over() }, Err(NO_LOCK))]
// What proves that the writer is gone needs neither the lock nor the deadline, but the second look.
#[case(gone(), Ok(GONE))]
#[case(PendingSeen { age_ms: Some(0), ..gone() }, Ok(GONE))]
#[case(PendingSeen { age_ms: None, lock_held: false, ..gone() }, Ok(GONE))]
#[case(PendingSeen { unchanged: false, ..gone() }, Err(AGAIN))]
// Somebody has begun another operation since: what was known is about something else.
#[case(PendingSeen { revision: 1, ..gone() }, Err(UNASKED))]
fn who_is_provably_gone(#[case] pending: PendingSeen, #[case] expected: Result<&str, &str>) {
    for status in [S::PendingInstall, S::PendingUpgrade, S::PendingRollback] {
        let state = determine(&Observation { pending: Some(pending.clone()), ..seen(&[S::Deployed, status]) });
        let expected = match expected {
            Ok(why) => stale(status, why),
            Err(why) => locked(2, status, why),
        };
        assert_eq!(state, expected);
    }
}

#[rstest]
#[case("1.0.0", "2.0.0", "2.0.0", true)]
#[case("1.0.0", "3.0.0", "2.0.0", true)]
#[case("2.0.0", "3.0.0", "2.0.0", false)]
#[case("1.0.0", "1.9.0", "2.0.0", false)]
#[case("2.0.0-rc.1", "2.0.0", "2.0.0", true)]
#[case("3.0.0", "1.0.0", "2.0.0", false)]
fn breaking_versions(#[case] deployed: &str, #[case] wanted: &str, #[case] breaking: &str, #[case] expected: bool) {
    let version = |text: &str| Version::parse(text).unwrap();
    let seen = Observation {
        deployed_version: Some(version(deployed)),
        wanted_version: Some(version(wanted)),
        breaking_version: Some(version(breaking)),
        ..in_sync()
    };
    let broken = ReleaseState::Breaking { deployed: version(deployed), breaking: version(breaking) };
    assert_eq!(determine(&seen), if expected { broken } else { ReleaseState::InSync { revision: 2 } });
}

#[rstest]
#[case(Some(false), ReleaseState::FailedClean { revision: 2, last_good: Some(1) })]
#[case(Some(true), failed(2, Some(1)))]
#[case(None, failed(2, Some(1)))]
fn what_failed_may_have_left_something(#[case] failed_applied: Option<bool>, #[case] expected: ReleaseState) {
    assert_eq!(determine(&Observation { failed_applied, ..newest(S::Failed) }), expected);
}

fn with(change: impl FnOnce(&mut DeployRecord)) -> RecordSeen {
    let mut record = record(Phase::Validate);
    change(&mut record);
    RecordSeen::Some(Box::new(record))
}

/// Two revisions, the newer one with this status and uid.
fn held(status: RevisionStatus, uid: Option<&str>) -> ReleaseHistory {
    let mut metas = revisions(&[S::Superseded, status]);
    metas[0].uid = uid.map(str::to_owned);
    ReleaseHistory::new(metas)
}

fn deployed() -> ReleaseHistory {
    held(S::Deployed, Some("uid-2"))
}

#[rstest]
#[case(RecordSeen::NotLooked, deployed(), "nobody has looked for our record")]
#[case(RecordSeen::None, deployed(), "there is no record of ours")]
#[case(RecordSeen::Unreadable("forbidden".to_owned()), deployed(), "forbidden")]
#[case(with(|r| r.format = 3), deployed(), "our record has format 3, and this program knows 2")]
#[case(with(|r| r.revision = 1), deployed(), "our record is about revision 1, and 2 is deployed")]
#[case(with(|r| r.revision = 3), deployed(), "our record is about revision 3, and 2 is deployed")]
#[case(with(|r| "uid-9".clone_into(&mut r.revision_uid)), deployed(), "our record is about another revision 2 that is gone")]
#[case(with(|_| ()), held(S::Deployed, None), "whether our record is about this revision 2 cannot be told")]
#[case(with(|_| ()), held(S::Superseded, Some("uid-2")), "revision 2 is superseded, and no newer one is deployed")]
#[case(with(|r| r.reached = Phase::PreExec), deployed(), "our record says that a deploy has ended with pre_exec")]
#[case(with(|r| r.reached = Phase::CheckPrerequisites), deployed(), "our record says that a deploy has ended with check_prerequisites")]
#[case(with(|r| r.reached = Phase::OnDeployFailure), deployed(), "our record says that a deploy has ended with on_deploy_failure")]
fn a_record_that_does_not_count(
    #[case] record: RecordSeen,
    #[case] history: ReleaseHistory,
    #[case] why: &str,
    #[values(None, Some(Rendered::Differs))] rendered: Option<Rendered>,
) {
    let seen = Observation { record, rendered, history: Ok(history), ..in_sync() };
    let expected = ReleaseState::Unmanaged { revision: 2, why: why.to_owned(), last_good: Some(2), compared: rendered };
    assert_eq!(determine(&seen), expected);
}

#[rstest]
#[case(LiveSeen::Same, ReleaseState::Unvalidated { revision: 2 })]
#[case(drifted(), ReleaseState::Drifted { revision: 2, drifts: drifts(), validated: false })]
#[case(LiveSeen::NotLooked, ReleaseState::LiveUnknown { revision: 2, validated: false })]
#[case(LiveSeen::Unreadable("forbidden".to_owned()), ReleaseState::LiveUnreadable { revision: 2, why: "forbidden".to_owned(), validated: false })]
fn what_others_have_deployed_is_taken_over_when_it_is_the_same(#[case] live: LiveSeen, #[case] expected: ReleaseState) {
    let seen = Observation { live, record: RecordSeen::None, rendered: Some(Rendered::Same), ..in_sync() };
    assert_eq!(determine(&seen), expected);
}

/// There is nothing that a record of ours could be about.
#[test]
fn a_superseded_revision_is_not_taken_over() {
    let superseded = held(S::Superseded, Some("uid-2"));
    let seen = Observation { history: Ok(superseded), rendered: Some(Rendered::Same), ..in_sync() };
    let expected = ReleaseState::Unmanaged {
        revision: 2,
        why: "revision 2 is superseded, and no newer one is deployed".to_owned(),
        last_good: Some(2),
        compared: Some(Rendered::Same),
    };
    assert_eq!(determine(&seen), expected);
}

fn out_of_sync(differs: &[InputPart], rendered: Option<Rendered>) -> ReleaseState {
    ReleaseState::OutOfSync { revision: 2, differs: differs.to_vec(), rendered }
}

const SAME: Option<Rendered> = Some(Rendered::Same);
const DIFFERS: Option<Rendered> = Some(Rendered::Differs);
const INPUT_UNKNOWN: ReleaseState = ReleaseState::InputUnknown { revision: 2 };
const LIFECYCLE_CHANGED: ReleaseState = ReleaseState::LifecycleChanged { revision: 2 };
const UNVALIDATED: ReleaseState = ReleaseState::Unvalidated { revision: 2 };
const IN_SYNC: ReleaseState = ReleaseState::InSync { revision: 2 };

#[rstest]
#[case::equal(&[], None, false, IN_SYNC)]
#[case::equal_and_compared(&[], SAME, false, IN_SYNC)]
// What was seen counts more than what equal inputs promise.
#[case::equal_with_another_result(&[], DIFFERS, false, out_of_sync(&[], DIFFERS))]
#[case::equal_proves_nothing(&[], None, true, out_of_sync(&[], None))]
#[case::equal_proven(&[], SAME, true, IN_SYNC)]
#[case::equal_disproven(&[], DIFFERS, true, out_of_sync(&[], DIFFERS))]
#[case::chart(&[Chart], None, false, out_of_sync(&[Chart], None))]
#[case::values(&[Values], None, false, out_of_sync(&[Values], None))]
#[case::options(&[Options], None, false, out_of_sync(&[Options], None))]
#[case::helm_major(&[HelmMajor], None, false, out_of_sync(&[HelmMajor], None))]
#[case::capabilities(&[Capabilities], None, false, out_of_sync(&[Capabilities], None))]
#[case::several(&[Chart, Values], DIFFERS, false, out_of_sync(&[Chart, Values], DIFFERS))]
#[case::values_without_effect(&[Values], SAME, false, UNVALIDATED)]
#[case::values_without_effect_this_time(&[Values], SAME, true, UNVALIDATED)]
#[case::steps(&[Lifecycle], None, false, LIFECYCLE_CHANGED)]
#[case::steps_and_compared(&[Lifecycle], SAME, false, LIFECYCLE_CHANGED)]
#[case::steps_and_another_result(&[Lifecycle], DIFFERS, false, out_of_sync(&[Lifecycle], DIFFERS))]
#[case::steps_of_what_must_be_rendered(&[Lifecycle], None, true, out_of_sync(&[Lifecycle], None))]
#[case::steps_of_what_was_rendered(&[Lifecycle], SAME, true, LIFECYCLE_CHANGED)]
#[case::steps_and_values(&[Values, Lifecycle], None, false, out_of_sync(&[Values, Lifecycle], None))]
// Changed steps are not lost because the values beside them have no effect.
#[case::steps_and_values_without_effect(&[Values, Lifecycle], SAME, false, LIFECYCLE_CHANGED)]
fn inputs_that_differ(
    #[case] parts: &[InputPart],
    #[case] rendered: Option<Rendered>,
    #[case] must_render: bool,
    #[case] expected: ReleaseState,
) {
    let seen = Observation { inputs: Some(wanting(parts)), rendered, must_render, ..in_sync() };
    assert_eq!(determine(&seen), expected);
}

#[rstest]
#[case(None, INPUT_UNKNOWN)]
#[case(SAME, INPUT_UNKNOWN)]
#[case(DIFFERS, out_of_sync(&[], DIFFERS))]
fn inputs_that_are_not_known_yet(
    #[case] rendered: Option<Rendered>,
    #[case] expected: ReleaseState,
    #[values(false, true)] must_render: bool,
) {
    let seen = Observation { inputs: None, rendered, must_render, ..in_sync() };
    assert_eq!(determine(&seen), expected);
}

fn live_unreadable(validated: bool) -> ReleaseState {
    ReleaseState::LiveUnreadable { revision: 2, why: "forbidden".to_owned(), validated }
}

#[rstest]
#[case(LiveSeen::Same, UNVALIDATED, IN_SYNC)]
#[case(
    drifted(),
    ReleaseState::Drifted { revision: 2, drifts: drifts(), validated: false },
    ReleaseState::Drifted { revision: 2, drifts: drifts(), validated: true }
)]
#[case(
    LiveSeen::NotLooked,
    ReleaseState::LiveUnknown { revision: 2, validated: false },
    ReleaseState::LiveUnknown { revision: 2, validated: true }
)]
#[case(LiveSeen::Unreadable("forbidden".to_owned()), live_unreadable(false), live_unreadable(true))]
fn live_objects_by_how_far_the_deploy_came(
    #[case] live: LiveSeen,
    #[case] after_post_exec: ReleaseState,
    #[case] after_validate: ReleaseState,
) {
    let reached = |phase| determine(&Observation { record: ours(phase), live: live.clone(), ..in_sync() });
    let unfinished = ReleaseState::Unfinished { revision: 2, reached: Phase::Exec };
    assert_eq!(
        [reached(Phase::Exec), reached(Phase::PostExec), reached(Phase::Validate)],
        [unfinished, after_post_exec, after_validate]
    );
}

/// Other values with the same result do not make up for steps that did not end well.
#[test]
fn unfinished_stays_unfinished_with_other_values() {
    let seen = Observation {
        record: ours(Phase::Exec),
        inputs: Some(wanting(&[Values])),
        rendered: Some(Rendered::Same),
        ..in_sync()
    };
    assert_eq!(determine(&seen), ReleaseState::Unfinished { revision: 2, reached: Phase::Exec });
}

/// Only where nothing was ever deployed, and the install has failed.
#[rstest]
#[case(&[S::Failed], true)]
#[case(&[S::Failed, S::Failed], true)]
#[case(&[S::Deployed, S::Failed], false)]
#[case(&[S::Deployed], false)]
#[case(&[S::Failed, S::Uninstalled], false)]
fn a_hook_of_the_first_install_that_never_completed(#[case] statuses: &[RevisionStatus], #[case] expected: bool) {
    let observation = Observation { install_hook: Some("Job a".to_owned()), ..seen(statuses) };
    assert_eq!(matches!(determine(&observation), ReleaseState::HalfInstalled { .. }), expected);
}
