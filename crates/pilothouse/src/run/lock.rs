//! Taking the lock of a stack, in the namespace where its state is. How it comes that a stack never has two is told in
//! `journal/place.rs`.

use crate::context::Message;
use crate::context::Session;
use crate::context::is_gone;
use crate::context::millis;
use crate::journal::{
    ClusterJournal, JournalError, Looked, PlaceError, PlaceSeen, StackRecord, cluster_id, decide_place, find_place,
    find_place_for_lock, look_at_other_places, look_at_place, state_name, wanted_place,
};
use crate::run::config::StateConfig;
use crate::run::error::RunError;
use pilothouse_core::{EventKind, Holder};
use pilothouse_kube::{ClusterClient, ClusterError, LeaseConfig, LeaseLock, LockError, LockSeen};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the place of the state is looked for anew.
const ROUNDS: usize = 5;
/// The longest it takes to get a lock that nobody has.
const AT_ONCE: Duration = Duration::from_millis(200);

/// The lock, and what was found under it.
pub(crate) struct Taken {
    pub(crate) lock: LeaseLock,
    /// Whether another run was at work until now.
    pub(crate) others_were_at_work: bool,
    pub(crate) left: StateFound,
}

/// What earlier runs have left in the cluster.
pub(crate) struct StateFound {
    pub(crate) journal: ClusterJournal,
    pub(crate) record: Option<StackRecord>,
    /// What tells the cluster from every other.
    pub(crate) cluster_id: Option<String>,
}

/// What was read before the lock is taken, side by side with what else is done before. What could not be read is read again then.
#[derive(Debug, Default)]
pub(crate) struct LookBeforeLock {
    /// Where the state seems to be.
    namespace: Option<String>,
    /// Whether there is no lock where the state of a new stack would be.
    no_lock: bool,
}

/// Looks where the state of the stack is, which is looked at again once the lock is taken.
pub(crate) async fn look_before_lock(stack: &str, state: &StateConfig, session: &Session) -> LookBeforeLock {
    let cluster = session.cluster.as_ref();
    let configured = state.namespace.as_deref();
    let lease = LeaseConfig::new(wanted_place(configured), state_name(stack), state.holder.clone());
    let found = find_place_for_lock(cluster, configured, stack);
    let (namespace, no_lock) = tokio::join!(found, lease.is_absent(cluster));
    LookBeforeLock { namespace: namespace.ok(), no_lock: no_lock.is_ok_and(|absent| absent) }
}

/// Takes the lock where the state of the stack is, and reads what is there.
///
/// # Errors
/// See [`RunError`]. The lock is given back then.
pub(crate) async fn take_lock(
    stack: &str,
    state: &StateConfig,
    session: &Session,
    looked: LookBeforeLock,
    to: &UnboundedSender<Message>,
) -> Result<Taken, RunError> {
    let LookBeforeLock { namespace: mut found, mut no_lock } = looked;
    let mut taking = Taking { stack, state, session, cluster_id: None, to, until: Instant::now() + state.lock_timeout };
    let (mut others_were_at_work, mut was_moved) = (false, false);
    for _ in 0..ROUNDS {
        let namespace = match found.take() {
            Some(found) => found,
            None => taking.find(was_moved).await?,
        };
        let absent = std::mem::take(&mut no_lock) && namespace == wanted_place(taking.configured());
        // What does not depend on the lock is read beside it: not before, when as many requests as there are connections are under way.
        let (lock, id) = tokio::join!(taking.acquire(&namespace, absent), taking.cluster_id());
        taking.cluster_id = id.ok().flatten();
        let lock = match lock {
            Ok(lock) => lock,
            Err(RunError::Lock { source: LockError::Moved { .. }, .. }) => {
                was_moved = true;
                continue;
            }
            Err(error) => return Err(error),
        };
        others_were_at_work |= lock.waited() > AT_ONCE || lock.taken_over().is_some();
        match taking.look_again(&namespace, &mut others_were_at_work).await {
            Ok(Some(left)) => return Ok(Taken { lock, others_were_at_work, left }),
            Ok(None) => {
                others_were_at_work = true;
                lock.release().await;
            }
            Err(error) => {
                lock.release().await;
                return Err(error);
            }
        }
    }
    Err(JournalError::from(PlaceError::Restless).into())
}

