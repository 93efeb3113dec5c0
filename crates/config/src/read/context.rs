//! What a stack file is read with.

use super::fields::{Fields, Sink};
use crate::text::Problem;
use pilothouse_core::FilePath;
use std::collections::BTreeMap;
use std::path::Path;

/// What an environment variable that `from_env` names and that is not set stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unset {
    /// A problem: what it gives is needed.
    Problem,
    /// A value that is left out: no chart is going to be rendered. Steps and checks need theirs all the same.
    LeftOutOfValues,
    /// Something that is left out wherever it stands: no step and no check is going to run either.
    LeftOut,
}

/// What readers need to know.
pub(crate) struct Context<'c> {
    pub(crate) folder: &'c Path,
    pub(crate) env: &'c BTreeMap<String, String>,
    pub(crate) unset: Unset,
}

impl Context<'_> {
    /// The variable that `from_env` names. Where it is not set, that is a problem unless it is left out from this degree on.
    pub(crate) fn variable(&self, fields: &Fields<'_>, left_out_from: Unset, out: &mut Sink) -> Option<&str> {
        let variable = fields.text("from_env", out)?;
        if let Some(text) = self.env.get(variable) {
            return Some(text);
        }
        if self.unset >= left_out_from {
            out.unset.push(variable.to_owned());
        } else if let Some(node) = fields.node("from_env") {
            let message = format!("the environment variable `{variable}` is not set");
            out.push(Problem::error("ENV_NOT_SET", node.span, message).label("not set"));
        }
        None
    }

    /// A path that the stack file names.
    pub(crate) fn file(&self, given: &str) -> FilePath {
        FilePath::new(self.folder, given)
    }
}
