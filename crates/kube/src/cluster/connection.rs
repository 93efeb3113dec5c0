//! The real cluster, over HTTP.

use super::transport::{Call, Retry, Transport, encode};
use crate::client::{ClusterAccess, ClusterError, Detail, Discovery, ListQuery, Resource, ServerVersion};
use futures::StreamExt;
use futures::stream::BoxStream;
use kube::core::WatchEvent;
use pilothouse_core::ObjectRef;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

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
    pub(crate) transport: Transport,
    discovery: Arc<Mutex<Option<Arc<Discovery>>>>,
    access: Option<Arc<ClusterAccess>>,
    /// The version by which the server answered first.
    answered: Arc<OnceLock<ServerVersion>>,
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
        Self {
            transport: Transport::new(client, REQUEST_TIMEOUT),
            discovery: Arc::default(),
            access: None,
            answered: Arc::default(),
        }
    }

    /// The same cluster, which other programs reach in this way.
    #[must_use]
    pub(super) fn through(mut self, access: Arc<ClusterAccess>) -> Self {
        self.access = Some(access);
        self
    }

    /// How other programs reach it, if that is known.
    pub(super) fn reached_by(&self) -> Option<&ClusterAccess> {
        self.access.as_deref()
    }

    /// The same cluster with another deadline for each request, retries included.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.transport = self.transport.with_timeout(timeout);
        self
    }

    /// Asks for the version within `timeout`, and gives up after few attempts: is there an API at all?
    pub(crate) async fn probe(&self, timeout: Duration) -> Result<(), ClusterError> {
        let transport = self.transport.with_timeout(timeout);
        let answered = version(&transport, Retry::AtMost(4)).await?;
        let _ = self.answered.set(answered);
        Ok(())
    }

    /// The version of the server, as it told it when it was connected to, if that was so.
    pub(crate) async fn server_version(&self) -> Result<ServerVersion, ClusterError> {
        match self.answered.get() {
            Some(known) => Ok(known.clone()),
            None => version(&self.transport, Retry::Always).await,
        }
    }

    /// Finds the kind of an object. A kind that is not known is looked for once more in a fresh discovery, unless
    /// someone else has just fetched one.
    pub(crate) async fn resource(&self, object: &ObjectRef) -> Result<Resource, ClusterError> {
        let known = self.discover(false).await?;
        if let Ok(resource) = known.lookup(object) {
            return Ok(resource.clone());
        }
        self.discovery_newer_than(Some(&known)).await?.lookup(object).cloned()
    }

    /// What is served, as known, or fetched anew.
    pub(crate) async fn discover(&self, fresh: bool) -> Result<Arc<Discovery>, ClusterError> {
        let stale = if fresh { self.discovery.lock().await.clone() } else { None };
        self.discovery_newer_than(stale.as_ref()).await
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
    pub(crate) async fn forget_discovery(&self) {
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

    pub(crate) async fn list_as(&self, query: &ListQuery, detail: Detail) -> Result<Vec<Value>, ClusterError> {
        let mut items = Vec::new();
        let mut take = |page: Option<Vec<Value>>| match page {
            Some(page) => items.extend(page),
            None => items.clear(),
        };
        self.list_pages(query, detail, &mut take).await?;
        Ok(items)
    }

    /// Reads a list page by page; `None` says that it begins anew.
    pub(crate) async fn list_pages(
        &self,
        query: &ListQuery,
        detail: Detail,
        take: &mut (dyn FnMut(Option<Vec<Value>>) + Send),
    ) -> Result<(), ClusterError> {
        let mut page = Page::first(query.page.unwrap_or(PAGE));
        loop {
            match self.list_page(query, detail, &page).await {
                Ok(found) => {
                    take(Some(found.items));
                    match found.token {
                        Some(token) => page.token = Some(token),
                        None => return Ok(()),
                    }
                }
                // The rest of the list is too old to be told (410): once more, all of it at once.
                Err(ClusterError::Api { status: 410, .. }) if page.token.is_some() => {
                    take(None);
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
        let items = match detail {
            Detail::Whole => items,
            Detail::Metadata => Vec::into_iter(items).map(without_field_sets).collect(),
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

/// Metadata without the sets of fields that each manager has: most of it, and who lists looks for names and times only.
fn without_field_sets(mut item: Value) -> Value {
    let managers = item.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    for manager in managers.into_iter().flatten().filter_map(Value::as_object_mut) {
        manager.remove("fieldsV1");
    }
    item
}

/// The path of all objects of a kind.
pub(crate) fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    let namespace = namespace.filter(|_| resource.namespaced);
    let within = namespace.map(|namespace| format!("/namespaces/{}", encode(namespace))).unwrap_or_default();
    format!("{root}/{}{within}/{}", resource.version, resource.plural)
}

/// The path of one object.
pub(crate) fn path(resource: &Resource, object: &ObjectRef) -> Result<String, ClusterError> {
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
