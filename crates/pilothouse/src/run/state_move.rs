//! Moving the state of a stack, its lock and the journal's copy in the cluster, to another namespace.
//!
//! Both locks are held. The one that is left is closed for good first: from then on nobody works there. Then the record is made in
//! the new place, and deleted in the old one. Wherever that is interrupted, the state is in one place or on its way, never in two; on its
//! way it is not used, and the same command brings it to its end.

use crate::journal::{
    ClusterJournal, JournalError, PlaceError, StateKey, StoredRecord, USUAL_PLACE, look_at_place, other_places,
    state_name,
};
use crate::run::error::RunError;
use crate::run::lock::acquire;
use pilothouse_core::Holder;
use pilothouse_kube::{ClusterClient, ClusterError, LeaseConfig, LeaseLock, LockSeen};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The state that is to be moved, and by whom.
pub struct StateMove {
    /// The cluster.
    pub cluster: Arc<dyn ClusterClient>,
    /// The stack's name.
    pub stack: String,
    /// Where the state is; `None` for `default` or `pilothouse`, whichever has it.
    pub from: Option<String>,
    /// Where it is to be; `None` for `pilothouse`.
    pub to: Option<String>,
    /// Who moves it.
    pub holder: Holder,
    /// How long to wait for a lock that a run holds.
    pub lock_timeout: Duration,
    /// The key by which it is known who has written the record.
    pub state_key: Option<StateKey>,
    /// Ends the wait for a lock.
    pub cancel: CancellationToken,
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateMoved {
    /// It is in its new place.
    Moved {
        /// Where it was.
        from: String,
        /// Where it is.
        to: String,
    },
    /// It was there before.
    AlreadyThere {
        /// Where it is.
        at: String,
    },
}

/// Why state was not moved.
#[derive(Debug, thiserror::Error)]
pub enum StateMoveError {
    /// A lock cannot be taken, or the record not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// There is none.
    #[error("there is no state of this stack in {}", namespaces.iter().map(|name| format!("namespace `{name}`")).collect::<Vec<_>>().join(" or "))]
    Nothing {
        /// Where it was looked for.
        namespaces: Vec<String>,
    },
    /// The record was written with a state key, and its code would not be right in another namespace.
    #[error("the record of runs was written with a state key")]
    KeyMissing,
    /// The record cannot be made in the new place. It stays where it was.
    #[error("the record of runs cannot be created in namespace `{to}`; it stays in `{from}`")]
    Refused {
        /// Where it was, and is.
        from: String,
        /// Where it was to be.
        to: String,
        /// What the cluster says.
        #[source]
        source: ClusterError,
    },
}

impl From<JournalError> for StateMoveError {
    fn from(error: JournalError) -> Self {
        Self::Run(error.into())
    }
}

/// Moves the state of a stack. What was interrupted is brought to its end.
///
/// # Errors
/// When there is nothing to move or it cannot be moved. After an error that may pass by itself, the state may be on its way: then no run
/// begins until it has arrived.
pub async fn move_state(moving: &StateMove) -> Result<StateMoved, StateMoveError> {
    let to = moving.to.clone().unwrap_or_else(|| USUAL_PLACE.to_owned());
    let (from, closed) = match moving.source(&to).await? {
        Source::There => return Ok(StateMoved::AlreadyThere { at: to }),
        Source::In(from) => (from, false),
        Source::OnItsWay(from) => (from, true),
    };
    let left = if closed { None } else { Some(moving.lock(&from, false).await?) };
    let entered = match moving.lock(&to, true).await {
        Ok(entered) => entered,
        Err(error) => {
            give_back(left).await;
            return Err(error);
        }
    };
    let moved = moving.move_under_locks(&from, &to, left).await;
    entered.release().await;
    moved.map(|()| StateMoved::Moved { from, to })
}

/// Where what is to be moved is.
enum Source {
    There,
    In(String),
    /// Its lock is closed already.
    OnItsWay(String),
}

impl StateMove {
    async fn source(&self, to: &str) -> Result<Source, StateMoveError> {
        let given = self.from.as_deref().map(|from| Vec::from_iter((from != to).then_some(from)));
        let namespaces = given.unwrap_or_else(|| other_places(Some(to)).collect());
        let mut found = Vec::new();
        for &namespace in &namespaces {
            let looked = look_at_place(self.cluster.as_ref(), namespace, &self.stack).await;
            let seen = match looked.map_err(|error| JournalError::of_place(error.into()))? {
                Ok(seen) => seen,
                Err((namespace, source)) => {
                    return Err(JournalError::from(PlaceError::Unreadable { namespace, source }).into());
                }
            };
            match (seen.lock, seen.record) {
                (LockSeen::Moved { to: there }, true) if there == to => {
                    found.push(Source::OnItsWay(namespace.to_owned()));
                }
                (LockSeen::Moved { to: there }, true) => {
                    let unfinished = PlaceError::Unfinished { from: namespace.to_owned(), to: there };
                    return Err(JournalError::from(unfinished).into());
                }
                (_, true) => found.push(Source::In(namespace.to_owned())),
                (_, false) => {}
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(source), true) => Ok(source),
            (Some(_), false) => Err(JournalError::from(PlaceError::Two {
                former: namespaces[0].to_owned(),
                usual: namespaces[1].to_owned(),
            })
            .into()),
            (None, _) if self.journal(to).stored().await?.is_some() => Ok(Source::There),
            (None, _) => {
                let namespaces = namespaces.into_iter().chain([to]).map(str::to_owned).collect();
                Err(StateMoveError::Nothing { namespaces })
            }
        }
    }

