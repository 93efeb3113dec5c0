//! What can go wrong when talking to a cluster.

use pilothouse_core::ObjectRef;
use std::error::Error;
use std::time::Duration;

/// Why a request to the cluster failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No answer came: connection refused or cut, no route, a bad certificate.
    #[error("the Kubernetes API cannot be reached")]
    Unreachable {
        /// What the connection says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer came in time.
    #[error("the Kubernetes API did not answer within {} s ({what})", after.as_secs_f32())]
    Timeout {
        /// What was asked for.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// The credentials are not accepted (401), or none could be obtained.
    #[error("the Kubernetes API does not accept the credentials: {message}")]
    Unauthorized {
        /// What the server or the credential plugin says.
        message: String,
    },
    /// The credentials do not allow it (403).
    #[error("not allowed to {verb} {what}: {message}")]
    Forbidden {
        /// The verb of RBAC: `get`, `list`, `patch`, `delete`, `create`.
        verb: String,
        /// The object or list.
        what: String,
        /// What the server says.
        message: String,
    },
    /// The cluster does not know this kind (not in its discovery).
    #[error("the cluster serves no kind `{kind}`{}", group.as_ref().map(|group| format!(" in `{group}`")).unwrap_or_default())]
    NotServed {
        /// The kind as it was asked for.
        kind: String,
        /// The API version or group it was asked for in, if any.
        group: Option<String>,
    },
    /// Whether the cluster knows this kind cannot be told: the server behind an API it may be in does not answer.
    #[error("kind `{kind}` cannot be looked for: the server of API `{api_version}` does not answer the cluster")]
    Stale {
        /// The kind as it was asked for.
        kind: String,
        /// The API version that does not answer.
        api_version: String,
    },
    /// The object that was to be changed does not exist.
    #[error("{object} does not exist")]
    NotFound {
        /// The object.
        object: ObjectRef,
    },
    /// Someone else changed the object, or owns the fields (409).
    #[error("{object}: {message}")]
    Conflict {
        /// The object.
        object: ObjectRef,
        /// What the server says.
        message: String,
    },
    /// The server refuses the object as it is (400, 413, 422, admission).
    #[error("{object} is not accepted: {message}")]
    Invalid {
        /// The object.
        object: ObjectRef,
        /// What the server says.
        message: String,
    },
    /// The object lacks what is needed to name it.
    #[error("an object without {lacks} cannot be sent to the cluster")]
    Unnamed {
        /// `apiVersion`, `kind`, `metadata.name` or `metadata.namespace`.
        lacks: &'static str,
    },
    /// Any other refusal.
    #[error("the Kubernetes API answered {status} to {what}: {message}")]
    Api {
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// What the server says.
        message: String,
    },
    /// The answer cannot be understood. Its content is not shown: it may hold secrets.
    #[error("the answer to {what} cannot be understood")]
    Malformed {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl ClusterError {
    /// Whether the API server itself is well and tells that another one is not, which it had to ask: a webhook, or the server
    /// behind an API. That may last for as long as somebody is needed to mend it.
    pub fn is_of_other_server(&self) -> bool {
        const WEBHOOKS: [&str; 2] = ["conversion webhook for ", "failed calling webhook "];
        // The API server's own words for one that it does not reach.
        const SERVERS: [&str; 2] = ["service unavailable", "error trying to reach service: "];
        match self {
            Self::Api { status: 500.., message, .. } => {
                WEBHOOKS.iter().any(|said| message.contains(said))
                    || SERVERS.iter().any(|said| message.starts_with(said))
            }
            _ => false,
        }
    }

    /// Whether the same request may well succeed a little later: no connection, no answer in time, too many requests,
    /// a server error, also of a server behind the API.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Stale { .. } => true,
            Self::Api { status, .. } => *status == 429 || *status >= 500,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotServed { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Invalid { .. }
            | Self::Unnamed { .. }
            | Self::Malformed { .. } => false,
        }
    }
}
