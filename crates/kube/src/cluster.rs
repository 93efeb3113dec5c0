//! The real cluster, over HTTP.

use crate::client::{
    ApplyOptions, Change, ClusterClient, Detail, ExecOutput, ExecQuery, ListQuery, LogQuery, PodConnection, PodPort,
    Precondition, Propagation, ServerVersion,
};
use crate::discovery::{Discovery, Resource};
use crate::error::ClusterError;
use crate::streams;
use crate::transport::{Answer, Call, Retry, Transport, encode};
use crate::watch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::Method;
use kube::core::WatchEvent;
use pilothouse_core::{ObjectRef, object_ref};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Under this name our own changes (other than applies, which name theirs) are recorded in `managedFields`.
pub(crate) const FIELD_MANAGER: &str = "pilothouse";
/// How many objects a page of a list holds, as kubectl asks for.
const PAGE: u32 = 500;
/// The deadline of a request when none is given.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const METADATA_OF_ONE: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A Kubernetes cluster. Cheap to clone; clones share the connection and what is known of the cluster.
#[derive(Clone)]
pub struct Cluster {
    transport: Transport,
    discovery: Arc<Mutex<Option<Arc<Discovery>>>>,
}

// The client holds credentials.
impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster behind an existing client, with a deadline of 15 s per request.
    pub fn from_client(client: kube::Client) -> Self {
        Self { transport: Transport::new(client, REQUEST_TIMEOUT), discovery: Arc::default() }
    }

    /// The same cluster with another deadline for each request, retries included.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.transport = self.transport.with_timeout(timeout);
        self
    }

    /// Asks for the version within `timeout`, and gives up after few attempts: is there an API at all?
    pub(crate) async fn probe(&self, timeout: Duration) -> Result<ServerVersion, ClusterError> {
        let transport = self.transport.with_timeout(timeout);
        version(&transport, Retry::AtMost(4)).await
    }

    /// Finds the kind of an object. A kind that is not known is looked for once more in a fresh discovery, unless
    /// someone else has just fetched one.
    async fn resource(&self, object: &ObjectRef) -> Result<Resource, ClusterError> {
        let known = self.discovery(false).await?;
        if let Ok(resource) = known.lookup(object) {
            return Ok(resource.clone());
        }
        self.discovery_newer_than(Some(&known)).await?.lookup(object).cloned()
    }

    /// The discovery, fetched if there is none but `stale`.
    async fn discovery_newer_than(&self, stale: Option<&Arc<Discovery>>) -> Result<Arc<Discovery>, ClusterError> {
        let mut kept = self.discovery.lock().await;
        if let Some(known) = kept.as_ref()
            && stale.is_none_or(|stale| !Arc::ptr_eq(stale, known))
        {
            return Ok(Arc::clone(known));
        }
        let fetched = Arc::new(self.fetch_discovery().await?);
        *kept = Some(Arc::clone(&fetched));
        Ok(fetched)
    }

    /// What is known is out of date: something that was served is not any more.
    async fn forget_discovery(&self) {
        *self.discovery.lock().await = None;
    }

    async fn fetch_discovery(&self) -> Result<Discovery, ClusterError> {
        let fetch = async |path: &str| {
            let call = Call { accept: AGGREGATED, ..Call::get(path.to_owned(), "get", "discovery".to_owned()) };
            let answer = self.transport.json(&call).await?.unwrap_or_default();
            if answer.get("kind").and_then(Value::as_str) == Some("APIGroupDiscoveryList") {
                return Ok(answer);
            }
            Err(ClusterError::Malformed {
                what: format!("get {path}"),
                source: serde::de::Error::custom("no aggregated discovery, which Kubernetes has since 1.27"),
            })
        };
        let (core, groups) = futures::try_join!(fetch("/api"), fetch("/apis"))?;
        Ok(Discovery::from_aggregated(&[core, groups]))
    }

    async fn list_as(&self, query: &ListQuery, detail: Detail) -> Result<Vec<Value>, ClusterError> {
        let mut page = Page::first(PAGE);
        let mut items = Vec::new();
        loop {
            match self.list_page(query, detail, &page).await {
                Ok(found) => {
                    items.extend(found.items);
                    match found.token {
                        Some(token) => page.token = Some(token),
                        None => return Ok(items),
                    }
                }
                // The rest of the list is too old to be told (410): once more, all of it at once.
                Err(ClusterError::Api { status: 410, .. }) if page.token.is_some() => {
                    items.clear();
                    page = Page::whole();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads one page of a list.
    pub(crate) async fn list_page(
        &self,
        query: &ListQuery,
        detail: Detail,
        page: &Page,
    ) -> Result<Listed, ClusterError> {
        let resource = self.listed_resource(query).await?;
        let uri = format!("{}{}", collection(&resource, query.namespace.as_deref()), page.parameters(query));
        let accept = match detail {
            Detail::Whole => "application/json",
            Detail::Metadata => METADATA_ONLY,
        };
        let call = Call { accept, ..Call::get(uri, "list", described(query, &resource)) };
        let mut list = match self.transport.json(&call).await {
            Ok(list) => list.unwrap_or_default(),
            Err(error) => return Err(self.not_served_any_more(error, query).await),
        };
        let text = |pointer| list.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (token, version) = (text("/metadata/continue"), text("/metadata/resourceVersion"));
        let items = match list.get_mut("items").map(Value::take) {
            Some(Value::Array(found)) => found.into_iter().map(|item| named(item, &resource)).collect(),
            _ => Vec::new(),
        };
        Ok(Listed { items, token: Some(token).filter(|token| !token.is_empty()), version })
    }

    /// Opens a connection that tells what has changed since a version of a list, for at most `seconds`.
    pub(crate) async fn watch_since(
        &self,
        query: &ListQuery,
        detail: Detail,
        version: &str,
        seconds: u64,
    ) -> Result<BoxStream<'static, Result<WatchEvent<Value>, ClusterError>>, ClusterError> {
        let resource = self.listed_resource(query).await?;
        let mut uri = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}",
            collection(&resource, query.namespace.as_deref())
        );
        for (key, value) in [("resourceVersion", Some(version)), ("labelSelector", query.label_selector.as_deref())] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                uri.extend(["&", key, "=", &encode(value)]);
            }
        }
        let accept = match detail {
            Detail::Whole => "application/json",
            Detail::Metadata => METADATA_OF_ONE,
        };
        let call = Call { accept, ..Call::get(uri, "watch", described(query, &resource)) };
        let events = match self.transport.watch(&call).await {
            Ok(events) => events,
            Err(error) => return Err(self.not_served_any_more(error, query).await),
        };
        let with_kind = move |event: Result<WatchEvent<Value>, ClusterError>| {
            Ok(match event? {
                WatchEvent::Added(object) => WatchEvent::Added(named(object, &resource)),
                WatchEvent::Modified(object) => WatchEvent::Modified(named(object, &resource)),
                WatchEvent::Deleted(object) => WatchEvent::Deleted(named(object, &resource)),
                other @ (WatchEvent::Bookmark(_) | WatchEvent::Error(_)) => other,
            })
        };
        Ok(events.map(with_kind).boxed())
    }

    async fn listed_resource(&self, query: &ListQuery) -> Result<Resource, ClusterError> {
        let kind = ObjectRef {
            api_version: Some(query.api_version.clone()),
            kind: query.kind.clone(),
            namespace: query.namespace.clone(),
            name: String::new(),
        };
        self.resource(&kind).await
    }

    /// The API can be gone since it was discovered: then its path does not exist.
    async fn not_served_any_more(&self, error: ClusterError, query: &ListQuery) -> ClusterError {
        if !matches!(error, ClusterError::Api { status: 404, .. }) {
            return error;
        }
        self.forget_discovery().await;
        ClusterError::NotServed { kind: query.kind.clone(), group: Some(query.api_version.clone()) }
    }
}

