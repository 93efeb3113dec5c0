//! What the cache keeps, and to whom it tells what.

use super::cache::{Cache, FollowerId, Health, Key, WatchId};
use super::family;
use super::scope::Scope;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::watch;

fn object(kind: &str, name: &str, uid: &str, owner: Option<&str>) -> Value {
    let owners: Vec<Value> = owner.into_iter().map(|uid| json!({"uid": uid})).collect();
    json!({"kind": kind, "metadata": {"name": name, "namespace": "web", "uid": uid, "ownerReferences": owners}})
}

fn pod(name: &str, owner: &str, claim: &str) -> Value {
    let mut pod = object("Pod", name, name, Some(owner));
    pod["spec"] = json!({"volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": claim}}]});
    pod
}

fn set(name: &str, revision: &str) -> Value {
    let mut set = object("ReplicaSet", name, name, Some("deployment"));
    set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": revision});
    set
}

fn event(about: &str, name: &str) -> Value {
    json!({"kind": "Event", "metadata": {"name": name}, "involvedObject": {"uid": about}, "lastTimestamp": "2026-11-21T08:00:00Z"})
}

/// A cache with a watch of each kind, and one follower of Deployment `web`.
struct World {
    cache: Cache,
    deployments: WatchId,
    sets: WatchId,
    pods: WatchId,
    claims: WatchId,
    events: WatchId,
    follower: FollowerId,
    changes: watch::Receiver<u64>,
}

impl World {
    fn new() -> Self {
        let mut cache = Cache::default();
        let mut begin = |api_version, kind| cache.begin_watch(Scope::within(api_version, kind, "web"));
        let (deployments, sets, pods) =
            (begin("apps/v1", "Deployment"), begin("apps/v1", "ReplicaSet"), begin("v1", "Pod"));
        let (claims, events) = (begin("v1", "PersistentVolumeClaim"), begin("v1", "Event"));
        let (to, changes) = watch::channel(0);
        let follower = cache.follow(to);
        cache.hold(follower, deployments);
        cache.add_root(follower, &Key { watch: deployments, name: "web".into() });
        Self { cache, deployments, sets, pods, claims, events, follower, changes }
    }

    fn root(&self) -> Key {
        Key { watch: self.deployments, name: "web".into() }
    }

    fn told(&mut self) -> bool {
        let told = self.changes.has_changed().unwrap();
        self.changes.mark_unchanged();
        told
    }

    fn hungry(&mut self) -> Vec<String> {
        self.cache.take_hungry().into_iter().map(|key| key.name.to_string()).collect()
    }

