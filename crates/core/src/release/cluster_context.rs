//! Which cluster a run works on, and as whom.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The context a run works in, as it was resolved when the run connected. Holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterContext {
    /// The name of the context in the kubeconfig; `None` for the service account of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The URL of the API server.
    pub server: String,
    /// The name of the user in the kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl fmt::Display for ClusterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, server, user } = self;
        match (context, user) {
            (Some(context), Some(user)) => write!(f, "context {context} ({server}, user {user})"),
            (Some(context), None) => write!(f, "context {context} ({server}, no user)"),
            (None, _) => write!(f, "service account of the pod ({server})"),
        }
    }
}

/// The one cluster a stack is for; what is not given is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterPin {
    /// The name of the context, also used when no other is asked for.
    pub context: Option<String>,
    /// The URL of the API server.
    pub server: Option<String>,
    /// The UID of the namespace `kube-system`.
    pub uid: Option<String>,
}
