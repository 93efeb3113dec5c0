//! Obtaining programs, source by source.

use super::archive;
use super::build::Build;
use super::cache::{Cache, Finished, remove};
use super::catalogue::{Digest, Download, Platform};
use super::config::ProvisionConfig;
use super::digest;
use super::download;
use super::error::{Attempt, Missing, ProvisionError};
use super::event::ProvisionEvent;
use super::find;
use super::go;
use super::installed::{Installed, Look, Obtained, Source, SourceKind};
use super::lock;
use super::tls;
use super::tool::Tool;
use super::version::{ToolVersion, probe};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long another installation of a tool is waited for: a download and a build, and then some.
const PATIENCE: Duration = Duration::from_secs(70 * 60);

/// Obtains programs.
#[derive(Debug, Clone)]
pub struct Provisioner {
    config: ProvisionConfig,
    platform: Platform,
    cache: Cache,
}

type Progress<'a> = &'a (dyn Fn(ProvisionEvent) + Send + Sync);

/// What is learnt while one call goes on, so that nothing is tried in vain twice.
#[derive(Debug, Default)]
struct Learnt {
    /// Hosts no connection came about with, and why.
    unreachable: BTreeMap<String, String>,
    /// The version of go, or why it cannot be used.
    go: Option<Result<String, String>>,
}

/// Why a tool could not be got from one source.
enum NotGot {
    /// The next source is to be tried.
    Next(String),
    /// There is no going on.
    Stop(ProvisionError),
}

impl From<ProvisionError> for NotGot {
    fn from(error: ProvisionError) -> Self {
        Self::Stop(error)
    }
}

impl Provisioner {
    /// A provisioner for the platform this program was compiled for. Does nothing yet.
    pub fn new(config: ProvisionConfig) -> Self {
        let platform = Platform::current();
        let cache = Cache::new(config.cache.clone(), platform);
        Self { config, platform, cache }
    }

    /// What it was made with.
    pub fn config(&self) -> &ProvisionConfig {
        &self.config
    }

    /// Says what is there, without getting or removing anything. For what lies in the cache no program is started.
    ///
    /// # Errors
    /// When an explicit path cannot be used, or the cache cannot be read.
    pub async fn look(&self, tools: &[Tool]) -> Result<BTreeMap<Tool, Look>, ProvisionError> {
        let never = CancellationToken::new();
        let mut looks = BTreeMap::new();
        for &tool in tools {
            let mut notes = Vec::new();
            let mut note = |path: PathBuf, why: String, _| notes.push(format!("{}: {why}", path.display()));
            let found = self.find(tool, &never, &mut note).await?;
            looks.insert(tool, found.map_or_else(|| Look::Missing(notes), Look::Found));
        }
        Ok(looks)
    }

    /// Makes sure that all of `tools` are there, one after the other, in the order they are given. With everything in
    /// the cache this only looks at files: no program is started.
    ///
    /// What was got stays in the cache, whatever becomes of the rest; a download or build that was interrupted is
    /// taken up again by the next call.
    ///
    /// # Errors
    /// See [`ProvisionError`]. Tools that no source has are told all together.
    pub async fn obtain(
        &self,
        tools: &[Tool],
        progress: impl Fn(ProvisionEvent) + Send + Sync,
        cancel: &CancellationToken,
    ) -> Result<Obtained, ProvisionError> {
        let (mut obtained, mut missing, mut learnt) = (Obtained::default(), Vec::new(), Learnt::default());
        for &tool in tools {
            if cancel.is_cancelled() {
                return Err(ProvisionError::Cancelled { tool });
            }
            progress(ProvisionEvent::Looking { tool });
            match self.obtain_one(tool, &progress, cancel, &mut learnt).await? {
                Ok(installed) => {
                    obtained.0.insert(tool, installed);
                }
                Err(attempts) => missing.push(Missing { tool, attempts }),
            }
        }
        if missing.is_empty() { Ok(obtained) } else { Err(ProvisionError::Unobtainable { missing }) }
    }

