//! What `check_prerequisites` finds.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a finding stops the release; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// What was given is wrong: the file, the chart, the values, the connection.
    BadInput,
    /// Going on could lose or take over what belongs to someone.
    Unsafe,
    /// The cluster is in a state in which the release cannot be acted on now.
    Blocked,
}

/// One reason why a release cannot be acted on, found before anything was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable code for people and machines, one of [`code`].
    pub code: String,
    /// What kind of reason it is.
    pub class: Class,
    /// What it is about: an object, a file, a chart.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
}

impl Finding {
    /// A finding about `subject`.
    pub fn new(class: Class, code: &str, subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), class, subject: subject.to_string(), message: message.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// The stable codes.
#[expect(missing_docs, reason = "each is explained by its name and in docs/codes.md")]
pub mod code {
    pub const API_UNREACHABLE: &str = "API_UNREACHABLE";
    pub const CHART_DEPENDENCY_MISSING: &str = "CHART_DEPENDENCY_MISSING";
    pub const CHART_INVALID: &str = "CHART_INVALID";
    pub const CHART_NOT_FOUND: &str = "CHART_NOT_FOUND";
    pub const CHART_TEMPLATE_FAILED: &str = "CHART_TEMPLATE_FAILED";
    pub const CHECK_FAILED: &str = "CHECK_FAILED";
    pub const CRD_IN_USE: &str = "CRD_IN_USE";
    pub const DATA_ATTACHED: &str = "DATA_ATTACHED";
    pub const FILE_NOT_READABLE: &str = "FILE_NOT_READABLE";
    pub const HELM_UNUSABLE: &str = "HELM_UNUSABLE";
    pub const KUBE_VERSION_UNSUPPORTED: &str = "KUBE_VERSION_UNSUPPORTED";
    pub const NAMESPACE_MISSING: &str = "NAMESPACE_MISSING";
    pub const NAMESPACE_TERMINATING: &str = "NAMESPACE_TERMINATING";
    pub const OWNERSHIP_CONFLICT: &str = "OWNERSHIP_CONFLICT";
    pub const RBAC_FORBIDDEN: &str = "RBAC_FORBIDDEN";
    pub const RELEASE_LOCKED: &str = "RELEASE_LOCKED";
    pub const RELEASE_NAME_INVALID: &str = "RELEASE_NAME_INVALID";
    pub const UNREADABLE: &str = "UNREADABLE";
    pub const VALUES_INVALID: &str = "VALUES_INVALID";
    pub const VERSION_INVALID: &str = "VERSION_INVALID";
}
