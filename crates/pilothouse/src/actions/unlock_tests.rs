use super::*;
use crate::context::{EarlierHelm, Gone};
use crate::helm::HelmDriver;
use crate::observe::pending;
use crate::test_world;
use crate::test_world::{OTHER, RUN, World, begun, release, stamped};
use RevisionStatus as S;
use jiff::Timestamp;
use pilothouse_core::{Change, Ended, HelmCommand, HelmProgress, PendingOf, PendingSeen, ReinstallReason, RunId};
use pilothouse_testkit::{FakeCluster, record_secret, release_secret};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

const CREATED: &str = "2026-11-21T08:00:00Z";

#[expect(clippy::unnecessary_wraps, reason = "what is known is told as an option")]
fn at(seconds: i64) -> Option<Timestamp> {
    Some(CREATED.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds))
}

#[expect(clippy::unnecessary_wraps, reason = "what is known is told as an option")]
fn gone(run: RunId) -> Option<Gone> {
    Some(Gone { run, why: "process 7 is gone".to_owned() })
}

/// A lock that is held, a server's clock 10 s after the record was created, and a minute to wait.
fn known(earlier: Option<EarlierHelm<'_>>) -> Known<'_> {
    let lock_timeout = Duration::from_secs(60);
    Known { server_now: at(10), gone: None, earlier, lock_timeout, holds_lock: true, takes_for_dead: false }
}

fn revision(number: u32, status: RevisionStatus, run: Option<RunId>) -> RevisionMeta {
    let (written_at, created_at, resource_version) = (at(4), at(0), Some("1".to_owned()));
    RevisionMeta { written_at, created_at, run, resource_version, ..RevisionMeta::new(&release(), number, status) }
}

fn ended(helm: HelmProgress) -> HelmProgress {
    HelmProgress { ended: Some(Ended { ok: false, elapsed_ms: 1 }), ..helm }
}

const HALF_REMOVED: Decision = Decision::Change(Change::Reinstall(ReinstallReason::HalfDone));
const SECOND: Watched = Watched { since_begin: Duration::from_secs(2), unchanged_for: Some(Duration::from_secs(1)) };
const UPGRADE: HelmCommand = HelmCommand::Upgrade;
const ROLLBACK: HelmCommand = HelmCommand::Rollback;
const UNINSTALL: HelmCommand = HelmCommand::Uninstall;

/// Whether the writer is proven to be gone, whose it is, how old the record is, and how long its operation can take (in seconds).
#[rstest]
// Number and label are those of the run that is gone.
#[case(begun(UPGRADE, 1), gone(RUN), revision(2, S::PendingUpgrade, Some(RUN)), (Some("process 7 is gone"), true, 12, 160))]
#[case(begun(UPGRADE, 0), gone(RUN), revision(1, S::PendingInstall, Some(RUN)), (Some("process 7 is gone"), true, 12, 160))]
// Its helm has ended by itself: the process does not matter.
#[case(ended(begun(UPGRADE, 1)), None, revision(2, S::PendingUpgrade, Some(RUN)), (Some("the helm of run 00000007 that wrote it has ended"), true, 12, 160))]
#[case(begun(UPGRADE, 1), None, revision(2, S::PendingUpgrade, Some(RUN)), (None, true, 12, 160))]
#[case(begun(UPGRADE, 1), gone(OTHER), revision(2, S::PendingUpgrade, Some(RUN)), (None, true, 12, 160))]
// A helm that nobody of us has begun: labels are merged into later revisions.
#[case(begun(UPGRADE, 1), gone(RUN), revision(3, S::PendingUpgrade, Some(RUN)), (None, false, 8, 360))]
#[case(begun(UPGRADE, 1), gone(RUN), revision(2, S::PendingUpgrade, None), (None, false, 8, 360))]
#[case(begun(UPGRADE, 1), gone(RUN), revision(2, S::PendingUpgrade, Some(OTHER)), (None, false, 8, 360))]
#[case(begun(UPGRADE, u32::MAX), gone(RUN), revision(0, S::PendingUpgrade, Some(RUN)), (None, false, 8, 360))]
#[case(begun(HelmCommand::Uninstall, 1), gone(RUN), revision(2, S::PendingUpgrade, Some(RUN)), (None, false, 8, 360))]
// A rollback has the label of its target: number and time tell whose it is.
#[case(begun(ROLLBACK, 1), gone(RUN), revision(2, S::PendingRollback, Some(RUN)), (Some("process 7 is gone"), true, 12, 160))]
#[case(begun(ROLLBACK, 1), None, revision(2, S::PendingRollback, None), (None, true, 12, 160))]
#[case(ended(begun(ROLLBACK, 1)), gone(RUN), revision(2, S::PendingRollback, Some(OTHER)), (Some("the helm of run 00000007 that wrote it has ended"), true, 12, 160))]
#[case(begun(ROLLBACK, 1), gone(RUN), revision(3, S::PendingRollback, Some(RUN)), (None, false, 8, 360))]
#[case(begun(ROLLBACK, 1), gone(RUN), RevisionMeta { created_at: at(61), ..revision(2, S::PendingRollback, Some(RUN)) }, (None, false, 8, 360))]
#[case(begun(ROLLBACK, 1), gone(RUN), RevisionMeta { created_at: at(-61), ..revision(2, S::PendingRollback, Some(RUN)) }, (None, false, 8, 360))]
#[case(begun(ROLLBACK, 1), gone(RUN), RevisionMeta { created_at: None, ..revision(2, S::PendingRollback, Some(RUN)) }, (None, false, 8, 360))]
#[case(begun(ROLLBACK, 1), gone(RUN), revision(2, S::PendingUpgrade, Some(RUN)), (None, false, 8, 360))]
// An uninstall makes no revision: its command and the number tell whose it is, whoever has written the revision.
#[case(begun(UNINSTALL, 2), gone(RUN), revision(2, S::Uninstalling, Some(OTHER)), (Some("process 7 is gone"), true, 8, 160))]
#[case(begun(UNINSTALL, 2), None, revision(2, S::Uninstalling, Some(RUN)), (None, true, 8, 160))]
#[case(ended(begun(UNINSTALL, 2)), None, revision(2, S::Uninstalling, None), (Some("the helm of run 00000007 that wrote it has ended"), true, 8, 160))]
#[case(begun(UNINSTALL, 1), gone(RUN), revision(2, S::Uninstalling, Some(RUN)), (None, false, 8, 360))]
#[case(ended(begun(UPGRADE, 1)), gone(RUN), revision(2, S::Uninstalling, Some(RUN)), (None, false, 8, 360))]
#[case(begun(ROLLBACK, 1), gone(RUN), revision(2, S::Uninstalling, Some(RUN)), (None, false, 8, 360))]
fn what_is_known(
    #[case] helm: HelmProgress,
    #[case] gone: Option<Gone>,
    #[case] newest: RevisionMeta,
    #[case] expected: (Option<&str>, bool, u64, u64),
) {
    let known = Known { gone, ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    let (gone, ours, age, deadline) = expected;
    for takes_for_dead in [false, true] {
        let known = Known { takes_for_dead, ..known.clone() };
        let of = match (ours, takes_for_dead) {
            (true, _) => PendingOf::ThisStack,
            (false, true) => PendingOf::SomebodyDead,
            (false, false) => PendingOf::Somebody,
        };
        let seen = PendingSeen {
            revision: newest.revision,
            writer_gone: gone.map(str::to_owned),
            of,
            lock_held: true,
            age_ms: Some(age * 1000),
            deadline_ms: deadline * 1000,
            unchanged: true,
        };
        assert_eq!(pending(&known, Duration::from_secs(300), &newest, SECOND), seen);
    }
}

#[rstest]
// Without the server's clock, what was watched counts.
#[case(None, at(0), SECOND, Some(1000))]
#[case(at(10), None, SECOND, Some(1000))]
#[case(None, at(0), Watched { unchanged_for: None, ..SECOND }, None)]
// A clock that stands before the record's.
#[case(at(-10), at(0), SECOND, Some(1000))]
#[case(at(10), at(4), Watched { unchanged_for: Some(Duration::from_secs(90)), since_begin: Duration::from_secs(2) }, Some(90_000))]
fn ages(
    #[case] server_now: Option<Timestamp>,
    #[case] written_at: Option<Timestamp>,
    #[case] watched: Watched,
    #[case] expected: Option<u64>,
) {
    let newest = RevisionMeta { written_at, ..revision(2, S::PendingUpgrade, None) };
    let known = Known { server_now, ..known(None) };
    assert_eq!(pending(&known, Duration::from_secs(300), &newest, watched).age_ms, expected);
}

/// A deployed revision 1, and a revision 2 in this status, written by the run.
fn cluster(status: RevisionStatus) -> Arc<FakeCluster> {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(stamped(release_secret(&release(), 1, S::Deployed, "1.0.0", ""), CREATED, None));
    cluster.put(stamped(release_secret(&release(), 2, status, "1.0.0", ""), CREATED, Some(RUN)));
    cluster
}

fn record(cluster: &FakeCluster) -> Value {
    cluster.object("Secret", Some("default"), "sh.helm.release.v1.demo.v2").unwrap()
}

/// The label, the status inside, and the description.
fn standing(cluster: &FakeCluster) -> (String, RevisionStatus, String) {
    let object = record(cluster);
    let info = decode_release(&record_payload(HelmDriver::Secret, &object).unwrap()).unwrap().info;
    (object["metadata"]["labels"]["status"].as_str().unwrap().to_owned(), info.status, info.description)
}

fn untouched(status: RevisionStatus) -> (String, RevisionStatus, String) {
    (status.name().to_owned(), status, String::new())
}

/// Heals with intents that are noted.
async fn heal_noting(world: &World, known: &Known<'_>) -> (Result<Vec<Healed>, PhaseError>, Vec<EventKind>) {
    let mut intents = Vec::new();
    let done = unlock_release(&world.ctx, known, |intent| {
        intents.push(intent);
        Ok(())
    })
    .await;
    (done.map(|looked| looked.healed), intents)
}

fn marked() -> Healed {
    Healed { what: "mark revision 2 failed".to_owned(), why: "process 7 is gone".to_owned() }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_a_run_that_is_gone_has_left_is_marked_failed(
    #[values(S::PendingInstall, S::PendingUpgrade)] status: RevisionStatus,
) {
    let cluster = cluster(status);
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    let mut intents = Vec::new();
    let done = unlock_release(&world.ctx, &known, |intent| {
        assert_eq!(standing(&cluster), untouched(status), "the intent comes before the effect");
        intents.push(intent);
        Ok(())
    })
    .await;
    assert_eq!(done.unwrap().healed, [marked()]);
    let Healed { what, why } = marked();
    assert_eq!(intents, [EventKind::HealStarted { release: release(), what, why }]);
    assert_eq!(world.told(), [json!({"event": "heal_finished", "error": null})]);
    let words = format!("Pilothouse: this was {status}, and process 7 is gone");
    assert_eq!(standing(&cluster), ("failed".to_owned(), S::Failed, words));
    // Nothing is left to be done.
    assert_eq!(heal_noting(&world, &known).await.0.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn records_in_config_maps_are_healed_too() {
    let cluster = Arc::new(FakeCluster::default());
    let mut object = stamped(release_secret(&release(), 2, S::PendingUpgrade, "1.0.0", ""), CREATED, Some(RUN));
    let payload = record_payload(HelmDriver::Secret, &object).unwrap();
    object["kind"] = json!("ConfigMap");
    object["data"]["release"] = json!(String::from_utf8(payload).unwrap());
    cluster.put(object);
    let world = test_world::fake(&cluster, HelmDriver::ConfigMap);
    let helm = begun(UPGRADE, 1);
    let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    assert_eq!(heal_noting(&world, &known).await.0.unwrap(), [marked()]);
    let object = cluster.object("ConfigMap", Some("default"), "sh.helm.release.v1.demo.v2").unwrap();
    let info = decode_release(&record_payload(HelmDriver::ConfigMap, &object).unwrap()).unwrap().info;
    assert_eq!((info.status, &object["metadata"]["labels"]["status"]), (S::Failed, &json!("failed")));
}

/// Its deadline is that of the run that began it, and a minute.
#[tokio::test(start_paused = true)]
async fn what_may_be_alive_is_waited_for_and_then_left() {
    let cluster = cluster(S::PendingUpgrade);
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let begun = Instant::now();
    let (done, intents) = heal_noting(&world, &known(Some(EarlierHelm { run: RUN, helm: &helm }))).await;
    assert_eq!((done.unwrap(), intents), (vec![], vec![]));
    assert_eq!(standing(&cluster), untouched(S::PendingUpgrade));
    assert!((60..=62).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let told: Vec<String> = world.told().into_iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    let locked = "revision 2 is pending-upgrade: another operation may be in progress, for";
    assert_eq!(told.len(), 7, "{told:#?}");
    assert_eq!(told[0], format!("waiting up to 58 s, since {locked} 148 s more at most"));
    assert_eq!(told[6], format!("{locked} 90 s more at most (waited 60 s)"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_be_at_work_on_any_more_is_marked_failed() {
    for (command, status) in [(UPGRADE, S::PendingUpgrade), (ROLLBACK, S::PendingRollback)] {
        let cluster = cluster(status);
        let world = test_world::fake(&cluster, HelmDriver::Secret);
        let helm = begun(command, 1);
        let earlier = Some(EarlierHelm { run: RUN, helm: &helm });
        let known = Known { lock_timeout: Duration::from_secs(600), ..known(earlier) };
        let begun = Instant::now();
        let healed = heal_noting(&world, &known).await.0.unwrap();
        let waited = begun.elapsed().as_secs();
        assert!((150..154).contains(&waited), "{waited}");
        let age = 10 + waited;
        let why = format!("its record is {age} s old and nobody writes it, and its operation can take 160 s at most");
        assert_eq!(healed, [Healed { what: "mark revision 2 failed".to_owned(), why }]);
    }
}

/// No time of ours proves that somebody else's helm is dead.
#[tokio::test(start_paused = true)]
async fn somebody_elses_operation_is_waited_for_and_left_unless_consent_takes_it_for_dead() {
    let helm = begun(UPGRADE, 0);
    for earlier in [None, Some(EarlierHelm { run: RUN, helm: &helm })] {
        let cluster = cluster(S::PendingUpgrade);
        let mut world = test_world::fake(&cluster, HelmDriver::Secret);
        let known = Known { server_now: at(100_000), gone: gone(RUN), ..known(earlier) };
        let begun = Instant::now();
        assert_eq!(heal_noting(&world, &known).await.0.unwrap(), []);
        assert_eq!(standing(&cluster), untouched(S::PendingUpgrade));
        assert!((60..=62).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        let told = world.told().pop().unwrap();
        let why = "revision 2 is pending-upgrade: another operation may be in progress, which no run of this stack has begun (waited 60 s)";
        assert_eq!(told["text"], why);
        let begun = Instant::now();
        let consented = Known { takes_for_dead: true, ..known };
        let why = "consent `lock` takes its operation for dead".to_owned();
        let healed = heal_noting(&world, &consented).await.0.unwrap();
        assert_eq!(healed, [Healed { what: "mark revision 2 failed".to_owned(), why }]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(standing(&cluster).1, S::Failed);
    }
}

/// Somebody uninstalls what this stack has deployed last: a second helm beside theirs would run their hooks again, and delete the same.
#[tokio::test(start_paused = true)]
async fn somebody_elses_uninstall_is_waited_for_and_left_unless_consent_takes_it_for_dead() {
    let cluster = cluster(S::Uninstalling);
    let mut world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = ended(begun(UPGRADE, 1));
    let known =
        Known { server_now: at(100_000), gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    let begun = Instant::now();
    assert_eq!(heal_noting(&world, &known).await.0.unwrap(), []);
    assert!((60..=62).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let told = world.told().pop().unwrap();
    let why = "revision 2 is uninstalling: another operation may be in progress, which no run of this stack has begun (waited 60 s)";
    assert_eq!(told["text"], why);
    let decision = observe::decision(&world.ctx).await;
    assert!(matches!(decision, Decision::Refuse { state: ReleaseState::Locked { .. } }), "{decision:?}");
    let consented = Known { takes_for_dead: true, ..known };
    assert_eq!(heal_noting(&world, &consented).await.0.unwrap(), []);
    assert_eq!(observe::decision(&world.ctx).await, HALF_REMOVED);
    assert_eq!(standing(&cluster), untouched(S::Uninstalling), "helm goes on with it as it is");
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_of_this_stack_goes_on_once_nobody_is_at_work_on_it() {
    for (gone, waits) in [(gone(RUN), 0..5), (None, 150..160)] {
        let world = test_world::fake(&cluster(S::Uninstalling), HelmDriver::Secret);
        let helm = begun(UNINSTALL, 2);
        let earlier = Some(EarlierHelm { run: RUN, helm: &helm });
        let known = Known { gone, lock_timeout: Duration::from_secs(600), ..known(earlier) };
        let begun = Instant::now();
        assert_eq!(heal_noting(&world, &known).await.0.unwrap(), []);
        assert!(waits.contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        assert_eq!(observe::decision(&world.ctx).await, HALF_REMOVED);
    }
}

/// It ends while it is waited for: then there is nothing.
#[tokio::test(start_paused = true)]
async fn an_uninstall_that_ends_while_it_is_waited_for() {
    let cluster = cluster(S::Uninstalling);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let ending = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        for revision in [1, 2] {
            cluster.remove("Secret", Some("default"), &format!("sh.helm.release.v1.demo.v{revision}")).unwrap();
        }
    };
    let known = known(None);
    let (healed, ()) = tokio::join!(heal_noting(&world, &known), ending);
    assert_eq!(healed.0.unwrap(), []);
    assert_eq!(observe::decision(&world.ctx).await, Decision::Change(Change::Install));
}

#[tokio::test(start_paused = true)]
async fn without_the_lock_no_time_is_long_enough() {
    let cluster = cluster(S::PendingRollback);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let known = Known { holds_lock: false, server_now: at(100_000), ..known(None) };
    assert_eq!(heal_noting(&world, &known).await.0.unwrap(), []);
    assert_eq!(standing(&cluster), untouched(S::PendingRollback));
}

#[tokio::test(start_paused = true)]
async fn no_time_to_wait_is_time_enough_for_two_looks() {
    for (gone, expected) in [(gone(RUN), vec![marked()]), (None, vec![])] {
        let cluster = cluster(S::PendingUpgrade);
        let world = test_world::fake(&cluster, HelmDriver::Secret);
        let helm = begun(UPGRADE, 1);
        let earlier = Some(EarlierHelm { run: RUN, helm: &helm });
        let known = Known { gone, lock_timeout: Duration::ZERO, ..known(earlier) };
        assert_eq!(heal_noting(&world, &known).await.0.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_ends_while_it_is_waited_for_is_left() {
    let cluster = cluster(S::PendingUpgrade);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let ending = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        cluster.put(stamped(release_secret(&release(), 2, S::Deployed, "1.0.0", ""), CREATED, None));
    };
    let begun = Instant::now();
    let known = known(None);
    let (healed, ()) = tokio::join!(heal_noting(&world, &known), ending);
    assert_eq!(healed.0.unwrap(), []);
    assert!(begun.elapsed() < Duration::from_secs(23));
    assert_eq!(standing(&cluster), untouched(S::Deployed));
}

/// A record that is written again and again is somebody's, whatever was proven about somebody else.
#[tokio::test(start_paused = true)]
async fn a_record_that_keeps_changing_is_left() {
    let cluster = cluster(S::PendingUpgrade);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let earlier = Some(EarlierHelm { run: RUN, helm: &helm });
    let known = Known { gone: gone(RUN), server_now: at(100_000), ..known(earlier) };
    let writing = async {
        loop {
            tokio::time::sleep(Duration::from_millis(400)).await;
            cluster.put(record(&cluster));
        }
    };
    let (healed, intents) = tokio::select! {
        done = heal_noting(&world, &known) => done,
        () = writing => unreachable!(),
    };
    assert_eq!((healed.unwrap(), intents), (vec![], vec![]));
    assert_eq!(standing(&cluster), untouched(S::PendingUpgrade));
}

/// Between the last look and the write, somebody is faster: nothing is written over, and it is looked at anew.
#[rstest]
#[case("get Secret")]
#[case("patch Secret")]
#[tokio::test(start_paused = true)]
async fn whoever_writes_meanwhile_is_not_written_over(#[case] call: &str) {
    for finished in [false, true] {
        let cluster = cluster(S::PendingUpgrade);
        cluster.before(call, move |cluster: &FakeCluster| {
            let status = if finished { S::Deployed } else { S::PendingUpgrade };
            cluster.put(stamped(release_secret(&release(), 2, status, "2.0.0", ""), CREATED, Some(RUN)));
        });
        let mut world = test_world::fake(&cluster, HelmDriver::Secret);
        let helm = begun(UPGRADE, 1);
        let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
        let (healed, intents) = heal_noting(&world, &known).await;
        let expected = if finished { vec![] } else { vec![marked()] };
        assert_eq!(healed.unwrap(), expected);
        let conflicts = usize::from(call == "patch Secret");
        assert_eq!(intents.len(), expected.len() + conflicts);
        let finished_events = world.told().into_iter().filter(|event| event["event"] == "heal_finished");
        assert_eq!(finished_events.count(), intents.len(), "each intent has its outcome");
        // It is the other's record that was marked, or left.
        let record = decode_release(&record_payload(HelmDriver::Secret, &record(&cluster)).unwrap()).unwrap();
        assert_eq!(
            (record.chart_version(), record.info.status),
            ("2.0.0", if finished { S::Deployed } else { S::Failed })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_nothing_is_marked() {
    let helm = begun(UPGRADE, 1);
    let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    let calls = {
        let cluster = cluster(S::PendingUpgrade);
        heal_noting(&test_world::fake(&cluster, HelmDriver::Secret), &known).await.0.unwrap();
        cluster.failures.calls()
    };
    let secret = "Secret default/sh.helm.release.v1.demo.v2";
    assert_eq!(calls, ["list Secret", "list Secret", &format!("get {secret}"), &format!("patch {secret}")]);
    for nth in 1..=calls.len() {
        let cluster = cluster(S::PendingUpgrade);
        cluster.failures.fail_at(nth);
        let (done, _) = heal_noting(&test_world::fake(&cluster, HelmDriver::Secret), &known).await;
        let error = done.unwrap_err().to_string();
        assert_eq!(error, format!("the Kubernetes API answered 500 to {}: made to fail", calls[nth - 1]));
        assert_eq!(standing(&cluster), untouched(S::PendingUpgrade), "call {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_is_refused_forbids_the_effect() {
    let cluster = cluster(S::PendingUpgrade);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    let refused = unlock_release(&world.ctx, &known, |_| Err(PhaseError::State("the disk is full".to_owned()))).await;
    assert_eq!(refused.unwrap_err().to_string(), "the disk is full");
    assert_eq!(standing(&cluster), untouched(S::PendingUpgrade));
}

/// Helm decides by what is inside. Whoever has changed the label alone must not make us overwrite a good revision.
#[tokio::test(start_paused = true)]
async fn a_label_that_does_not_agree_with_the_record_is_an_error() {
    let cluster = cluster(S::Deployed);
    let mut object = record(&cluster);
    object["metadata"]["labels"]["status"] = json!("pending-upgrade");
    cluster.put(object);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    let error = heal_noting(&world, &known).await.0.unwrap_err().to_string();
    assert_eq!(error, "the record of revision 2 is labelled pending-upgrade and says deployed");
    assert_eq!(standing(&cluster), ("pending-upgrade".to_owned(), S::Deployed, String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_left() {
    let cluster = cluster(S::PendingUpgrade);
    let mut object = stamped(
        record_secret(
            &json!({"name": "demo", "namespace": "default", "version": 2, "info": {"status": "pending-upgrade"}}),
        ),
        CREATED,
        Some(RUN),
    );
    object["data"]["release"] = json!("JSUl");
    cluster.put(object.clone());
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    assert_eq!(heal_noting(&world, &known).await.0.unwrap_err().to_string(), "the record is not base64");
    assert_eq!(record(&cluster)["data"], object["data"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_does_not_wait() {
    let cluster = cluster(S::PendingUpgrade);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let known = known(None);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.cancel.cancel();
    };
    let begun = Instant::now();
    let ((done, _), ()) = tokio::join!(heal_noting(&world, &known), stop);
    assert!(done.unwrap_err().is_interrupted());
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_skipped_or_only_rehearsed_is_not_touched() {
    for change in [(|info| info.action = HelmAction::Skip) as fn(&mut crate::ChartInfo), |info| info.dry_run = true] {
        let cluster = cluster(S::PendingUpgrade);
        let helm = Arc::new(pilothouse_testkit::FakeHelm::new(cluster.clone(), "", "1.0.0"));
        let world = test_world::over(cluster.clone(), helm, HelmDriver::Secret, change);
        assert_eq!(heal_noting(&world, &known(None)).await.0.unwrap(), []);
        assert_eq!(cluster.failures.calls(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_gets_into_the_record() {
    let cluster = cluster(S::PendingUpgrade);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let helm = begun(UPGRADE, 1);
    let gone = Some(Gone { run: RUN, why: "hunter22 is gone".to_owned() });
    let known = Known { gone, ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
    heal_noting(&world, &known).await.0.unwrap();
    assert_eq!(standing(&cluster).2, "Pilothouse: this was pending-upgrade, and *** is gone");
}

/// Releases run side by side, each on whatever thread there is.
#[tokio::test(start_paused = true)]
async fn it_can_be_spawned() {
    let cluster = cluster(S::PendingUpgrade);
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    let healing = async move {
        let helm = begun(UPGRADE, 1);
        let known = Known { gone: gone(RUN), ..known(Some(EarlierHelm { run: RUN, helm: &helm })) };
        let mut journal = Vec::new();
        unlock_release(&world.ctx, &known, move |intent| {
            journal.push(intent);
            Ok(())
        })
        .await
    };
    assert_eq!(tokio::spawn(healing).await.unwrap().unwrap().healed, [marked()]);
}

/// What was read a moment ago is not read again; what is under way is looked at anew.
#[rstest]
#[case::nothing_there(None, true)]
#[case::deployed(Some(S::Deployed), true)]
#[case::pending(Some(S::PendingUpgrade), false)]
#[case::leaving(Some(S::Uninstalling), false)]
#[tokio::test]
async fn what_was_read_just_now(#[case] status: Option<S>, #[case] holds: bool) {
    let cluster = Arc::new(FakeCluster::default());
    let world = test_world::fake(&cluster, HelmDriver::Secret);
    if let Some(status) = status {
        cluster.put(release_secret(&release(), 1, status, "1.0.0", ""));
    }
    let read = observe::release_history(&world.ctx).await.unwrap();
    let before = cluster.failures.calls().len();
    let history = nothing_under_way(&world.ctx, &EarlierRun::default(), read.clone()).await.unwrap();
    assert_eq!((history, cluster.failures.calls().len() - before), (holds.then_some(read), 0));
}
