//! Further attempts at a release, and what ends them.

use super::*;

/// A policy that tries again so often, after a second.
fn retry(retries: u32, then: Remedy) -> OnFailure {
    FailurePolicy { retries, backoff_in_seconds: 1, then }.into()
}

fn retries(events: &[EventKind]) -> Vec<(u32, u32, u64)> {
    let retry = |event: &EventKind| match event {
        EventKind::Retrying { attempt, of, wait_ms, .. } => Some((*attempt, *of, *wait_ms)),
        _ => None,
    };
    events.iter().filter_map(retry).collect()
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_once_is_asked_again_and_nothing_else_is_repeated() {
    let world = world();
    let chart = Chart::new(&world, &[Phase::Validate]).times(1).with(|info| info.on_failure = retry(2, Remedy::Leave));
    let (outcome, events) = run(&world, vec![chart.that_leaves()]).await;
    let summary = "installed data 1.0.0, at attempt 2".to_owned();
    assert_eq!(outcome.releases[0].1, ReleaseOutcome::Done { summary });
    assert_eq!(noted(&world), ["check_prerequisites", "pre_exec", "post_exec", "validate", "validate"]);
    assert_eq!((revisions(&world), retries(&events)), (vec!["deployed".to_owned()], vec![(2, 3, 1000)]));
    let skipped = events.iter().filter(|event| matches!(event, EventKind::StepSkipped { phase: Phase::PostExec, .. }));
    assert_eq!(skipped.count(), 1);
}

/// A clean-up may have taken away what was done.
#[tokio::test(start_paused = true)]
async fn after_a_clean_up_the_deploy_is_repeated() {
    let world = world();
    let chart = Chart::new(&world, &[Phase::Validate]).times(1).with(|info| info.on_failure = retry(2, Remedy::Leave));
    let (outcome, _) = run(&world, vec![chart]).await;
    let summary = "upgraded data 1.0.0, at attempt 2".to_owned();
    assert_eq!(outcome.releases[0].1, ReleaseOutcome::Done { summary });
    let first = ["check_prerequisites", "pre_exec", "post_exec", "validate", "on_deploy_failure"];
    assert_eq!(noted(&world), [&first[..], &["post_exec", "validate"]].concat());
    assert_eq!(revisions(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_helm_is_run_again_and_pre_exec_is_not() {
    let world = world();
    // The first call of helm renders, the second one installs.
    world.helm.failures.fail_at(2);
    let chart = Chart::new(&world, &[]).with(|info| info.on_failure = retry(1, Remedy::Uninstall));
    let (outcome, events) = run(&world, vec![chart]).await;
    assert!(matches!(outcome.releases[0].1, ReleaseOutcome::Done { .. }), "{outcome:?}");
    assert_eq!(noted(&world), ["check_prerequisites", "pre_exec", "on_deploy_failure", "post_exec", "validate"]);
    assert_eq!(revisions(&world), ["failed", "deployed"]);
    assert_eq!(retries(&events), [(2, 2, 1000)]);
}

#[tokio::test(start_paused = true)]
async fn an_install_that_fails_at_every_attempt_is_uninstalled() {
    let world = world();
    let chart = Chart::new(&world, &[Phase::PostExec]).with(|info| info.on_failure = retry(2, Remedy::Uninstall));
    let (outcome, events) = run(&world, vec![chart]).await;
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    assert_eq!((failure.phase, &failure.next), (Phase::PostExec, &NextStep::Uninstalled));
    let failed = |attempt| format!("attempt {attempt} of 3 failed in post_exec: step failed: post_exec");
    assert_eq!(failure.attempts, [failed(1), failed(2)]);
    assert_eq!((revisions(&world), retries(&events)), (vec![], vec![(2, 3, 1000), (3, 3, 2000)]));
    let uninstalls = world.helm.failures.calls().iter().filter(|call| call.starts_with("uninstall")).count();
    assert_eq!(uninstalls, 1);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_fails_at_every_attempt_goes_back_to_what_was_there_before_the_first() {
    let world = world();
    run_one(&world, Chart::new(&world, &[])).await;
    let calls = world.helm.failures.calls().len();
    world.helm.failures.fail_at(calls + 2);
    world.helm.failures.fail_at(calls + 3);
    let chart = Chart::new(&world, &[]).changed(&world).with(|info| info.on_failure = retry(1, Remedy::Rollback));
    let ReleaseOutcome::Failed(failure) = run_one(&world, chart).await else { panic!("it should fail") };
    assert_eq!((failure.phase, &failure.next), (Phase::Exec, &NextStep::RolledBack { to_revision: 1 }));
    assert_eq!(failure.attempts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_the_run_is_not_kept_waiting_for_another_attempt() {
    let world = world();
    let chart = Chart::new(&world, &[Phase::Validate]).with(|info| {
        info.on_failure = FailurePolicy { retries: 2, backoff_in_seconds: 3600, then: Remedy::Uninstall }.into();
    });
    let cancel = world.cancel.clone();
    let begun = tokio::time::Instant::now();
    let (outcome, _) = run_seen(&world, vec![chart], |event| {
        if matches!(event, EventKind::Retrying { .. }) {
            cancel.cancel();
        }
    })
    .await;
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    let why = "the run was interrupted before attempt 2 of 3".to_owned();
    assert_eq!(failure.next, NextStep::Left { why });
    assert_eq!(failure.error, ["step failed: validate", "validate is broken"]);
    assert_eq!((outcome.verdict(), revisions(&world)), (RunVerdict::Interrupted, vec!["deployed".to_owned()]));
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[rstest::rstest]
#[case::at_work(RevisionStatus::PendingUpgrade, "revision 2 is pending-upgrade, it may be another run's")]
#[case::a_hotfix(RevisionStatus::Deployed, "revision 2 is not the one that this run has written")]
#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_done_meanwhile_is_not_deployed_over(#[case] theirs: RevisionStatus, #[case] why: &str) {
    let world = world();
    let chart = Chart::new(&world, &[Phase::PostExec]).with(|info| info.on_failure = retry(2, Remedy::Uninstall));
    let release = ReleaseKey::new("default", "demo");
    let (outcome, _) = run_seen(&world, vec![chart], |event| {
        if matches!(event, EventKind::Retrying { .. }) {
            world.cluster.put(release_secret(&release, 2, theirs, "1.0.0", ""));
        }
    })
    .await;
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    assert_eq!(failure.next, NextStep::Left { why: why.to_owned() });
}

#[tokio::test]
async fn after_a_point_of_no_return_nothing_is_taken_back() {
    let world = world();
    run_one(&world, Chart::new(&world, &[])).await;
    let mut chart = Chart::new(&world, &[Phase::PostExec]).with(|info| info.on_failure = retry(2, Remedy::Rollback));
    chart.no_return = Some(Phase::PreExec);
    let (outcome, events) = run(&world, vec![chart]).await;
    let ReleaseOutcome::Failed(failure) = &outcome.releases[0].1 else { panic!("{outcome:?}") };
    let why = "`pre_exec` was the point of no return".to_owned();
    assert_eq!(failure.next, NextStep::Left { why });
    let place = |wanted: &dyn Fn(&EventKind) -> bool| events.iter().position(wanted).unwrap();
    let passed = place(&|event| matches!(event, EventKind::PointOfNoReturn { phase: Phase::PreExec, .. }));
    let begun = place(&|event| matches!(event, EventKind::StepStarted { phase: Phase::PreExec, .. }));
    assert_eq!(passed + 1, begun, "it is written down before it begins");
}