    fn journal(&self, namespace: &str) -> ClusterJournal {
        ClusterJournal::unread(self.cluster.clone(), namespace, &self.stack, self.state_key.clone())
    }

    async fn lock(&self, namespace: &str, moved_back: bool) -> Result<LeaseLock, StateMoveError> {
        let mut lease = LeaseConfig::new(namespace, state_name(&self.stack), self.holder.clone());
        lease.moved_back = moved_back;
        Ok(acquire(&self.cluster, lease, self.lock_timeout, &self.cancel, |_| {}).await?)
    }

    /// `left` is the lock of the old place; without it, that is closed already.
    async fn move_under_locks(&self, from: &str, to: &str, left: Option<LeaseLock>) -> Result<(), StateMoveError> {
        let (old, new) = (self.journal(from), self.journal(to));
        let record = match self.movable(&old, &new, to, left.is_none()).await {
            Ok(record) => record,
            Err(error) => {
                give_back(left).await;
                return Err(error);
            }
        };
        if let Some(left) = left {
            let closed = left.move_away(to).await;
            closed.map_err(|source| RunError::Lock { namespace: from.to_owned(), source })?;
        }
        let Some((record, arrived)) = record else { return Ok(()) };
        if !arrived && let Err(source) = new.create_as(&record).await {
            if source.is_transient() {
                return Err(JournalError::Cluster {
                    what: "create the record of runs in",
                    object: to.to_owned(),
                    source,
                }
                .into());
            }
            // It will not be made: the old place is opened again.
            self.lock(from, true).await?.release().await;
            return Err(StateMoveError::Refused { from: from.to_owned(), to: to.to_owned(), source });
        }
        Ok(old.delete(&record).await?)
    }

