//! The port through which everything else sees a cluster.

use super::access::ClusterAccess;
use super::discovery::Discovery;
use super::error::ClusterError;
use super::records;
use super::requests::{
    ApplyOptions, Change, Detail, ExecOutput, ExecQuery, ListQuery, LogQuery, PodConnection, PodPort, Precondition,
    Propagation, ServerVersion, StoredRevision, UpdateOptions,
};
use super::workload;
use async_trait::async_trait;
use futures::stream::BoxStream;
use pilothouse_core::{HelmDriver, ObjectRef, ReleaseHistory, ReleaseKey, RevisionMeta};
use serde_json::Value;
use std::sync::Arc;

/// A Kubernetes cluster. [`Cluster`](crate::Cluster) is the real one; tests bring their own.
///
/// Objects are JSON as the API gives it. References that are passed in should be complete (see
/// [`ClusterClient::resolve`]); what is missing is completed from discovery, and a namespaced object without a namespace
/// is looked for in `default`. Every method returns within the client's request deadline.
#[async_trait]
pub trait ClusterClient: Send + Sync {
    /// How this very cluster is reached by other programs: helm, and commands of steps. `None` when that is not known, since the
    /// client was not made from a kubeconfig.
    fn access(&self) -> Option<&ClusterAccess> {
        None
    }

    /// The server's version, perhaps as it was when it was connected to.
    ///
    /// # Errors
    /// When there is no answer, or it cannot be understood.
    async fn version(&self) -> Result<ServerVersion, ClusterError>;

    /// The kinds the cluster serves. Kept after the first call until `fresh` is asked for.
    ///
    /// # Errors
    /// When there is no answer, or it cannot be understood.
    async fn discovery(&self, fresh: bool) -> Result<Arc<Discovery>, ClusterError>;

    /// Reads one object; `None` only when the server says that this object does not exist.
    ///
    /// # Errors
    /// [`ClusterError::NotServed`] when the cluster does not know the kind; otherwise as for any request.
    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError>;

    /// Reads all objects of a query, page by page, each with `apiVersion` and `kind`.
    ///
    /// # Errors
    /// As for [`ClusterClient::get`].
    async fn list(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError>;

    /// As [`ClusterClient::list`], but only `apiVersion`, `kind` and `metadata` of each: what the objects hold (the data
    /// of Secrets) is not transferred. Which fields each field manager has may be left out.
    ///
    /// # Errors
    /// As for [`ClusterClient::get`].
    async fn list_metadata(&self, query: &ListQuery) -> Result<Vec<Value>, ClusterError>;

    /// As [`ClusterClient::list`] or [`ClusterClient::list_metadata`], giving each object as it comes instead of holding all of them. `None`
    /// says that the list begins anew: what was given before it does not count.
    ///
    /// # Errors
    /// As for [`ClusterClient::get`].
    async fn list_each(
        &self,
        query: &ListQuery,
        detail: Detail,
        each: &mut (dyn FnMut(Option<Value>) + Send),
    ) -> Result<(), ClusterError> {
        let all = match detail {
            Detail::Whole => self.list(query).await?,
            Detail::Metadata => self.list_metadata(query).await?,
        };
        all.into_iter().map(Some).for_each(each);
        Ok(())
    }

    /// Tells everything a query matches and then, as it happens, what becomes of it. What it takes to go on telling is done
    /// inside: a connection that ends is made anew from where it ended, a history that is too short is listed again, a failure
    /// that may pass is told and followed by another attempt, later and later. After any other failure the stream ends;
    /// otherwise never. Nothing is asked of the cluster before the stream is polled; dropping it ends the watch.
    fn watch(&self, query: &ListQuery, detail: Detail) -> BoxStream<'static, Result<Change, ClusterError>>;

    /// Server-side apply; gives the object as it is afterwards.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] when another field manager owns a field and `force` is not set,
    /// [`ClusterError::Invalid`] when the server refuses the object, otherwise as for any request.
    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Value, ClusterError>;

    /// What an object that is there would become by an update (`PUT`): all that `object` does not set would go. Changes nothing
    /// (`dryRun=All`).
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when it is not there, [`ClusterError::Conflict`] when its `metadata.resourceVersion` is another
    /// than that of `object`, [`ClusterError::Invalid`] when the server refuses it, otherwise as for any request. Always, for a client
    /// that cannot ask.
    async fn update_dry_run(
        &self,
        target: &ObjectRef,
        _object: &Value,
        _options: &UpdateOptions,
    ) -> Result<Value, ClusterError> {
        Err(ClusterError::Api {
            status: 0,
            what: format!("update {target}"),
            message: "this client makes no updates".to_owned(),
        })
    }

    /// What an object that is not there would be once it was created (`POST`). Changes nothing (`dryRun=All`).
    ///
    /// # Errors
    /// As for [`ClusterClient::create`]; [`ClusterError::Invalid`] when the server refuses it. Always, for a client that cannot ask.
    async fn create_dry_run(&self, object: &Value, _options: &UpdateOptions) -> Result<Value, ClusterError> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Err(ClusterError::Api {
            status: 0,
            what: format!("create {name}"),
            message: "this client asks about nothing that is created".to_owned(),
        })
    }

