//! What is known of the cluster by all watches of a run together. Nothing here waits or reads.
//!
//! Objects that are followed, and what they own, are kept whole (but see [`prune`]). Of all others that the watches bring,
//! only name, UID and owners are kept, so that what belongs to an object that is followed later is found.

use super::events::{Events, subject};
use super::prune::prune;
use super::scope::Scope;
use crate::client::{text, uid};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::watch;

pub(super) type WatchId = u64;
pub(super) type FollowerId = u64;

/// One object of one watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub watch: WatchId,
    pub name: Arc<str>,
}

/// How a watch does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// It has not told everything yet.
    Starting,
    /// All is known.
    Live,
    /// It does not work, with the reason in one line: what is known may be old.
    Failing(String),
}

struct Watched {
    scope: Scope,
    health: Health,
    /// While it lists: what has come so far.
    seen: Option<HashSet<Arc<str>>>,
    entries: HashMap<Arc<str>, Entry>,
}

/// What is known of an object.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub uid: String,
    /// UIDs.
    owners: Vec<String>,
    /// Of a pod: the names of the claims it mounts.
    claims: Vec<String>,
    /// Kept only while it is wanted.
    pub body: Option<Arc<Value>>,
    /// Grows with every change.
    version: u64,
}

impl Entry {
    fn of(object: &Value, version: u64) -> Self {
        let list = |pointer| object.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        let owners = list("/metadata/ownerReferences").filter_map(|owner| text(owner, "/uid"));
        let pod = text(object, "/kind") == Some("Pod");
        let volumes = list("/spec/volumes").filter(|_| pod);
        let claims = volumes.filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
        Self {
            uid: uid(object).unwrap_or_default().to_owned(),
            owners: owners.map(str::to_owned).collect(),
            claims: claims.map(str::to_owned).collect(),
            body: None,
            version,
        }
    }
}

struct Follower {
    changed: watch::Sender<u64>,
    watches: HashSet<WatchId>,
}

/// What is known of an object that is followed.
pub(crate) struct Look {
    pub live: Option<Arc<Value>>,
    pub version: u64,
    /// The watch has told whether it exists.
    pub known: bool,
    pub unwatched: Option<String>,
}

#[derive(Default)]
pub(super) struct Cache {
    clock: u64,
    watched: HashMap<WatchId, Watched>,
    ids: HashMap<Scope, WatchId>,
    by_uid: HashMap<String, Key>,
    /// By the UID of an owner.
    owned: HashMap<String, BTreeSet<Key>>,
    /// Pods by the namespace and name of a claim they mount.
    claimants: HashMap<(Option<String>, String), BTreeSet<Key>>,
    /// Who follows an object.
    roots: HashMap<Key, Vec<FollowerId>>,
    followers: HashMap<FollowerId, Follower>,
    events: Events,
    /// Objects that are wanted and were not kept when they came.
    hungry: BTreeSet<Key>,
}

impl Cache {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    // Watches.

    pub(super) fn begin_watch(&mut self, scope: Scope) -> WatchId {
        let id = self.tick();
        self.ids.insert(scope.clone(), id);
        self.watched.insert(id, Watched { scope, health: Health::Starting, seen: None, entries: HashMap::new() });
        id
    }

    pub(super) fn end_watch(&mut self, id: WatchId) {
        let Some(watched) = self.watched.get(&id) else { return };
        let names: Vec<Arc<str>> = watched.entries.keys().cloned().collect();
        for name in names {
            if let Some(entry) = self.unlink(&Key { watch: id, name }) {
                self.events.forget(&entry.uid);
            }
        }
        let Some(watched) = self.watched.remove(&id) else { return };
        if self.ids.get(&watched.scope) == Some(&id) {
            self.ids.remove(&watched.scope);
        }
        if !self.ids.keys().any(Scope::is_events) {
            self.events.forget_strays();
        }
        self.hungry.retain(|key| key.watch != id);
    }

    pub(super) fn health(&self, scope: &Scope) -> Option<&Health> {
        Some(&self.watched.get(self.ids.get(scope)?)?.health)
    }

