//! A cluster in memory.

use crate::fail::Failures;
use crate::store::{self, Store, key};
use async_trait::async_trait;
use futures::stream::BoxStream;
use pilothouse_core::{ObjectRef, object_ref};
use pilothouse_kube::{
    ApplyOptions, Change, ClusterClient, ClusterError, Detail, Discovery, ExecOutput, ExecQuery, ListQuery, LogQuery,
    PodConnection, PodPort, Precondition, Propagation, Resource, ServerVersion, UpdateOptions,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;

/// A cluster in memory that serves a handful of kinds. Objects are what was put in; nothing happens to them by itself,
/// but that every object has a `metadata.uid` and every write changes its `metadata.resourceVersion`, and that of a Widget
/// `metadata.generation` too when it changes more than metadata and status. Every call can be made to fail or disturbed.
/// Watches are told every write.
#[derive(Default)]
pub struct FakeCluster {
    store: Arc<Mutex<Store>>,
    writes: AtomicU64,
    served: Mutex<Served>,
    disturbances: Mutex<BTreeMap<usize, Disturbance>>,
    before: Mutex<Vec<(String, Interference)>>,
    logs: Mutex<BTreeMap<(String, bool), String>>,
    pods: Mutex<Pods>,
    refusals: Mutex<Vec<(String, Refusal)>>,
    denied: Mutex<Vec<String>>,
    /// The calls, and which of them fails.
    pub failures: Arc<Failures>,
}

/// What happens to a call other than that it fails.
pub enum Disturbance {
    /// It is done, and the answer is lost: it fails all the same.
    LoseAnswer,
    /// It is not done, and never answered.
    Hang,
    /// Something else happens in the cluster just before it is done.
    Before(Box<dyn FnOnce(&FakeCluster) + Send>),
}

/// What the cluster is, where that is not what it always is.
#[derive(Default)]
struct Served {
    version: Option<String>,
    more_kinds: Vec<Resource>,
}

/// What pods answer, beside their objects.
#[derive(Default)]
struct Pods {
    ports: BTreeMap<(String, u16), SocketAddr>,
    programs: BTreeMap<Vec<String>, ExecOutput>,
}

/// The kinds it serves that are in no namespace.
const CLUSTER_SCOPED: [&str; 3] = ["Namespace", "PersistentVolume", "CustomResourceDefinition"];

/// What asks for a permission.
const REVIEW: &str = "SelfSubjectAccessReview";

/// What the server says to a call it does not do.
type Refusal = Box<dyn Fn() -> ClusterError + Send>;

/// What somebody else does at a bad moment.
type Interference = Box<dyn FnOnce(&FakeCluster) + Send>;

impl FakeCluster {
    /// Puts an object in, in place of one of the same kind, namespace and name.
    ///
    /// # Panics
    /// When the object has no kind or name.
    pub fn put(&self, object: Value) {
        let key = key(&object_ref(&object).unwrap_or_else(|| panic!("an object without kind or name: {object}")));
        let mut store = self.lock();
        let object = self.written(object, store.objects.get(&key));
        store.put(key, object);
    }

    /// From now on the server is of this version, instead of `v1.36.2`.
    pub fn become_version(&self, version: impl Into<String>) {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).version = Some(version.into());
    }

    /// From now on a kind of this API group is served too.
    pub fn serve(&self, group: &str, kind: &str) {
        let kind = resource(group, kind, &format!("{}s", kind.to_lowercase()), "", true);
        self.served.lock().unwrap_or_else(PoisonError::into_inner).more_kinds.push(kind);
    }

    /// Interrupts all open watches of a kind with an error; until [`FakeCluster::mend_watches`] they are told nothing.
    pub fn break_watches(&self, kind: &str, error: impl Fn() -> ClusterError) {
        self.lock().break_watches(kind, error);
    }

    /// Lets the interrupted watches of a kind go on, with a new list.
    pub fn mend_watches(&self, kind: &str) {
        self.lock().mend_watches(kind);
    }

    /// Lets the interrupted watches of a kind go on as if nothing had happened since: what was written meanwhile is never told.
    pub fn mend_watches_without_news(&self, kind: &str) {
        self.lock().mend_watches_without_news(kind);
    }

    /// Ends every watch of a kind that begins from now on with an error; `None` allows them again.
    pub fn refuse_watches(&self, kind: &str, error: Option<fn() -> ClusterError>) {
        self.lock().refuse_watches(kind, error);
    }

    /// How many watches of a kind are open.
    pub fn open_watches(&self, kind: &str) -> usize {
        self.lock().open_watches(kind)
    }

    /// Disturbs the call number `nth`, counted as by [`Failures::fail_at`].
    pub fn disturb_at(&self, nth: usize, disturbance: Disturbance) {
        self.disturbances.lock().unwrap_or_else(PoisonError::into_inner).insert(nth, disturbance);
    }

    /// Lets somebody else do something right before the next call that begins so (`patch Secret`).
    pub fn before(&self, call: impl Into<String>, interference: impl FnOnce(&Self) + Send + 'static) {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).push((call.into(), Box::new(interference)));
    }

    /// Answers every call that begins so (`apply Secret`) with an error.
    pub fn refuse(&self, call: impl Into<String>, error: impl Fn() -> ClusterError + Send + 'static) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push((call.into(), Box::new(error)));
    }

    /// Lets access reviews say no to this (`create configmaps`).
    pub fn deny(&self, what: impl Into<String>) {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// What a review is answered; `None` for any other object.
    fn review(&self, object: &Value) -> Option<Value> {
        let attributes = object.pointer("/spec/resourceAttributes").filter(|_| object["kind"] == REVIEW)?;
        let asked = format!("{} {}", attributes["verb"].as_str()?, attributes["resource"].as_str()?);
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = object.clone();
        answer["status"] = json!({"allowed": !denied.contains(&asked)});
        Some(answer)
    }

    /// Gives a container a log; with `previous` that of its run before the present one.
    pub fn put_log(&self, pod: &str, container: &str, previous: bool, text: impl Into<String>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.insert((format!("{pod} {container}"), previous), text.into());
    }

    /// Lets a port of a pod lead to an address of this machine.
    pub fn listen(&self, pod: impl Into<String>, port: u16, address: SocketAddr) {
        self.pods().ports.insert((pod.into(), port), address);
    }

    /// What a program answers, in every container.
    pub fn program(&self, command: &[&str], output: ExecOutput) {
        self.pods().programs.insert(command.iter().map(|&part| part.to_owned()).collect(), output);
    }

    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.lock().objects.get(&(kind.to_owned(), namespace.map(str::to_owned), name.to_owned())).cloned()
    }

    /// Takes an object out.
    pub fn remove(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.lock().remove(&(kind.to_owned(), namespace.map(str::to_owned), name.to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self, call: &str) -> Option<ClusterError> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.iter().find(|(prefix, _)| call.starts_with(prefix.as_str())).map(|(_, refusal)| refusal())
    }

    /// Notes a call. Gives the failure to be told after it was done, if any.
    async fn call(&self, what: String) -> Result<Option<ClusterError>, ClusterError> {
        self.interfere(&what);
        let failed = |message: &str| ClusterError::Api { status: 500, what: what.clone(), message: message.to_owned() };
        if self.failures.hit(what.clone()) {
            return Err(failed("made to fail"));
        }
        if let Some(error) = self.refusal(&what) {
            return Err(error);
        }
        let nth = self.failures.calls().len();
        let disturbance = self.disturbances.lock().unwrap_or_else(PoisonError::into_inner).remove(&nth);
        match disturbance {
            None => Ok(None),
            Some(Disturbance::LoseAnswer) => Ok(Some(failed("its answer was lost"))),
            Some(Disturbance::Hang) => std::future::pending().await,
            Some(Disturbance::Before(happens)) => {
                happens(self);
                Ok(None)
            }
        }
    }

    /// An object after a write: with its former `uid` or a new one, and with a new `resourceVersion`.
    fn written(&self, mut object: Value, before: Option<&Value>) -> Value {
        let version = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let uid = before.map(|before| before["metadata"]["uid"].clone());
        object["metadata"]["uid"] = uid.unwrap_or_else(|| json!(format!("uid-{version}")));
        if object["kind"] == "Widget" {
            object["metadata"]["generation"] = json!(generation(&object, before));
        }
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object
    }
}

/// As the server counts it: up with every change of what is wanted of an object.
fn generation(object: &Value, before: Option<&Value>) -> i64 {
    let wanted = |object: &Value| {
        let mut wanted = object.clone();
        if let Some(parts) = wanted.as_object_mut() {
            parts.retain(|part, _| part != "metadata" && part != "status");
        }
        wanted
    };
    match before {
        None => 1,
        Some(before) => {
            let changed = wanted(before) != wanted(object);
            before["metadata"]["generation"].as_i64().unwrap_or_default() + i64::from(changed)
        }
    }
}

/// Whether a change may be made to an object.
fn check(object: &ObjectRef, live: &Value, precondition: &Precondition) -> Result<(), ClusterError> {
    for (field, wanted) in [("uid", &precondition.uid), ("resourceVersion", &precondition.resource_version)] {
        if let Some(wanted) = wanted
            && live["metadata"][field] != wanted.as_str()
        {
            let message = format!("its {field} is not {wanted}");
            return Err(ClusterError::Conflict { object: object.clone(), message });
        }
    }
    Ok(())
}

/// RFC 7396.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
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
        verbs: ["create", "delete", "get", "list", "patch", "update", "watch"].map(str::to_owned).to_vec(),
        subresource_kinds: Vec::new(),
    }
}

