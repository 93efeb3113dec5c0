//! What is told while it goes on.

use super::installed::{Installed, SourceKind};
use super::tool::Tool;
use std::path::PathBuf;
use std::time::Duration;

/// Something that happens while programs are obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisionEvent {
    /// A tool's turn has come.
    Looking {
        /// Which.
        tool: Tool,
    },
    /// It was already there.
    Found(Installed),
    /// It has been got, just now.
    Ready(Installed),
    /// A file that lies there is not used.
    PassedOver {
        /// For which tool.
        tool: Tool,
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Something in the cache was not what it should be, and is removed.
    Discarded {
        /// For which tool.
        tool: Tool,
        /// What is removed.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Another process, or another task of this one, is getting it.
    Waiting {
        /// Which.
        tool: Tool,
    },
    /// A download goes on. Sent at most a few times a second.
    Downloading {
        /// Which.
        tool: Tool,
        /// Where from.
        url: String,
        /// Bytes so far, with those of an earlier attempt that is continued.
        done: u64,
        /// Bytes in all, if the server says.
        total: Option<u64>,
    },
    /// A build goes on. Sent at most a few times a second.
    Building {
        /// Which.
        tool: Tool,
        /// How far.
        progress: BuildProgress,
    },
    /// A source did not work and the next one is tried.
    FallingBack {
        /// For which tool.
        tool: Tool,
        /// What did not work.
        from: SourceKind,
        /// Why.
        why: String,
    },
}

/// How far a build is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildProgress {
    /// Modules downloaded by it so far.
    pub modules: u32,
    /// Packages compiled by it so far. Packages that go still has from earlier are not compiled again, and not counted.
    pub packages: u32,
    /// How many packages the program has in all: the most that can have to be compiled.
    pub packages_at_most: u32,
    /// The latest module or package.
    pub last: String,
    /// Time since the build was started.
    pub elapsed: Duration,
}
