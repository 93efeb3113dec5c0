use super::*;
use crate::journal::samples;
use crate::journal::samples::event;
use pilothouse_core::error_chain;
use pilothouse_testkit::{Disturbance, FakeCluster};

const OBJECT: &str = "Secret ops/pilothouse.stack.shop";

fn cluster() -> Arc<FakeCluster> {
    Arc::new(FakeCluster::default())
}

async fn load(cluster: &Arc<FakeCluster>) -> (ClusterJournal, Option<StackRecord>) {
    let (mut journal, record) = ClusterJournal::load(cluster.clone(), "ops", "shop").await.unwrap();
    journal.with_key(Some(samples::key_of_digests()));
    (journal, record)
}

/// The run `run` after so many of its events.
fn after(run: u128, events: usize) -> RunProgress {
    samples::fold(&samples::events(run)[..events])
}

fn secret(cluster: &FakeCluster) -> Value {
    cluster.object("Secret", Some("ops"), "pilothouse.stack.shop").unwrap()
}

/// Puts what another run would write.
fn write_as(cluster: &FakeCluster, run: u128) {
    let value =
        StackRecord::new(&samples::key_of_digests(), &samples::progress(run), &[]).encode(LIMIT, OBJECT).unwrap();
    let mut secret = secret(cluster);
    secret["data"][KEY] = json!(value);
    cluster.put(secret);
}

#[tokio::test]
async fn what_is_stored_is_loaded_by_the_next_run() {
    let cluster = cluster();
    let (mut journal, record) = load(&cluster).await;
    assert_eq!(record, None);
    for events in [1, 5, 11] {
        journal.store(&after(1, events)).await.unwrap();
        let (_, record) = load(&cluster).await;
        assert_eq!(record.unwrap(), StackRecord::new(&samples::key_of_digests(), &after(1, events), &[]));
    }
    let (mut journal, _) = load(&cluster).await;
    journal.store(&after(2, 2)).await.unwrap();
    let (_, record) = load(&cluster).await;
    assert_eq!(
        record.unwrap(),
        StackRecord::new(&samples::key_of_digests(), &after(2, 2), &[RunSummary::of(&after(1, 11))])
    );
}

#[tokio::test]
async fn the_secret_tells_whose_it_is() {
    let cluster = cluster();
    load(&cluster).await.0.store(&after(1, 1)).await.unwrap();
    let mut secret = secret(&cluster);
    assert!(secret["data"][KEY].take().is_string());
    assert_eq!(
        secret,
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "pilothouse.stack.shop",
                "namespace": "ops",
                "labels": {"app.kubernetes.io/managed-by": "pilothouse", "pilothouse.dev/stack": "shop"},
                "uid": "uid-1",
                "resourceVersion": "1",
            },
            "type": "pilothouse.dev/stack.v1",
            "data": {"record": null},
        })
    );
}

