//! Where Helm keeps its records.

/// Where Helm keeps its records (`--driver`, `HELM_DRIVER`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HelmDriver {
    /// In Secrets of type `helm.sh/release.v1`.
    #[default]
    Secret,
    /// In ConfigMaps.
    ConfigMap,
}

impl HelmDriver {
    /// The kind of a record.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }

    /// Helm's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configmap",
        }
    }
}
