//! What a cluster can be asked, and what it answers.

use futures::future::BoxFuture;
use pilothouse_core::RevisionMeta;
use serde_json::Value;
use std::any::Any;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Under this name our own changes (other than applies, which name theirs) are recorded in `managedFields`.
pub(crate) const FIELD_MANAGER: &str = "pilothouse";

/// The version of an API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// `v1.36.2`, with a vendor's suffix where there is one (`v1.30.4-eks-1234`).
    pub git_version: String,
    /// `1`
    pub major: String,
    /// `36`, or `36+` at some vendors.
    pub minor: String,
}

/// Which objects to list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// The kind of the objects (`Pod`).
    pub kind: String,
    /// One namespace; `None` for all, and for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// A label selector as Kubernetes writes it: `app=web,tier!=db`.
    pub label_selector: Option<String>,
    /// How many objects are read with one request; `None` for as many as usual (500).
    pub page: Option<u32>,
}

impl ListQuery {
    /// All objects of a kind in all namespaces.
    pub fn new(api_version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { api_version: api_version.into(), kind: kind.into(), namespace: None, label_selector: None, page: None }
    }

    /// Only in this namespace.
    #[must_use]
    pub fn within(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only those with these labels.
    #[must_use]
    pub fn labelled(mut self, selector: impl Into<String>) -> Self {
        self.label_selector = Some(selector.into());
        self
    }

    /// With so many objects in one request: of large ones, fewer are held at a time.
    #[must_use]
    pub fn in_pages_of(mut self, objects: u32) -> Self {
        self.page = Some(objects);
        self
    }
}

/// How much of each object is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All of it.
    Whole,
    /// `apiVersion`, `kind` and `metadata`.
    Metadata,
}

/// What a watch tells. Objects have `apiVersion` and `kind`.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// All that there is follows, up to [`Change::UpToDate`]; what is not told until then does not exist. Comes first,
    /// and again when changes may have been missed.
    Listing,
    /// An object as it is now.
    There(Value),
    /// The last state of an object that does not exist any more.
    Gone(Value),
    /// The list is complete, or the watch works again after a failure.
    UpToDate,
}

/// How to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// The name under which the fields are owned.
    pub field_manager: String,
    /// Take fields over that others own.
    pub force: bool,
    /// Let the server check everything and change nothing (`dryRun=All`).
    pub dry_run: bool,
    /// Where a namespaced object goes that names no namespace.
    pub default_namespace: Option<String>,
}

/// How to ask about an update, or about what is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateOptions {
    /// The name under which the fields are owned.
    pub field_manager: String,
    /// Refuse fields that the server does not know (`fieldValidation=Strict`), instead of dropping them.
    pub strict: bool,
}

/// What must hold for a change to be made. Without any, it is made in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// It is still this very object (`metadata.uid`).
    pub uid: Option<String>,
    /// Nobody has changed it since (`metadata.resourceVersion`).
    pub resource_version: Option<String>,
}

impl Precondition {
    /// The object is exactly as it was read.
    pub fn unchanged(object: &Value) -> Self {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self { uid: text("/metadata/uid"), resource_version: text("/metadata/resourceVersion") }
    }
}

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted first.
    Foreground,
    /// They are left.
    Orphan,
}

/// One revision of a release as Helm has stored it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRevision {
    /// What its metadata says; `None` for an object that only looks like a record.
    pub meta: Option<RevisionMeta>,
    /// The bytes under `release`, without Kubernetes' own base64 but still with Helm's.
    pub payload: Vec<u8>,
}

/// A port of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPort {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
}

/// Bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// A connection to a port of a pod. Dropped, it is closed.
pub struct PodConnection {
    /// What goes there and comes back.
    pub stream: Pin<Box<dyn ByteStream>>,
    /// Resolves when the node could not connect to the port, with what it says; otherwise never.
    pub refused: BoxFuture<'static, String>,
    /// Whatever must live as long as the connection.
    pub guard: Box<dyn Any + Send>,
}

/// A program to run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecQuery {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Wall-clock time it may take.
    pub timeout: Duration,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code.
    pub exit_code: i32,
    /// The first 64 kB of its standard output.
    pub stdout: String,
    /// The first 64 kB of its standard error.
    pub stderr: String,
}

/// Which log to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container, also an init container.
    pub container: String,
    /// Of the run before the present one.
    pub previous: bool,
    /// At most so many lines, from the end.
    pub lines: u32,
}
