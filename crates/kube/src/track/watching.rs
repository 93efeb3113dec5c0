//! The task behind one watch: puts what it tells into the cache, and reads what is wanted and was not kept.

use super::cache::{Key, WatchId};
use super::scope::Scope;
use super::shared::{Shared, Watch};
use crate::client::{Change, ClusterError, Detail, Seen, detail_of, in_one_line, read_all};
use futures::StreamExt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::sleep;

/// Between two attempts to watch a kind that is not served; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The watch of a kind and namespace, begun if there is none; and whether it was running.
pub(super) fn watch(shared: &Arc<Shared>, scope: &Scope) -> (Arc<Watch>, bool) {
    let mut watches = shared.watches();
    if let Some(running) = watches.get(scope).and_then(Weak::upgrade) {
        return (running, true);
    }
    let id = shared.cache().begin_watch(scope.clone());
    let task = tokio::spawn(run(Arc::clone(shared), id, scope.clone())).abort_handle();
    let watch = Arc::new(Watch { id, scope: scope.clone(), task, shared: Arc::clone(shared) });
    watches.insert(scope.clone(), Arc::downgrade(&watch));
    (watch, false)
}

/// Runs until it is aborted, or until what it watches may certainly not be watched.
async fn run(shared: Arc<Shared>, id: WatchId, scope: Scope) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut stream = shared.client.watch(&scope.query(), detail_of(&scope.kind));
        let mut last = None;
        while let Some(told) = stream.next().await {
            match told {
                Ok(change) => {
                    apply(&shared, id, change);
                    pause = FIRST_PAUSE;
                    last = None;
                }
                Err(error) => {
                    shared.cache().failing(id, in_one_line(&error));
                    last = Some(error);
                }
            }
        }
        match last {
            // A definition may be on its way.
            Some(ClusterError::NotServed { .. }) | None => {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Some(error) => {
                shared.warn(
                    &scope.kind,
                    format!("{scope} cannot be watched and is read again and again: {}", in_one_line(&error)),
                );
                return;
            }
        }
    }
}

fn apply(shared: &Arc<Shared>, id: WatchId, change: Change) {
    let mut cache = shared.cache();
    match change {
        Change::Listing => cache.listing(id),
        Change::There(object) => cache.there(id, object),
        Change::Gone(object) => cache.gone(id, &object),
        Change::UpToDate => cache.up_to_date(id),
    }
    drop(cache);
    feed(shared);
}

/// Has read what is wanted and was not kept when it came. That happens to what a later follower wants of a watch that was
/// already running, and to what came before its owner.
pub(super) fn feed(shared: &Arc<Shared>) {
    let hungry = shared.cache().take_hungry();
    if !hungry.is_empty() {
        tokio::spawn(read(Arc::clone(shared), hungry));
    }
}

async fn read(shared: Arc<Shared>, mut hungry: Vec<Key>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let objects: Vec<_> = {
            let cache = shared.cache();
            hungry.retain(|key| cache.lacks(key));
            hungry.iter().filter_map(|key| Some(cache.scope(key)?.object(&key.name))).collect()
        };
        if objects.is_empty() {
            return;
        }
        let seen = read_all(shared.client.as_ref(), &objects, Detail::Whole).await;
        hungry = fill(&shared, hungry, seen);
        if hungry.is_empty() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Puts in what was read; gives what may be readable later.
fn fill(shared: &Shared, hungry: Vec<Key>, seen: Vec<Seen>) -> Vec<Key> {
    let mut unread = Vec::new();
    let mut cache = shared.cache();
    for (key, seen) in hungry.into_iter().zip(seen) {
        match seen {
            Ok(Some(object)) => cache.fill(&key, object),
            // The watch is going to tell that it is gone.
            Ok(None) => {}
            Err(error) if error.is_transient() => unread.push(key),
            Err(_) => {}
        }
    }
    unread
}

/// Reads the events of a namespace whose watch was running before these objects were followed.
pub(super) async fn read_events(shared: Arc<Shared>, namespace: String) {
    // What the watch tells later is there in any case.
    if let Ok(events) = shared.client.events(&namespace, &[]).await {
        shared.cache().fill_events(events);
    }
}
