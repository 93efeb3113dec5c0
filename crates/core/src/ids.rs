//! The names of things.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// One release: its namespace and its name. Written `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseKey {
    /// The namespace of the release (and of Helm's records of it).
    pub namespace: String,
    /// The Helm release name.
    pub name: String,
}

impl ReleaseKey {
    /// The release `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One run of the program over a stack. Ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// A new one, of now.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Its last eight characters, for people. The first ones are the time, which runs begun close together share.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text[text.len() - 8..].to_owned()
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The phases of a release's lifecycle, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Read-only: can this release be acted on at all?
    CheckPrerequisites,
    /// The user's steps before Helm runs.
    PreExec,
    /// Helm's install, upgrade or uninstall.
    Exec,
    /// Evidence, the user's clean-up and the failure policy, after a phase that changes the cluster or `validate` failed.
    OnDeployFailure,
    /// The user's steps after Helm ran.
    PostExec,
    /// Read-only: is every object of the release ready, does it really work?
    Validate,
}

impl Phase {
    /// All phases in the order of the lifecycle.
    pub const ALL: [Self; 6] =
        [Self::CheckPrerequisites, Self::PreExec, Self::Exec, Self::OnDeployFailure, Self::PostExec, Self::Validate];

    /// Its name in files, output and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::CheckPrerequisites => "check_prerequisites",
            Self::PreExec => "pre_exec",
            Self::Exec => "exec",
            Self::OnDeployFailure => "on_deploy_failure",
            Self::PostExec => "post_exec",
            Self::Validate => "validate",
        }
    }

    /// Whether the phase may change the cluster.
    pub fn may_change_cluster(self) -> bool {
        match self {
            Self::CheckPrerequisites | Self::Validate => false,
            Self::PreExec | Self::Exec | Self::OnDeployFailure | Self::PostExec => true,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One object of a cluster, as far as it is named. Written `Kind namespace/name`.
///
/// In text given by people `kind` may be a plural, a short name or lower case (`deploy/web`), and the version may be
/// left out; the cluster's discovery completes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectRef {
    /// `v1`, `apps/v1`; `None` when whoever named the object left it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The kind (`Deployment`), or what a person wrote for it.
    pub kind: String,
    /// The namespace; `None` for cluster-scoped objects, or to mean the release's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    /// Reads `kind/name` or `kind.group/name`, as kubectl writes them, or `kind/namespace/name`.
    ///
    /// # Errors
    /// When there are not two or three non-empty parts.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace), name),
            _ => return Err(InvalidName::ObjectForm { text: text.to_owned() }),
        };
        if kind.is_empty()
            || name.is_empty()
            || namespace.is_some_and(str::is_empty)
            || text.contains(char::is_whitespace)
        {
            return Err(InvalidName::ObjectForm { text: text.to_owned() });
        }
        Ok(Self {
            api_version: None,
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// The API group: empty for the core group, `None` when the version is not known.
    pub fn group(&self) -> Option<&str> {
        self.api_version.as_deref().map(|version| version.split_once('/').map_or("", |(group, _)| group))
    }

    /// Whether it is a Job of Kubernetes: other APIs have kinds of that name.
    pub fn is_job(&self) -> bool {
        self.kind == "Job" && self.group() == Some("batch")
    }

    /// Whether it is a namespace of Kubernetes, as far as its API is known: other APIs have kinds of that name.
    pub fn is_namespace(&self) -> bool {
        self.kind == "Namespace" && self.group().unwrap_or_default().is_empty()
    }

    /// Whether both name the same object, whatever version of its API they use.
    pub fn same_object(&self, other: &Self) -> bool {
        let groups_agree = match (self.group(), other.group()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        groups_agree
            && self.kind.eq_ignore_ascii_case(&other.kind)
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A name that Helm or Kubernetes would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Helm allows release names of at most 53 characters (`pkg/chartutil/validate_name.go`).
    #[error("release name `{name}` must be 1 to 53 characters long, it has {}", name.len())]
    ReleaseLength {
        /// The name.
        name: String,
    },
    /// Release names follow the rule of DNS-1123 subdomains.
    #[error(
        "release name `{name}` must consist of lower-case letters, digits, `-` and `.`, and begin and end with a letter or digit"
    )]
    ReleaseCharacters {
        /// The name.
        name: String,
    },
    /// Namespaces are DNS-1123 labels.
    #[error(
        "namespace `{name}` must consist of 1 to 63 lower-case letters, digits and `-`, and begin and end with a letter or digit"
    )]
    Namespace {
        /// The name.
        name: String,
    },
    /// An object was not named as `kind/name`.
    #[error("`{text}` does not name an object: write kind/name or kind/namespace/name")]
    ObjectForm {
        /// What was written.
        text: String,
    },
}

fn is_dns1123(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !label.is_empty()
        && label.starts_with(inner)
        && label.ends_with(inner)
        && label.chars().all(|c| inner(c) || c == '-')
}

/// Checks a release name by Helm's rule (`pkg/chartutil/validate_name.go`: a DNS-1123 subdomain, at most 53 characters).
///
/// # Errors
/// What is wrong with it.
pub fn check_release_name(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() || name.len() > 53 {
        return Err(InvalidName::ReleaseLength { name: name.to_owned() });
    }
    if name.split('.').all(is_dns1123) { Ok(()) } else { Err(InvalidName::ReleaseCharacters { name: name.to_owned() }) }
}

/// Checks a namespace by Kubernetes' rule (a DNS-1123 label).
///
/// # Errors
/// What is wrong with it.
pub fn check_namespace(name: &str) -> Result<(), InvalidName> {
    if name.len() <= 63 && is_dns1123(name) { Ok(()) } else { Err(InvalidName::Namespace { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("podinfo", true)]
    #[case("a.b-c.9", true)]
    #[case("", false)]
    #[case("Podinfo", false)]
    #[case("-a", false)]
    #[case("a.", false)]
    #[case("a_b", false)]
    #[case("a23456789012345678901234567890123456789012345678901234", false)]
    #[case("a2345678901234567890123456789012345678901234567890123", true)]
    fn release_names(#[case] name: &str, #[case] good: bool) {
        assert_eq!(check_release_name(name).is_ok(), good);
    }

    #[rstest]
    #[case("deployment/web", Some((None, "deployment", "web")))]
    #[case("deploy.apps/ns/web", Some((Some("ns"), "deploy.apps", "web")))]
    #[case("web", None)]
    #[case("deployment/", None)]
    #[case("a/b/c/d", None)]
    #[case("deployment//web", None)]
    #[case("deployment/we b", None)]
    fn object_references(#[case] text: &str, #[case] expected: Option<(Option<&str>, &str, &str)>) {
        let parsed = ObjectRef::parse(text).ok();
        assert_eq!(parsed.as_ref().map(|o| (o.namespace.as_deref(), o.kind.as_str(), o.name.as_str())), expected);
    }

    #[test]
    fn the_same_object_in_another_version_is_the_same() {
        let object = |version: Option<&str>| ObjectRef {
            api_version: version.map(str::to_owned),
            kind: "Ingress".to_owned(),
            namespace: None,
            name: "a".to_owned(),
        };
        assert!(object(Some("networking.k8s.io/v1")).same_object(&object(Some("networking.k8s.io/v1beta1"))));
        assert!(object(None).same_object(&object(Some("networking.k8s.io/v1beta1"))));
        assert!(!object(Some("networking.k8s.io/v1")).same_object(&object(Some("extensions/v1beta1"))));
    }
}
