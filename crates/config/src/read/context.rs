//! What a stack file is read with.

use pilothouse_core::FilePath;
use std::collections::BTreeMap;
use std::path::Path;

/// What readers need to know.
pub(crate) struct Context<'c> {
    pub(crate) folder: &'c Path,
    pub(crate) env: &'c BTreeMap<String, String>,
}

impl Context<'_> {
    /// A path that the stack file names.
    pub(crate) fn file(&self, given: &str) -> FilePath {
        FilePath::new(self.folder, given)
    }
}