    pub(super) fn listing(&mut self, id: WatchId) {
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.seen = Some(HashSet::new());
        }
    }

    pub(super) fn up_to_date(&mut self, id: WatchId) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        watched.health = Health::Live;
        let seen = watched.seen.take();
        if let Some(seen) = seen.filter(|_| !watched.scope.is_events()) {
            let gone: Vec<Arc<str>> = watched.entries.keys().filter(|name| !seen.contains(*name)).cloned().collect();
            for name in gone {
                self.remove(&Key { watch: id, name });
            }
        }
        self.tell_holders(id);
    }

    pub(super) fn failing(&mut self, id: WatchId, why: String) {
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.health = Health::Failing(why);
        }
        self.tell_holders(id);
    }

    // Objects.

    pub(super) fn there(&mut self, id: WatchId, object: Value) {
        let version = self.tick();
        let Some(watched) = self.watched.get_mut(&id) else { return };
        if watched.scope.is_events() {
            self.event(object);
            return;
        }
        let Some(name) = name_in(&watched.scope, &object) else { return };
        if let Some(seen) = &mut watched.seen {
            seen.insert(Arc::clone(&name));
        }
        let key = Key { watch: id, name };
        let entry = Entry::of(&object, version);
        let before = self.unlink(&key);
        if let Some(before) = before.as_ref().filter(|before| before.uid != entry.uid) {
            self.events.forget(&before.uid);
        }
        let newly = before.is_none_or(|before| before.uid != entry.uid || before.body.is_none());
        let uid = entry.uid.clone();
        self.link(key.clone(), entry);
        let wanted = self.is_wanted(&key);
        if wanted {
            self.hungry.remove(&key);
            let body = Arc::new(prune(object));
            if let Some(entry) = self.entry_mut(&key) {
                entry.body = Some(body);
            }
            if newly {
                self.want_below(&key);
            }
            self.events.settle(&uid);
        }
        self.touch(&key);
    }

    pub(super) fn gone(&mut self, id: WatchId, object: &Value) {
        let Some(watched) = self.watched.get(&id) else { return };
        // An event is kept as long as what it is about; that it has expired tells nothing.
        if !watched.scope.is_events()
            && let Some(name) = name_in(&watched.scope, object)
        {
            self.remove(&Key { watch: id, name });
        }
    }

    fn remove(&mut self, key: &Key) {
        let above = self.roots_above(key);
        if let Some(entry) = self.unlink(key) {
            self.events.forget(&entry.uid);
        }
        self.hungry.remove(key);
        self.tell(&above);
    }

    fn event(&mut self, event: Value) {
        let event = Arc::new(prune(event));
        let known = self.by_uid.get(subject(&event)).cloned();
        let above = known.map(|key| self.roots_above(&key)).unwrap_or_default();
        if above.is_empty() {
            self.events.keep_stray(event);
        } else {
            self.events.keep(event);
            self.tell(&above);
        }
    }

    /// Keeps events that were read, as far as they are wanted.
    pub(super) fn fill_events(&mut self, events: Vec<Value>) {
        for event in events {
            self.event(event);
        }
    }

    /// What is wanted and not there, to be read; each is told once.
    pub(super) fn take_hungry(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.hungry).into_iter().filter(|key| self.lacks(key)).collect()
    }

    /// Whether an object is wanted, exists as far as is known, and is not there.
    pub(super) fn lacks(&self, key: &Key) -> bool {
        self.entry(key).is_some_and(|entry| entry.body.is_none()) && self.is_wanted(key)
    }

    /// The watch an object is of.
    pub(super) fn scope(&self, key: &Key) -> Option<&Scope> {
        self.watched.get(&key.watch).map(|watched| &watched.scope)
    }

    /// Puts in an object that was read, where it is still missing.
    pub(super) fn fill(&mut self, key: &Key, object: Value) {
        let same = self.entry(key).is_some_and(|entry| uid(&object).unwrap_or_default() == entry.uid);
        if same && self.lacks(key) {
            let version = self.tick();
            let body = Arc::new(prune(object));
            if let Some(entry) = self.entry_mut(key) {
                entry.body = Some(body);
                entry.version = version;
            }
            self.touch(key);
        }
    }

    // Followers.

    pub(super) fn follow(&mut self, changed: watch::Sender<u64>) -> FollowerId {
        let id = self.tick();
        self.followers.insert(id, Follower { changed, watches: HashSet::new() });
        id
    }

    pub(super) fn hold(&mut self, follower: FollowerId, watch: WatchId) {
        if let Some(follower) = self.followers.get_mut(&follower) {
            follower.watches.insert(watch);
        }
    }

    pub(super) fn add_root(&mut self, follower: FollowerId, key: &Key) {
        if self.lacks_body(key) {
            self.hungry.insert(key.clone());
        }
        self.roots.entry(key.clone()).or_default().push(follower);
        self.want_below(key);
    }

    pub(super) fn unfollow(&mut self, id: FollowerId) {
        self.followers.remove(&id);
        self.roots.retain(|_, followers| {
            followers.retain(|follower| *follower != id);
            !followers.is_empty()
        });
        self.sweep();
    }

    /// Drops what is no longer wanted.
    fn sweep(&mut self) {
        let all = self.watched.iter().flat_map(|(&watch, watched)| {
            let whole = watched.entries.iter().filter(|(_, entry)| entry.body.is_some());
            whole.map(move |(name, _)| Key { watch, name: Arc::clone(name) })
        });
        let unwanted: Vec<Key> = all.filter(|key| !self.is_wanted(key)).collect();
        for key in unwanted {
            if let Some(entry) = self.entry_mut(&key) {
                entry.body = None;
                let uid = entry.uid.clone();
                self.events.forget(&uid);
            }
        }
        let mut events = std::mem::take(&mut self.events);
        events.retain(|uid| self.by_uid.get(uid).is_some_and(|key| self.is_wanted(key)));
        self.events = events;
    }

    pub(super) fn look(&self, key: &Key) -> Look {
        let entry = self.entry(key);
        let health = self.watched.get(&key.watch).map(|watched| &watched.health);
        let missing = entry.is_some_and(|entry| entry.body.is_none());
        Look {
            live: entry.and_then(|entry| entry.body.clone()),
            version: entry.map_or(0, |entry| entry.version),
            known: health == Some(&Health::Live) && !missing,
            unwatched: match health {
                Some(Health::Failing(why)) => Some(why.clone()),
                Some(Health::Starting | Health::Live) | None => None,
            },
        }
    }

    // Who belongs to whom.

    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.watched.get(&key.watch)?.entries.get(&key.name)
    }

    fn entry_mut(&mut self, key: &Key) -> Option<&mut Entry> {
        self.watched.get_mut(&key.watch)?.entries.get_mut(&key.name)
    }

    fn lacks_body(&self, key: &Key) -> bool {
        self.entry(key).is_some_and(|entry| entry.body.is_none())
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    fn namespace(&self, key: &Key) -> Option<String> {
        self.watched.get(&key.watch)?.scope.namespace.clone()
    }

    fn link(&mut self, key: Key, entry: Entry) {
        for owner in &entry.owners {
            self.owned.entry(owner.clone()).or_default().insert(key.clone());
        }
        let namespace = self.namespace(&key);
        for claim in &entry.claims {
            self.claimants.entry((namespace.clone(), claim.clone())).or_default().insert(key.clone());
        }
        if !entry.uid.is_empty() {
            self.by_uid.insert(entry.uid.clone(), key.clone());
        }
        if let Some(watched) = self.watched.get_mut(&key.watch) {
            watched.entries.insert(key.name, entry);
        }
    }

    fn unlink(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.watched.get_mut(&key.watch)?.entries.remove(&key.name)?;
        let namespace = self.namespace(key);
        for owner in &entry.owners {
            remove_from(&mut self.owned, owner, key);
        }
        for claim in &entry.claims {
            remove_from(&mut self.claimants, &(namespace.clone(), claim.clone()), key);
        }
        if self.by_uid.get(&entry.uid) == Some(key) {
            self.by_uid.remove(&entry.uid);
        }
        Some(entry)
    }

    /// What an object owns, and the claims a pod mounts.
    pub(super) fn below(&self, key: &Key) -> Vec<Key> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let mut below: Vec<Key> = self.owned.get(&entry.uid).into_iter().flatten().cloned().collect();
        if let Some(namespace) = self.namespace(key).filter(|_| !entry.claims.is_empty()) {
            let claims = Scope::within("v1", "PersistentVolumeClaim", &namespace);
            if let Some(&watch) = self.ids.get(&claims) {
                let claims = entry.claims.iter().map(|name| Key { watch, name: name.as_str().into() });
                below.extend(claims.filter(|key| self.entry(key).is_some()));
            }
        }
        below
    }

    fn above(&self, key: &Key) -> Vec<Key> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let mut above: Vec<Key> = entry.owners.iter().filter_map(|uid| self.by_uid.get(uid)).cloned().collect();
        if self.scope(key).is_some_and(|scope| scope.kind == "PersistentVolumeClaim") {
            let claimed = (self.namespace(key), key.name.to_string());
            above.extend(self.claimants.get(&claimed).into_iter().flatten().cloned());
        }
        above
    }

    /// The objects that are followed and to which this one belongs, itself included.
    fn roots_above(&self, key: &Key) -> Vec<Key> {
        let mut found = Vec::new();
        let mut seen = vec![key.clone()];
        let mut next = 0;
        while let Some(key) = seen.get(next).cloned() {
            next += 1;
            for above in self.above(&key) {
                if !seen.contains(&above) {
                    seen.push(above);
                }
            }
            if self.roots.contains_key(&key) {
                found.push(key);
            }
        }
        found
    }

    pub(super) fn is_wanted(&self, key: &Key) -> bool {
        !self.roots_above(key).is_empty()
    }

    /// What belongs to an object that has become wanted is wanted, too.
    fn want_below(&mut self, key: &Key) {
        let mut seen = vec![key.clone()];
        let mut next = 0;
        while let Some(key) = seen.get(next).cloned() {
            next += 1;
            for below in self.below(&key) {
                if !seen.contains(&below) {
                    if self.lacks_body(&below) {
                        self.hungry.insert(below.clone());
                    }
                    if let Some(uid) = self.entry(&below).map(|entry| entry.uid.clone()) {
                        self.events.settle(&uid);
                    }
                    seen.push(below);
                }
            }
        }
    }

    // Telling.

    fn touch(&self, key: &Key) {
        self.tell(&self.roots_above(key));
    }

    fn tell(&self, roots: &[Key]) {
        let followers: HashSet<FollowerId> =
            roots.iter().filter_map(|root| self.roots.get(root)).flatten().copied().collect();
        for follower in followers.iter().filter_map(|id| self.followers.get(id)) {
            follower.changed.send_modify(|changes| *changes += 1);
        }
    }

    fn tell_holders(&self, watch: WatchId) {
        for follower in self.followers.values().filter(|follower| follower.watches.contains(&watch)) {
            follower.changed.send_modify(|changes| *changes += 1);
        }
    }

    #[cfg(test)]
    pub(super) fn bodies(&self) -> usize {
        self.watched.values().flat_map(|watched| watched.entries.values()).filter(|entry| entry.body.is_some()).count()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
            && self.ids.is_empty()
            && self.by_uid.is_empty()
            && self.owned.is_empty()
            && self.claimants.is_empty()
            && self.roots.is_empty()
            && self.followers.is_empty()
            && self.hungry.is_empty()
            && self.events.len() == 0
    }
}

/// The name by which a watch knows an object. Where a namespaced kind is watched without a namespace, what is meant is the one
/// in `default`.
fn name_in(scope: &Scope, object: &Value) -> Option<Arc<str>> {
    let namespace = text(object, "/metadata/namespace");
    let meant = scope.namespace.is_some() || namespace.is_none_or(|namespace| namespace == "default");
    text(object, "/metadata/name").filter(|_| meant).map(Arc::from)
}

fn remove_from<K: std::hash::Hash + Eq>(index: &mut HashMap<K, BTreeSet<Key>>, at: &K, key: &Key) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}
