//! What was found or got.

use super::tool::Tool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a program came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// From a path the caller gave for it.
    Explicit,
    /// It lay in a folder the caller named.
    Candidate,
    /// Downloaded from this URL.
    Download {
        /// Where from.
        url: String,
        /// Whether its checksum is part of this crate; otherwise it was published beside it.
        pinned: bool,
    },
    /// Built from Go modules.
    Build {
        /// With this version of go (`1.26.8`).
        go: String,
    },
}

/// A kind of source, for messages about what was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The cache.
    Cache,
    /// The folders the caller named.
    Candidates,
    /// The official download.
    Download,
    /// A build from Go modules.
    Build,
}

/// A program that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Which one.
    pub tool: Tool,
    /// Where its file is.
    pub path: PathBuf,
    /// The version it reports (`v1.36.2`).
    pub version: String,
    /// Where it came from (when it lies in the cache: originally).
    pub source: Source,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its SHA-256, for files in the cache.
    pub sha256: Option<String>,
    /// Whether it lies in the cache.
    pub cached: bool,
}

/// What was found without getting anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It is there.
    Found(Installed),
    /// It is not; with what was seen on the way (files that could not be used).
    Missing(Vec<String>),
}

/// The programs that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obtained(pub(crate) BTreeMap<Tool, Installed>);

impl Obtained {
    /// One of them, if it was asked for.
    pub fn get(&self, tool: Tool) -> Option<&Installed> {
        self.0.get(&tool)
    }

    /// The file of one of them, if it was asked for.
    pub fn path(&self, tool: Tool) -> Option<&Path> {
        self.get(tool).map(|installed| installed.path.as_path())
    }

    /// All of them, in the order of [`Tool`].
    pub fn iter(&self) -> impl Iterator<Item = &Installed> {
        self.0.values()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.pad("path given"),
            Self::Candidate => f.pad("found on this machine"),
            Self::Download { pinned: true, .. } => f.pad("downloaded (pinned checksum)"),
            Self::Download { pinned: false, .. } => f.pad("downloaded (checksum published beside it)"),
            Self::Build { go } => f.pad(&format!("built with go {go}")),
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cache => "cache",
            Self::Candidates => "this machine",
            Self::Download => "download",
            Self::Build => "build from Go modules",
        })
    }
}