    async fn obtain_one(
        &self,
        tool: Tool,
        progress: Progress<'_>,
        cancel: &CancellationToken,
        learnt: &mut Learnt,
    ) -> Result<Result<Installed, Vec<Attempt>>, ProvisionError> {
        let mut attempts = Vec::new();
        let mut passed_over = |path: PathBuf, why: String, from: SourceKind| {
            attempts.push(Attempt { from, why: format!("{}: {why}", path.display()) });
            if from == SourceKind::Candidates {
                progress(ProvisionEvent::PassedOver { tool, path, why });
            }
        };
        if let Some(installed) = self.find(tool, cancel, &mut passed_over).await? {
            progress(ProvisionEvent::Found(installed.clone()));
            return Ok(Ok(installed));
        }
        let folder = self.cache.create_folder(tool)?;
        let waiting = || progress(ProvisionEvent::Waiting { tool });
        let _lock = lock::take(tool, &folder, PATIENCE, cancel, waiting).await?;
        // Whoever had the lock may have got it meanwhile.
        let found = self.cache.find(tool, self.pinned(tool).as_deref()).await?;
        for (path, why) in found.bad {
            remove(&path).map_err(|source| ProvisionError::Cache { path: path.clone(), source })?;
            progress(ProvisionEvent::Discarded { tool, path, why });
        }
        if let Some(installed) = found.installed {
            progress(ProvisionEvent::Found(installed.clone()));
            return Ok(Ok(installed));
        }
        let got = self.get(tool, progress, cancel, learnt, &mut attempts).await;
        // What is left in it is of no use to anybody; the next one would empty it anyway.
        let _ = remove(&self.cache.work(tool));
        Ok(got?.ok_or(attempts))
    }

