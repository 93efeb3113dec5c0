//! A cluster in memory.

use crate::fail::Failures;
use async_trait::async_trait;
use pilothouse_core::{ObjectRef, object_ref};
use pilothouse_kube::{
    ApplyOptions, ClusterClient, ClusterError, Discovery, ListQuery, LogQuery, Precondition, Propagation, Resource,
    ServerVersion,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A cluster in memory that serves a handful of kinds. Objects are what was put in; nothing happens to them by itself.
/// Each write gives an object a new `resourceVersion`, and each new object a `uid`. Every call can be made to fail.
#[derive(Default)]
pub struct FakeCluster {
    objects: Mutex<BTreeMap<Key, Value>>,
    writes: AtomicU64,
    before: Mutex<Vec<(String, Interference)>>,
    /// The calls, and which of them fails.
    pub failures: Failures,
}

type Key = (String, Option<String>, String);

/// What somebody else does at a bad moment.
type Interference = Box<dyn FnOnce(&FakeCluster) + Send>;

impl FakeCluster {
    /// Puts an object in, in place of one of the same kind, namespace and name.
    ///
    /// # Panics
    /// When the object has no kind or name.
    pub fn put(&self, mut object: Value) {
        let key = key(&object_ref(&object).unwrap_or_else(|| panic!("an object without kind or name: {object}")));
        self.written(&mut object);
        self.lock().insert(key, object);
    }

    /// Lets somebody else do something right before the next call that begins so (`patch Secret`).
    pub fn before(&self, call: impl Into<String>, interference: impl FnOnce(&Self) + Send + 'static) {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).push((call.into(), Box::new(interference)));
    }

    /// What the server adds to an object that is written.
    fn written(&self, object: &mut Value) {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        object["metadata"]["resourceVersion"] = json!(number.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{number}"));
        }
    }

    fn interfere(&self, call: &str) {
        let mut waiting = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.iter().position(|(prefix, _)| call.starts_with(prefix.as_str()));
        let interference = next.map(|index| waiting.remove(index).1);
        drop(waiting);
        if let Some(interference) = interference {
            interference(self);
        }
    }

    /// An object as it is now.
    pub fn object(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.lock().get(&(kind.to_owned(), namespace.map(str::to_owned), name.to_owned())).cloned()
    }

    /// Takes an object out.
    pub fn remove(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.lock().remove(&(kind.to_owned(), namespace.map(str::to_owned), name.to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Value>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, what: String) -> Result<(), ClusterError> {
        self.interfere(&what);
        if self.failures.hit(what.clone()) {
            return Err(ClusterError::Api { status: 500, what, message: "made to fail".to_owned() });
        }
        Ok(())
    }
}

/// Whether the object is as the precondition wants it.
fn holds(precondition: &Precondition, object: &ObjectRef, live: &Value) -> Result<(), ClusterError> {
    let metadata = &live["metadata"];
    let pairs = [(&precondition.uid, "uid"), (&precondition.resource_version, "resourceVersion")];
    for (wanted, key) in pairs {
        if wanted.as_ref().is_some_and(|wanted| metadata[key] != **wanted) {
            let message = "the object has been modified".to_owned();
            return Err(ClusterError::Conflict { object: object.clone(), message });
        }
    }
    Ok(())
}

fn key(object: &ObjectRef) -> Key {
    (object.kind.clone(), object.namespace.clone(), object.name.clone())
}

fn matches(object: &Value, selector: &str) -> bool {
    selector.split(',').all(|term| match term.split_once('=') {
        Some((key, value)) => object["metadata"]["labels"][key] == value,
        None => true,
    })
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(target), Value::Object(patch)) = (&mut *target, patch) else {
        *target = patch.clone();
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn resource(group: &str, kind: &str, plural: &str, short: &str, namespaced: bool) -> Resource {
    Resource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short_names: vec![short.to_owned()],
        namespaced,
        verbs: Vec::new(),
        subresource_kinds: Vec::new(),
    }
}

#[async_trait]
impl ClusterClient for FakeCluster {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.call("version".to_owned())?;
        Ok(ServerVersion { git_version: "v1.36.2".to_owned(), major: "1".to_owned(), minor: "36".to_owned() })
    }

    async fn discovery(&self, _fresh: bool) -> Result<Arc<Discovery>, ClusterError> {
        self.call("discovery".to_owned())?;
        Ok(Arc::new(Discovery::new(vec![
            resource("", "ConfigMap", "configmaps", "cm", true),
            resource("", "Secret", "secrets", "", true),
            resource("", "Namespace", "namespaces", "ns", false),
            resource("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true),
            resource("batch", "Job", "jobs", "", true),
            resource("apps", "Deployment", "deployments", "deploy", true),
            resource("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd", false),
            resource("example.com", "Widget", "widgets", "", true),
        ])))
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        self.call(format!("get {object}"))?;
        Ok(self.lock().get(&key(object)).cloned())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        self.call(format!("list {}", query.kind))?;
        let objects = self.lock();
        let fits = |(key, object): &(&Key, &Value)| {
            key.0 == query.kind
                && (query.namespace.is_none() || key.1 == query.namespace)
                && query.label_selector.as_ref().is_none_or(|selector| matches(object, selector))
        };
        Ok(objects.iter().filter(fits).map(|(_, object)| object.clone()).collect())
    }

    async fn list_metadata(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        let only = |object: Value| json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": object["metadata"]});
        Ok(self.list(query).await?.into_iter().map(only).collect())
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Value, ClusterError> {
        let mut named = object_ref(object).ok_or(ClusterError::Unnamed { lacks: "metadata.name" })?;
        self.call(format!("apply {named}"))?;
        named.namespace = named.namespace.or_else(|| options.default_namespace.clone());
        let mut objects = self.lock();
        let live = objects.entry(key(&named)).or_insert_with(|| json!({}));
        merge(live, object);
        self.written(live);
        Ok(live.clone())
    }

    async fn merge_patch(
        &self,
        object: &ObjectRef,
        patch: &Value,
        precondition: &Precondition,
    ) -> Result<Value, ClusterError> {
        self.call(format!("patch {object}"))?;
        let mut objects = self.lock();
        let live = objects.get_mut(&key(object)).ok_or_else(|| ClusterError::NotFound { object: object.clone() })?;
        holds(precondition, object, live)?;
        merge(live, patch);
        self.written(live);
        Ok(live.clone())
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        precondition: &Precondition,
        _propagation: Propagation,
    ) -> Result<bool, ClusterError> {
        self.call(format!("delete {object}"))?;
        let mut objects = self.lock();
        if let Some(live) = objects.get(&key(object)) {
            holds(precondition, object, live)?;
        }
        Ok(objects.remove(&key(object)).is_some())
    }

    async fn create_namespace(&self, name: &str) -> Result<bool, ClusterError> {
        self.call(format!("create Namespace {name}"))?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let key = ("Namespace".to_owned(), None, name.to_owned());
        Ok(self.lock().insert(key, namespace).is_none())
    }

    async fn pod_log_tail(&self, log: &LogQuery) -> Result<String, ClusterError> {
        self.call(format!("log {}/{}", log.namespace, log.pod))?;
        Ok(String::new())
    }
}