#[tokio::test]
async fn what_another_run_has_written_is_not_written_over() {
    // A run that was begun later, and one that was begun before.
    for other in [1, 3] {
        let cluster = cluster();
        load(&cluster).await.0.store(&after(2, 1)).await.unwrap();
        let (mut journal, _) = load(&cluster).await;
        write_as(&cluster, other);
        let theirs = secret(&cluster);
        let error = journal.store(&after(2, 2)).await.unwrap_err();
        assert!(matches!(error, JournalError::Taken { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            format!("another run has written {OBJECT} in the meantime; this run must not go on")
        );
        assert_eq!(secret(&cluster), theirs);
    }
}

#[tokio::test]
async fn two_first_runs_do_not_both_write() {
    let cluster = cluster();
    let (mut one, _) = load(&cluster).await;
    let (mut other, _) = load(&cluster).await;
    one.store(&after(1, 1)).await.unwrap();
    assert!(matches!(other.store(&after(2, 1)).await, Err(JournalError::Taken { .. })));
}

/// The answer to a write was lost, to the first one or to a later one; the next write is not taken for another run's.
#[tokio::test]
async fn a_lost_answer_is_no_other_run() {
    for lost in [1, 2] {
        let cluster = cluster();
        let (mut journal, _) = load(&cluster).await;
        // The first call was the read.
        cluster.disturb_at(1 + lost, Disturbance::LoseAnswer);
        let mut told = Vec::new();
        for events in 1..=3 {
            told.push(journal.store(&after(1, events)).await.is_ok());
        }
        assert_eq!(told, [lost != 1, lost != 2, true]);
        let (_, record) = load(&cluster).await;
        assert_eq!(record.unwrap().last, after(1, 3));
    }
}

/// The same run, but further than this process is: that is no lost answer.
#[tokio::test]
async fn a_later_state_of_the_same_run_is_somebody_else() {
    let cluster = cluster();
    let (mut journal, _) = load(&cluster).await;
    journal.store(&after(1, 1)).await.unwrap();
    write_as(&cluster, 1);
    assert!(matches!(journal.store(&after(1, 2)).await, Err(JournalError::Taken { .. })));
}

#[tokio::test]
async fn a_deleted_record_is_written_again() {
    let cluster = cluster();
    let (mut journal, _) = load(&cluster).await;
    journal.store(&after(1, 1)).await.unwrap();
    cluster.remove("Secret", Some("ops"), "pilothouse.stack.shop").unwrap();
    journal.store(&after(1, 2)).await.unwrap();
    assert_eq!(load(&cluster).await.1.unwrap().last, after(1, 2));
}

/// Whichever call fails, it is told, what is in the cluster stays readable, and the next write goes through.
#[tokio::test]
async fn a_failed_call_is_told_and_the_next_write_goes_through() {
    let mut failed = 0;
    for nth in 1.. {
        let cluster = cluster();
        cluster.failures.fail_at(nth);
        let what = format!("cannot read the record of runs in {OBJECT}");
        let mut journal = match ClusterJournal::load(cluster.clone(), "ops", "shop").await {
            Ok((journal, record)) => {
                assert_eq!(record, None);
                journal
            }
            Err(error) => {
                assert_eq!(error_chain(&error)[0], what);
                failed += 1;
                continue;
            }
        };
        let mut failures = 0;
        for events in 1..=4 {
            if let Err(error) = journal.store(&after(1, events)).await {
                assert_eq!(error_chain(&error)[0], format!("cannot write the record of runs in {OBJECT}"));
                failures += 1;
            }
        }
        failed += failures;
        if cluster.failures.calls().len() < nth {
            assert_eq!(failures, 0);
            break;
        }
        let expected = if nth == 5 { 3 } else { 4 };
        assert_eq!(load(&cluster).await.1.unwrap().last, after(1, expected));
    }
    // The read and the four writes.
    assert_eq!(failed, 5);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_written_over() {
    let cluster = cluster();
    load(&cluster).await.0.store(&after(1, 1)).await.unwrap();
    let good = secret(&cluster);
    for (data, expected) in [
        (json!({"record": "%"}), "Invalid symbol 37, offset 0."),
        (json!({"another": "key"}), "it has no key `record`"),
    ] {
        let mut bad = good.clone();
        bad["data"] = data;
        cluster.put(bad);
        let error = ClusterJournal::load(cluster.clone(), "ops", "shop").await.err().unwrap().to_string();
        let expected =
            format!("the record of runs in {OBJECT} cannot be read: {expected}; delete it to go on without it");
        assert_eq!(error, expected);
    }
}

/// Meanwhile a newer program has taken over.
#[tokio::test]
async fn what_a_newer_program_wrote_is_not_written_over() {
    let cluster = cluster();
    let (mut journal, _) = load(&cluster).await;
    journal.store(&after(1, 1)).await.unwrap();
    let mut newer = StackRecord::new(&samples::key_of_digests(), &after(1, 1), &[]);
    newer.format = 7;
    let mut theirs = secret(&cluster);
    theirs["data"][KEY] = json!(newer.encode(LIMIT, OBJECT).unwrap());
    cluster.put(theirs);
    let theirs = secret(&cluster);
    let error = journal.store(&after(1, 2)).await.unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 7, known: 6, .. }), "{error}");
    assert!(matches!(
        ClusterJournal::load(cluster.clone(), "ops", "shop").await,
        Err(JournalError::Newer { found: 7, known: 6, .. })
    ));
    assert_eq!(secret(&cluster), theirs);
}

