//! The compact copy of a stack's runs in the cluster: one Secret per stack, so that any machine can continue.

use crate::journal::state_key::{StateKey, code_of, data};
use crate::journal::{JournalError, RunSummary, StackRecord};
use crate::kept_digest::fresh_key;
use pilothouse_core::{DigestKey, ObjectRef, RunProgress};
use pilothouse_kube::{ClusterClient, ClusterError, Precondition, Propagation, cluster_uid};
use serde_json::{Value, json};
use std::sync::Arc;

/// How many bytes a record may have. Kubernetes allows a Secret 1 MiB.
const LIMIT: usize = 900_000;
/// The one key of the Secret.
const KEY: &str = "record";
/// How often a write is tried again after a lost answer or a namespace that had to be made.
const ATTEMPTS: usize = 4;

/// The record of a stack's runs in the cluster, as this run knows it.
pub(crate) struct ClusterJournal {
    cluster: Arc<dyn ClusterClient>,
    namespace: String,
    stack: String,
    /// The Secret as it was last read or written; `None` when there was none.
    known: Option<Precondition>,
    /// The key of the digests in it.
    key: DigestKey,
    /// The runs before, newest first.
    earlier: Vec<RunSummary>,
    /// The key by which it is known who has written it.
    state_key: Option<StateKey>,
    /// Whether that proves that one of us has written what was read.
    believed: bool,
}

/// The record of a stack as it is stored.
pub(crate) struct StoredRecord {
    /// What is under the one key.
    value: String,
    /// Whether it carries a code of a state key.
    pub(crate) has_code: bool,
    /// Whether that is the right one.
    pub(crate) believed: bool,
    /// What guards its deletion.
    version: Precondition,
}

impl ClusterJournal {
    /// Reads the record of a stack. Writes nothing.
    ///
    /// # Errors
    /// When it cannot be read; an error is never "no record".
    pub(crate) async fn load(
        cluster: Arc<dyn ClusterClient>,
        namespace: &str,
        stack: &str,
    ) -> Result<(Self, Option<StackRecord>), JournalError> {
        Self::load_by(cluster, namespace, stack, None).await
    }