    /// The record in the old place, and whether it is in the new one already. `None` when it has been deleted meanwhile.
    async fn movable(
        &self,
        old: &ClusterJournal,
        new: &ClusterJournal,
        to: &str,
        closed: bool,
    ) -> Result<Option<(StoredRecord, bool)>, StateMoveError> {
        let (record, there) = (old.stored().await?, new.stored().await?);
        let Some(record) = record else {
            // Another one has brought it to its end.
            return if closed {
                Ok(None)
            } else {
                Err(StateMoveError::Nothing { namespaces: vec![old.namespace().to_owned()] })
            };
        };
        if there.is_some() && !closed {
            let two = PlaceError::Two { former: old.namespace().to_owned(), usual: to.to_owned() };
            return Err(JournalError::from(two).into());
        }
        if record.has_code && self.state_key.is_none() && there.is_none() {
            return Err(StateMoveError::KeyMissing);
        }
        Ok(Some((record, there.is_some())))
    }
}

async fn give_back(lock: Option<LeaseLock>) {
    if let Some(lock) = lock {
        lock.release().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{FindError, find_place, samples};
    use pilothouse_core::RunId;
    use pilothouse_testkit::{Disturbance, FakeCluster};
    use rstest::rstest;
    use serde_json::Value;
    use std::collections::BTreeSet;

    const NAME: &str = "pilothouse.stack.shop";

    fn key(text: &str) -> StateKey {
        StateKey::new(text).unwrap()
    }

    /// A stack that has run in `default`, as programs of former days have left it.
    async fn world(state_key: Option<StateKey>) -> Arc<FakeCluster> {
        let cluster = Arc::new(FakeCluster::default());
        let moving = StateMove { state_key, ..moving(&cluster, 9) };
        let lock = moving.lock("default", false).await.unwrap();
        moving.journal("default").store(&samples::progress(1)).await.unwrap();
        lock.release().await;
        cluster
    }

    fn moving(cluster: &Arc<FakeCluster>, number: u32) -> StateMove {
        let run = RunId(uuid::Uuid::from_u128(number.into()));
        StateMove {
            cluster: cluster.clone(),
            stack: "shop".to_owned(),
            from: None,
            to: None,
            holder: Holder {
                run,
                user: "ann".to_owned(),
                host: "desk".to_owned(),
                pid: number,
                process: None,
                ci_job: None,
            },
            lock_timeout: Duration::from_secs(60),
            state_key: None,
            cancel: CancellationToken::new(),
        }
    }

    fn record(cluster: &FakeCluster, namespace: &str) -> Option<Value> {
        cluster.object("Secret", Some(namespace), NAME).map(|secret| secret["data"].clone())
    }

    async fn place(cluster: &FakeCluster) -> Result<String, FindError> {
        find_place(cluster, None, "shop").await
    }

    async fn is_in_its_new_place(cluster: &FakeCluster, before: &Value) {
        assert_eq!(place(cluster).await.unwrap(), "pilothouse");
        assert_eq!((record(cluster, "default"), record(cluster, "pilothouse")), (None, Some(before.clone())));
        let lease = cluster.object("Lease", Some("default"), NAME).unwrap();
        assert_eq!(lease["metadata"]["annotations"]["pilothouse.dev/moved-to"], "pilothouse");
        // Whoever does not know of moves takes it for held, for longer than anybody waits.
        assert_eq!(lease["spec"]["holderIdentity"], "moved to namespace pilothouse");
        assert_eq!(lease["spec"]["leaseDurationSeconds"], i32::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn state_is_moved_once() {
        let cluster = world(None).await;
        let before = record(&cluster, "default").unwrap();
        assert_eq!(place(&cluster).await.unwrap(), "default");
        let moved = StateMoved::Moved { from: "default".to_owned(), to: "pilothouse".to_owned() };
        assert_eq!(move_state(&moving(&cluster, 1)).await.unwrap(), moved);
        is_in_its_new_place(&cluster, &before).await;
        let lease = cluster.object("Lease", Some("pilothouse"), NAME).unwrap();
        assert_eq!(lease["spec"].get("holderIdentity"), None, "given free");
        let there = StateMoved::AlreadyThere { at: "pilothouse".to_owned() };
        assert_eq!(move_state(&moving(&cluster, 2)).await.unwrap(), there);
    }

    #[derive(Debug, Clone, Copy)]
    enum Mishap {
        Fails,
        AnswerLost,
        Killed,
    }

    /// Wherever it ends, the state is in one place with its record whole, or in none; and the same command ends it.
    #[rstest]
    #[case(Mishap::Fails, &["arrived", "on its way", "there"])]
    // Where only an answer is lost, it goes on, or what was done was the last that mattered.
    #[case(Mishap::AnswerLost, &["arrived"])]
    #[case(Mishap::Killed, &["arrived", "on its way", "there"])]
    #[tokio::test(start_paused = true)]
    async fn a_move_that_is_interrupted_anywhere(#[case] mishap: Mishap, #[case] expected: &[&str]) {
        let calls = {
            let cluster = world(None).await;
            let before = cluster.failures.calls().len();
            move_state(&moving(&cluster, 1)).await.unwrap();
            cluster.failures.calls().len() - before
        };
        let mut seen = BTreeSet::new();
        for nth in 1..=calls {
            let cluster = world(None).await;
            let before = record(&cluster, "default").unwrap();
            let at = cluster.failures.calls().len() + nth;
            match mishap {
                Mishap::Fails => cluster.failures.fail_at(at),
                Mishap::AnswerLost => cluster.disturb_at(at, Disturbance::LoseAnswer),
                Mishap::Killed => cluster.disturb_at(at, Disturbance::Hang),
            }
            let first = moving(&cluster, 1);
            let _ = tokio::time::timeout(Duration::from_secs(2), move_state(&first)).await;
            let left = (place(&cluster).await, record(&cluster, "default"), record(&cluster, "pilothouse"));
            let whole = Some(before.clone());
            let told = match left {
                (Ok(place), old, None) if place == "default" => {
                    assert_eq!(old, whole, "call {nth}");
                    "there"
                }
                (Ok(place), _, new) if place == "pilothouse" => {
                    assert_eq!(new, whole, "call {nth}");
                    "arrived"
                }
                (Err(FindError::Place(PlaceError::Unfinished { .. })), old, None) => {
                    assert_eq!(old, whole, "call {nth}");
                    "on its way"
                }
                left => panic!("call {nth}: {left:?}"),
            };
            seen.insert(told);
            move_state(&moving(&cluster, 2)).await.unwrap();
            is_in_its_new_place(&cluster, &before).await;
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_run_is_at_work_nothing_is_moved() {
        let cluster = world(None).await;
        let run = moving(&cluster, 3).lock("default", false).await.unwrap();
        let error = move_state(&moving(&cluster, 1)).await.unwrap_err();
        assert!(matches!(error, StateMoveError::Run(RunError::Locked { .. })), "{error:?}");
        assert_eq!(place(&cluster).await.unwrap(), "default");
        run.release().await;
        move_state(&moving(&cluster, 1)).await.unwrap();
    }

    /// A place where no Secret may be made is found out when the old one is closed; it is opened again.
    #[tokio::test(start_paused = true)]
    async fn a_record_that_cannot_be_created_stays() {
        let cluster = world(None).await;
        let before = record(&cluster, "default");
        let forbidden = || {
            let (verb, what) = ("create".to_owned(), "secrets".to_owned());
            ClusterError::Forbidden { verb, what, message: "quota".to_owned() }
        };
        cluster.refuse("create Secret pilothouse/", forbidden);
        let error = move_state(&moving(&cluster, 1)).await.unwrap_err();
        assert!(matches!(error, StateMoveError::Refused { .. }), "{error:?}");
        assert_eq!((place(&cluster).await.unwrap(), record(&cluster, "default")), ("default".to_owned(), before));
        moving(&cluster, 3).lock("default", false).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_moved_back() {
        let cluster = world(None).await;
        let before = record(&cluster, "default");
        move_state(&moving(&cluster, 1)).await.unwrap();
        let back = StateMove { to: Some("default".to_owned()), ..moving(&cluster, 2) };
        move_state(&back).await.unwrap();
        assert_eq!((record(&cluster, "default"), record(&cluster, "pilothouse")), (before, None));
        let found = find_place(cluster.as_ref(), Some("default"), "shop").await;
        assert_eq!(found.unwrap(), "default");
        // A file that does not say so is told.
        assert!(matches!(place(&cluster).await, Err(FindError::Place(PlaceError::Moved { .. }))));
    }

    #[tokio::test(start_paused = true)]
    async fn two_records_are_not_made_one() {
        let cluster = world(None).await;
        moving(&cluster, 9).journal("pilothouse").store(&samples::progress(2)).await.unwrap();
        let (old, new) = (record(&cluster, "default"), record(&cluster, "pilothouse"));
        let error = move_state(&moving(&cluster, 1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "there are two records of the runs of this stack, in namespace `default` and in `pilothouse`"
        );
        assert_eq!((record(&cluster, "default"), record(&cluster, "pilothouse")), (old, new));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_not_moved() {
        let cluster = Arc::new(FakeCluster::default());
        let error = move_state(&moving(&cluster, 1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no state of this stack in namespace `default` or namespace `pilothouse`"
        );
        assert_eq!(cluster.object("Lease", Some("pilothouse"), NAME), None);
    }

    /// The code of a record is about its object: in another one it is made anew by who has the key, of what was right before.
    #[rstest]
    #[case::by_who_has_the_key(Some("a key of 16 chars"), Ok(true))]
    #[case::by_who_has_another(Some("another key of 16"), Ok(false))]
    #[case::by_who_has_none(None, Err("the record of runs was written with a state key"))]
    #[tokio::test(start_paused = true)]
    async fn a_record_with_a_code(#[case] given: Option<&str>, #[case] expected: Result<bool, &str>) {
        let cluster = world(Some(key("a key of 16 chars"))).await;
        let moved = move_state(&StateMove { state_key: given.map(key), ..moving(&cluster, 1) }).await;
        let by = StateMove { state_key: Some(key("a key of 16 chars")), ..moving(&cluster, 1) };
        let believed = by.journal("pilothouse").stored().await.unwrap().is_some_and(|stored| stored.believed);
        assert_eq!(moved.map(|_| believed).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    /// The code of nobody: what was written without the key does not become ours by being moved with it.
    #[tokio::test(start_paused = true)]
    async fn a_move_gives_no_code_to_what_had_none() {
        let cluster = world(None).await;
        let by = StateMove { state_key: Some(key("a key of 16 chars")), ..moving(&cluster, 1) };
        move_state(&by).await.unwrap();
        let stored = by.journal("pilothouse").stored().await.unwrap().unwrap();
        assert!(!stored.believed && !stored.has_code);
    }
}
