//! What was read of the cluster for several releases of a run at once, and what need not be read again.

use crate::context::capacity::Capacity;
use crate::context::foresight::LOOK_COUNTS;
use crate::context::observed::NamespaceState;
use pilothouse_core::{LiveSeen, RecordSeen, Records, ReleaseHistory, ReleaseKey, RevisionMeta};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::ListQuery;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long what was read of a release's surroundings counts. It is for looks ahead and nothing else.
const SURROUNDINGS_COUNT: Duration = Duration::from_secs(60);
/// How long lists count by which a release is looked at once more when its turn has come: no longer than looking and acting are apart
/// when it is looked at by itself.
const LISTS_COUNT: Duration = Duration::from_secs(5);
/// How many records are kept of a release, and of all: they may be large.
const OF_EACH: usize = 2;
const OF_ALL: usize = 128;

/// What the releases of a run have in common to read.
pub(crate) struct SharedReads {
    /// The nodes, and what is free on each: for warnings only, so that it counts although releases of the run take room.
    pub(crate) capacity: Once<(), Capacity>,
    /// What is around releases: quotas, webhooks.
    pub(crate) lists: Once<ListQuery, Vec<Value>>,
    /// The metadata of objects, for a last look before a release's turn.
    pub(crate) there: Once<ListQuery, Vec<Value>>,
    /// What the credentials allow, by the review that asks for it.
    pub(crate) rights: Once<String, bool>,
    /// Whether Helm has records of releases that objects name.
    pub(crate) owners: Once<ReleaseKey, Records>,
    /// What was read of each release before it is looked at.
    prefetched: Mutex<HashMap<ReleaseKey, Prefetched>>,
    /// Our own records of releases that the survey has not settled.
    remembered: Mutex<HashMap<ReleaseKey, (Instant, RecordSeen)>>,
    /// The drift that the survey has found of releases that are not settled by it.
    drifted: Mutex<HashMap<ReleaseKey, (Instant, RevisionMeta, LiveSeen)>>,
    /// The records that were last read of releases that are looked at or at work, the newest last.
    records: Mutex<VecDeque<(RevisionMeta, ReleaseRecord)>>,
}

/// What was read of a release together with others, or just before its turn. What is `None` was not, or could not be.
#[derive(Debug, Clone)]
pub(crate) struct Prefetched {
    /// When it was read.
    pub(crate) at: Instant,
    /// Helm's records, as their labels have them.
    pub(crate) history: Option<ReleaseHistory>,
    /// Its namespace.
    pub(crate) namespace: Option<NamespaceState>,
    /// What is remembered of its last deploy.
    pub(crate) record: Option<RecordSeen>,
}

impl Default for SharedReads {
    fn default() -> Self {
        Self {
            capacity: Once::counting(SURROUNDINGS_COUNT),
            lists: Once::counting(SURROUNDINGS_COUNT),
            there: Once::counting(LISTS_COUNT),
            rights: Once::counting(SURROUNDINGS_COUNT),
            owners: Once::counting(SURROUNDINGS_COUNT),
            prefetched: Mutex::default(),
            remembered: Mutex::default(),
            drifted: Mutex::default(),
            records: Mutex::default(),
        }
    }
}

impl Default for Prefetched {
    fn default() -> Self {
        Self { at: Instant::now(), history: None, namespace: None, record: None }
    }
}

impl SharedReads {
    /// A release of the run has changed something: what was around may be other by now.
    pub(crate) fn forget_surroundings(&self) {
        self.lists.forget();
        self.rights.forget();
        self.owners.forget();
    }

    /// Keeps what was read for the next look at a release.
    pub(crate) fn keep_prefetched(&self, release: ReleaseKey, prefetched: Prefetched) {
        held(&self.prefetched).insert(release, prefetched);
    }

    /// Keeps what is remembered of a release's last deploy for its first look.
    pub(crate) fn keep_remembered(&self, release: ReleaseKey, record: RecordSeen) {
        held(&self.remembered).insert(release, (Instant::now(), record));
    }

