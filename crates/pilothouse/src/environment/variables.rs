//! What the variables of an environment say, by the rules of kubectl, helm and the base directory specification.

use pilothouse_helm::HelmConfig;
use pilothouse_kube::{ConnectOptions, HelmDriver, Proxies};
use pilothouse_process::check_folder;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variables that a session is made by: `HOME`, `KUBECONFIG`, `PATH`, `XDG_CACHE_HOME`, `XDG_STATE_HOME`, `HELM_DRIVER`, the
/// proxies. Programs that are started get them too.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

/// Why the surroundings are not enough.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Nothing says where the cluster is.
    #[error("there is no kubeconfig: neither KUBECONFIG nor ~/.kube/config")]
    NoKubeconfig,
    /// There is no helm.
    #[error("there is no helm on the PATH")]
    NoHelm,
    /// There is no folder for what is kept.
    #[error("there is no folder of this user: neither HOME nor {variable} is set")]
    NoFolder {
        /// The variable that names one.
        variable: &'static str,
    },
    /// Others can write to a folder, so that nothing in it is believed.
    #[error("a folder cannot be used")]
    Untrusted(#[source] io::Error),
    /// Helm's records are kept where they cannot be read.
    #[error("HELM_DRIVER is `{driver}`, which is not supported: supported are secret and configmap")]
    Driver {
        /// What it says.
        driver: String,
    },
}

impl Environment {
    /// The variables of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the library reads the environment, when it is asked to"
    )]
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// These variables and no others.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: variables.collect() }
    }

    /// The same with these variables more, which count instead of others of their names.
    #[must_use]
    pub fn with<N: Into<OsString>, V: Into<OsString>>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The same without a variable, and what that was.
    #[must_use]
    pub fn without(mut self, name: &str) -> (Self, Option<OsString>) {
        let value = self.variables.remove(&OsString::from(name));
        (self, value)
    }

    /// All variables.
    pub fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.variables
    }

    /// One variable, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(&OsString::from(name)).and_then(|value| value.to_str())
    }

    /// The path in a variable, if there is one.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(&OsString::from(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The folder for programs and charts that were fetched: `$XDG_CACHE_HOME/pilothouse`, or `~/.cache/pilothouse`.
    pub fn cache(&self) -> Option<PathBuf> {
        self.base("XDG_CACHE_HOME", ".cache")
    }

    /// The folder for journals and backups: `$XDG_STATE_HOME/pilothouse`, or `~/.local/state/pilothouse`.
    pub fn state(&self) -> Option<PathBuf> {
        self.base("XDG_STATE_HOME", ".local/state")
    }

    /// The base directory specification wants relative paths ignored. What lies in a folder for all, like /tmp, would be anybody's.
    fn base(&self, xdg: &str, in_home: &str) -> Option<PathBuf> {
        let below_home = || self.path("HOME").map(|home| home.join(in_home));
        self.path(xdg).filter(|path| path.is_absolute()).or_else(below_home).map(|base| base.join("pilothouse"))
    }

    /// How to reach the cluster, by kubectl's rules: the files of `KUBECONFIG`, then `~/.kube/config`, then the service account of
    /// the pod; by its proxies.
    ///
    /// # Errors
    /// When there is none of them.
    pub fn connection(&self) -> Result<ConnectOptions, EnvironmentError> {
        let listed = self.variables.get(&OsString::from("KUBECONFIG"));
        let listed = listed.iter().flat_map(|list| std::env::split_paths(list));
        let mut files: Vec<PathBuf> = listed.filter(|path| !path.as_os_str().is_empty()).collect();
        if files.is_empty() {
            files.extend(self.path("HOME").map(|home| home.join(".kube/config")).filter(|file| file.is_file()));
        }
        let options = match files.is_empty() {
            false => ConnectOptions::kubeconfigs(files),
            true if self.text("KUBERNETES_SERVICE_HOST").is_some() => ConnectOptions::in_cluster(),
            true => return Err(EnvironmentError::NoKubeconfig),
        };
        Ok(options.proxies(self.proxies()))
    }

    /// The proxies it names.
    pub fn proxies(&self) -> Proxies {
        Proxies::of_variables(|name| self.text(name).map(str::to_owned))
    }

    /// Where helm keeps its records, by `HELM_DRIVER`.
    ///
    /// # Errors
    /// When that is neither in Secrets nor in ConfigMaps.
    pub fn driver(&self) -> Result<HelmDriver, EnvironmentError> {
        match self.text("HELM_DRIVER") {
            None | Some("" | "secret" | "secrets") => Ok(HelmDriver::Secret),
            Some("configmap" | "configmaps") => Ok(HelmDriver::ConfigMap),
            Some(other) => Err(EnvironmentError::Driver { driver: other.to_owned() }),
        }
    }

    /// A file of the user's own helm configuration, where helm itself looks for it: by its variable, else below
    /// `HELM_CONFIG_HOME`, `$XDG_CONFIG_HOME/helm` or `~/.config/helm`.
    fn helm_file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let in_xdg = || self.path("XDG_CONFIG_HOME").map(|folder| folder.join("helm"));
        let in_home = || self.path("HOME").map(|home| home.join(".config/helm"));
        let below = || self.path("HELM_CONFIG_HOME").or_else(in_xdg).or_else(in_home);
        self.path(variable).or_else(|| below().map(|folder| folder.join(name)))
    }

    /// A helm that knows no cluster, with the user's repositories and registries and these variables; its own files are below this
    /// folder of ours.
    pub fn helm(&self, program: PathBuf, cache: &Path) -> HelmConfig {
        let mut helm = HelmConfig::new(program, cache.join("helm"));
        helm.base_env.clone_from(&self.variables);
        helm.registry_config = self.helm_file("HELM_REGISTRY_CONFIG", "registry/config.json");
        helm.repository_config = self.helm_file("HELM_REPOSITORY_CONFIG", "repositories.yaml");
        helm
    }

    /// The folders of `PATH`.
    pub fn path_folders(&self) -> Vec<PathBuf> {
        self.variables.get(&OsString::from("PATH")).iter().flat_map(|path| std::env::split_paths(path)).collect()
    }

    /// A program on the `PATH`.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.path_folders().into_iter().map(|folder| folder.join(name)).find(|file| is_executable(file))
    }
}