struct Taking<'a> {
    stack: &'a str,
    state: &'a StateConfig,
    session: &'a Session,
    /// What tells the cluster from every other, once it was read.
    cluster_id: Option<String>,
    to: &'a UnboundedSender<Message>,
    until: Instant,
}

impl Taking<'_> {
    fn cluster(&self) -> &dyn ClusterClient {
        self.session.cluster.as_ref()
    }

    fn configured(&self) -> Option<&str> {
        self.state.namespace.as_deref()
    }

    async fn cluster_id(&self) -> Result<Option<String>, JournalError> {
        match &self.cluster_id {
            Some(known) => Ok(Some(known.clone())),
            None => cluster_id(self.cluster()).await,
        }
    }

    async fn find(&self, was_moved: bool) -> Result<String, RunError> {
        let found = if was_moved {
            find_place(self.cluster(), self.configured(), self.stack).await
        } else {
            find_place_for_lock(self.cluster(), self.configured(), self.stack).await
        };
        Ok(found.map_err(JournalError::of_place)?)
    }

    async fn acquire(&self, namespace: &str, absent: bool) -> Result<LeaseLock, RunError> {
        let timeout_ms = millis(self.state.lock_timeout);
        let on_wait = |holder: Option<&Holder>| {
            let _ = self.to.send(Message::Happened(EventKind::LockWaiting { holder: holder.cloned(), timeout_ms }));
        };
        let lease = LeaseConfig::new(namespace, state_name(self.stack), self.state.holder.clone());
        let lease = LeaseConfig { absent, ..lease };
        let left = self.until.saturating_duration_since(Instant::now());
        acquire(&self.session.cluster, lease, left, &self.session.cancel, on_wait).await
    }

    /// Looks at all places again, with the lock of this one in the hand. `None` when the state is somewhere else by now.
    async fn look_again(
        &self,
        namespace: &str,
        others_were_at_work: &mut bool,
    ) -> Result<Option<StateFound>, RunError> {
        for _ in 0..ROUNDS {
            let key = self.session.state_key().cloned();
            let load = ClusterJournal::load_by(self.session.cluster.clone(), namespace, self.stack, key);
            let (loaded, id, looked) = tokio::join!(load, self.cluster_id(), self.look_at_others(namespace));
            let (journal, record) = loaded?;
            let here = PlaceSeen { namespace: namespace.to_owned(), lock: LockSeen::Held, record: record.is_some() };
            let looked = looked.map_err(|error| JournalError::of_place(error.into()))?;
            let held = looked.iter().flatten().find(|other| other.lock == LockSeen::Held);
            let held = held.map(|other| other.namespace.clone());
            let wanted = wanted_place(self.configured());
            let (own, others) = if namespace == wanted {
                (Ok(here), looked)
            } else {
                let mut looked = looked;
                // The place where it is wanted comes first.
                (looked.remove(0), vec![Ok(here)])
            };
            if decide_place(self.configured(), own, others).map_err(JournalError::from)? != namespace {
                return Ok(None);
            }
            match held.filter(|_| namespace == wanted) {
                // One that is at work there knows nothing of this place, or is about to find out. Without a record its lock has
                // still to be waited for: it may be making one.
                Some(other) => {
                    *others_were_at_work = true;
                    match self.acquire(&other, false).await {
                        Ok(lock) => lock.release().await,
                        Err(RunError::Lock { source: LockError::Moved { .. }, .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                None => return Ok(Some(StateFound { journal, record, cluster_id: id? })),
            }
        }
        Err(JournalError::from(PlaceError::Restless).into())
    }

    /// All places but this one, that where the state is wanted first.
    async fn look_at_others(&self, namespace: &str) -> Result<Vec<Looked>, ClusterError> {
        if namespace == wanted_place(self.configured()) {
            return look_at_other_places(self.cluster(), self.configured(), self.stack).await;
        }
        Ok(vec![look_at_place(self.cluster(), wanted_place(self.configured()), self.stack).await?])
    }
}

/// Takes the lock in a namespace, which is made where it is missing.
///
/// # Errors
/// [`RunError::Locked`], [`RunError::Lock`] or [`RunError::Interrupted`].
pub(crate) async fn acquire(
    cluster: &Arc<dyn ClusterClient>,
    lease: LeaseConfig,
    timeout: Duration,
    cancel: &CancellationToken,
    on_wait: impl Fn(Option<&Holder>) + Copy + Send,
) -> Result<LeaseLock, RunError> {
    let namespace = lease.namespace.clone();
    let us = lease.holder.clone();
    let failed = |source: LockError| RunError::Lock { namespace: namespace.clone(), source };
    let take = async || {
        let is_gone = |holder: &Holder| is_gone(holder, &us);
        LeaseLock::acquire(cluster.clone(), lease.clone(), timeout, cancel, is_gone, on_wait).await
    };
    let mut taken = take().await;
    if let Err(LockError::Cluster(ClusterError::NotFound { .. })) = &taken {
        // The namespace is not there. Creating it says best why that cannot be.
        let made = cluster.create_namespace(&namespace).await;
        made.map_err(|source| failed(LockError::Cluster(source)))?;
        taken = take().await;
    }
    match taken {
        Ok(lock) => Ok(lock),
        Err(LockError::Held { holder, waited }) => Err(RunError::Locked { holder, waited }),
        Err(LockError::Interrupted) => Err(RunError::Interrupted),
        Err(source @ (LockError::Cluster(_) | LockError::Moved { .. })) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::HelmDriver;
    use crate::journal::samples;
    use crate::run::config::Resume;
    use crate::run::state_move::{StateMove, move_state};
    use crate::test_world::{World, fake};
    use pilothouse_core::RunId;
    use pilothouse_testkit::FakeCluster;
    use rstest::rstest;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::unbounded_channel;

    const NAME: &str = "pilothouse.stack.shop";

    fn somebody(number: u32) -> Holder {
        Holder {
            run: RunId(uuid::Uuid::from_u128(number.into())),
            user: "ann".to_owned(),
            host: "desk".to_owned(),
            pid: number,
            process: None,
            ci_job: None,
        }
    }

    /// A run that takes the lock.
    struct Runs {
        world: World,
        state: StateConfig,
    }

    fn run(cluster: &Arc<FakeCluster>, number: u32, namespace: Option<&str>) -> Runs {
        let state = StateConfig {
            namespace: namespace.map(str::to_owned),
            folder: "/nonexistent".into(),
            holder: somebody(number),
            lock_timeout: Duration::from_secs(60),
            resume: Resume::IfUnfinished,
            answers: Vec::new(),
            kill_at: None,
        };
        Runs { world: fake(cluster, HelmDriver::Secret), state }
    }

    impl Runs {
        async fn take(&self) -> Result<Taken, RunError> {
            let (to, _from) = unbounded_channel();
            take_lock("shop", &self.state, self.world.ctx.session(), LookBeforeLock::default(), &to).await
        }

        /// As a run that has looked while it did something else.
        async fn take_after(&self, meanwhile: impl Future<Output = ()>) -> Result<Taken, RunError> {
            let (to, _from) = unbounded_channel();
            let before = look_before_lock("shop", &self.state, self.world.ctx.session()).await;
            meanwhile.await;
            take_lock("shop", &self.state, self.world.ctx.session(), before, &to).await
        }

        /// The namespace in which the lock was taken.
        async fn place(&self) -> String {
            self.take().await.unwrap().left.journal.namespace().to_owned()
        }
    }

    async fn lock_of_former_days(cluster: &Arc<FakeCluster>) -> LeaseLock {
        let cluster: Arc<dyn ClusterClient> = cluster.clone();
        let lease = LeaseConfig::new("default", NAME, somebody(9));
        acquire(&cluster, lease, Duration::ZERO, &CancellationToken::new(), |_| {}).await.unwrap()
    }

    /// What a run of former days writes when it has the lock.
    async fn record_of_former_days(cluster: &Arc<FakeCluster>) {
        let mut journal = ClusterJournal::unread(cluster.clone(), "default", "shop", None);
        journal.store(&samples::progress(1)).await.unwrap();
    }

    fn holder(cluster: &FakeCluster, namespace: &str) -> Option<Value> {
        cluster.object("Lease", Some(namespace), NAME)?["spec"].get("holderIdentity").cloned()
    }

    /// One look side by side before, the lock, and one look side by side with the reads that there were before.
    #[tokio::test(start_paused = true)]
    async fn a_new_stack_is_looked_for_twice() {
        let cluster = Arc::new(FakeCluster::default());
        let system = json!({"name": "kube-system", "uid": "1"});
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": system}));
        assert_eq!(run(&cluster, 1, None).place().await, "pilothouse");
        let mut calls = cluster.failures.calls();
        calls[4..].sort();
        assert_eq!(
            calls,
            [
                "get Lease default/pilothouse.stack.shop",
                "get Secret default/pilothouse.stack.shop",
                "get Lease pilothouse/pilothouse.stack.shop",
                "create Lease pilothouse/pilothouse.stack.shop",
                "get Lease default/pilothouse.stack.shop",
                "get Namespace kube-system",
                "get Secret default/pilothouse.stack.shop",
                "get Secret pilothouse/pilothouse.stack.shop",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_looked_for_beforehand_is_not_looked_for_again() {
        let cluster = Arc::new(FakeCluster::default());
        let system = json!({"name": "kube-system", "uid": "1"});
        cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": system}));
        let taken = run(&cluster, 1, None).take_after(std::future::ready(())).await.unwrap();
        assert_eq!((taken.left.journal.namespace(), taken.others_were_at_work), ("pilothouse", false));
        let calls = cluster.failures.calls();
        let times = |call: &str| calls.iter().filter(|made| *made == call).count();
        // Under the lock the other place is looked at once more.
        let of_locks = ["default", "pilothouse"].map(|place| times(&format!("get Lease {place}/{NAME}")));
        assert_eq!((times("get Namespace kube-system"), of_locks), (1, [2, 1]), "{calls:?}");
    }

    /// Two that have both seen that there is no lock.
    #[tokio::test(start_paused = true)]
    async fn a_lock_that_comes_after_the_look_beforehand() {
        let cluster = Arc::new(FakeCluster::default());
        let first = run(&cluster, 1, None);
        let mut second = run(&cluster, 2, None);
        second.state.lock_timeout = Duration::ZERO;
        let meanwhile = async { drop(first.take_after(std::future::ready(())).await.unwrap().lock) };
        assert!(matches!(second.take_after(meanwhile).await, Err(RunError::Locked { .. })));
        assert_eq!(holder(&cluster, "pilothouse"), Some(json!(somebody(1).to_string())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_comes_after_the_look_beforehand() {
        let cluster = Arc::new(FakeCluster::default());
        let taken = run(&cluster, 1, None).take_after(record_of_former_days(&cluster)).await.unwrap();
        assert_eq!((taken.left.journal.namespace(), taken.others_were_at_work), ("default", true));
        assert_eq!(holder(&cluster, "pilothouse"), None, "given back");
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_former_days_stays_where_it_is() {
        let cluster = Arc::new(FakeCluster::default());
        record_of_former_days(&cluster).await;
        let taken = run(&cluster, 1, None).take().await.unwrap();
        assert_eq!(taken.left.journal.namespace(), "default");
        assert!(taken.left.record.is_some() && !taken.others_were_at_work);
        let made = cluster.failures.calls().into_iter().filter(|call| call.starts_with("create"));
        assert_eq!(made.skip(1).collect::<Vec<_>>(), ["create Lease default/pilothouse.stack.shop"]);
    }

    /// A program that does not know of the new place has run in between.
    #[tokio::test(start_paused = true)]
    async fn a_record_that_comes_after_the_first_look() {
        let cluster = Arc::new(FakeCluster::default());
        let secret = {
            let there = Arc::new(FakeCluster::default());
            record_of_former_days(&there).await;
            there.object("Secret", Some("default"), NAME).unwrap()
        };
        cluster.before("create Lease pilothouse/", move |cluster| cluster.put(secret));
        let taken = run(&cluster, 1, None).take().await.unwrap();
        assert_eq!(taken.left.journal.namespace(), "default");
        assert!(taken.others_were_at_work, "what was seen before it proves nothing");
        assert_eq!(holder(&cluster, "pilothouse"), None, "given back");
    }

    /// Its first run is under way, and has not written a record yet, or is dead.
    #[rstest]
    #[case::it_writes_one(true, "default")]
    #[case::it_is_dead(false, "pilothouse")]
    #[tokio::test(start_paused = true)]
    async fn a_lock_of_former_days_is_waited_for(#[case] writes: bool, #[case] expected: &str) {
        let cluster = Arc::new(FakeCluster::default());
        let former = lock_of_former_days(&cluster).await;
        let former = async {
            if writes {
                tokio::time::sleep(Duration::from_secs(3)).await;
                assert!(holder(&cluster, "pilothouse").is_some(), "nobody else can begin meanwhile");
                record_of_former_days(&cluster).await;
                former.release().await;
            } else {
                drop(former);
            }
        };
        let ours = run(&cluster, 1, None);
        let ((), taken) = tokio::join!(former, ours.take());
        let taken = taken.unwrap();
        assert_eq!((taken.left.journal.namespace(), taken.others_were_at_work), (expected, true));
        let other = if expected == "default" { "pilothouse" } else { "default" };
        assert_eq!(holder(&cluster, other), None);
    }

    #[rstest]
    #[case::new(false, "pilothouse")]
    #[case::of_former_days(true, "default")]
    #[tokio::test(start_paused = true)]
    async fn of_two_at_the_same_time_one_waits(#[case] record: bool, #[case] place: &str) {
        let cluster = Arc::new(FakeCluster::default());
        if record {
            record_of_former_days(&cluster).await;
        }
        let mut second = run(&cluster, 2, None);
        second.state.lock_timeout = Duration::ZERO;
        let first = run(&cluster, 1, None);
        let (first, second) = tokio::join!(first.take(), second.take());
        assert_eq!(first.unwrap().left.journal.namespace(), place);
        assert!(matches!(second, Err(RunError::Locked { .. })));
    }

    /// A run that waits for a lock under which the state is moved away works in the new place.
    #[tokio::test(start_paused = true)]
    async fn a_run_follows_a_move() {
        let cluster = Arc::new(FakeCluster::default());
        record_of_former_days(&cluster).await;
        let former = lock_of_former_days(&cluster).await;
        let moving = StateMove {
            cluster: cluster.clone(),
            stack: "shop".to_owned(),
            from: None,
            to: None,
            holder: somebody(7),
            lock_timeout: Duration::from_secs(60),
            state_key: None,
            cancel: CancellationToken::new(),
        };
        let ours = run(&cluster, 1, None);
        let free = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            former.release().await;
        };
        // Whichever of the two is first.
        let run_and_end = async {
            let taken = ours.take().await.unwrap();
            taken.lock.release().await;
            taken.left.journal.namespace().to_owned()
        };
        let (moved, worked, ()) = tokio::join!(move_state(&moving), run_and_end, free);
        moved.unwrap();
        assert!(["default", "pilothouse"].contains(&worked.as_str()));
        assert_eq!(run(&cluster, 2, None).place().await, "pilothouse");
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_was_moved_to_where_the_file_does_not_look() {
        let cluster = Arc::new(FakeCluster::default());
        let taken = run(&cluster, 1, None).take().await.unwrap();
        taken.lock.move_away("ops").await.unwrap();
        let refused = run(&cluster, 2, None).take().await.map(drop);
        let Err(RunError::Journal(JournalError::Place(PlaceError::Moved { from, to }))) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((from.as_str(), to.as_str()), ("pilothouse", "ops"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_may_not_be_read() {
        let forbidden = || {
            let (verb, what) = ("get".to_owned(), "leases".to_owned());
            ClusterError::Forbidden { verb, what, message: "rbac".to_owned() }
        };
        let cluster = Arc::new(FakeCluster::default());
        cluster.refuse("get Lease default/", forbidden);
        let refused = run(&cluster, 1, None).take().await.map(drop);
        let Err(RunError::Journal(JournalError::Place(PlaceError::Unreadable { namespace, .. }))) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(namespace, "default");
        // A file that says where the state is needs no look elsewhere.
        assert_eq!(run(&cluster, 1, Some("ops")).place().await, "ops");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_never_nothing_there() {
        for nth in [1, 2] {
            let cluster = Arc::new(FakeCluster::default());
            cluster.failures.fail_at(nth);
            let refused = run(&cluster, 1, None).take().await.map(drop);
            assert!(matches!(refused, Err(RunError::Journal(JournalError::Cluster { .. }))), "{refused:?}");
            assert_eq!(cluster.object("Lease", Some("pilothouse"), NAME), None);
        }
        // And under the lock: it is given back then. (What tells the cluster from others is asked for again.)
        for nth in [6, 7, 8] {
            let cluster = Arc::new(FakeCluster::default());
            cluster.failures.fail_at(nth);
            run(&cluster, 1, None).take().await.map(drop).unwrap_err();
            assert_eq!(holder(&cluster, "pilothouse"), None);
        }
    }
}
