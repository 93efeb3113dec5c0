//! What was read of the cluster for several releases of a run at once, and what need not be read again.

use crate::context::capacity::Capacity;
use crate::context::observed::NamespaceState;
use pilothouse_core::{RecordSeen, Records, ReleaseHistory, ReleaseKey, RevisionMeta};
use pilothouse_helm::ReleaseRecord;
use pilothouse_kube::ListQuery;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long what was read of a release's surroundings counts. It is for looks ahead and nothing else.
const FRESH: Duration = Duration::from_secs(60);
/// How long lists count by which a release is looked at once more when its turn has come: no longer than looking and acting are apart
/// when it is looked at by itself.
const JUST_NOW: Duration = Duration::from_secs(5);

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
    ahead: Mutex<HashMap<ReleaseKey, Ahead>>,
    /// Our own records of releases that the survey has not settled.
    remembered: Mutex<HashMap<ReleaseKey, (Instant, RecordSeen)>>,
    /// The record that was last read of each release that is at work.
    records: Mutex<HashMap<ReleaseKey, (RevisionMeta, ReleaseRecord)>>,
}

/// What was read of a release together with others, or just before its turn. What is `None` was not, or could not be.
#[derive(Debug, Clone)]
pub(crate) struct Ahead {
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
            capacity: Once::counting(FRESH),
            lists: Once::counting(FRESH),
            there: Once::counting(JUST_NOW),
            rights: Once::counting(FRESH),
            owners: Once::counting(FRESH),
            ahead: Mutex::default(),
            remembered: Mutex::default(),
            records: Mutex::default(),
        }
    }
}

impl Default for Ahead {
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
    pub(crate) fn keep_ahead(&self, release: ReleaseKey, ahead: Ahead) {
        held(&self.ahead).insert(release, ahead);
    }

    /// Keeps what is remembered of a release's last deploy for its first look.
    pub(crate) fn keep_remembered(&self, release: ReleaseKey, record: RecordSeen) {
        held(&self.remembered).insert(release, (Instant::now(), record));
    }

    /// What the survey has read so: it is for one look only. It is of one revision of Helm's, which is read anew.
    pub(crate) fn take_remembered(&self, release: &ReleaseKey) -> Option<RecordSeen> {
        held(&self.remembered).remove(release).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, record)| record)
    }

    /// What was read for this look: it is for one only.
    pub(crate) fn take_ahead(&self, release: &ReleaseKey) -> Ahead {
        held(&self.ahead).remove(release).filter(|ahead| ahead.at.elapsed() < FRESH).unwrap_or_default()
    }

    /// Whether something was read for the next look at a release.
    pub(crate) fn has_ahead(&self, release: &ReleaseKey) -> bool {
        held(&self.ahead).contains_key(release)
    }

    /// What was read of a release for this look, if that was just now.
    pub(crate) fn take_just_read(&self, release: &ReleaseKey) -> Option<Ahead> {
        held(&self.ahead).remove(release).filter(|ahead| ahead.at.elapsed() < JUST_NOW)
    }

    /// Keeps the record that was read last of a release.
    pub(crate) fn keep_record(&self, meta: RevisionMeta, record: ReleaseRecord) {
        if meta.uid.is_some() && meta.resource_version.is_some() {
            held(&self.records).insert(ReleaseKey::new(&meta.namespace, &meta.name), (meta, record));
        }
    }

    /// The record of a revision, if it is the one that was read last and was not written since by what `meta` says.
    pub(crate) fn record(&self, meta: &RevisionMeta) -> Option<ReleaseRecord> {
        let records = held(&self.records);
        let (known, record) = records.get(&ReleaseKey::new(&meta.namespace, &meta.name))?;
        known.is_same_write(meta).then(|| record.clone())
    }

    /// A release is not at work any more, or not yet.
    pub(crate) fn forget(&self, release: &ReleaseKey) {
        held(&self.ahead).remove(release);
        held(&self.records).remove(release);
    }
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
    use std::cell::Cell;

    #[tokio::test]
    async fn is_asked_once_and_a_failure_again() {
        let (once, asked) = (Once::<&str, u8>::counting(FRESH), Cell::new(0));
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