    /// Downloads or builds a tool, with its lock held. Notes what did not work.
    async fn get(
        &self,
        tool: Tool,
        progress: Progress<'_>,
        cancel: &CancellationToken,
        learnt: &mut Learnt,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Option<Installed>, ProvisionError> {
        for from in [SourceKind::Download, SourceKind::Build] {
            self.cache.clean(tool)?;
            let got = match from {
                SourceKind::Download => self.download(tool, progress, cancel, learnt).await,
                _ => self.build(tool, progress, cancel, learnt).await,
            };
            match got {
                Ok(installed) => {
                    progress(ProvisionEvent::Ready(installed.clone()));
                    return Ok(Some(installed));
                }
                Err(NotGot::Stop(error)) => return Err(error),
                Err(NotGot::Next(_)) if cancel.is_cancelled() => return Err(ProvisionError::Cancelled { tool }),
                Err(NotGot::Next(why)) => {
                    if from == SourceKind::Download && self.config.allow_download {
                        progress(ProvisionEvent::FallingBack { tool, from, why: why.clone() });
                    }
                    attempts.push(Attempt { from, why });
                }
            }
        }
        Ok(None)
    }

    /// What is there already: at an explicit path, in the cache, among the candidates.
    async fn find(
        &self,
        tool: Tool,
        cancel: &CancellationToken,
        passed_over: &mut (dyn FnMut(PathBuf, String, SourceKind) + Send),
    ) -> Result<Option<Installed>, ProvisionError> {
        let (config, env) = (&self.config, &self.config.base_env);
        if let Some(path) = config.explicit.get(&tool) {
            return find::explicit(tool, path, env, cancel).await.map(Some);
        }
        let found = self.cache.find(tool, self.pinned(tool).as_deref()).await?;
        if found.installed.is_some() {
            return Ok(found.installed);
        }
        for (path, why) in found.bad {
            passed_over(path, why, SourceKind::Cache);
        }
        let candidates = SourceKind::Candidates;
        let found =
            find::candidate(tool, &config.candidates, env, cancel, |path, why| passed_over(path, why, candidates));
        Ok(found.await)
    }

    fn downloaded(&self, tool: Tool) -> Option<Download> {
        self.config.downloads.get(&tool).cloned().or_else(|| tool.download(self.platform))
    }

    /// The digest that is known of the program itself, where what is downloaded is the program.
    fn pinned(&self, tool: Tool) -> Option<String> {
        match self.downloaded(tool)? {
            Download { digest: Digest::Pinned(sha256), member: None, .. } => Some(sha256),
            Download { .. } => None,
        }
    }

    async fn download(
        &self,
        tool: Tool,
        progress: Progress<'_>,
        cancel: &CancellationToken,
        learnt: &mut Learnt,
    ) -> Result<Installed, NotGot> {
        if !self.config.allow_download {
            return Err(NotGot::Next("not allowed".to_owned()));
        }
        let Some(download) = self.downloaded(tool) else {
            return Err(NotGot::Next(format!("there is none for {} that can be checked", self.platform)));
        };
        let url =
            reqwest::Url::parse(&download.url).map_err(|error| NotGot::Next(format!("{}: {error}", download.url)))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if let Some(why) = learnt.unreachable.get(&host) {
            return Err(NotGot::Next(why.clone()));
        }
        let client = tls::client(&self.config.base_env, url.scheme() == "https").map_err(NotGot::Next)?;
        let part = self.cache.part(tool);
        let tell = |done, total| {
            progress(ProvisionEvent::Downloading { tool, url: download.url.clone(), done, total });
        };
        tell(0, None);
        let fetched = tokio::select! {
            fetched = download::fetch(&client, &download, &part, &tell) => fetched,
            () = cancel.cancelled() => return Err(ProvisionError::Cancelled { tool }.into()),
            () = tokio::time::sleep(self.config.timeout) => {
                let secs = self.config.timeout.as_secs();
                return Err(NotGot::Next(format!("{} did not come within {secs} s", download.url)));
            }
        };
        let sha256 = match fetched {
            Ok(sha256) => sha256,
            Err(failed) => {
                if failed.unreachable {
                    let why = format!("{host} cannot be reached: {}", failed.why);
                    learnt.unreachable.insert(host, why.clone());
                    return Err(NotGot::Next(why));
                }
                return Err(NotGot::Next(failed.why));
            }
        };
        let (file, sha256) = self.unpack(tool, &download, part, sha256).await?;
        let pinned = matches!(download.digest, Digest::Pinned(_));
        let source = Source::Download { url: download.url, pinned };
        self.publish(tool, file, sha256, source, cancel).await
    }

    /// Brings a checked download into the work folder, out of its archive if it is one. Gives the program's digest.
    async fn unpack(
        &self,
        tool: Tool,
        download: &Download,
        part: PathBuf,
        sha256: String,
    ) -> Result<(PathBuf, String), NotGot> {
        let file = self.cache.work(tool).join(tool.file_name());
        let failed = |error: std::io::Error| NotGot::Next(format!("{}: {error}", download.url));
        let Some(member) = download.member.clone() else {
            std::fs::rename(&part, &file).map_err(failed)?;
            return Ok((file, sha256));
        };
        let (from, to) = (part.clone(), file.clone());
        let extracted = digest::blocking(move || archive::extract(&from, &member, &to)).await;
        // Right or not, it has served.
        remove(&part).map_err(failed)?;
        extracted.map_err(failed)?;
        let sha256 = digest::of_file(&file).await.map_err(failed)?;
        Ok((file, sha256))
    }

    async fn build(
        &self,
        tool: Tool,
        progress: Progress<'_>,
        cancel: &CancellationToken,
        learnt: &mut Learnt,
    ) -> Result<Installed, NotGot> {
        let ProvisionConfig { base_env: env, timeout, .. } = &self.config;
        if !self.config.allow_build {
            return Err(NotGot::Next("not allowed".to_owned()));
        }
        let Some(go) = &self.config.go else {
            return Err(NotGot::Next("go was not found on this machine".to_owned()));
        };
        if learnt.go.is_none() {
            learnt.go = Some(go::usable(go, env, cancel).await);
        }
        let version = learnt.go.clone().unwrap_or_else(|| Err("not asked".to_owned()));
        let version = version.map_err(NotGot::Next)?;
        let work = self.cache.work(tool);
        let build = Build { tool, platform: self.platform, go, env, work: &work, timeout: *timeout };
        let tell = |state| progress(ProvisionEvent::Building { tool, progress: state });
        let file = build.run(&tell, cancel).await.map_err(NotGot::Next)?;
        let sha256 =
            digest::of_file(&file).await.map_err(|error| NotGot::Next(format!("{}: {error}", file.display())))?;
        self.publish(tool, file, sha256, Source::Build { go: version }, cancel).await
    }

    /// Checks that a new program runs here and is what was wanted, and puts it into the cache.
    async fn publish(
        &self,
        tool: Tool,
        file: PathBuf,
        sha256: String,
        source: Source,
        cancel: &CancellationToken,
    ) -> Result<Installed, NotGot> {
        let version = self.verify(tool, &file, cancel).await.map_err(NotGot::Next)?.to_string();
        Ok(self.cache.publish(tool, Finished { file, version, source, sha256 }).await?)
    }

    async fn verify(&self, tool: Tool, file: &Path, cancel: &CancellationToken) -> Result<ToolVersion, String> {
        use std::os::unix::fs::PermissionsExt;
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(file, executable).map_err(|error| format!("{}: {error}", file.display()))?;
        let version = probe(tool, file, &self.config.base_env, cancel).await?;
        // A build or packaging may add to the version (`v4.2.4+g1234567`).
        let wanted = ToolVersion::find(tool.version());
        if wanted.is_some_and(|wanted| wanted.same_release(&version)) {
            Ok(version)
        } else {
            Err(format!("it says it is {version}, and {} was wanted", tool.version()))
        }
    }
}
