//! The helm binary.

use super::access::{Isolation, KubeAccess};
use super::argv::{self, Argv};
use super::known_version::KnownVersion;
use super::repositories::{Entry, entry_for};
use super::scratch::{scratch, share_answers, write, write_values};
use crate::chart::{copy_numbered, may_ignore_the_template};
use crate::client::{
    GetRequest, HelmClient, HelmError, HelmVersion, HistoryEntry, Metadata, PullRequest, RollbackRequest,
    TemplateRequest, TestRequest, UninstallRequest, UpgradeRequest, redacted,
};
use async_trait::async_trait;
use pilothouse_core::{ChartSource, HelmDriver, Redactor, Sensitive};
use pilothouse_process::{
    Ended, Finished, Limits, MAX_DOCUMENT, Named, Scratch, Signal, Spawn, private_folder, read_input, run,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// How long `helm version` may take; it does nothing but print, but a binary may have to come from a slow disk.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// What helm may print: many times what the largest charts of the community render to. A release has to fit into a Secret.
const MOST: usize = 16 * 1024 * 1024;

/// The command that fetches the index of a repository.
const REPO_UPDATE: &str = "repo update";

/// Which helm to use, and how.
#[derive(Clone)]
pub struct HelmConfig {
    /// The program.
    pub program: PathBuf,
    /// A folder of our own (made 0700) for helm's files and for values while helm reads them.
    pub home: PathBuf,
    /// The caller's environment (proxies, credential helpers' `PATH` and `HOME`). What begins with `HELM_`, and
    /// `KUBECONFIG`, is left out.
    pub base_env: BTreeMap<OsString, OsString>,
    /// The kubeconfig file of a helm that is used by itself, read by each process anew; `None` for one that is only to render, and
    /// for that of a run, which gets the run's cluster ([`HelmClient::for_cluster`]).
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None` for its current one.
    pub context: Option<String>,
    /// Where helm keeps its records.
    pub driver: HelmDriver,
    /// Credentials for registries (`HELM_REGISTRY_CONFIG`).
    pub registry_config: Option<PathBuf>,
    /// Repositories with their credentials (`HELM_REPOSITORY_CONFIG`).
    pub repository_config: Option<PathBuf>,
    /// What must not show in helm's messages.
    pub redactor: Redactor,
    /// Time between SIGTERM and SIGKILL. Helm needs some to mark a release failed.
    pub grace: Duration,
}

/// Without what it is given: secrets may be in that.
impl fmt::Debug for HelmConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("HelmConfig");
        shown.field("program", &self.program).field("home", &self.home).field("kubeconfig", &self.kubeconfig);
        shown.field("context", &self.context).field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl HelmConfig {
    /// The program with its own folder, an empty environment, no cluster, and a grace of 30 s.
    pub fn new(program: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            home: home.into(),
            base_env: BTreeMap::new(),
            kubeconfig: None,
            context: None,
            driver: HelmDriver::default(),
            registry_config: None,
            repository_config: None,
            redactor: Redactor::default(),
            grace: Duration::from_secs(30),
        }
    }
}

/// The helm binary, version 3 or 4.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    home: PathBuf,
    isolation: Isolation,
    /// The user's repositories: helm itself is given one entry of them, when it fetches from there.
    repositories: Option<PathBuf>,
    redactor: Redactor,
    grace: Duration,
    version: HelmVersion,
    /// Where the runs of helm on one cluster keep the schemas of its kinds, as long as this lives: they are megabytes.
    schemas: Arc<OnceLock<Scratch>>,
}

/// One run of helm.
struct Run<'a> {
    command: &'static str,
    argv: Argv,
    scratch: &'a Scratch,
    timeout: Duration,
    redactor: Redactor,
}

impl Helm {
    /// Asks the program which helm it is, once and for all: the answer is kept in the folder for its files, which is
    /// created. A script is asked each time.
    ///
    /// # Errors
    /// When it is missing, cannot be started, is not helm, or is a version that cannot be used.
    pub async fn discover(config: HelmConfig) -> Result<Self, HelmError> {
        Scratch::sweep(&config.home);
        let HelmConfig {
            program, home, base_env, kubeconfig, context, driver, registry_config, repository_config, ..
        } = config;
        private_folder(&home).map_err(|source| HelmError::File { path: home.clone(), source })?;
        let access = match kubeconfig {
            None => KubeAccess::None,
            Some(kubeconfig) => KubeAccess::File { kubeconfig, context },
        };
        if let Some(file) = &registry_config {
            // Helm reads it whatever it is to do.
            match read_input(file, Named::File, MAX_DOCUMENT) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(HelmError::File { path: file.clone(), source }),
            }
        }
        let isolation = Isolation { base_env, access, driver, registry_config, repository_config: None };
        let known = KnownVersion::of(&home, &program);
        let version = match known.as_ref().and_then(KnownVersion::recall) {
            Some(version) => version,
            None => asked(&program, isolation.env(&home, None)).await?,
        };
        if let Some(known) = known.filter(|known| known.recall().is_none()) {
            known.remember(&version);
        }
        tracing::debug!(program = %program.display(), %version, "found helm");
        let repositories = repository_config;
        let (redactor, grace, schemas) = (config.redactor, config.grace, Arc::default());
        Ok(Self { program, home, isolation, repositories, redactor, grace, version, schemas })
    }

    async fn run(&self, run_of: Run<'_>, cancel: &CancellationToken) -> Result<String, HelmError> {
        let Run { command, argv, scratch, timeout, redactor } = run_of;
        let kubeconfig = match &self.isolation.access {
            KubeAccess::Text(text) => Some(write(scratch, "kubeconfig", text.expose())?),
            KubeAccess::File { .. } | KubeAccess::None => None,
        };
        // Each run has its own folders: runs that share a cache corrupt each other's index files (helm/helm#30983).
        let kubeconfig = kubeconfig.as_deref();
        if self.isolation.access != KubeAccess::None {
            share_answers(scratch, &self.schemas()?)?;
        }
        let spawn = Spawn::new(&self.program)
            .args(argv.into_args())
            .envs(self.isolation.env(scratch.path(), kubeconfig))
            .on_parent_death(Signal::TERM)
            .whole_stdout(MOST);
        let limits = Limits { timeout, grace: self.grace };
        let of_helm = tracing::trace_span!(target: "pilothouse::spans", "helm", of = command);
        let done = run(spawn, limits, cancel).instrument(of_helm).await.map_err(HelmError::from_spawn)?;
        tracing::debug!(command, status = %done.status, elapsed = ?done.elapsed, "helm ended");
        outcome(command, timeout, done, &redactor)
    }

    /// The folder for the schemas of the cluster's kinds.
    fn schemas(&self) -> Result<PathBuf, HelmError> {
        if let Some(known) = self.schemas.get() {
            return Ok(known.path().to_owned());
        }
        // Another run may be first: then this one goes, and nobody has been told of it.
        let made = scratch(&self.home)?;
        Ok(self.schemas.get_or_init(|| made).path().to_owned())
    }

    /// The chart, or a copy of it in the folder of this run where that tells templates another revision than helm does.
    async fn chart_to_render(
        &self,
        request: &TemplateRequest,
        scratch: &Scratch,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, HelmError> {
        if request.revision == 1 {
            return Ok(request.chart.clone());
        }
        let (mut chart, copy) = (request.chart.clone(), scratch.path().join("chart"));
        if may_ignore_the_template(&chart) {
            let packed = scratch.path().join("packed");
            let made = self.simple("package", argv::package(&chart, &packed), request.timeout, cancel).await;
            // What is wrong with the chart is told better by helm where it renders it.
            if made.is_ok() {
                let archives = archives_in(&packed).map_err(|source| HelmError::File { path: packed, source })?;
                chart = archives.into_iter().next().unwrap_or(chart);
            }
        }
        let (revision, into) = (request.revision, copy.clone());
        let copied = tokio::task::spawn_blocking(move || copy_numbered(&chart, revision, &into)).await;
        let copied = copied.unwrap_or_else(|error| Err(io::Error::other(error)));
        copied.map_err(|source| HelmError::File { path: request.chart.clone(), source })?;
        Ok(copy)
    }

    /// A run without values.
    async fn simple(
        &self,
        command: &'static str,
        argv: Argv,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<String, HelmError> {
        let scratch = scratch(&self.home)?;
        self.run(Run { command, argv, scratch: &scratch, timeout, redactor: self.redactor.clone() }, cancel).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        command: &'static str,
        argv: Argv,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<T, HelmError> {
        let text = self.simple(command, argv, timeout, cancel).await?;
        serde_json::from_str(&text).map_err(|error| HelmError::Answer { command, why: error.to_string() })
    }

    /// What the user's own repository configuration has of a chart's repository.
    fn entry_of(&self, request: &PullRequest) -> Result<Option<Entry>, HelmError> {
        match (&request.chart.source, &self.repositories) {
            (ChartSource::Repo { url, .. }, Some(configuration)) => entry_for(configuration, url),
            _ => Ok(None),
        }
    }

    /// Fetches from a repository with the credentials of its entry, which are in a file only helm is to read. Helm takes them from
    /// there for what it names by the entry, and only once it has the repository's index.
    async fn pull_of(
        &self,
        entry: &Entry,
        pull: Argv,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<String, HelmError> {
        let scratch = scratch(&self.home)?;
        let mut helm = self.clone();
        helm.isolation.repository_config = Some(write(&scratch, "repositories.yaml", entry.document.expose())?);
        let redactor = self.redactor_with(entry.password.iter().map(|password| password.expose().as_str()));
        let run = |command, argv| Run { command, argv, scratch: &scratch, timeout, redactor: redactor.clone() };
        helm.run(run(REPO_UPDATE, argv::update_repository(&entry.name, self.version.major)), cancel).await?;
        helm.run(run("pull", pull), cancel).await
    }

    fn redactor_with<'a>(&self, secrets: impl Iterator<Item = &'a str>) -> Redactor {
        let redactor = self.redactor.clone();
        secrets.for_each(|secret| redactor.add(secret));
        redactor
    }
}

#[async_trait]
impl HelmClient for Helm {
    fn version(&self) -> &HelmVersion {
        &self.version
    }

    fn for_cluster(self: Arc<Self>, kubeconfig: &Sensitive<String>) -> Arc<dyn HelmClient> {
        let mut helm = Self::clone(&self);
        helm.isolation.access = KubeAccess::Text(kubeconfig.clone());
        helm.schemas = Arc::default();
        Arc::new(helm)
    }

    async fn upgrade_install(&self, request: &UpgradeRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        let scratch = scratch(&self.home)?;
        let argv = argv::upgrade(request, &write_values(&scratch, &request.values)?, self.version.major);
        let redactor = self.redactor_with(request.values.secrets());
        self.run(Run { command: "upgrade", argv, scratch: &scratch, timeout: request.timeout, redactor }, cancel).await
    }

    async fn uninstall(&self, request: &UninstallRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        self.simple("uninstall", argv::uninstall(request), request.timeout, cancel).await
    }

    async fn rollback(&self, request: &RollbackRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        self.simple("rollback", argv::rollback(request, self.version.major), request.timeout, cancel).await
    }

    async fn template(&self, request: &TemplateRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        let scratch = scratch(&self.home)?;
        let chart = self.chart_to_render(request, &scratch, cancel).await?;
        let argv = argv::template(request, &chart, &write_values(&scratch, &request.values)?, self.version.major);
        let redactor = self.redactor_with(request.values.secrets());
        self.run(Run { command: "template", argv, scratch: &scratch, timeout: request.timeout, redactor }, cancel).await
    }

    async fn test(&self, request: &TestRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        self.simple("test", argv::test(request), request.timeout, cancel).await
    }

    async fn pull(&self, request: &PullRequest, cancel: &CancellationToken) -> Result<PathBuf, HelmError> {
        let unexpected = |why: String| HelmError::Answer { command: "pull", why };
        let entry = self.entry_of(request)?;
        let argv = argv::pull(request, entry.as_ref().map(|entry| entry.name.as_str()))
            .ok_or_else(|| unexpected(format!("{} is a local chart, there is nothing to fetch", request.chart)))?;
        // What helm prints differs from version to version (4.2.1 and later print the digest on stdout); the file that
        // is there afterwards is what counts.
        match entry {
            Some(entry) => self.pull_of(&entry, argv, request.timeout, cancel).await?,
            None => self.simple("pull", argv, request.timeout, cancel).await?,
        };
        let archives = archives_in(&request.destination)
            .map_err(|source| HelmError::File { path: request.destination.clone(), source })?;
        match archives.as_slice() {
            [archive] => Ok(archive.clone()),
            [] => Err(unexpected("no archive came of it".to_owned())),
            _ => Err(unexpected(format!("{} archives came of it", archives.len()))),
        }
    }

    async fn get_values(
        &self,
        request: &GetRequest,
        cancel: &CancellationToken,
    ) -> Result<serde_json::Value, HelmError> {
        self.json("get values", argv::get("values", request), request.timeout, cancel).await
    }

    async fn get_manifest(&self, request: &GetRequest, cancel: &CancellationToken) -> Result<String, HelmError> {
        self.simple("get manifest", argv::get("manifest", request), request.timeout, cancel).await
    }

    async fn get_metadata(&self, request: &GetRequest, cancel: &CancellationToken) -> Result<Metadata, HelmError> {
        self.json("get metadata", argv::get("metadata", request), request.timeout, cancel).await
    }

    async fn history(&self, request: &GetRequest, cancel: &CancellationToken) -> Result<Vec<HistoryEntry>, HelmError> {
        self.json("history", argv::history(request), request.timeout, cancel).await
    }
}

/// Starts the program to ask for its version.
async fn asked(program: &Path, env: BTreeMap<OsString, OsString>) -> Result<HelmVersion, HelmError> {
    let spawn = Spawn::new(program).args(["version", "--template={{.Version}}"]).envs(env);
    let limits = Limits { timeout: VERSION_LIMIT, grace: Duration::ZERO };
    let done = run(spawn, limits, &CancellationToken::new()).await.map_err(HelmError::from_spawn)?;
    version_of(program, &done)
}

/// Reads what `helm version` answered.
fn version_of(program: &Path, done: &Finished) -> Result<HelmVersion, HelmError> {
    let program = program.to_owned();
    if done.ended != Ended::Exited {
        let answer = format!("no answer within {} s", VERSION_LIMIT.as_secs());
        return Err(HelmError::NotHelm { program, answer });
    }
    if !done.status.success() {
        let text = done.stderr.text();
        let answer =
            format!("{}{}", done.status, text.lines().next_back().map(|l| format!(": {l}")).unwrap_or_default());
        return Err(HelmError::NotHelm { program, answer });
    }
    if !done.stdout.complete {
        let answer = "its answer has no end: something that it started holds standard output open".to_owned();
        return Err(HelmError::NotHelm { program, answer });
    }
    HelmVersion::parse(&done.stdout.text()).map_err(|source| HelmError::Version { program, source })
}

/// Turns the end of a run into its output or an error. One that succeeded just before it was stopped has succeeded.
fn outcome(command: &'static str, timeout: Duration, done: Finished, redactor: &Redactor) -> Result<String, HelmError> {
    if done.status.success() {
        if done.stdout.dropped > 0 {
            let why = format!("it is {} bytes longer than {} MiB", done.stdout.dropped, MOST / 1024 / 1024);
            return Err(HelmError::Answer { command, why });
        }
        if !done.stdout.complete {
            let why = "its end did not come: something that helm started holds standard output open".to_owned();
            return Err(HelmError::Answer { command, why });
        }
        return String::from_utf8(done.stdout.bytes)
            .map_err(|_| HelmError::Answer { command, why: "it is not UTF-8".to_owned() });
    }
    let stderr = done.stderr.text();
    match (done.ended, done.status.signal()) {
        (Ended::TimedOut, _) => Err(HelmError::Timeout { command, after: timeout, text: redacted(&stderr, redactor) }),
        (Ended::Cancelled, _) => Err(HelmError::Interrupted { command, text: redacted(&stderr, redactor) }),
        (Ended::Exited, Some(signal)) => Err(HelmError::Killed { command, signal, text: redacted(&stderr, redactor) }),
        (Ended::Exited, None) if command == REPO_UPDATE => {
            Err(HelmError::failed(command, &why_not_updated(&done.stdout.text(), &stderr), redactor))
        }
        (Ended::Exited, None) => Err(HelmError::failed(command, &stderr, redactor)),
    }
}

/// Why a repository does not answer is told on standard output, indented below the line that names it.
fn why_not_updated(stdout: &str, stderr: &str) -> String {
    let reasons: Vec<&str> = stdout.lines().filter(|line| line.starts_with('\t')).map(str::trim).collect();
    if reasons.is_empty() { stderr.to_owned() } else { format!("{stderr}\nError: {}", reasons.join("; ")) }
}

fn archives_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tgz") {
            found.push(path);
        }
    }
    Ok(found)
}
