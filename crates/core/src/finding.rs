//! What `check_prerequisites` finds.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a finding stops the release; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// The stable codes, each a constant, and [`ALL`](code::ALL) of them with what they mean.
pub mod code {
    macro_rules! codes {
        ($($name:ident: $meaning:literal,)*) => {
            $(#[doc = $meaning] pub const $name: &str = stringify!($name);)*

            /// Every code with what it means.
            pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $meaning)),*];
        };
    }

    codes! {
        API_UNREACHABLE: "The Kubernetes API does not answer, or not to these credentials.",
        CHART_DEPENDENCY_MISSING: "`Chart.yaml` lists a subchart that is not in `charts/`.",
        CHART_INVALID: "The chart is there but cannot be used: damaged archive, no usable `Chart.yaml`, another version than wanted.",
        CHART_NOT_FOUND: "There is no chart at the path, in the repository or in the registry.",
        CHART_TEMPLATE_FAILED: "helm cannot render the chart with these values.",
        CHECK_FAILED: "A step of `check_prerequisites` failed.",
        CRD_IN_USE: "A CustomResourceDefinition would be deleted, or changed so that stored objects are lost, while custom resources exist.",
        DATA_ATTACHED: "An object with data would be deleted and no consent names it: a PersistentVolumeClaim, a PersistentVolume, a Namespace.",
        FILE_NOT_READABLE: "A values file or manifest is missing or cannot be read.",
        GRAPH_INVALID: "Releases do not fit together: one is given twice, needs itself or one that is not there, or needs form a cycle.",
        KUBE_VERSION_UNSUPPORTED: "The chart's `kubeVersion` does not allow the version of the cluster.",
        NAMESPACE_MISSING: "The namespace does not exist and `create_namespace` is false.",
        NAMESPACE_TERMINATING: "The namespace is being deleted.",
        OWNERSHIP_CONFLICT: "An object of the chart exists and belongs to someone else: another release, another tool, nobody.",
        RELEASE_LOCKED: "Helm's newest record is `pending-*`: another operation is in progress, or was killed.",
        RELEASE_NAME_INVALID: "Helm or Kubernetes would refuse the name of the release or of its namespace.",
        ROLLBACK_IMPOSSIBLE: "`on_failure` asks for a rollback, and the revision to go back to is not there, damaged, not kept by `max_history`, or of kinds that are not served any more.",
        STEP_UNCERTAIN: "An earlier run has begun a step that must not be repeated, and nobody knows how it ended.",
        UNKNOWN: "What was seen is not understood; all of it is shown.",
        UNREADABLE: "Something that has to be known cannot be read, so nothing is decided.",
        VALUES_INVALID: "The values do not fit the chart's schema, or cannot be put together.",
        VERSION_INVALID: "The wanted version is not a version constraint.",
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    /// `docs/codes.md` is made of the codes. `PILOTHOUSE_BLESS=1` writes it anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
    fn the_document_of_codes_is_up_to_date() {
        let rows: String = code::ALL.iter().map(|(code, meaning)| format!("| `{code}` | {meaning} |\n")).collect();
        let expected = format!(
            "# Codes\n\nWhy a release was refused before anything was changed. The codes are stable; JSON output has them as `code`.\n\n\
             | code | meaning |\n|---|---|\n{rows}"
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes.md");
        if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }
}
