//! Where two rows hold, the one further up wins. Each case stands for two neighbours.

use super::samples::*;
use crate::ids::Phase;
use crate::release::{InputPart, ReleaseHistory, RevisionStatus as S};
use crate::state::{LiveSeen, Observation, PendingOf, PendingSeen, RecordSeen, ReleaseState, determine};
use rstest::rstest;

fn foreign(otherwise: ReleaseState) -> ReleaseState {
    ReleaseState::Foreign { foreign: flux(), otherwise: Box::new(otherwise) }
}

fn pending(statuses: &[S]) -> Observation {
    Observation { history: Ok(history(statuses)), pending: Some(gone()), ..in_sync() }
}

#[rstest]
#[case::unknown_before_foreign(
    Observation { history: Err("forbidden".to_owned()), foreign: Some(flux()), ..in_sync() },
    ReleaseState::Unknown { why: "forbidden".to_owned() }
)]
#[case::foreign_before_locked(
    Observation { foreign: Some(flux()), ..newest(S::PendingUpgrade) },
    foreign(locked(2, S::PendingUpgrade, UNASKED))
)]
#[case::foreign_before_absent(
    Observation { foreign: Some(flux()), history: Ok(ReleaseHistory::NONE), ..in_sync() },
    foreign(ReleaseState::Absent)
)]
#[case::locked_before_stale(
    Observation { pending: Some(PendingSeen { unchanged: false, ..gone() }), ..newest(S::PendingUpgrade) },
    locked(2, S::PendingUpgrade, AGAIN)
)]
#[case::stale_before_removed(pending(&[S::Uninstalled, S::PendingUpgrade]), stale(S::PendingUpgrade, GONE))]
#[case::absent_before_stale_of_what_is_gone(pending(&[]), ReleaseState::Absent)]
#[case::absent_before_breaking(
    breaking(Observation { history: Ok(ReleaseHistory::NONE), ..in_sync() }),
    ReleaseState::Absent
)]
#[case::half_removed_where_the_writer_is_gone(pending(&[S::PendingUpgrade, S::Uninstalling]), ReleaseState::HalfRemoved)]
#[case::locked_before_half_removed(
    Observation { pending: Some(PendingSeen { of: PendingOf::Somebody, ..over() }), ..newest(S::Uninstalling) },
    locked(2, S::Uninstalling, SOMEBODY)
)]
#[case::half_removed_before_breaking(
    breaking(Observation { pending: Some(gone()), ..newest(S::Uninstalling) }),
    ReleaseState::HalfRemoved
)]
#[case::removed_before_half_removed_once(pending(&[S::Uninstalling, S::Uninstalled]), ReleaseState::Absent)]
#[case::removed_before_breaking(breaking(newest(S::Uninstalled)), ReleaseState::Absent)]
#[case::locked_before_breaking(breaking(newest(S::PendingUpgrade)), locked(2, S::PendingUpgrade, UNASKED))]
#[case::unknown_status_before_breaking(
    breaking(newest(S::Unknown)),
    ReleaseState::Unknown { why: "revision 2 has a status this program does not know".to_owned() }
)]
#[case::breaking_before_failed(breaking(newest(S::Failed)), is_breaking())]
#[case::breaking_before_failed_clean(
    breaking(Observation { failed_applied: Some(false), ..newest(S::Failed) }),
    is_breaking()
)]
#[case::breaking_before_unmanaged(breaking(Observation { record: RecordSeen::None, ..in_sync() }), is_breaking())]
#[case::breaking_before_out_of_sync(
    breaking(Observation { inputs: Some(wanting(&[InputPart::Chart])), ..in_sync() }),
    is_breaking()
)]
#[case::failed_before_unmanaged(
    Observation { record: RecordSeen::None, ..newest(S::Failed) },
    ReleaseState::FailedDirty { revision: 2, last_good: Some(1) }
)]
#[case::failed_before_out_of_sync(
    Observation { inputs: Some(wanting(&[InputPart::Values])), failed_applied: Some(false), ..newest(S::Failed) },
    ReleaseState::FailedClean { revision: 2, last_good: Some(1) }
)]
#[case::unmanaged_before_input_unknown(
    Observation { record: RecordSeen::None, inputs: None, ..in_sync() },
    ReleaseState::Unmanaged {
        revision: 2, why: "there is no record of ours".to_owned(), last_good: Some(2), compared: None,
    }
)]
#[case::unmanaged_before_out_of_sync(
    Observation { record: RecordSeen::None, inputs: Some(wanting(&[InputPart::Values])), ..in_sync() },
    ReleaseState::Unmanaged {
        revision: 2, why: "there is no record of ours".to_owned(), last_good: Some(2), compared: None,
    }
)]
#[case::input_unknown_before_out_of_sync(
    Observation { inputs: None, must_render: true, ..in_sync() },
    ReleaseState::InputUnknown { revision: 2 }
)]
#[case::input_unknown_before_unfinished(
    Observation { inputs: None, record: ours(Phase::Exec), ..in_sync() },
    ReleaseState::InputUnknown { revision: 2 }
)]
#[case::out_of_sync_before_lifecycle_changed(
    Observation { inputs: Some(wanting(&[InputPart::Chart, InputPart::Lifecycle])), ..in_sync() },
    ReleaseState::OutOfSync { revision: 2, differs: vec![InputPart::Chart, InputPart::Lifecycle], rendered: None }
)]
#[case::out_of_sync_before_drifted(
    Observation { inputs: Some(wanting(&[InputPart::Chart])), live: drifted(), ..in_sync() },
    ReleaseState::OutOfSync { revision: 2, differs: vec![InputPart::Chart], rendered: None }
)]
#[case::lifecycle_changed_before_unfinished(
    Observation { inputs: Some(wanting(&[InputPart::Lifecycle])), record: ours(Phase::Exec), ..in_sync() },
    ReleaseState::LifecycleChanged { revision: 2 }
)]
#[case::lifecycle_changed_before_drifted(
    Observation { inputs: Some(wanting(&[InputPart::Lifecycle])), live: drifted(), ..in_sync() },
    ReleaseState::LifecycleChanged { revision: 2 }
)]
#[case::unfinished_before_live_unknown(
    Observation { record: ours(Phase::Exec), live: LiveSeen::NotLooked, ..in_sync() },
    ReleaseState::Unfinished { revision: 2, reached: Phase::Exec }
)]
#[case::unfinished_before_drifted(
    Observation { record: ours(Phase::Exec), live: drifted(), ..in_sync() },
    ReleaseState::Unfinished { revision: 2, reached: Phase::Exec }
)]
#[case::live_unknown_before_unvalidated(
    Observation { record: ours(Phase::PostExec), live: LiveSeen::NotLooked, ..in_sync() },
    ReleaseState::LiveUnknown { revision: 2, validated: false }
)]
#[case::drifted_before_unvalidated(
    Observation { record: ours(Phase::PostExec), live: drifted(), ..in_sync() },
    ReleaseState::Drifted { revision: 2, drifts: drifts(), validated: false }
)]
fn the_row_further_up_wins(#[case] seen: Observation, #[case] expected: ReleaseState) {
    assert_eq!(determine(&seen), expected);
}
