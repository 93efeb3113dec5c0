//! How a cluster is reached by other programs.

use pilothouse_core::{ClusterContext, Sensitive};

/// How one cluster is reached, by whatever program: nothing that happens to the kubeconfig it was read from changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterAccess {
    context: ClusterContext,
    kubeconfig: Sensitive<String>,
}

impl ClusterAccess {
    /// The context, without credentials.
    pub fn context(&self) -> &ClusterContext {
        &self.context
    }

    /// The text of a kubeconfig with this one context, which is its current one. Certificates and keys are in it; other files
    /// (that of a token, the program of a credential plugin) are named by absolute paths.
    pub fn kubeconfig(&self) -> &Sensitive<String> {
        &self.kubeconfig
    }

    /// The access of a context, by the text of its kubeconfig.
    pub(crate) fn new(context: ClusterContext, kubeconfig: Sensitive<String>) -> Self {
        Self { context, kubeconfig }
    }
}
