//! Why programs could not be obtained.

use super::installed::SourceKind;
use super::tool::Tool;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Programs could not be obtained.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A path the caller gave cannot be used. No other source is tried then.
    #[error("the {tool} given at {} cannot be used: {why}", path.display())]
    Explicit {
        /// For which tool.
        tool: Tool,
        /// The path.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The cache cannot be read or written.
    #[error("the cache cannot be used: {}", path.display())]
    Cache {
        /// Which file or folder of it.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Another installation held on to a tool for too long.
    #[error("another installation of {tool} did not end within {minutes} minutes (its lock: {})", path.display())]
    Locked {
        /// Which tool.
        tool: Tool,
        /// The lock's file.
        path: PathBuf,
        /// How long was waited.
        minutes: u64,
    },
    /// No source worked for these.
    #[error("{}", explain(missing))]
    Unobtainable {
        /// The tools, with everything that was tried.
        missing: Vec<Missing>,
    },
    /// The caller cancelled.
    #[error("cancelled while {tool} was being obtained; what is finished stays in the cache")]
    Cancelled {
        /// Which tool's turn it was.
        tool: Tool,
    },
}

/// A tool that could not be obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub tool: Tool,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
}

/// A source that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub from: SourceKind,
    /// Why it did not work.
    pub why: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:", self.tool, self.tool.version())?;
        for Attempt { from, why } in &self.attempts {
            // What a compiler or a server said can have many lines.
            write!(f, "\n  {from}: {}", why.trim().replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

fn explain(missing: &[Missing]) -> String {
    let tools: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!(
        "cannot obtain {} of the programs needed\n{}\nto go on, either make the downloads reachable, or install go 1.26 or newer (with a module proxy \
         it can reach), or name files that are already here",
        missing.len(),
        tools.join("\n"),
    )
}

/// An error with everything it was caused by, on one line: for the `why` of an attempt.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
