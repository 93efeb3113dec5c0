//! Who runs, or ran, a stack.

use crate::ids::RunId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who holds a stack's lock, for people who have to find them and for proving that they are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// The user's name, as the operating system or the environment tells it.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process id on that machine.
    pub pid: u32,
    /// What tells this process from every other there ever was on that machine (boot, process namespace, start time);
    /// only the machine itself can check it. `None` when it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The address of the CI job, if it runs in one that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_job: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (process {}, run {}", self.user, self.host, self.pid, self.run.short())?;
        if let Some(job) = &self.ci_job {
            write!(f, ", {job}")?;
        }
        f.write_str(")")
    }
}