/// One page of a list.
pub(crate) struct Listed {
    /// With `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// Where the next page begins; `None` after the last.
    pub token: Option<String>,
    /// The version of the whole list, from which it can be watched.
    pub version: String,
}

/// What a request for a list is about.
fn described(query: &ListQuery, resource: &Resource) -> String {
    match &query.namespace {
        Some(namespace) => format!("{} in namespace {namespace}", resource.plural),
        None => resource.plural.clone(),
    }
}

/// Where a list stands.
pub(crate) struct Page {
    limit: Option<u32>,
    pub token: Option<String>,
}

impl Page {
    /// The first of pages of this many objects.
    pub(crate) fn first(limit: u32) -> Self {
        Self { limit: Some(limit), token: None }
    }

    /// All in one page.
    pub(crate) fn whole() -> Self {
        Self { limit: None, token: None }
    }

    /// The query of the URI, with its question mark.
    fn parameters(&self, query: &ListQuery) -> String {
        let selector = query.label_selector.as_deref().map(|selector| format!("labelSelector={}", encode(selector)));
        let limit = self.limit.map(|limit| format!("limit={limit}"));
        let token = self.token.as_ref().map(|token| format!("continue={}", encode(token)));
        let all: Vec<String> = [selector, limit, token].into_iter().flatten().collect();
        if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
    }
}

