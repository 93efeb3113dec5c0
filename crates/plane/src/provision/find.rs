//! Programs that are on the machine already, outside the cache.

use super::error::ProvisionError;
use super::installed::{Installed, Source};
use super::tool::Tool;
use super::version::{ToolVersion, probe};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// The program at a path the user gave: used whatever its version, or an error.
pub(crate) async fn explicit(
    tool: Tool,
    path: &Path,
    env: &BTreeMap<OsString, OsString>,
    cancel: &CancellationToken,
) -> Result<Installed, ProvisionError> {
    let found = match look(path) {
        Ok(Some(size)) => ask(tool, path, size, env, cancel).await.map(|version| (size, version)),
        Ok(None) => Err("there is no such file".to_owned()),
        Err(why) => Err(why),
    };
    match found {
        Ok((size, version)) => Ok(installed(tool, path, size, &version, Source::Explicit)),
        Err(_) if cancel.is_cancelled() => Err(ProvisionError::Cancelled { tool }),
        Err(why) => Err(ProvisionError::Explicit { tool, path: path.to_owned(), why }),
    }
}

/// The first file of the tool's name among the candidates (files, or folders of files) that can be used. Those
/// that cannot are told to `passed_over`.
pub(crate) async fn candidate(
    tool: Tool,
    candidates: &[PathBuf],
    env: &BTreeMap<OsString, OsString>,
    cancel: &CancellationToken,
    mut passed_over: impl FnMut(PathBuf, String),
) -> Option<Installed> {
    for candidate in candidates {
        let path = if candidate.file_name().is_some_and(|name| name == tool.file_name()) && !candidate.is_dir() {
            candidate.clone()
        } else {
            candidate.join(tool.file_name())
        };
        let usable = match look(&path) {
            Ok(None) => continue,
            Ok(Some(size)) => match ask(tool, &path, size, env, cancel).await {
                Ok(version) => version.fits(tool).map(|()| installed(tool, &path, size, &version, Source::Candidate)),
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        match usable {
            Ok(installed) => return Some(installed),
            Err(_) if cancel.is_cancelled() => return None,
            Err(why) => passed_over(path, why),
        }
    }
    None
}

async fn ask(
    tool: Tool,
    path: &Path,
    size: u64,
    env: &BTreeMap<OsString, OsString>,
    cancel: &CancellationToken,
) -> Result<ToolVersion, String> {
    if size == 0 {
        return Err("it is empty".to_owned());
    }
    probe(tool, path, env, cancel).await
}

/// The size of a program's file in bytes, if there is one.
fn look(path: &Path) -> Result<Option<u64>, String> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err("it is not a file".to_owned()),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => Err("it is not executable".to_owned()),
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn installed(tool: Tool, path: &Path, size_bytes: u64, version: &ToolVersion, source: Source) -> Installed {
    Installed {
        tool,
        path: path.to_owned(),
        version: version.to_string(),
        source,
        size_bytes,
        sha256: None,
        cached: false,
    }
}