    /// Creates an object that does not exist yet, and gives it as it is afterwards. A review (`SelfSubjectAccessReview`), which
    /// must not have a name, is answered.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] when it exists, [`ClusterError::NotFound`] when its namespace does not,
    /// [`ClusterError::Unnamed`] when it lacks its kind, name or namespace, otherwise as for any request. After a
    /// transient failure it may have been created all the same; it is not sent again then.
    async fn create(&self, object: &Value) -> Result<Value, ClusterError>;

    /// Changes an object by a JSON merge patch (RFC 7396), only if the precondition holds.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when it does not exist, [`ClusterError::Conflict`] when the precondition does not hold.
    async fn merge_patch(
        &self,
        object: &ObjectRef,
        patch: &Value,
        precondition: &Precondition,
    ) -> Result<Value, ClusterError>;

    /// Changes the status of an object by a JSON merge patch of the object (`{"status": ...}`), as its controller does.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when it does not exist, or its kind has no status of its own; otherwise as for any request.
    async fn merge_patch_status(&self, object: &ObjectRef, patch: &Value) -> Result<Value, ClusterError>;

    /// Deletes an object, only if the precondition holds; `false` when it was not there. The object may still exist
    /// afterwards for as long as its finalizers and dependents take.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] when the precondition does not hold, otherwise as for any request.
    async fn delete(
        &self,
        object: &ObjectRef,
        precondition: &Precondition,
        propagation: Propagation,
    ) -> Result<bool, ClusterError>;

    /// Creates a namespace; `false` when it was there.
    ///
    /// # Errors
    /// As for any request.
    async fn create_namespace(&self, name: &str) -> Result<bool, ClusterError>;

    /// The last `lines` lines of a container's log, of its previous run if asked for; empty when there is none.
    ///
    /// # Errors
    /// As for any request. A node that cannot be reached is [`ClusterError::Api`].
    async fn pod_log_tail(&self, log: &LogQuery) -> Result<String, ClusterError>;

    /// Opens a connection to a port of a pod, through the API server. That it is open does not mean that something
    /// listens there: see [`PodConnection`].
    ///
    /// # Errors
    /// As for any request; always, for a client that has no such connections.
    async fn connect_pod(&self, port: &PodPort) -> Result<PodConnection, ClusterError> {
        Err(no_connections(format!("port {} of Pod {}/{}", port.port, port.namespace, port.pod)))
    }

