//! What is known of a revision that is pending or being uninstalled, and whether that proves that nobody is at work on it.

/// Whose operation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingOf {
    /// A run in this stack's journal began it.
    ThisStack,
    /// Another stack's, or somebody's who runs helm: how long it can take is not known here.
    Somebody,
    /// As [`Self::Somebody`], and the user consents to take it for dead.
    SomebodyDead,
}

/// What is known of a revision that is pending or being uninstalled, beside what its record's metadata tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSeen {
    /// The revision.
    pub revision: u32,
    /// Why whoever wrote it is certainly not at work any more, where that is proven.
    pub writer_gone: Option<String>,
    /// Whose operation it is.
    pub of: PendingOf,
    /// Whether this run holds the stack's lock.
    pub lock_held: bool,
    /// Milliseconds the record is old at least, by the server's clock or by having been watched for so long.
    pub age_ms: Option<u64>,
    /// Milliseconds its operation can take.
    pub deadline_ms: u64,
    /// Whether two reads found the record the same.
    pub unchanged: bool,
}

impl PendingSeen {
    /// Why nobody is at work on the revision any more, or else why that is not proven.
    pub(super) fn proof(&self) -> Result<String, String> {
        let proof = match (&self.writer_gone, self.lock_held, self.of, self.age_ms) {
            (Some(why), _, _, _) => Ok(why.clone()),
            (None, false, _, _) => {
                Err("another operation may be in progress, and this run does not hold the stack's lock".to_owned())
            }
            (None, true, PendingOf::SomebodyDead, _) => Ok("consent `lock` takes its operation for dead".to_owned()),
            // The lock is this stack's: it says nothing of others, and no time of ours does.
            (None, true, PendingOf::Somebody, _) => {
                Err("another operation may be in progress, which no run of this stack has begun".to_owned())
            }
            (None, true, PendingOf::ThisStack, None) => {
                Err("another operation may be in progress, and how old its record is cannot be told".to_owned())
            }
            (None, true, PendingOf::ThisStack, Some(age)) if age <= self.deadline_ms => {
                let left = (self.deadline_ms - age).div_ceil(1000);
                Err(format!("another operation may be in progress, for {left} s more at most"))
            }
            (None, true, PendingOf::ThisStack, Some(age)) => Ok(format!(
                "its record is {} s old and nobody writes it, and its operation can take {} s at most",
                age / 1000,
                self.deadline_ms / 1000,
            )),
        };
        match proof {
            Ok(_) if !self.unchanged => Err("its record is going to be looked at once more".to_owned()),
            proof => proof,
        }
    }
}
