//! What the tests have in common.

use pilothouse_plane::provision::{
    Digest, Download, Obtained, ProvisionConfig, ProvisionError, ProvisionEvent, Provisioner, Tool,
};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A program that says it is kine, in the catalogue's version, and writes down in the cache that it was run. It is
/// padded to more than one network packet.
pub(crate) fn kine() -> Vec<u8> {
    program("echo run >> \"${0%/*}/../../runs\"; echo 'kine version v0.16.4 (test)'")
}

/// A shell script of about 300 kB.
pub(crate) fn program(script: &str) -> Vec<u8> {
    format!("#!/bin/sh\n{script}\nexit 0\n{}", "# padding, so that it has some size\n".repeat(8000)).into_bytes()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Writes an executable file.
pub(crate) fn install(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A download with a pinned digest.
pub(crate) fn pinned(url: String, of: &[u8]) -> Download {
    Download { url, digest: Digest::Pinned(sha256(of)), member: None }
}

/// A cache folder of its own, and what happened.
pub(crate) struct Setting {
    pub(crate) folder: TempDir,
    pub(crate) config: ProvisionConfig,
    events: Mutex<Vec<ProvisionEvent>>,
}

impl Setting {
    /// Neither downloads nor builds are allowed yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = ProvisionConfig::new(folder.path().join("cache"));
        (config.allow_download, config.allow_build) = (false, false);
        Self { folder, config, events: Mutex::default() }
    }

    /// `tool` can be downloaded, and nothing else.
    pub(crate) fn with_download(tool: Tool, download: Download) -> Self {
        let mut setting = Self::new();
        setting.config.allow_download = true;
        setting.config.downloads.insert(tool, download);
        setting
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.config.cache
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.cache().join(format!("kine/v0.16.4-{}.part", platform()))
    }

    /// The entry of a kine of this content.
    pub(crate) fn entry(&self, of: &[u8]) -> PathBuf {
        self.cache().join(format!("kine/v0.16.4-{}-{}", platform(), &sha256(of)[..12]))
    }

    pub(crate) async fn obtain(&self, tool: Tool) -> Result<Obtained, ProvisionError> {
        self.obtain_until(tool, &CancellationToken::new(), |_| ()).await
    }

    /// Obtains, and calls `then` with each event.
    pub(crate) async fn obtain_until(
        &self,
        tool: Tool,
        cancel: &CancellationToken,
        then: impl Fn(&ProvisionEvent) + Send + Sync,
    ) -> Result<Obtained, ProvisionError> {
        let told = |event: ProvisionEvent| {
            then(&event);
            self.events.lock().unwrap().push(event);
        };
        Provisioner::new(self.config.clone()).obtain(&[tool], told, cancel).await
    }

    pub(crate) fn events(&self) -> Vec<ProvisionEvent> {
        self.events.lock().unwrap().clone()
    }

    /// What happened since the last call, one word for each event, without repetitions; the reason where something
    /// was wrong.
    pub(crate) fn story(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let mut story: Vec<String> = events
            .into_iter()
            .map(|event| match event {
                ProvisionEvent::Looking { .. } => "looking".to_owned(),
                ProvisionEvent::Found(_) => "found".to_owned(),
                ProvisionEvent::Ready(_) => "ready".to_owned(),
                ProvisionEvent::PassedOver { why, .. } => format!("passed over: {why}"),
                ProvisionEvent::Discarded { why, .. } => format!("discarded: {why}"),
                ProvisionEvent::Waiting { .. } => "waiting".to_owned(),
                ProvisionEvent::Downloading { .. } => "downloading".to_owned(),
                ProvisionEvent::Building { .. } => "building".to_owned(),
                ProvisionEvent::FallingBack { from, why, .. } => format!("no {from}: {why}"),
            })
            .collect();
        story.dedup();
        story
    }

    /// How often programs in the cache were run.
    pub(crate) fn runs(&self) -> usize {
        fs::read_to_string(self.cache().join("runs")).unwrap_or_default().lines().count()
    }

    /// What lies in the tool's folder, but for the lock.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache().join("kine")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "lock").collect();
        names.sort();
        names
    }
}

/// Why the one source `from` did not work.
pub(crate) fn why(result: Result<Obtained, ProvisionError>, from: &str) -> String {
    let Err(ProvisionError::Unobtainable { missing }) = result else { panic!("{result:?}") };
    assert_eq!(missing.len(), 1);
    let attempts = missing[0].attempts.iter().filter(|attempt| attempt.from.to_string() == from);
    attempts.map(|attempt| attempt.why.clone()).collect::<Vec<_>>().join("\n")
}

pub(crate) fn platform() -> String {
    pilothouse_plane::provision::Platform::current().to_string()
}
