//! The objects of the cluster in memory, and the watches that are told what becomes of them.

use crate::fail::Failures;
use futures::StreamExt;
use futures::stream::BoxStream;
use pilothouse_core::ObjectRef;
use pilothouse_kube::{Change, ClusterError, Detail, ListQuery};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Time between a watch that was made to fail and its next attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// Kind, namespace, name.
pub(crate) type Key = (String, Option<String>, String);

pub(crate) fn key(object: &ObjectRef) -> Key {
    (object.kind.clone(), object.namespace.clone(), object.name.clone())
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) objects: BTreeMap<Key, Value>,
    watches: Vec<OpenWatch>,
    refused: BTreeMap<String, fn() -> ClusterError>,
}

type Told = Result<Change, ClusterError>;

struct OpenWatch {
    query: ListQuery,
    detail: Detail,
    to: UnboundedSender<Told>,
    broken: bool,
}

impl Store {
    pub(crate) fn put(&mut self, key: Key, object: Value) {
        self.tell(&key, &object, Change::There);
        self.objects.insert(key, object);
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Value> {
        let object = self.objects.remove(key)?;
        self.tell(key, &object, Change::Gone);
        Some(object)
    }

    fn tell(&mut self, key: &Key, object: &Value, change: fn(Value) -> Change) {
        self.watches.retain(|watch| !watch.to.is_closed());
        for watch in self.watches.iter().filter(|watch| !watch.broken && fits(&watch.query, key, object)) {
            // The receiver may have gone since.
            let _ = watch.to.send(Ok(change(of_detail(object.clone(), watch.detail))));
        }
    }

    pub(crate) fn matching(&self, query: &ListQuery) -> Vec<Value> {
        let found = self.objects.iter().filter(|(key, object)| fits(query, key, object));
        found.map(|(_, object)| object.clone()).collect()
    }

    pub(crate) fn break_watches(&mut self, kind: &str, error: impl Fn() -> ClusterError) {
        for watch in self.watches.iter_mut().filter(|watch| watch.query.kind == kind) {
            watch.broken = true;
            let _ = watch.to.send(Err(error()));
        }
    }

    pub(crate) fn mend_watches(&mut self, kind: &str) {
        let objects = &self.objects;
        for watch in self.watches.iter_mut().filter(|watch| watch.query.kind == kind && watch.broken) {
            watch.broken = false;
            list(objects, watch);
        }
    }

    pub(crate) fn mend_watches_without_news(&mut self, kind: &str) {
        for watch in self.watches.iter_mut().filter(|watch| watch.query.kind == kind && watch.broken) {
            watch.broken = false;
            let _ = watch.to.send(Ok(Change::UpToDate));
        }
    }

    pub(crate) fn refuse_watches(&mut self, kind: &str, error: Option<fn() -> ClusterError>) {
        match error {
            Some(error) => self.refused.insert(kind.to_owned(), error),
            None => self.refused.remove(kind),
        };
    }

    pub(crate) fn open_watches(&self, kind: &str) -> usize {
        self.watches.iter().filter(|watch| watch.query.kind == kind && !watch.to.is_closed()).count()
    }

    fn open(&mut self, query: ListQuery, detail: Detail) -> UnboundedReceiver<Told> {
        let (to, from) = unbounded_channel();
        let watch = OpenWatch { query, detail, to, broken: false };
        list(&self.objects, &watch);
        self.watches.push(watch);
        from
    }
}

fn list(objects: &BTreeMap<Key, Value>, watch: &OpenWatch) {
    let found = objects.iter().filter(|(key, object)| fits(&watch.query, key, object));
    let there = found.map(|(_, object)| Change::There(of_detail(object.clone(), watch.detail)));
    for change in [Change::Listing].into_iter().chain(there).chain([Change::UpToDate]) {
        let _ = watch.to.send(Ok(change));
    }
}

fn fits(query: &ListQuery, key: &Key, object: &Value) -> bool {
    key.0 == query.kind
        && (query.namespace.is_none() || key.1 == query.namespace)
        && query.label_selector.as_ref().is_none_or(|selector| matches(object, selector))
}

fn matches(object: &Value, selector: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    let (selector, of_list) = match selector.split_once(" in (") {
        // The last term, as here selectors are written.
        Some((before, names)) => {
            let (before, key) = before.rsplit_once(',').unwrap_or(("", before));
            (before, names.trim_end_matches(')').split(',').any(|name| labels[key] == name))
        }
        None => (selector, true),
    };
    let fits = |term: &str| match (term.split_once("!="), term.split_once('=')) {
        (Some((key, value)), _) => labels[key] != value,
        (None, Some((key, value))) => labels[key] == value,
        (None, None) => true,
    };
    of_list && selector.split(',').all(fits)
}

pub(crate) fn of_detail(object: Value, detail: Detail) -> Value {
    match detail {
        Detail::Whole => object,
        Detail::Metadata => json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": object["metadata"],
        }),
    }
}

/// A watch that counts as the call `watch KIND` whenever it begins, also again after it was made to fail.
pub(crate) fn watch(
    store: Arc<Mutex<Store>>,
    failures: Arc<Failures>,
    query: ListQuery,
    detail: Detail,
) -> BoxStream<'static, Told> {
    enum Stage {
        Begin(Duration),
        Open(UnboundedReceiver<Told>),
        Ended,
    }
    futures::stream::unfold(Stage::Begin(Duration::ZERO), move |stage| {
        let (store, failures, query) = (Arc::clone(&store), Arc::clone(&failures), query.clone());
        async move {
            let mut from = match stage {
                Stage::Ended => return None,
                Stage::Open(from) => from,
                Stage::Begin(pause) => {
                    tokio::time::sleep(pause).await;
                    let call = format!("watch {}", query.kind);
                    if failures.hit(call.clone()) {
                        let message = "made to fail".to_owned();
                        return Some((
                            Err(ClusterError::Api { status: 500, what: call, message }),
                            Stage::Begin(PAUSE),
                        ));
                    }
                    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(error) = store.refused.get(&query.kind) {
                        return Some((Err(error()), Stage::Ended));
                    }
                    store.open(query, detail)
                }
            };
            let told = from.recv().await?;
            let ends = told.as_ref().is_err_and(|error| !error.is_transient());
            Some((told, if ends { Stage::Ended } else { Stage::Open(from) }))
        }
    })
    .boxed()
}