#[tokio::test]
async fn clusters_are_told_apart() {
    let cluster = cluster();
    assert_eq!(cluster_id(cluster.as_ref()).await.unwrap(), None);
    cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}));
    assert_eq!(cluster_id(cluster.as_ref()).await.unwrap().as_deref(), Some("uid-1"));
    cluster.failures.fail_at(3);
    let error = cluster_id(cluster.as_ref()).await.unwrap_err();
    assert_eq!(error_chain(&error)[0], "cannot identify the cluster by Namespace kube-system");
}

/// Five hundred releases with steps in several phases, on a real control plane and in a namespace that has to be made.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_stack_on_a_real_control_plane() {
    use pilothouse_kube::{Cluster, ConnectOptions};
    let plane = crate::test_world::plane();
    let cluster = Cluster::connect(ConnectOptions::kubeconfig(plane.kubeconfig())).await.unwrap();
    let cluster: Arc<dyn ClusterClient> = Arc::new(cluster);

    let names: Vec<String> = (0..500).map(|n| format!("release-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut kinds = vec![samples::run_started(1, &names)];
    for (n, name) in names.iter().enumerate() {
        kinds.extend(samples::release(name, samples::done(name), json!({"checksum": format!("{n:064x}"), "n": n})));
    }
    let mut events = samples::numbered(kinds);
    let progress = samples::fold(&events);
    let (mut journal, record) = ClusterJournal::load(cluster.clone(), "ops", "large").await.unwrap();
    assert_eq!(record, None);
    journal.with_key(Some(samples::key_of_digests()));
    let begun = std::time::Instant::now();
    journal.store(&progress).await.unwrap();
    events.push(event(events.len() as u64 + 1, samples::run_finished(pilothouse_core::RunVerdict::Done)));
    let progress = samples::fold(&events);
    journal.store(&progress).await.unwrap();
    let took = begun.elapsed() / 2;
    let (_, record) = ClusterJournal::load(cluster.clone(), "ops", "large").await.unwrap();
    assert_eq!(record.unwrap(), StackRecord::new(&samples::key_of_digests(), &progress, &[]));
    let size = StackRecord::new(&samples::key_of_digests(), &progress, &[]).encode(LIMIT, "").unwrap().len() / 4 * 3;
    println!("500 releases: {size} bytes compressed, {took:?} for a write");
    assert!(size < LIMIT / 2);

    // Real resource versions: another run writes in between.
    let (mut other, _) = ClusterJournal::load(cluster.clone(), "ops", "large").await.unwrap();
    other.store(&samples::progress(2)).await.unwrap();
    assert!(matches!(journal.store(&progress).await, Err(JournalError::Taken { .. })));
    assert!(cluster_id(cluster.as_ref()).await.unwrap().is_some());
}

/// What another one has changed is seen by those who have the key; without a key nothing is believed.
#[tokio::test]
async fn what_somebody_else_has_written_is_not_believed() {
    let cluster = cluster();
    let key = |text: &str| StateKey::new(text);
    let (ours, other) = (key("a key of 16 chars"), key("another key of 16"));
    let believed = async |state_key: &Option<StateKey>| {
        let (journal, record) =
            ClusterJournal::load_by(cluster.clone(), "ops", "shop", state_key.clone()).await.unwrap();
        assert!(record.is_some());
        journal.is_believed()
    };
    let (mut journal, _) = ClusterJournal::load_by(cluster.clone(), "ops", "shop", ours.clone()).await.unwrap();
    assert!(!journal.is_believed(), "there is nothing to be believed");
    for events in [1, 5] {
        journal.store(&after(1, events)).await.unwrap();
        assert!(believed(&ours).await && !believed(&other).await && !believed(&None).await);
    }
    let before = secret(&cluster);
    write_as(&cluster, 2);
    assert!(!believed(&ours).await);
    cluster.put(before);
    assert!(believed(&ours).await);
    // A run without the key takes the code away: what it has written is not ours either.
    load(&cluster).await.0.store(&after(3, 1)).await.unwrap();
    assert!(secret(&cluster)["data"].get("mac").is_none());
    assert!(!believed(&ours).await);
}
