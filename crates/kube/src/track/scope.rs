//! What one watch is about.

use crate::client::ListQuery;
use pilothouse_core::ObjectRef;
use std::fmt;

/// The objects of one kind in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Scope {
    pub api_version: String,
    pub kind: String,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
}

impl Scope {
    /// Where an object is found; `None` when its API version is not known.
    pub(super) fn of(object: &ObjectRef) -> Option<Self> {
        Some(Self {
            api_version: object.api_version.clone()?,
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
        })
    }

    pub(super) fn within(api_version: &str, kind: &str, namespace: &str) -> Self {
        Self { api_version: api_version.to_owned(), kind: kind.to_owned(), namespace: Some(namespace.to_owned()) }
    }

    pub(super) fn query(&self) -> ListQuery {
        ListQuery {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            label_selector: None,
            page: None,
        }
    }

    pub(super) fn is_events(&self) -> bool {
        self.api_version == "v1" && self.kind == "Event"
    }

    pub(super) fn object(&self, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: Some(self.api_version.clone()),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} in namespace {namespace}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

/// What can own pods.
pub(super) fn is_workload(object: &ObjectRef) -> bool {
    matches!(
        (object.group(), object.kind.as_str()),
        (Some("apps"), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | (Some("batch"), "Job" | "CronJob")
            | (Some(""), "Pod" | "ReplicationController")
    )
}

/// What workloads own, directly or through others, and the events: in the order in which it is to be watched, so that
/// the owners of what arrives are mostly known.
pub(super) const FAMILY: [&[(&str, &str)]; 3] = [
    &[("apps/v1", "ReplicaSet"), ("batch/v1", "Job")],
    &[("v1", "Pod")],
    &[("v1", "PersistentVolumeClaim"), ("v1", "Event")],
];
