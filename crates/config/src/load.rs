//! From text to stack.

use crate::read::{Context, Sink, Unset, read_stack};
use crate::text::{Problem, Problems, SourceMap, parse};
use pilothouse_core::{ReleaseKey, Stack};
use pilothouse_yaml::Span;
use std::collections::BTreeMap;
use std::path::Path;

/// A stack that was read, and what else is known about its file.
#[derive(Debug)]
pub struct Loaded {
    /// The stack.
    pub stack: Stack,
    /// What probably does not mean what was meant; may be empty.
    pub warnings: Problems,
    /// Where things stand in the file.
    pub source_map: SourceMap,
    /// Variables that are not set, by the release of which something is left out for that.
    pub left_out: Vec<(ReleaseKey, String)>,
}

/// Reads a stack file for a command that needs everything in it: as [`load_for`] with [`Unset::Problem`].
///
/// # Errors
/// As for [`load_for`].
pub fn load(text: &str, name: &str, folder: &Path, env: &BTreeMap<String, String>) -> Result<Loaded, Problems> {
    load_for(text, name, folder, env, Unset::Problem)
}

/// Reads a stack file. `text` is its content, `name` what messages call it, `folder` where its relative paths start,
/// and
/// `env` the environment variables, for `from_env` and expressions. None of their values is ever part of a problem. `unset` says
/// what one that is not set stands for. Files that the stack names are not looked at.
///
/// # Errors
/// Everything that is wrong with the text. A syntax error comes alone: what follows it cannot be read.
pub fn load_for(
    text: &str,
    name: &str,
    folder: &Path,
    env: &BTreeMap<String, String>,
    unset: Unset,
) -> Result<Loaded, Problems> {
    let mut out = Sink::default();
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(problem) => return Err(Problems::new(name, text, vec![*problem], &[])),
    };
    out.problems = parsed.problems;
    if let Some(second) = parsed.documents.get(1) {
        out.push(
            Problem::error("YAML_DOCUMENTS", Span { len: 1, ..second.span }, "a stack file is one YAML document")
                .label("a second one begins here"),
        );
    }
    let read = if let Some(root) = parsed.documents.first().filter(|root| !root.is_null()) {
        read_stack(root, &Context { folder, env, unset }, &mut out)
    } else {
        let problem = Problem::error("EMPTY", Span::default(), "the file is empty");
        out.push(problem.label("nothing is here").help("a stack file begins with `version: 1`"));
        None
    };
    let problems = Problems::new(name, text, out.problems, &out.masked);
    match read {
        Some((stack, releases)) if !problems.has_errors() => {
            let source_map = SourceMap::new(name, text, &out.masked, releases);
            Ok(Loaded { stack, warnings: problems, source_map, left_out: out.left_out })
        }
        _ => Err(problems),
    }
}