    /// What the survey has read so: it is for one look only. It is of one revision of Helm's, which is read anew.
    pub(crate) fn take_remembered(&self, release: &ReleaseKey) -> Option<RecordSeen> {
        held(&self.remembered)
            .remove(release)
            .filter(|(at, _)| at.elapsed() < SURROUNDINGS_COUNT)
            .map(|(_, record)| record)
    }

    /// Keeps how the survey has found the objects of a revision to have drifted, for the first look at the release.
    pub(crate) fn keep_drifted(&self, revision: RevisionMeta, live: LiveSeen) {
        let release = ReleaseKey::new(&revision.namespace, &revision.name);
        held(&self.drifted).insert(release, (Instant::now(), revision, live));
    }

    /// The drift of a revision, if the survey has found it just now and nobody has written the record since: it is for one look only.
    pub(crate) fn take_drifted(&self, revision: &RevisionMeta) -> Option<LiveSeen> {
        let found = held(&self.drifted).remove(&ReleaseKey::new(&revision.namespace, &revision.name));
        let holds =
            |(at, of, _): &(Instant, RevisionMeta, LiveSeen)| at.elapsed() < LOOK_COUNTS && of.is_same_write(revision);
        found.filter(holds).map(|(_, _, live)| live)
    }

    /// The drift that was found does not hold any more.
    pub(crate) fn forget_drifted(&self) {
        held(&self.drifted).clear();
    }

    /// What was found does not hold any more.
    pub(crate) fn forget_found(&self, release: &ReleaseKey) {
        held(&self.prefetched).remove(release);
        held(&self.remembered).remove(release);
        held(&self.drifted).remove(release);
    }

    /// What was read for this look: it is for one only.
    pub(crate) fn take_prefetched(&self, release: &ReleaseKey) -> Prefetched {
        held(&self.prefetched)
            .remove(release)
            .filter(|ahead| ahead.at.elapsed() < SURROUNDINGS_COUNT)
            .unwrap_or_default()
    }

    /// Whether something was read for the next look at a release.
    pub(crate) fn has_prefetched(&self, release: &ReleaseKey) -> bool {
        held(&self.prefetched).contains_key(release)
    }

    /// What was read of a release for this look, if that was just now.
    pub(crate) fn take_just_read(&self, release: &ReleaseKey) -> Option<Prefetched> {
        held(&self.prefetched).remove(release).filter(|ahead| ahead.at.elapsed() < LISTS_COUNT)
    }

    /// Keeps the record that was read last of a release, and the one before it: after an upgrade that failed, both are asked for.
    pub(crate) fn keep_record(&self, meta: RevisionMeta, record: ReleaseRecord) {
        if meta.uid.is_none() || meta.resource_version.is_none() {
            return;
        }
        let is_of_release = |(known, _): &(RevisionMeta, ReleaseRecord)| is_of(known, &meta.namespace, &meta.name);
        let mut records = held(&self.records);
        records.retain(|one| !(is_of_release(one) && one.0.revision == meta.revision));
        if records.iter().filter(|one| is_of_release(one)).count() >= OF_EACH
            && let Some(oldest) = records.iter().position(is_of_release)
        {
            records.remove(oldest);
        }
        if records.len() >= OF_ALL {
            records.pop_front();
        }
        records.push_back((meta, record));
    }

    /// The record of a revision, if it is among those that were read last and was not written since by what `meta` says.
    pub(crate) fn record(&self, meta: &RevisionMeta) -> Option<ReleaseRecord> {
        let records = held(&self.records);
        let mut same = records.iter().filter(|(known, _)| known.is_same_write(meta));
        same.next().map(|(_, record)| record.clone())
    }

    /// A release is not at work any more, or not yet.
    pub(crate) fn forget(&self, release: &ReleaseKey) {
        held(&self.prefetched).remove(release);
        held(&self.records).retain(|(known, _)| !is_of(known, &release.namespace, &release.name));
    }
}