    /// Runs a program in a container to its end, without input.
    ///
    /// # Errors
    /// When it could not be run, or did not end in time; not when it ends badly. Always, for a client that has no such
    /// connections.
    async fn exec(&self, query: &ExecQuery) -> Result<ExecOutput, ClusterError> {
        Err(no_connections(format!("exec in Pod {}/{}", query.namespace, query.pod)))
    }

    /// What the cluster serves, in the form of Helm's `--api-versions`: `v1`, `apps/v1`, `apps/v1/Deployment`.
    ///
    /// # Errors
    /// As for [`ClusterClient::discovery`].
    async fn api_versions(&self) -> Result<Vec<String>, ClusterError> {
        Ok(self.discovery(false).await?.api_versions())
    }

    /// Completes a reference as people write it (`deploy/web`, `Deployment.apps/web`): API version, kind, and the
    /// namespace (the default one where none is given, none for cluster-scoped kinds). A kind that is not known asks
    /// the cluster once more, since its definition may just have been created.
    ///
    /// # Errors
    /// [`ClusterError::NotServed`] when the cluster does not know the kind, [`ClusterError::Stale`] when that cannot be
    /// told.
    async fn resolve(&self, object: &ObjectRef, default_namespace: &str) -> Result<ObjectRef, ClusterError> {
        match self.discovery(false).await?.resolve(object, default_namespace) {
            Err(ClusterError::NotServed { .. } | ClusterError::Stale { .. }) => {
                self.discovery(true).await?.resolve(object, default_namespace)
            }
            resolved => resolved,
        }
    }

    /// How many objects a query matches, by their metadata.
    ///
    /// # Errors
    /// As for [`ClusterClient::get`].
    async fn count(&self, query: &ListQuery) -> Result<usize, ClusterError> {
        Ok(self.list_metadata(query).await?.len())
    }

    /// Helm's records of one release, from their metadata.
    ///
    /// # Errors
    /// As for any request; an error is never an empty history.
    async fn release_history(&self, driver: HelmDriver, release: &ReleaseKey) -> Result<ReleaseHistory, ClusterError> {
        let records = self.list_metadata(&records::of_release(driver, release)).await?;
        Ok(ReleaseHistory::new(records::revisions(&records)))
    }

    /// Helm's records of all releases, from their metadata: of one namespace or of all, by namespace, name and revision.
    ///
    /// # Errors
    /// As for any request; an error is never an empty list.
    async fn release_revisions(
        &self,
        driver: HelmDriver,
        namespace: Option<&str>,
    ) -> Result<Vec<RevisionMeta>, ClusterError> {
        Ok(records::revisions(&self.list_metadata(&records::all(driver, namespace)).await?))
    }

    /// Helm's records of some releases, from their metadata: all that have one of these names, in one namespace or in all.
    ///
    /// # Errors
    /// As for any request; an error is never an empty list.
    async fn revisions_named(
        &self,
        driver: HelmDriver,
        namespace: Option<&str>,
        names: &[&str],
    ) -> Result<Vec<RevisionMeta>, ClusterError> {
        let mut found = Vec::new();
        for names in names.chunks(records::NAMES_AT_ONCE) {
            found.extend(self.list_metadata(&records::named(driver, namespace, names)).await?);
        }
        Ok(records::revisions(&found))
    }

    /// The revisions of some releases that no newer one has replaced, as Helm has stored them: of all that have one of these
    /// names, in one namespace or in all. The newest revision of each is among them, with what it holds. Of a record that cannot be
    /// read the payload is empty.
    ///
    /// # Errors
    /// As for any request; an error is never an empty list.
    async fn current_revisions_named(
        &self,
        driver: HelmDriver,
        namespace: Option<&str>,
        names: &[&str],
    ) -> Result<Vec<StoredRevision>, ClusterError> {
        let mut found = Vec::new();
        for names in names.chunks(records::NAMES_AT_ONCE) {
            let listed = self.list(&records::current_named(driver, namespace, names)).await?;
            found.extend(listed.iter().map(|object| StoredRevision {
                meta: records::revision_meta(object),
                payload: records::record_payload(driver, object).unwrap_or_default(),
            }));
        }
        Ok(found)
    }