/// A folder in which nothing lies that others can have put there.
pub(crate) fn trusted(folder: Option<PathBuf>, variable: &'static str) -> Result<PathBuf, EnvironmentError> {
    let folder = folder.ok_or(EnvironmentError::NoFolder { variable })?;
    check_folder(&folder).map_err(EnvironmentError::Untrusted)?;
    Ok(folder)
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::by_the_specification(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], Some("/c/pilothouse"))]
    #[case::relative_is_ignored(&[("HOME", "/h"), ("XDG_CACHE_HOME", "c")], Some("/h/.cache/pilothouse"))]
    #[case::at_home(&[("HOME", "/h")], Some("/h/.cache/pilothouse"))]
    #[case::nowhere(&[("HOME", "")], None)]
    fn the_cache(#[case] variables: &[(&str, &str)], #[case] expected: Option<&str>) {
        assert_eq!(Environment::new(variables.iter().copied()).cache(), expected.map(PathBuf::from));
    }

    #[rstest]
    #[case("", Ok(HelmDriver::Secret))]
    #[case("secrets", Ok(HelmDriver::Secret))]
    #[case("configmap", Ok(HelmDriver::ConfigMap))]
    #[case("sql", Err("HELM_DRIVER is `sql`, which is not supported: supported are secret and configmap"))]
    fn drivers(#[case] driver: &str, #[case] expected: Result<HelmDriver, &str>) {
        let told = Environment::new([("HELM_DRIVER", driver)]).driver().map_err(|error| error.to_string());
        assert_eq!(told, expected.map_err(str::to_owned));
    }

    #[test]
    fn where_the_cluster_is() {
        let home = tempfile::tempdir().unwrap();
        let at_home = || Environment::new([("HOME", home.path())]);
        assert!(matches!(at_home().connection(), Err(EnvironmentError::NoKubeconfig)));
        let in_pod = at_home().with([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
        assert_eq!(in_pod.connection().unwrap(), ConnectOptions::in_cluster());
        let file = home.path().join(".kube/config");
        std::fs::create_dir(home.path().join(".kube")).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(at_home().connection().unwrap(), ConnectOptions::kubeconfig(&file));
        let listed = at_home().with([("KUBECONFIG", ":/a:/b")]).connection().unwrap();
        assert_eq!(listed, ConnectOptions::kubeconfigs(["/a", "/b"].map(PathBuf::from)));
    }
}