fn is_of(meta: &RevisionMeta, namespace: &str, name: &str) -> bool {
    meta.namespace == namespace && meta.name == name
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers that are asked for once, however many want them at the same time, and count for a while.
pub(crate) struct Once<K, V> {
    counts: Duration,
    known: Mutex<HashMap<K, (Instant, Answer<V>)>>,
}

/// An answer that is there, or that somebody waits for.
type Answer<V> = Arc<OnceCell<Arc<V>>>;

impl<K: Hash + Eq, V> Once<K, V> {
    fn counting(counts: Duration) -> Self {
        Self { counts, known: Mutex::default() }
    }

    /// The answer, asked for if there is none. A failure is not kept: whoever comes next asks again.
    ///
    /// # Errors
    /// As `ask` has them.
    pub(crate) async fn get<E>(&self, key: K, ask: impl AsyncFnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let cell = {
            let mut known = held(&self.known);
            known.retain(|_, (at, _)| at.elapsed() < self.counts);
            known.entry(key).or_insert_with(|| (Instant::now(), Arc::default())).1.clone()
        };
        cell.get_or_try_init(|| async { Ok(Arc::new(ask().await?)) }).await.cloned()
    }

    fn forget(&self) {
        held(&self.known).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use pilothouse_core::RevisionStatus;
    use std::cell::Cell;

    fn written(name: &str, revision: u32) -> RevisionMeta {
        let meta = RevisionMeta::new(&ReleaseKey::new("default", name), revision, RevisionStatus::Deployed);
        let uid = Some(format!("{name}-{revision}"));
        RevisionMeta { uid, resource_version: Some("1".to_owned()), ..meta }
    }

    fn record() -> ReleaseRecord {
        let release = ReleaseKey::new("default", "demo");
        let secret = pilothouse_testkit::release_secret(&release, 1, RevisionStatus::Deployed, "1.0.0", "");
        let payload = STANDARD.decode(secret["data"]["release"].as_str().unwrap()).unwrap();
        pilothouse_helm::decode_release(&payload).unwrap()
    }

    /// After an upgrade that failed, the failed revision and the one before it are asked for in turn.
    #[test]
    fn two_records_of_a_release_are_kept() {
        let reads = SharedReads::default();
        let is_kept = |meta: &RevisionMeta| reads.record(meta).is_some();
        let [first, second, third] = [1, 2, 3].map(|revision| written("demo", revision));
        let other = written("other", 1);
        for meta in [&first, &other, &second, &first, &second] {
            reads.keep_record(meta.clone(), record());
        }
        assert_eq!([&first, &second, &other].map(is_kept), [true, true, true]);
        reads.keep_record(third.clone(), record());
        assert_eq!([&first, &second, &third, &other].map(is_kept), [false, true, true, true]);
        let rewritten = RevisionMeta { resource_version: Some("2".to_owned()), ..third.clone() };
        assert!(!is_kept(&rewritten));
        reads.forget(&ReleaseKey::new("default", "demo"));
        assert_eq!([&second, &third, &other].map(is_kept), [false, false, true]);
    }

    /// Of thousands of releases, not all records are in memory.
    #[test]
    fn not_all_records_are_kept() {
        let reads = SharedReads::default();
        let all: Vec<RevisionMeta> = (0..=OF_ALL).map(|number| written(&format!("r{number}"), 1)).collect();
        for meta in &all {
            reads.keep_record(meta.clone(), record());
        }
        let kept = all.iter().filter(|meta| reads.record(meta).is_some()).count();
        assert_eq!((kept, reads.record(&all[0]).is_some()), (OF_ALL, false));
    }

    #[tokio::test]
    async fn is_asked_once_and_a_failure_again() {
        let (once, asked) = (Once::<&str, u8>::counting(SURROUNDINGS_COUNT), Cell::new(0));
        let ask = async |answer: Result<u8, &'static str>| {
            once.get("a", async || {
                asked.set(asked.get() + 1);
                answer
            })
            .await
            .map(|answer| *answer)
        };
        assert_eq!(ask(Err("no")).await, Err("no"));
        assert_eq!((ask(Ok(1)).await, ask(Ok(2)).await, asked.get()), (Ok(1), Ok(1), 2));
        once.forget();
        assert_eq!((ask(Ok(3)).await, asked.get()), (Ok(3), 3));
    }
}