/// Gives an item of a list its `apiVersion` and `kind`, which lists leave out.
fn named(item: Value, resource: &Resource) -> Value {
    let Value::Object(fields) = item else { return item };
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), Value::String(resource.api_version()));
    object.insert("kind".to_owned(), Value::String(resource.kind.clone()));
    object.extend(fields.into_iter().filter(|(key, _)| key != "apiVersion" && key != "kind"));
    Value::Object(object)
}

/// The path of all objects of a kind.
fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    let namespace = namespace.filter(|_| resource.namespaced);
    let within = namespace.map(|namespace| format!("/namespaces/{}", encode(namespace))).unwrap_or_default();
    format!("{root}/{}{within}/{}", resource.version, resource.plural)
}

/// The path of one object.
fn path(resource: &Resource, object: &ObjectRef) -> Result<String, ClusterError> {
    // Kubernetes allows no such names, and in a path they would mean another object.
    if matches!(object.name.as_str(), "" | "." | "..") {
        return Err(ClusterError::Unnamed { lacks: "metadata.name" });
    }
    let namespace = object.namespace.as_deref().unwrap_or("default");
    Ok(format!("{}/{}", collection(resource, Some(namespace)), encode(&object.name)))
}

async fn version(transport: &Transport, retry: Retry) -> Result<ServerVersion, ClusterError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        git_version: String,
        major: String,
        minor: String,
    }
    let call = Call { retry, ..Call::get("/version".to_owned(), "get", "the server's version".to_owned()) };
    let answer = transport.json(&call).await?.unwrap_or_default();
    let info: Info = serde_json::from_value(answer)
        .map_err(|source| ClusterError::Malformed { what: "get the server's version".to_owned(), source })?;
    Ok(ServerVersion { git_version: info.git_version, major: info.major, minor: info.minor })
}

