//! The port of the real cluster: one request for each call.

use super::connection::{Cluster, collection, path};
use super::streams;
use super::transport::{Answer, Call, Retry, encode};
use super::watch;
use crate::client::{
    ApplyOptions, Change, ClusterAccess, ClusterClient, ClusterError, Detail, Discovery, ExecOutput, ExecQuery,
    FIELD_MANAGER, ListQuery, LogQuery, PodConnection, PodPort, Precondition, Propagation, ServerVersion,
    UpdateOptions,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use http::Method;
use pilothouse_core::{ObjectRef, object_ref};
use serde_json::{Value, json};
use std::sync::Arc;

#[async_trait]
impl ClusterClient for Cluster {
    fn access(&self) -> Option<&ClusterAccess> {
        self.reached_by()
    }

    async fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.server_version().await
    }

    async fn discovery(&self, fresh: bool) -> Result<Arc<Discovery>, ClusterError> {
        self.discover(fresh).await
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

    async fn list_each(
        &self,
        query: &ListQuery,
        detail: Detail,
        each: &mut (dyn FnMut(Option<Value>) + Send),
    ) -> Result<(), ClusterError> {
        let mut take = |page: Option<Vec<Value>>| match page {
            Some(page) => page.into_iter().map(Some).for_each(&mut *each),
            None => each(None),
        };
        self.list_pages(query, detail, &mut take).await
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

    async fn update_dry_run(
        &self,
        target: &ObjectRef,
        object: &Value,
        options: &UpdateOptions,
    ) -> Result<Value, ClusterError> {
        let resource = self.resource(target).await?;
        let mut body = object.clone();
        if let (Some(namespace), Some(metadata)) =
            (&target.namespace, body.get_mut("metadata").and_then(Value::as_object_mut))
        {
            metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
        }
        let validation = if options.strict { "Strict" } else { "Warn" };
        let uri = format!(
            "{}?fieldManager={}&fieldValidation={validation}&dryRun=All",
            path(&resource, target)?,
            encode(&options.field_manager)
        );
        let call = Call {
            method: Method::PUT,
            body: Some(("application/json", body.to_string().into_bytes())),
            ..Call::get(uri, "update", target.to_string()).about(target)
        };
        self.transport.json(&call).await?.ok_or_else(|| ClusterError::NotFound { object: target.clone() })
    }

    async fn create_dry_run(&self, object: &Value, options: &UpdateOptions) -> Result<Value, ClusterError> {
        let validation = if options.strict { "Strict" } else { "Warn" };
        let manager = encode(&options.field_manager);
        self.post(object, &format!("fieldManager={manager}&fieldValidation={validation}&dryRun=All")).await
    }

    async fn create(&self, object: &Value) -> Result<Value, ClusterError> {
        self.post(object, &format!("fieldManager={FIELD_MANAGER}")).await
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
            "/api/v1/namespaces/{}/pods/{}/log?container={}&previous={}&tailLines={}&limitBytes=262144",
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

impl Cluster {
    /// Sends an object to the collection of its kind.
    async fn post(&self, object: &Value, query: &str) -> Result<Value, ClusterError> {
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
        let uri = format!("{}?{query}", collection(&resource, target.namespace.as_deref()));
        let call = Call {
            method: Method::POST,
            body: Some(("application/json", object.to_string().into_bytes())),
            // A second one would find what the first has made, and call it somebody else's.
            retry: Retry::IfUnprocessed,
            ..Call::get(uri, "create", target.to_string()).about(&target)
        };
        self.transport.json(&call).await?.ok_or_else(|| ClusterError::NotFound { object: missing(&target) })
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