    /// As [`ClusterClient::release_revisions`], without the revisions that were replaced by a newer one: the
    /// newest of a release is never among those, and there are many of them.
    ///
    /// # Errors
    /// As for any request; an error is never an empty list.
    async fn current_revisions(
        &self,
        driver: HelmDriver,
        namespace: Option<&str>,
    ) -> Result<Vec<RevisionMeta>, ClusterError> {
        let mut found = Vec::new();
        let mut each = |record: Option<Value>| match record {
            Some(record) => found.extend(records::revision_meta(&record)),
            None => found.clear(),
        };
        self.list_each(&records::current(driver, namespace), Detail::Metadata, &mut each).await?;
        Ok(records::in_order(found))
    }

    /// What Helm stored of one revision: the bytes under `release`, without Kubernetes' own base64 but still with
    /// Helm's. `None` when there is no such record.
    ///
    /// # Errors
    /// As for any request; [`ClusterError::Malformed`] when the record has no readable payload.
    async fn release_payload(
        &self,
        driver: HelmDriver,
        namespace: &str,
        name: &str,
        revision: u32,
    ) -> Result<Option<Vec<u8>>, ClusterError> {
        Ok(self.stored_revision(driver, namespace, name, revision).await?.map(|stored| stored.payload))
    }

    /// One revision as Helm has stored it, metadata and payload in one read. `None` when there is no such record.
    ///
    /// # Errors
    /// As for [`ClusterClient::release_payload`].
    async fn stored_revision(
        &self,
        driver: HelmDriver,
        namespace: &str,
        name: &str,
        revision: u32,
    ) -> Result<Option<StoredRevision>, ClusterError> {
        let record = records::record_ref(driver, namespace, name, revision);
        let Some(object) = self.get(&record).await? else { return Ok(None) };
        let payload = records::record_payload(driver, &object)
            .map_err(|source| ClusterError::Malformed { what: format!("get {record}"), source })?;
        Ok(Some(StoredRevision { meta: records::revision_meta(&object), payload }))
    }

    /// The events of a namespace that are about one of the objects with these UIDs (all when there are none), oldest
    /// first. Events of cluster-scoped objects are in namespace `default`.
    ///
    /// # Errors
    /// As for any request.
    async fn events(&self, namespace: &str, uids: &[String]) -> Result<Vec<Value>, ClusterError> {
        let all = self.list(&ListQuery::new("v1", "Event").within(namespace)).await?;
        Ok(workload::events_about(all, uids))
    }

    /// The pods of a workload: of a Deployment those of its newest ReplicaSet, of a StatefulSet, DaemonSet, ReplicaSet
    /// or Job those it controls, of a Pod itself. Empty for any other kind and for an object that does not exist.
    ///
    /// # Errors
    /// As for any request.
    async fn pods_of(&self, workload: &ObjectRef) -> Result<Vec<Value>, ClusterError> {
        if !workload::may_have_pods(&workload.kind) {
            return Ok(Vec::new());
        }
        let Some(object) = self.get(workload).await? else { return Ok(Vec::new()) };
        if workload.kind == "Pod" {
            return Ok(vec![object]);
        }
        let Some(selected) = workload::Selected::by(&object) else { return Ok(Vec::new()) };
        let owner = if workload.kind == "Deployment" {
            workload::newest_set(&self.list(&selected.query("ReplicaSet")).await?, &object)
        } else {
            workload::uid(&object).map(str::to_owned)
        };
        let Some(owner) = owner else { return Ok(Vec::new()) };
        Ok(workload::controlled_by(&owner, self.list(&selected.query("Pod")).await?))
    }
}

fn no_connections(what: String) -> ClusterError {
    ClusterError::Api { status: 501, what, message: "this client has no connections into pods".to_owned() }
}