    fn family(&self) -> (Vec<String>, Vec<String>) {
        let (owned, events) = family::of(&self.cache, &self.root());
        let names = |objects: Vec<std::sync::Arc<Value>>| {
            objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        (names(owned), names(events))
    }

    /// A Deployment with an old and a new ReplicaSet, a pod and a claim of each.
    fn with_family() -> Self {
        let mut world = Self::new();
        world.cache.there(world.deployments, object("Deployment", "web", "deployment", None));
        for (name, revision) in [("old", "9"), ("new", "10")] {
            world.cache.there(world.sets, set(name, revision));
            world.cache.there(world.pods, pod(&format!("{name}-pod"), name, &format!("{name}-claim")));
            let claim = object("PersistentVolumeClaim", &format!("{name}-claim"), &format!("{name}-claim"), None);
            world.cache.there(world.claims, claim);
        }
        world
    }
}

#[test]
fn a_family_is_told_newest_first_with_its_events() {
    let mut world = World::with_family();
    for (about, name) in [("deployment", "a"), ("new-pod", "b"), ("new-claim", "c"), ("someone", "d")] {
        world.cache.there(world.events, event(about, name));
    }
    let (owned, events) = world.family();
    assert_eq!(owned, ["new", "old", "new-pod", "old-pod", "new-claim", "old-claim"]);
    assert_eq!(events, ["a", "b", "c"]);
}

#[test]
fn only_what_belongs_to_a_followed_object_is_kept_and_told() {
    let mut world = World::with_family();
    let kept = world.cache.bodies();
    assert!(world.told());
    world.cache.there(world.deployments, object("Deployment", "other", "other", None));
    world.cache.there(world.pods, pod("other-pod", "other-set", "other-claim"));
    world.cache.there(world.claims, object("PersistentVolumeClaim", "other-claim", "other-claim", None));
    world.cache.there(world.events, event("other-pod", "e"));
    assert_eq!((world.cache.bodies(), world.told(), world.hungry()), (kept, false, Vec::new()));
    world.cache.there(world.pods, pod("new-pod", "new", "new-claim"));
    assert!(world.told());
    world.cache.there(world.events, event("old-claim", "e"));
    assert!(world.told());
}

#[test]
fn what_came_before_its_owner_is_read() {
    let mut world = World::new();
    world.cache.there(world.pods, pod("pod", "set", "claim"));
    world.cache.there(world.events, event("deployment", "early"));
    world.cache.there(world.deployments, object("Deployment", "web", "deployment", None));
    assert_eq!(world.hungry(), Vec::<String>::new());
    world.cache.there(world.sets, set("set", "1"));
    assert_eq!((world.hungry(), world.hungry()), (vec!["pod".to_owned()], Vec::new()));
    assert_eq!(world.family(), (vec!["set".to_owned()], vec!["early".to_owned()]));
    let key = Key { watch: world.pods, name: "pod".into() };
    let mut another = pod("pod", "set", "claim");
    another["metadata"]["uid"] = json!("made anew");
    world.cache.fill(&key, another);
    assert!(world.cache.lacks(&key), "another object of the same name");
    world.cache.fill(&key, pod("pod", "set", "claim"));
    assert_eq!(world.family().0, ["set", "pod"]);
}

#[test]
fn a_later_follower_gets_what_was_not_kept() {
    let mut world = World::with_family();
    world.cache.there(world.deployments, object("Deployment", "later", "later", None));
    world.cache.there(world.pods, pod("later-pod", "later", "none"));
    let key = Key { watch: world.deployments, name: "later".into() };
    world.cache.up_to_date(world.deployments);
    let follower = world.cache.follow(watch::channel(0).0);
    world.cache.add_root(follower, &key);
    assert!(!world.cache.look(&key).known, "it exists, but nobody knows how it stands");
    assert_eq!(world.hungry(), ["later", "later-pod"]);
    world.cache.fill(&key, object("Deployment", "later", "later", None));
    assert!(world.cache.look(&key).known);
}

#[test]
fn an_object_made_anew_has_nothing_of_the_old_one() {
    let mut world = World::with_family();
    world.cache.there(world.events, event("deployment", "old"));
    let before = world.cache.look(&world.root()).version;
    world.cache.there(world.deployments, object("Deployment", "web", "another", None));
    let look = world.cache.look(&world.root());
    assert_eq!(look.live.unwrap()["metadata"]["uid"], "another");
    assert_ne!(look.version, before);
    assert_eq!(world.family(), (Vec::new(), Vec::new()));
}

#[test]
fn what_a_new_list_does_not_tell_is_gone() {
    let mut world = World::with_family();
    world.cache.up_to_date(world.deployments);
    world.told();
    world.cache.listing(world.deployments);
    assert!(world.cache.look(&world.root()).live.is_some(), "until the list is complete");
    world.cache.up_to_date(world.deployments);
    let look = world.cache.look(&world.root());
    assert_eq!((look.live, look.known, world.told()), (None, true, true));
}

#[test]
fn a_watch_that_fails_makes_what_it_told_uncertain() {
    let mut world = World::with_family();
    let known = |world: &World| {
        let look = world.cache.look(&world.root());
        (look.known, look.unwatched)
    };
    assert_eq!(known(&world), (false, None));
    world.cache.up_to_date(world.deployments);
    assert_eq!(known(&world), (true, None));
    world.told();
    world.cache.failing(world.deployments, "cut".to_owned());
    assert_eq!((known(&world), world.told()), ((false, Some("cut".to_owned())), true));
    world.cache.up_to_date(world.deployments);
    assert_eq!(known(&world), (true, None));
    assert_eq!(world.cache.health(&Scope::within("apps/v1", "Deployment", "web")), Some(&Health::Live));
}

#[test]
fn nothing_is_left_when_nobody_follows() {
    let mut world = World::with_family();
    world.cache.there(world.events, event("deployment", "a"));
    world.cache.there(world.events, event("nobody", "b"));
    world.cache.there(world.deployments, object("Deployment", "other", "other", None));
    world.cache.unfollow(world.follower);
    assert_eq!(world.cache.bodies(), 0);
    for id in [world.deployments, world.sets, world.pods, world.claims, world.events] {
        world.cache.end_watch(id);
        world.cache.there(id, object("Pod", "late", "late", None));
    }
    assert!(world.cache.is_empty());
}

#[rstest]
#[case(Some("default"), true)]
#[case(Some("web"), false)]
#[case(None, true)]
fn without_a_namespace_the_default_one_is_meant(#[case] namespace: Option<&str>, #[case] meant: bool) {
    let mut cache = Cache::default();
    let scope = Scope { api_version: "v1".to_owned(), kind: "Widget".to_owned(), namespace: None };
    let watch = cache.begin_watch(scope);
    let follower = cache.follow(tokio::sync::watch::channel(0).0);
    let key = Key { watch, name: "a".into() };
    cache.add_root(follower, &key);
    cache.there(watch, json!({"metadata": {"name": "a", "namespace": namespace}}));
    assert_eq!(cache.look(&key).live.is_some(), meant);
}

/// Owners that own each other must not be followed for ever.
#[test]
fn circles_end() {
    let mut world = World::new();
    world.cache.there(world.deployments, object("Deployment", "web", "deployment", Some("set")));
    world.cache.there(world.sets, set("set", "1"));
    assert_eq!(world.family().0, ["set"]);
}