#[async_trait]
impl ClusterClient for FakeCluster {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.call("version".to_owned()).await?;
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let git_version = served.version.clone().unwrap_or_else(|| "v1.36.2".to_owned());
        Ok(ServerVersion { git_version, major: "1".to_owned(), minor: "36".to_owned() })
    }

    async fn discovery(&self, _fresh: bool) -> Result<Arc<Discovery>, ClusterError> {
        self.call("discovery".to_owned()).await?;
        let mut kinds = vec![
            resource("", "ConfigMap", "configmaps", "cm", true),
            resource("", "Secret", "secrets", "", true),
            resource("", "Service", "services", "svc", true),
            resource("", "Pod", "pods", "po", true),
            resource("", "Namespace", "namespaces", "ns", false),
            resource("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true),
            resource("", "PersistentVolume", "persistentvolumes", "pv", false),
            resource("", "ServiceAccount", "serviceaccounts", "sa", true),
            resource("batch", "Job", "jobs", "", true),
            resource("apps", "Deployment", "deployments", "deploy", true),
            resource("apps", "StatefulSet", "statefulsets", "sts", true),
            resource("coordination.k8s.io", "Lease", "leases", "", true),
            resource("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd", false),
            resource("example.com", "Widget", "widgets", "", true),
        ];
        kinds.extend(self.served.lock().unwrap_or_else(PoisonError::into_inner).more_kinds.iter().cloned());
        Ok(Arc::new(Discovery::new(kinds)))
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        self.call(format!("get {object}")).await?;
        Ok(self.lock().objects.get(&key(object)).cloned())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        self.call(format!("list {}", query.kind)).await?;
        Ok(self.lock().matching(query))
    }

    async fn list_metadata(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        Ok(self.list(query).await?.into_iter().map(|object| store::of_detail(object, Detail::Metadata)).collect())
    }

    fn watch(&self, query: &ListQuery, detail: Detail) -> BoxStream<'static, Result<Change, ClusterError>> {
        store::watch(Arc::clone(&self.store), Arc::clone(&self.failures), query.clone(), detail)
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Value, ClusterError> {
        let mut named = object_ref(object).ok_or(ClusterError::Unnamed { lacks: "metadata.name" })?;
        let lost = self.call(format!("apply {named}")).await?;
        if !CLUSTER_SCOPED.contains(&named.kind.as_str()) {
            named.namespace = named.namespace.or_else(|| options.default_namespace.clone());
        }
        let mut store = self.lock();
        let before = store.objects.get(&key(&named)).cloned();
        let mut live = before.clone().unwrap_or_else(|| json!({}));
        merge(&mut live, object);
        if options.dry_run {
            return lost.map_or(Ok(live), Err);
        }
        let live = self.written(live, before.as_ref());
        store.put(key(&named), live.clone());
        lost.map_or(Ok(live), Err)
    }

    async fn update_dry_run(
        &self,
        target: &ObjectRef,
        object: &Value,
        _options: &UpdateOptions,
    ) -> Result<Value, ClusterError> {
        let lost = self.call(format!("update {target}")).await?;
        let live = self.lock().objects.get(&key(target)).cloned();
        let live = live.ok_or_else(|| ClusterError::NotFound { object: target.clone() })?;
        check(target, &live, &Precondition { uid: None, ..Precondition::unchanged(object) })?;
        let mut then = object.clone();
        for field in ["uid", "namespace", "managedFields"] {
            if let Some(value) = live["metadata"].get(field) {
                then["metadata"][field] = value.clone();
            }
        }
        if let Some(status) = live.get("status") {
            then["status"] = status.clone();
        }
        lost.map_or(Ok(then), Err)
    }

    async fn create_dry_run(&self, object: &Value, _options: &UpdateOptions) -> Result<Value, ClusterError> {
        let named = object_ref(object).ok_or(ClusterError::Unnamed { lacks: "metadata.name" })?;
        let lost = self.call(format!("dry-create {named}")).await?;
        if self.lock().objects.contains_key(&key(&named)) {
            return Err(ClusterError::Conflict { object: named, message: "already exists".to_owned() });
        }
        lost.map_or_else(|| Ok(object.clone()), Err)
    }

    async fn create(&self, object: &Value) -> Result<Value, ClusterError> {
        if let Some(answer) = self.review(object) {
            let lost = self.call(format!("create {REVIEW}")).await?;
            return lost.map_or(Ok(answer), Err);
        }
        let named = object_ref(object).ok_or(ClusterError::Unnamed { lacks: "metadata.name" })?;
        let lost = self.call(format!("create {named}")).await?;
        let mut store = self.lock();
        if store.objects.contains_key(&key(&named)) {
            return Err(ClusterError::Conflict { object: named, message: "already exists".to_owned() });
        }
        let created = self.written(object.clone(), None);
        store.put(key(&named), created.clone());
        lost.map_or(Ok(created), Err)
    }

    async fn merge_patch(
        &self,
        object: &ObjectRef,
        patch: &Value,
        precondition: &Precondition,
    ) -> Result<Value, ClusterError> {
        let lost = self.call(format!("patch {object}")).await?;
        let mut store = self.lock();
        let before = store.objects.get(&key(object)).cloned();
        let before = before.ok_or_else(|| ClusterError::NotFound { object: object.clone() })?;
        check(object, &before, precondition)?;
        let mut live = before.clone();
        merge(&mut live, patch);
        let live = self.written(live, Some(&before));
        store.put(key(object), live.clone());
        lost.map_or(Ok(live), Err)
    }

    async fn merge_patch_status(&self, object: &ObjectRef, patch: &Value) -> Result<Value, ClusterError> {
        self.merge_patch(object, patch, &Precondition::default()).await
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        precondition: &Precondition,
        _propagation: Propagation,
    ) -> Result<bool, ClusterError> {
        let lost = self.call(format!("delete {object}")).await?;
        let mut store = self.lock();
        let Some(live) = store.objects.get(&key(object)) else { return Ok(false) };
        check(object, live, precondition)?;
        store.remove(&key(object));
        lost.map_or(Ok(true), Err)
    }

    async fn create_namespace(&self, name: &str) -> Result<bool, ClusterError> {
        let lost = self.call(format!("create Namespace {name}")).await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let key = ("Namespace".to_owned(), None, name.to_owned());
        let mut store = self.lock();
        if store.objects.contains_key(&key) {
            return Ok(false);
        }
        store.put(key, self.written(namespace, None));
        lost.map_or(Ok(true), Err)
    }

    async fn pod_log_tail(&self, log: &LogQuery) -> Result<String, ClusterError> {
        self.call(format!("log {}/{}", log.namespace, log.pod)).await?;
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(logs.get(&(format!("{} {}", log.pod, log.container), log.previous)).cloned().unwrap_or_default())
    }

    async fn connect_pod(&self, port: &PodPort) -> Result<PodConnection, ClusterError> {
        self.call(format!("connect {}/{}:{}", port.namespace, port.pod, port.port)).await?;
        let address = self.pods().ports.get(&(port.pod.clone(), port.port)).copied();
        let connected = match address {
            Some(address) => TcpStream::connect(address).await.map_err(|error| error.to_string()),
            None => Err("nothing listens there".to_owned()),
        };
        Ok(match connected {
            Ok(stream) => PodConnection {
                stream: Box::pin(stream),
                refused: Box::pin(std::future::pending()),
                guard: Box::new(()),
            },
            Err(why) => {
                let (stream, _) = tokio::io::duplex(1);
                PodConnection {
                    stream: Box::pin(stream),
                    refused: Box::pin(std::future::ready(why)),
                    guard: Box::new(()),
                }
            }
        })
    }

    async fn exec(&self, query: &ExecQuery) -> Result<ExecOutput, ClusterError> {
        self.call(format!("exec {}/{} {}", query.namespace, query.pod, query.command.join(" "))).await?;
        let output = self.pods().programs.get(&query.command).cloned();
        let missing = || ClusterError::Api {
            status: 0,
            what: format!("exec in {}", query.pod),
            message: "no such program".to_owned(),
        };
        output.ok_or_else(missing)
    }
}
