//! Where the things of a stack stand in its file, for problems that only show when files and charts are looked at.

use super::problem::{Problem, Problems};
use pilothouse_core::{ReleaseKey, Sensitive};
use pilothouse_yaml::Span;
use std::collections::BTreeMap;

/// Where one release stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePlaces {
    /// Its name.
    pub name: Span,
    /// Its `chart`.
    pub chart: Span,
    /// The `version` of its chart, when one is given.
    pub version: Option<Span>,
    /// Its values files, in the order of `ChartInfo::values_files`.
    pub values_files: Vec<Span>,
}

/// The text of a stack file and where its releases stand.
#[derive(Debug, Clone)]
pub struct SourceMap {
    name: String,
    text: Sensitive<String>,
    /// What of it must not be shown, besides what looks like a credential.
    masked: Vec<Span>,
    releases: BTreeMap<ReleaseKey, ReleasePlaces>,
}

impl SourceMap {
    pub(crate) fn new(name: &str, text: &str, masked: &[Span], releases: BTreeMap<ReleaseKey, ReleasePlaces>) -> Self {
        Self { name: name.to_owned(), text: Sensitive::new(text.to_owned()), masked: masked.to_vec(), releases }
    }

    /// Where a release stands; `None` when the file has no such release.
    pub fn release(&self, key: &ReleaseKey) -> Option<&ReleasePlaces> {
        self.releases.get(key)
    }

    /// Problems at places of this file together with its text, ready to be shown with their lines.
    pub fn problems(&self, problems: Vec<Problem>) -> Problems {
        Problems::new(&self.name, self.text.expose(), problems, &self.masked)
    }
}