#[async_trait]
impl ClusterClient for Cluster {
    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        version(&self.transport, Retry::Always).await
    }

    async fn discovery(&self, fresh: bool) -> Result<Arc<Discovery>, ClusterError> {
        let stale = if fresh { self.discovery.lock().await.clone() } else { None };
        self.discovery_newer_than(stale.as_ref()).await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let resource = self.resource(object).await?;
        let call = Call::get(path(&resource, object)?, "get", object.to_string()).about(object);
        let found = self.transport.json(&call).await;
        if matches!(found, Err(ClusterError::NotServed { .. })) {
            self.forget_discovery().await;
        }
        found
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        self.list_as(query, Detail::Whole).await
    }

    async fn list_metadata(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError> {
        self.list_as(query, Detail::Metadata).await
    }

    fn watch(&self, query: &ListQuery, detail: Detail) -> BoxStream<'static, Result<Change, ClusterError>> {
        watch::changes(self.clone(), query.clone(), detail)
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Value, ClusterError> {
        if object.get("apiVersion").and_then(Value::as_str).is_none() {
            return Err(ClusterError::Unnamed { lacks: "apiVersion" });
        }
        let mut target = object_ref(object).ok_or(ClusterError::Unnamed { lacks: "kind or metadata.name" })?;
        let resource = self.resource(&target).await?;
        let mut body = object.clone();
        if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
            // The server refuses an apply that holds them.
            metadata.remove("managedFields");
            if resource.namespaced && target.namespace.is_none() {
                let Some(namespace) = &options.default_namespace else {
                    return Err(ClusterError::Unnamed { lacks: "metadata.namespace" });
                };
                metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
                target.namespace = Some(namespace.clone());
            }
        }
        let mut uri = format!("{}?fieldManager={}", path(&resource, &target)?, encode(&options.field_manager));
        if options.force {
            uri.push_str("&force=true");
        }
        if options.dry_run {
            uri.push_str("&dryRun=All");
        }
        let call = Call {
            method: Method::PATCH,
            body: Some(("application/apply-patch+yaml", body.to_string().into_bytes())),
            ..Call::get(uri, "patch", target.to_string()).about(&target)
        };
        // An apply of a missing object creates it; what can be missing is its namespace.
        self.transport.json(&call).await?.ok_or_else(|| ClusterError::NotFound { object: missing(&target) })
    }

    async fn create(&self, object: &Value) -> Result<Value, ClusterError> {
        if object.get("apiVersion").and_then(Value::as_str).is_none() {
            return Err(ClusterError::Unnamed { lacks: "apiVersion" });
        }
        let target = match (object_ref(object), object.get("kind").and_then(Value::as_str)) {
            (Some(target), _) => target,
            (None, Some(kind)) => nameless(object, kind),
            (None, None) => return Err(ClusterError::Unnamed { lacks: "kind" }),
        };
        let resource = self.resource(&target).await?;
        // A review is an answer, not an object: it must have no name.
        if target.name.is_empty() && resource.verbs != ["create"] {
            return Err(ClusterError::Unnamed { lacks: "metadata.name" });
        }
        if resource.namespaced && target.namespace.is_none() {
            return Err(ClusterError::Unnamed { lacks: "metadata.namespace" });
        }
        let uri = format!("{}?fieldManager={FIELD_MANAGER}", collection(&resource, target.namespace.as_deref()));
        let call = Call {
            method: Method::POST,
            body: Some(("application/json", object.to_string().into_bytes())),
            // A second one would find what the first has made, and call it somebody else's.
            retry: Retry::IfUnprocessed,
            ..Call::get(uri, "create", target.to_string()).about(&target)
        };
        self.transport.json(&call).await?.ok_or_else(|| ClusterError::NotFound { object: missing(&target) })
    }

    async fn merge_patch(
        &self,
        object: &ObjectRef,
        patch: &Value,
        precondition: &Precondition,
    ) -> Result<Value, ClusterError> {
        let resource = self.resource(object).await?;
        let mut patch = patch.clone();
        for (key, value) in [("uid", &precondition.uid), ("resourceVersion", &precondition.resource_version)] {
            if let Some(value) = value {
                patch["metadata"][key] = Value::String(value.clone());
            }
        }
        // With a resourceVersion the second of two equal patches is a conflict.
        let once = precondition.resource_version.is_some();
        let uri = format!("{}?fieldManager={FIELD_MANAGER}", path(&resource, object)?);
        let call = Call {
            method: Method::PATCH,
            body: Some(("application/merge-patch+json", patch.to_string().into_bytes())),
            retry: if once { Retry::IfUnprocessed } else { Retry::Always },
            ..Call::get(uri, "patch", object.to_string()).about(object)
        };
        match self.transport.json(&call).await {
            Ok(patched) => patched.ok_or_else(|| ClusterError::NotFound { object: object.clone() }),
            // This is how the server says that the object was replaced by another of the same name.
            Err(ClusterError::Invalid { object, message })
                if precondition.uid.is_some() && message.contains("metadata.uid") =>
            {
                Err(ClusterError::Conflict { object, message })
            }
            Err(error) => Err(error),
        }
    }

    async fn merge_patch_status(&self, object: &ObjectRef, patch: &Value) -> Result<Value, ClusterError> {
        let resource = self.resource(object).await?;
        let uri = format!("{}/status?fieldManager={FIELD_MANAGER}", path(&resource, object)?);
        let call = Call {
            method: Method::PATCH,
            body: Some(("application/merge-patch+json", patch.to_string().into_bytes())),
            ..Call::get(uri, "patch", format!("the status of {object}"))
        };
        self.transport.json(&call).await?.ok_or_else(|| ClusterError::NotFound { object: object.clone() })
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        precondition: &Precondition,
        propagation: Propagation,
    ) -> Result<bool, ClusterError> {
        let resource = self.resource(object).await?;
        let mut options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": match propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            },
        });
        for (key, value) in [("uid", &precondition.uid), ("resourceVersion", &precondition.resource_version)] {
            if let Some(value) = value {
                options["preconditions"][key] = Value::String(value.clone());
            }
        }
        let call = Call {
            method: Method::DELETE,
            body: Some(("application/json", options.to_string().into_bytes())),
            ..Call::get(path(&resource, object)?, "delete", object.to_string()).about(object)
        };
        Ok(self.transport.json(&call).await?.is_some())
    }

    async fn create_namespace(&self, name: &str) -> Result<bool, ClusterError> {
        let namespace = ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: name.to_owned(),
        };
        // The label is the one Helm sets (`pkg/action/install.go`).
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}},
        });
        let call = Call {
            method: Method::POST,
            body: Some(("application/json", body.to_string().into_bytes())),
            ..Call::get(format!("/api/v1/namespaces?fieldManager={FIELD_MANAGER}"), "create", namespace.to_string())
                .about(&namespace)
        };
        match self.transport.json(&call).await {
            Ok(_) => Ok(true),
            // A namespace on its way out exists, too, but nothing can be put into it.
            Err(ClusterError::Conflict { message, .. }) if !message.contains("being deleted") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn pod_log_tail(&self, log: &LogQuery) -> Result<String, ClusterError> {
        let uri = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&previous={}&tailLines={}&limitBytes=65536",
            encode(&log.namespace),
            encode(&log.pod),
            encode(&log.container),
            log.previous,
            log.lines
        );
        let what = format!("the log of container {} of Pod {}/{}", log.container, log.namespace, log.pod);
        let call = Call { accept: "*/*", retry: Retry::AtMost(3), ..Call::get(uri, "get", what) };
        match self.transport.send(&call).await {
            Ok(Answer::Body(text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
            // 400: there is no previous run, or no first one yet.
            Ok(Answer::NoSuchObject | Answer::NoSuchPath) | Err(ClusterError::Api { status: 400, .. }) => {
                Ok(String::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn connect_pod(&self, port: &PodPort) -> Result<PodConnection, ClusterError> {
        streams::connect(self.transport.client(), port, self.transport.timeout()).await
    }

    async fn exec(&self, query: &ExecQuery) -> Result<ExecOutput, ClusterError> {
        streams::exec(self.transport.client(), query, self.transport.timeout()).await
    }
}

/// An object that is sent without a name.
fn nameless(object: &Value, kind: &str) -> ObjectRef {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    ObjectRef {
        api_version: text("/apiVersion"),
        kind: kind.to_owned(),
        namespace: text("/metadata/namespace"),
        name: String::new(),
    }
}

/// What a 404 to an apply or a create is about: the namespace.
fn missing(object: &ObjectRef) -> ObjectRef {
    match &object.namespace {
        Some(namespace) => ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: namespace.clone(),
        },
        None => object.clone(),
    }
}
