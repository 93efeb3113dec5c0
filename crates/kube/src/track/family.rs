//! What belongs to an object that is followed.

use super::cache::{Cache, Key};
use crate::client::{revision, text};
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

/// What an object owns, and the events about it and what it owns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    /// What it owns directly or through others, and the claims its pods mount: ReplicaSets, the newest first, and Jobs; then
    /// pods, those of the newest ReplicaSet or Job first; then PersistentVolumeClaims. Without what is of no use for
    /// judging (`managedFields`).
    pub owned: Vec<Arc<Value>>,
    /// The events about it and what it owns, oldest first, the last 20 of each object.
    pub events: Vec<Arc<Value>>,
    /// Everything that can belong to it has been heard of. False in the first moments, and for what is no workload.
    pub complete: bool,
    /// What of it cannot be watched, each kind in one line.
    pub unreadable: Vec<String>,
}

/// The objects that belong to one, and the events about all of them.
pub(super) fn of(cache: &Cache, root: &Key) -> (Vec<Arc<Value>>, Vec<Arc<Value>>) {
    let mut found = Found { seen: vec![root.clone()], ..Found::default() };
    found.collect(cache, root);
    let uids = found.seen.iter().filter_map(|key| Some(cache.entry(key)?.uid.as_str()));
    let mut events: Vec<(&str, &Arc<Value>)> = uids.flat_map(|uid| cache.events().about(uid)).collect();
    events.sort_by_key(|(time, _)| *time);
    let events = events.into_iter().map(|(_, event)| Arc::clone(event)).collect();
    ([found.others, found.pods, found.claims].concat(), events)
}

#[derive(Default)]
struct Found {
    others: Vec<Arc<Value>>,
    pods: Vec<Arc<Value>>,
    claims: Vec<Arc<Value>>,
    seen: Vec<Key>,
}

impl Found {
    fn collect(&mut self, cache: &Cache, owner: &Key) {
        let below = cache.below(owner).into_iter().filter(|key| !self.seen.contains(key));
        let mut below: Vec<(Key, Arc<Value>)> =
            below.filter_map(|key| Some((key.clone(), cache.entry(&key)?.body.clone()?))).collect();
        below.sort_by_key(|(key, object)| {
            let made = text(object, "/metadata/creationTimestamp").unwrap_or_default().to_owned();
            (Reverse(revision(object)), Reverse(made), key.clone())
        });
        for (key, object) in &below {
            self.seen.push(key.clone());
            match text(object, "/kind") {
                Some("Pod") => self.pods.push(Arc::clone(object)),
                Some("PersistentVolumeClaim") => self.claims.push(Arc::clone(object)),
                _ => self.others.push(Arc::clone(object)),
            }
        }
        for (key, _) in &below {
            self.collect(cache, key);
        }
    }
}
