//! What holds for every observation.

use super::samples::*;
use crate::ids::Phase;
use crate::release::{DriftPolicy, HelmAction, InputPart, ReleaseHistory, RevisionStatus};
use crate::state::{
    Change, Decision, LiveSeen, Missing, Observation, RecordSeen, ReleaseState, Remaining, Rendered, Wish, decide,
    determine,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PARTS: [InputPart; 6] = [
    InputPart::Chart,
    InputPart::Values,
    InputPart::Options,
    InputPart::HelmMajor,
    InputPart::Capabilities,
    InputPart::Lifecycle,
];

fn records() -> impl Strategy<Value = RecordSeen> {
    let of = |(phase, revision)| {
        let mut ours = record(phase);
        ours.revision = revision;
        ours.revision_uid = format!("uid-{revision}");
        RecordSeen::Some(Box::new(ours))
    };
    prop_oneof![
        select(vec![RecordSeen::NotLooked, RecordSeen::None, RecordSeen::Unreadable("forbidden".to_owned())]),
        (select(Phase::ALL.to_vec()), 1..4_u32).prop_map(of),
    ]
}

fn lives() -> impl Strategy<Value = LiveSeen> {
    let unreadable = LiveSeen::Unreadable("forbidden".to_owned());
    select(vec![LiveSeen::NotLooked, unreadable, LiveSeen::Same, drifted(), LiveSeen::Drifted(vec![])])
}

fn observations() -> impl Strategy<Value = Observation> {
    let statuses = proptest::collection::vec(select(RevisionStatus::ALL.to_vec()), 0..4);
    let stored = prop_oneof![
        9 => statuses.prop_map(|statuses| Ok(history(&statuses))),
        1 => Just(Err("forbidden".to_owned())),
    ];
    let rendered = option::of(select(vec![Rendered::Same, Rendered::Differs]));
    let pending = option::of(select(vec![over(), gone()]));
    let known = (option::of(Just(flux())), any::<bool>(), pending, option::of(any::<bool>()));
    let compared = (option::of(subsequence(PARTS.to_vec(), 0..=PARTS.len())), rendered, any::<bool>());
    (stored, known, records(), compared, lives()).prop_map(|(stored, known, record, compared, live)| {
        let (foreign, breaks, pending, failed_applied) = known;
        let (parts, rendered, must_render) = compared;
        let seen = Observation {
            foreign,
            pending,
            record,
            inputs: parts.map(|parts| wanting(&parts)),
            rendered,
            must_render,
            live,
            failed_applied,
            ..Observation::of(stored)
        };
        if breaks { breaking(seen) } else { seen }
    })
}

fn wishes(actions: &[HelmAction]) -> impl Strategy<Value = Wish> + use<> {
    let drift = select(vec![DriftPolicy::Report, DriftPolicy::Correct, DriftPolicy::Ignore]);
    let made = |(action, skip_if_already_installed, drift, take_over)| Wish {
        action,
        skip_if_already_installed,
        drift,
        take_over,
    };
    (select(actions.to_vec()), any::<bool>(), drift, any::<bool>()).prop_map(made)
}

const ACTIONS: [HelmAction; 2] = [HelmAction::Deploy, HelmAction::Destroy];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_cannot_be_read_is_refused(seen in observations(), wish in wishes(&ACTIONS)) {
        let state = ReleaseState::Unknown { why: "forbidden".to_owned() };
        let seen = Observation { history: Err("forbidden".to_owned()), ..seen };
        prop_assert_eq!(decide(&determine(&seen), &wish), Ok(Decision::Refuse { state }));
    }

    #[test]
    fn every_observation_leads_to_a_decision(seen in observations(), wish in wishes(&ACTIONS)) {
        let refused = matches!(decide(&determine(&seen), &wish), Ok(Decision::Refuse { .. }));
        let must_refuse = seen.history.is_err() || (seen.foreign.is_some() && !wish.take_over);
        prop_assert!(refused || !must_refuse);
    }

    #[test]
    fn a_skipped_release_is_left_alone(seen in observations(), wish in wishes(&[HelmAction::Skip])) {
        prop_assert_eq!(decide(&determine(&seen), &wish), Ok(Decision::Keep { why: "action is skip".to_owned() }));
    }

    /// Unless drift is ignored or a deployed release is skipped, nothing is left as it is without having been looked at.
    #[test]
    fn a_missing_answer_is_no_good_one(seen in observations(), drift in select(vec![DriftPolicy::Report, DriftPolicy::Correct])) {
        let wish = Wish { drift, take_over: true, ..Wish::default() };
        let decided = decide(&determine(&seen), &wish);
        if let Ok(Decision::Keep { .. } | Decision::Finish { remaining: Remaining::Validation, .. }) = decided {
            prop_assert!(matches!(seen.live, LiveSeen::Same | LiveSeen::Drifted(_)));
            prop_assert!(seen.rendered == Some(Rendered::Same) || (seen.inputs.is_some() && !seen.must_render));
        }
    }

    /// The way back is known wherever there is one.
    #[test]
    fn history_is_never_forgotten(seen in observations()) {
        let wish = Wish { drift: DriftPolicy::Correct, take_over: true, ..Wish::default() };
        let is_good = |status| matches!(status, RevisionStatus::Deployed | RevisionStatus::Superseded);
        let good = seen.history.iter().flat_map(ReleaseHistory::revisions).filter(|meta| is_good(meta.status)).map(|meta| meta.revision).max();
        let good = Ok(Decision::Change(Change::Upgrade { last_good: good }));
        match decide(&determine(&seen), &wish) {
            Err(Missing::Comparison) => {
                let compared = Observation { rendered: Some(Rendered::Differs), ..seen };
                prop_assert_eq!(decide(&determine(&compared), &wish), good);
            }
            upgrade @ Ok(Decision::Change(Change::Upgrade { .. })) => prop_assert_eq!(upgrade, good),
            _ => {}
        }
    }

    /// Whoever has compared and then looked at the objects is asked for neither again.
    #[test]
    fn two_answers_are_enough(
        seen in observations(),
        wish in wishes(&ACTIONS),
        rendered in select(vec![Rendered::Same, Rendered::Differs]),
        live in select(vec![LiveSeen::Unreadable("forbidden".to_owned()), LiveSeen::Same, drifted()]),
    ) {
        let mut seen = seen;
        if decide(&determine(&seen), &wish) == Err(Missing::Comparison) {
            seen.rendered = Some(rendered);
        }
        if decide(&determine(&seen), &wish) == Err(Missing::LiveObjects) {
            seen.live = live;
        }
        let decided = decide(&determine(&seen), &wish);
        prop_assert!(matches!(decided, Ok(_) | Err(Missing::Unlock { .. })), "{decided:?}");
    }
}
