//! The one place where flags, environment and defaults are brought together. Everything behind it gets values.

#![expect(clippy::disallowed_methods, reason = "this is where the program reads its environment, once")]

use crate::terminal::args::{Color, Connection, Global, Output};
use crate::terminal::exit::CommandError;
use pilothouse_core::ClusterPin;
use pilothouse_kube::{ConnectOptions, HelmDriver, Proxies};
use pilothouse_plane::provision::ProvisionConfig;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What the program was told, by flags first, then by the environment, then by default.
pub(crate) struct Settings {
    pub(crate) output: Output,
    /// Whether a live view may be drawn: on a terminal that nothing is logged to.
    pub(crate) live: bool,
    /// Whether the lines of a run stand above the live view, on the same terminal.
    pub(crate) lines_above_view: bool,
    /// Whether a question can be answered.
    pub(crate) can_ask: bool,
    /// Programs and charts that were fetched.
    pub(crate) cache: PathBuf,
    /// What runs in the background.
    pub(crate) state: PathBuf,
    /// The helm program that was asked for.
    pub(crate) helm: Option<PathBuf>,
    pub(crate) env: BTreeMap<OsString, OsString>,
    home: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn resolve(global: &Global) -> Self {
        let env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let home = path(&env, "HOME");
        let base = |xdg: &str, in_home: &str| {
            let below_home = || home.as_ref().map(|home| home.join(in_home));
            // The base directory specification wants relative paths ignored.
            path(&env, xdg).filter(|path| path.is_absolute()).or_else(below_home).unwrap_or_else(std::env::temp_dir)
        };
        let cache = global.cache.clone().unwrap_or_else(|| base("XDG_CACHE_HOME", ".cache").join("pilothouse"));
        let state = base("XDG_STATE_HOME", ".local/state").join("pilothouse");
        let dumb = env.get(&OsString::from("TERM")).is_some_and(|term| term == "dumb");
        let live = std::io::stderr().is_terminal() && !dumb && global.verbose == 0;
        Self {
            output: global.output,
            live,
            lines_above_view: live && std::io::stdout().is_terminal(),
            can_ask: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            cache,
            state,
            helm: global.helm.clone(),
            env,
            home,
        }
    }

    /// The columns of the terminal that results go to, if they go to one.
    pub(crate) fn width(&self) -> Option<usize> {
        (self.human() && std::io::stdout().is_terminal()).then(|| crate::terminal::console::console_size().0)
    }

    /// Whether results are for people.
    pub(crate) fn human(&self) -> bool {
        self.output == Output::Human
    }

    /// The folder for the journals of runs.
    pub(crate) fn runs(&self) -> PathBuf {
        self.state.join("runs")
    }

    /// The folder for what is saved before it is lost.
    pub(crate) fn backups(&self) -> PathBuf {
        self.state.join("backups")
    }

    /// One variable of the environment, if it is text.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        self.env.get(&OsString::from(name)).and_then(|value| value.to_str()).map(str::to_owned)
    }

    /// The variables of the environment that are text.
    pub(crate) fn text_env(&self) -> BTreeMap<String, String> {
        let text = |text: &OsString| text.to_str().map(str::to_owned);
        self.env.iter().filter_map(|(name, value)| text(name).zip(text(value))).collect()
    }

    /// How to reach the cluster, by kubectl's rules: the flag, then the files of `KUBECONFIG`, then `~/.kube/config`, then the
    /// service account of the pod. No other cluster than the one that `only` names.
    pub(crate) fn connection(
        &self,
        connection: &Connection,
        only: &ClusterPin,
    ) -> Result<ConnectOptions, CommandError> {
        let from_env = self.env.get(&OsString::from("KUBECONFIG"));
        let from_env: Vec<PathBuf> = from_env.iter().flat_map(|list| std::env::split_paths(list)).collect();
        let files = match &connection.kubeconfig {
            Some(file) => vec![file.clone()],
            None => from_env.into_iter().filter(|path| !path.as_os_str().is_empty()).collect(),
        };
        let in_home = || self.home.as_ref().map(|home| home.join(".kube/config")).filter(|file| file.is_file());
        let files = if files.is_empty() { in_home().into_iter().collect() } else { files };
        let options = match files.is_empty() {
            false => ConnectOptions::kubeconfigs(files),
            true if self.var("KUBERNETES_SERVICE_HOST").is_some() => ConnectOptions::in_cluster(),
            true => {
                return Err(CommandError::input(
                    "there is no kubeconfig: neither --kubeconfig nor KUBECONFIG nor ~/.kube/config",
                )
                .hint("name one with --kubeconfig, or try a stack without a cluster: pilothouse rehearse"));
            }
        };
        let proxies = Proxies::of_variables(|name| self.var(name));
        Ok(options.context(connection.context.clone()).only(only.clone()).proxies(proxies))
    }

    /// Where helm keeps its records, by Helm's own variable.
    pub(crate) fn driver(&self) -> Result<HelmDriver, CommandError> {
        match self.var("HELM_DRIVER").as_deref() {
            None | Some("" | "secret" | "secrets") => Ok(HelmDriver::Secret),
            Some("configmap" | "configmaps") => Ok(HelmDriver::ConfigMap),
            Some(other) => Err(CommandError::input(format!("HELM_DRIVER is `{other}`, which is not supported"))
                .hint("supported are secret and configmap")),
        }
    }

    /// A file of the user's own helm configuration, where helm itself looks for it: by its variable, else below
    /// `HELM_CONFIG_HOME`, `$XDG_CONFIG_HOME/helm` or `~/.config/helm`.
    pub(crate) fn helm_file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let in_xdg = || path(&self.env, "XDG_CONFIG_HOME").map(|folder| folder.join("helm"));
        let in_home = || self.home.as_ref().map(|home| home.join(".config/helm"));
        let below = || path(&self.env, "HELM_CONFIG_HOME").or_else(in_xdg).or_else(in_home);
        path(&self.env, variable).or_else(|| below().map(|folder| folder.join(name)))
    }

    /// How programs are obtained.
    pub(crate) fn provision(&self) -> ProvisionConfig {
        let mut config = ProvisionConfig::new(self.cache.join("bin"));
        let named = ["KUBEBUILDER_ASSETS", "TEST_ASSET_KUBE_APISERVER"].map(|name| path(&self.env, name));
        config.candidates = named.into_iter().flatten().chain(self.path_folders()).collect();
        config.go = self.on_path("go");
        config.base_env = self.env.clone();
        config
    }

    /// The helm that was asked for, or the one on the PATH.
    pub(crate) fn helm_program(&self) -> Option<PathBuf> {
        self.helm.clone().or_else(|| self.on_path("helm"))
    }

    fn path_folders(&self) -> Vec<PathBuf> {
        self.env.get(&OsString::from("PATH")).iter().flat_map(|path| std::env::split_paths(path)).collect()
    }

    fn on_path(&self, program: &str) -> Option<PathBuf> {
        self.path_folders().into_iter().map(|folder| folder.join(program)).find(|file| is_executable(file))
    }
}

fn path(env: &BTreeMap<OsString, OsString>, name: &str) -> Option<PathBuf> {
    env.get(&OsString::from(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