    /// As [`load`](Self::load), with a key by which it is known who has written the record.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn load_by(
        cluster: Arc<dyn ClusterClient>,
        namespace: &str,
        stack: &str,
        state_key: Option<StateKey>,
    ) -> Result<(Self, Option<StackRecord>), JournalError> {
        let mut journal = Self::unread(cluster, namespace, stack, state_key);
        let Some((known, record, believed)) = journal.read().await? else { return Ok((journal, None)) };
        journal.known = Some(known);
        journal.believed = believed;
        journal.earlier.clone_from(&record.history);
        Ok((journal, Some(record)))
    }

    /// The record of a stack before anything is known of it.
    pub(crate) fn unread(
        cluster: Arc<dyn ClusterClient>,
        namespace: &str,
        stack: &str,
        state_key: Option<StateKey>,
    ) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            stack: stack.to_owned(),
            known: None,
            key: fresh_key(),
            earlier: Vec::new(),
            state_key,
            believed: false,
        }
    }

    /// The namespace it is in.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether one of those who have the state key has written what was read. Without a key nobody can tell.
    pub(crate) fn is_believed(&self) -> bool {
        self.believed
    }

    /// Takes a key for the digests in it: that of the run before, where there was one with a key, otherwise one of its own.
    pub(crate) fn with_key(&mut self, before: Option<DigestKey>) -> DigestKey {
        if let Some(key) = before {
            self.key = key;
        }
        self.key.clone()
    }

    /// Writes how far this run has come. Guarded: nothing is written over what another run has written since this one
    /// has read or written the record. Can be called again after any error.
    ///
    /// # Errors
    /// [`JournalError::Taken`] when another run has written the record: this one must stop.
    pub(crate) async fn store(&mut self, progress: &RunProgress) -> Result<(), JournalError> {
        let value = StackRecord::new(&self.key, progress, &self.earlier).encode(LIMIT, &self.object().to_string())?;
        let mut namespace_made = false;
        for _ in 0..ATTEMPTS {
            let written = match &self.known {
                None => self.cluster.create(&self.secret(self.state_key.as_ref(), &value)).await,
                Some(known) => {
                    let data = data(self.state_key.as_ref(), &self.object().to_string(), KEY, &value);
                    self.cluster.merge_patch(&self.object(), &json!({"data": data}), known).await
                }
            };
            match written {
                Ok(secret) => {
                    self.known = Some(self.version_of(&secret)?);
                    return Ok(());
                }
                Err(ClusterError::Conflict { .. }) => self.after_conflict(progress).await?,
                // Somebody has deleted the record; nobody has written another one.
                Err(ClusterError::NotFound { .. }) if self.known.is_some() => self.known = None,
                // `default` is there from the start, and without it the cluster has another problem.
                Err(ClusterError::NotFound { .. }) if !namespace_made && self.namespace != "default" => {
                    let made = self.cluster.create_namespace(&self.namespace).await;
                    made.map_err(|source| self.failed("create the namespace for", source))?;
                    namespace_made = true;
                }
                Err(source) => return Err(self.failed("write the record of runs in", source)),
            }
        }
        // Whoever writes so often is not us.
        Err(JournalError::Taken { object: self.object().to_string() })
    }

    /// Somebody has written the record: an earlier write of this run whose answer was lost, or another run.
    async fn after_conflict(&mut self, progress: &RunProgress) -> Result<(), JournalError> {
        let Some((known, record, _)) = self.read().await? else {
            // It was there a moment ago and is deleted now.
            self.known = None;
            return Ok(());
        };
        if record.last.run != progress.run || record.last.seq > progress.seq {
            return Err(JournalError::Taken { object: self.object().to_string() });
        }
        self.known = Some(known);
        Ok(())
    }

    async fn read(&self) -> Result<Option<(Precondition, StackRecord, bool)>, JournalError> {
        let Some(stored) = self.stored().await? else { return Ok(None) };
        let record = StackRecord::decode(&stored.value, &self.object().to_string())?;
        Ok(Some((stored.version, record, stored.believed)))
    }

    /// The record as it is stored.
    ///
    /// # Errors
    /// When it cannot be read, or there is something else in its place.
    pub(crate) async fn stored(&self) -> Result<Option<StoredRecord>, JournalError> {
        let read = self.cluster.get(&self.object()).await;
        let Some(secret) = read.map_err(|source| self.failed("read the record of runs in", source))? else {
            return Ok(None);
        };
        let object = self.object().to_string();
        let Some(value) = secret.pointer(&format!("/data/{KEY}")).and_then(Value::as_str) else {
            return Err(JournalError::Unreadable { object, why: format!("it has no key `{KEY}`") });
        };
        let code = code_of(&secret);
        let believed = self.state_key.as_ref().is_some_and(|key| key.fits(&object, value, code.as_deref()));
        let version = self.version_of(&secret)?;
        Ok(Some(StoredRecord { value: value.to_owned(), has_code: code.is_some(), believed, version }))
    }

    /// Creates the record as it was stored in another namespace. The code of the state key, which is about one object, is made
    /// anew where it was right there, and nowhere else: what somebody else has written is not made ours.
    ///
    /// # Errors
    /// As for any request; [`ClusterError::Conflict`] when there is one.
    pub(crate) async fn create_as(&self, stored: &StoredRecord) -> Result<(), ClusterError> {
        let key = self.state_key.as_ref().filter(|_| stored.believed);
        self.cluster.create(&self.secret(key, &stored.value)).await.map(drop)
    }

    /// Deletes the record, if it still is as it was read. Repeatable.
    ///
    /// # Errors
    /// As for any request.
    pub(crate) async fn delete(&self, stored: &StoredRecord) -> Result<(), JournalError> {
        let deleted = self.cluster.delete(&self.object(), &stored.version, Propagation::Background).await;
        deleted.map(drop).map_err(|source| self.failed("delete the record of runs in", source))
    }

    /// What guards the next write. Without a version nothing would.
    fn version_of(&self, secret: &Value) -> Result<Precondition, JournalError> {
        let version = Precondition::unchanged(secret);
        if version.resource_version.is_some() {
            return Ok(version);
        }
        Err(JournalError::Unreadable { object: self.object().to_string(), why: "it has no resourceVersion".to_owned() })
    }

    fn object(&self) -> ObjectRef {
        Self::object_of(&self.namespace, &self.stack)
    }

    /// The Secret with the record of a stack.
    pub(crate) fn object_of(namespace: &str, stack: &str) -> ObjectRef {
        ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Secret".to_owned(),
            namespace: Some(namespace.to_owned()),
            name: state_name(stack),
        }
    }

    fn secret(&self, key: Option<&StateKey>, value: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.object().name,
                "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "pilothouse",
                    "pilothouse.dev/stack": self.stack,
                },
            },
            "type": "pilothouse.dev/stack.v1",
            "data": without_nulls(data(key, &self.object().to_string(), KEY, value)),
        })
    }

    fn failed(&self, what: &'static str, source: ClusterError) -> JournalError {
        JournalError::Cluster { what, object: self.object().to_string(), source }
    }
}

/// The name of a stack's record, and of its lock.
pub(crate) fn state_name(stack: &str) -> String {
    format!("pilothouse.stack.{stack}")
}

/// Data as it is created: what a patch would remove is not there.
fn without_nulls(mut data: Value) -> Value {
    if let Some(data) = data.as_object_mut() {
        data.retain(|_, value| !value.is_null());
    }
    data
}

/// What tells a cluster from every other: the UID of its namespace `kube-system`. `None` when that may not be read.
///
/// # Errors
/// When the cluster does not answer.
pub(crate) async fn cluster_id(cluster: &dyn ClusterClient) -> Result<Option<String>, JournalError> {
    cluster_uid(cluster).await.map_err(|source| JournalError::Cluster {
        what: "identify the cluster by",
        object: "Namespace kube-system".to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
