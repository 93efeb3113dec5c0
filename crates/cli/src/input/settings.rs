//! The one place where flags, environment and defaults are brought together. Everything behind it gets values.

use crate::terminal::args::{Color, Connection, Global, Output};
use crate::terminal::exit::{CommandError, Exit};
use pilothouse::Environment;
use pilothouse::state::StateKey;
use pilothouse_core::{ClusterPin, Sensitive};
use pilothouse_kube::ConnectOptions;
use pilothouse_plane::provision::ProvisionConfig;
use pilothouse_process::check_folder;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Read};
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
    /// Programs and charts that were fetched; `None` when there is no folder for them.
    cache: Option<PathBuf>,
    /// What runs in the background, and what runs have left behind.
    state: Option<PathBuf>,
    /// The helm program that was asked for.
    pub(crate) helm: Option<PathBuf>,
    pub(crate) environment: Environment,
    /// The file of the state key, and the key itself.
    state_key: (Option<PathBuf>, Option<Sensitive<String>>),
}

impl Settings {
    pub(crate) fn resolve(global: &Global) -> Self {
        let (environment, key) = Environment::of_process().without(STATE_KEY);
        // No program that is started gets it.
        let key = key.filter(|key| !key.is_empty());
        let key = key.map(|key| Sensitive::new(key.to_string_lossy().into_owned()));
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let cache = global.cache.clone().or_else(|| environment.cache());
        let state = environment.state().or_else(|| global.cache.as_ref().map(|cache| cache.join("state")));
        let dumb = environment.text("TERM") == Some("dumb");
        let live = std::io::stderr().is_terminal() && !dumb && global.verbose == 0;
        Self {
            output: global.output,
            live,
            lines_above_view: live && std::io::stdout().is_terminal(),
            can_ask: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            cache,
            state,
            helm: global.helm.clone(),
            environment,
            state_key: (global.state_key.clone(), key),
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

    /// The folder for programs and charts that were fetched.
    pub(crate) fn cache(&self) -> Result<&Path, CommandError> {
        trusted(self.cache.as_deref(), "XDG_CACHE_HOME")
    }

    /// The folder for what runs in the background.
    pub(crate) fn state(&self) -> Result<&Path, CommandError> {
        trusted(self.state.as_deref(), "XDG_STATE_HOME")
    }

    /// The folder for the journals of runs.
    pub(crate) fn runs(&self) -> Result<PathBuf, CommandError> {
        Ok(self.state()?.join("runs"))
    }

    /// The folder for what is saved before it is lost.
    pub(crate) fn backups(&self) -> Result<PathBuf, CommandError> {
        Ok(self.state()?.join("backups"))
    }

    /// The key by which what is kept in the cluster is known to be ours, if one was given.
    pub(crate) fn state_key(&self) -> Result<Option<StateKey>, CommandError> {
        let (from, text) = match &self.state_key {
            (Some(file), _) => {
                let unreadable = |error: std::io::Error| {
                    CommandError::input(format!("the state key in {} cannot be read: {error}", file.display()))
                };
                // A pipe is as good as a file; what does not end is neither.
                let mut text = String::new();
                let read = std::fs::File::open(file).and_then(|file| file.take(LONGEST_KEY).read_to_string(&mut text));
                read.map_err(unreadable)?;
                (file.display().to_string(), text)
            }
            (None, Some(key)) => (STATE_KEY.to_owned(), key.expose().clone()),
            (None, None) => return Ok(None),
        };
        let too_short = || CommandError::input(format!("the state key of {from} has fewer than 16 characters"));
        Ok(Some(StateKey::new(&text).ok_or_else(|| too_short().hint("make one: openssl rand -hex 32"))?))
    }

    /// The variables of the environment that are text.
    pub(crate) fn text_env(&self) -> BTreeMap<String, String> {
        let text = |text: &OsString| text.to_str().map(str::to_owned);
        self.environment.variables().iter().filter_map(|(name, value)| text(name).zip(text(value))).collect()
    }

    /// How to reach the cluster, by kubectl's rules: the flag, then the files of `KUBECONFIG`, then `~/.kube/config`, then the
    /// service account of the pod. No other cluster than the one that `only` names.
    pub(crate) fn connection(
        &self,
        connection: &Connection,
        only: &ClusterPin,
    ) -> Result<ConnectOptions, CommandError> {
        let options = match &connection.kubeconfig {
            Some(file) => ConnectOptions::kubeconfig(file).proxies(self.environment.proxies()),
            None => self.environment.connection().map_err(|_| {
                CommandError::input("there is no kubeconfig: neither --kubeconfig nor KUBECONFIG nor ~/.kube/config")
                    .hint("name one with --kubeconfig, or try a stack without a cluster: pilothouse rehearse")
            })?,
        };
        let options = options.context(connection.context.clone()).only(only.clone());
        Ok(options.interactive(self.can_ask))
    }

    /// How programs are obtained.
    pub(crate) fn provision(&self) -> Result<ProvisionConfig, CommandError> {
        let mut config = ProvisionConfig::new(self.cache()?.join("bin"));
        let named = ["KUBEBUILDER_ASSETS", "TEST_ASSET_KUBE_APISERVER"].map(|name| self.environment.path(name));
        config.candidates = named.into_iter().flatten().chain(self.environment.path_folders()).collect();
        config.go = self.environment.program("go");
        config.base_env = self.environment.variables().clone();
        Ok(config)
    }

    /// The helm that was asked for, or the one on the PATH.
    pub(crate) fn helm_program(&self) -> Option<PathBuf> {
        self.helm.clone().or_else(|| self.environment.program("helm"))
    }
}

/// The variable with the state key.
const STATE_KEY: &str = "PILOTHOUSE_STATE_KEY";
/// Bytes of a file with a state key that are read.
const LONGEST_KEY: u64 = 64 * 1024;

/// A folder in which nothing lies that others can have put there.
fn trusted<'f>(folder: Option<&'f Path>, variable: &str) -> Result<&'f Path, CommandError> {
    let folder = folder.ok_or_else(|| {
        CommandError::input(format!("there is no folder of this user: neither HOME nor {variable} is set"))
            .hint("set HOME, or name a folder of your own with --cache")
    })?;
    check_folder(folder).map_err(|error| {
        CommandError::from_error(Exit::BadInput, &error).hint(
            "programs are run from there: make it yours only (chown, chmod 700), or name another one with --cache",
        )
    })?;
    Ok(folder)
}
