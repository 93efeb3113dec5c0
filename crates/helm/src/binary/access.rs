//! What a helm process gets to know of the cluster and of the machine.

use pilothouse_core::{HelmDriver, Sensitive};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Which cluster helm talks to. One private function of this type is the only place that tells a helm process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum KubeAccess {
    /// None.
    #[default]
    None,
    /// That of somebody's file.
    File {
        /// The kubeconfig.
        kubeconfig: PathBuf,
        /// The context in it; `None` for its current one.
        context: Option<String>,
    },
    /// That of the current context of this kubeconfig, of which each process gets a copy of its own.
    Text(Sensitive<String>),
}

impl KubeAccess {
    /// Puts the access into a helm process' environment, where nothing of it may be yet. `copy` is the process' own copy.
    fn apply(&self, copy: Option<&Path>, env: &mut BTreeMap<OsString, OsString>) {
        let (kubeconfig, context) = match self {
            Self::None => (None, None),
            Self::File { kubeconfig, context } => (Some(kubeconfig.as_path()), context.as_ref()),
            Self::Text(_) => (copy, None),
        };
        if let Some(kubeconfig) = kubeconfig {
            env.insert("KUBECONFIG".into(), kubeconfig.into());
        }
        if let Some(context) = context {
            env.insert("HELM_KUBECONTEXT".into(), context.into());
        }
    }
}

/// The folder of one run for what it keeps of the cluster, below its own folder.
pub(crate) const KUBE_CACHE: &str = "kube";

/// The environment of helm processes: the caller's, without anything that would change what helm does behind our back.
#[derive(Clone)]
pub(crate) struct Isolation {
    pub(crate) base_env: BTreeMap<OsString, OsString>,
    pub(crate) access: KubeAccess,
    pub(crate) driver: HelmDriver,
    pub(crate) registry_config: Option<PathBuf>,
    pub(crate) repository_config: Option<PathBuf>,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Isolation");
        shown.field("base_env", &self.base_env.keys()).field("access", &self.access).field("driver", &self.driver);
        shown.finish_non_exhaustive()
    }
}

impl Isolation {
    /// The whole environment of one helm process whose own files are below `home`, and whose copy of the kubeconfig is
    /// `kubeconfig`.
    pub(crate) fn env(&self, home: &Path, kubeconfig: Option<&Path>) -> BTreeMap<OsString, OsString> {
        let mut env = self.base_env.clone();
        env.retain(|name, _| !is_ours(name));
        for (name, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
            ("HELM_PLUGINS", "plugins"),
            // Otherwise `~/.kube/cache`, or `./.kube/cache` where there is no HOME.
            ("KUBECACHEDIR", KUBE_CACHE),
        ] {
            env.insert(name.into(), home.join(folder).into());
        }
        // Plugins could run anything, and v4 looks for them at every start.
        env.insert("HELM_NO_PLUGINS".into(), "1".into());
        env.insert("HELM_DRIVER".into(), self.driver.name().into());
        if let Some(file) = &self.registry_config {
            env.insert("HELM_REGISTRY_CONFIG".into(), file.into());
        }
        if let Some(file) = &self.repository_config {
            env.insert("HELM_REPOSITORY_CONFIG".into(), file.into());
        }
        // Helm lives for a fraction of a second: collecting garbage less often saves a fifth of its time, and near the
        // limit Go collects as usual. Whoever has set these keeps them.
        for (name, value) in [("GOGC", "400"), ("GOMEMLIMIT", "512MiB")] {
            env.entry(name.into()).or_insert_with(|| value.into());
        }
        self.access.apply(kubeconfig, &mut env);
        env
    }
}

/// Whether a variable is set by us alone. `KUBECONFIG` is among them so that no helm ever talks to a cluster by accident.
fn is_ours(name: &OsString) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"HELM_") || name == b"KUBECONFIG"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_callers_helm_gets_through() {
        let base =
            ["HELM_NAMESPACE", "HELM_KUBETOKEN", "HELM_DEBUG", "HELM_CACHE_HOME", "KUBECONFIG", "PATH", "HTTPS_PROXY"];
        let isolation = Isolation {
            base_env: base.into_iter().map(|name| (name.into(), "theirs".into())).collect(),
            access: KubeAccess::File { kubeconfig: "/k".into(), context: Some("c".to_owned()) },
            driver: HelmDriver::ConfigMap,
            registry_config: Some("/r".into()),
            repository_config: None,
        };
        let env = isolation.env(Path::new("/home"), None);
        let lines: Vec<String> =
            env.iter().map(|(k, v)| format!("{}={}", k.to_string_lossy(), v.to_string_lossy())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        GOGC=400
        GOMEMLIMIT=512MiB
        HELM_CACHE_HOME=/home/cache
        HELM_CONFIG_HOME=/home/config
        HELM_DATA_HOME=/home/data
        HELM_DRIVER=configmap
        HELM_KUBECONTEXT=c
        HELM_NO_PLUGINS=1
        HELM_PLUGINS=/home/plugins
        HELM_REGISTRY_CONFIG=/r
        HTTPS_PROXY=theirs
        KUBECACHEDIR=/home/kube
        KUBECONFIG=/k
        PATH=theirs
        "#);
    }

    #[test]
    fn a_helm_of_a_cluster_gets_its_own_copy_and_no_context_beside_it() {
        let isolation = Isolation {
            base_env: [("KUBECONFIG", "theirs"), ("HELM_KUBECONTEXT", "theirs"), ("HELM_KUBEAPISERVER", "theirs")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            access: KubeAccess::Text(Sensitive::new("kind: Config".to_owned())),
            driver: HelmDriver::Secret,
            registry_config: None,
            repository_config: None,
        };
        let env = isolation.env(Path::new("/home"), Some(Path::new("/home/kubeconfig")));
        let kube: Vec<_> = env.iter().filter(|(name, _)| name.to_string_lossy().contains("KUBECO")).collect();
        assert_eq!(kube, [(&OsString::from("KUBECONFIG"), &OsString::from("/home/kubeconfig"))]);
        assert!(!env.contains_key(&OsString::from("HELM_KUBEAPISERVER")));
    }
}
