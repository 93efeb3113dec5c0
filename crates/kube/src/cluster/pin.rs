//! Whether a cluster is the one that may be connected to.

use pilothouse_core::{ClusterContext, ClusterPin, Redactor};

/// Why a cluster is not the one that may be connected to, or cannot be told to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPinned {
    /// Another context.
    #[error("the stack is for context {pinned}, not for {here}")]
    Context {
        /// The name of the one it is for.
        pinned: String,
        /// The other one.
        here: ClusterContext,
    },
    /// Another server.
    #[error("the stack is for server {pinned}, not for {here}")]
    Server {
        /// The URL of the one it is for.
        pinned: String,
        /// The other one.
        here: ClusterContext,
    },
    /// Another cluster.
    #[error("the stack is for the cluster with UID {pinned}, not for {here}, whose UID is {found}")]
    Uid {
        /// The UID of the one it is for.
        pinned: String,
        /// The other one.
        here: ClusterContext,
        /// Its UID.
        found: String,
    },
    /// Nobody knows.
    #[error("the stack is for the cluster with UID {pinned}, and the UID of {here} cannot be read")]
    UidUnknown {
        /// The UID of the one it is for.
        pinned: String,
        /// The one whose UID is not known.
        here: ClusterContext,
    },
}

/// Compares what is known before anything is sent to the cluster.
pub(crate) fn check(pin: &ClusterPin, here: &ClusterContext) -> Result<(), NotPinned> {
    if let Some(pinned) = pin.context.as_ref().filter(|pinned| Some(*pinned) != here.context.as_ref()) {
        return Err(NotPinned::Context { pinned: pinned.clone(), here: here.clone() });
    }
    match &pin.server {
        Some(pinned) if address(pinned) != address(&here.server) => {
            Err(NotPinned::Server { pinned: Redactor::default().redact(pinned), here: here.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Compares the UID of the namespace `kube-system`, where it may be read.
pub(crate) fn check_uid(pinned: &str, here: &ClusterContext, found: Option<&str>) -> Result<(), NotPinned> {
    let (pinned, here) = (pinned.to_owned(), here.clone());
    match found {
        Some(found) if found == pinned => Ok(()),
        Some(found) => Err(NotPinned::Uid { pinned, here, found: found.to_owned() }),
        None => Err(NotPinned::UidUnknown { pinned, here }),
    }
}

/// The parts of a URL by which servers differ: scheme, host, port, path. A URL that cannot be read is only equal to itself.
fn address(server: &str) -> (String, String, u16, String) {
    let Ok(url) = server.parse::<http::Uri>() else { return (server.to_owned(), String::new(), 0, String::new()) };
    let scheme = url.scheme_str().unwrap_or("http").to_owned();
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let host = url.host().unwrap_or_default().trim_end_matches('.').to_lowercase();
    (scheme, host, port, url.path().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn here(context: Option<&str>, server: &str) -> ClusterContext {
        ClusterContext { context: context.map(str::to_owned), server: server.to_owned(), user: None }
    }

    fn pin(context: Option<&str>, server: Option<&str>) -> ClusterPin {
        ClusterPin { context: context.map(str::to_owned), server: server.map(str::to_owned), uid: None }
    }

    #[rstest]
    #[case(pin(None, None), true)]
    #[case(pin(Some("prod"), None), true)]
    #[case(pin(Some("Prod"), None), false)]
    #[case(pin(Some("prod"), Some("https://other.example.com")), false)]
    #[case(pin(None, Some("https://API.example.com")), true)]
    #[case(pin(None, Some("https://api.example.com:443/")), true)]
    #[case(pin(None, Some("https://ada:secret@api.example.com")), true)]
    #[case(pin(None, Some("http://api.example.com")), false)]
    #[case(pin(None, Some("https://api.example.com:6443")), false)]
    #[case(pin(None, Some("https://api.example.com/k8s/clusters/a")), false)]
    #[case(pin(None, Some("no url")), false)]
    fn what_is_pinned_must_be_there(#[case] pin: ClusterPin, #[case] expected: bool) {
        assert_eq!(check(&pin, &here(Some("prod"), "https://api.example.com")).is_ok(), expected);
    }

    #[test]
    fn a_pod_has_no_context_but_a_server() {
        let pod = here(None, "https://kubernetes.default.svc/");
        assert!(check(&pin(Some("in-cluster"), None), &pod).is_err());
        assert!(check(&pin(None, Some("https://kubernetes.default.svc")), &pod).is_ok());
    }

    #[test]
    fn no_password_is_shown() {
        let pinned = pin(None, Some("https://ada:secret@other.example.com"));
        let error = check(&pinned, &here(Some("prod"), "https://api.example.com")).unwrap_err().to_string();
        assert_eq!(
            error,
            "the stack is for server https://***@other.example.com, not for context prod (https://api.example.com, no user)"
        );
    }

    #[rstest]
    #[case(Some("u"), None)]
    #[case(
        Some("v"),
        Some("the stack is for the cluster with UID u, not for context a (https://a, no user), whose UID is v")
    )]
    #[case(
        None,
        Some("the stack is for the cluster with UID u, and the UID of context a (https://a, no user) cannot be read")
    )]
    fn the_uid_must_be_known_and_equal(#[case] found: Option<&str>, #[case] expected: Option<&str>) {
        let error = check_uid("u", &here(Some("a"), "https://a"), found).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected);
    }
}
