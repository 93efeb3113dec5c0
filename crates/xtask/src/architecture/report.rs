//! What is told of the crates, and what is wrong.

use super::graph::{Cycle, between_folders, of_files};
use super::modules::Crate;
use super::resolve::{Edge, edges};
use super::workspace::crates;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// As many files may import each other in a circle.
const MOST: usize = 3;

/// What is known of a crate.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) folders: Vec<Cycle>,
    pub(super) files: Vec<Cycle>,
}

impl Report {
    /// # Errors
    /// When a path of the crate leads nowhere.
    pub(super) fn of(all: &Crate) -> Result<Self, String> {
        let edges = edges(all)?;
        Ok(Self { folders: between_folders(all, &edges), files: of_files(all, &edges) })
    }

    /// The cycles of more files than there may be.
    pub(super) fn too_large(&self) -> impl Iterator<Item = &Cycle> {
        self.files.iter().filter(|cycle| cycle.of.len() > MOST)
    }

    fn summary(&self, name: &str, all: &Crate) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for file in &all.files {
            *counts.entry(file.folder()).or_default() += 1;
        }
        let largest = self.files.first().map_or(0, |cycle| cycle.of.len());
        let mut text = format!(
            "{name}: {} files and {} of tests, cycles between folders: {}, largest cycle of files: {largest}\n",
            all.files.len(),
            all.for_tests,
            self.folders.len(),
        );
        for (folder, count) in counts {
            let _ = writeln!(text, "{count:>8}  {folder}");
        }
        text
    }

    pub(super) fn findings(&self, name: &str, all: &Crate) -> String {
        let mut text = String::new();
        for cycle in &self.folders {
            let _ = writeln!(text, "\n{name}: folders import each other: {}", cycle.of.join(", "));
            text.push_str(&imports(cycle, all, |edge| {
                (all.files[edge.from].folder().to_owned(), all.files[edge.to].folder().to_owned())
            }));
        }
        for cycle in self.too_large() {
            let _ = writeln!(text, "\n{name}: {} files import each other: {}", cycle.of.len(), cycle.of.join(", "));
            text.push_str(&imports(cycle, all, |edge| {
                (all.files[edge.from].path.clone(), all.files[edge.to].path.clone())
            }));
        }
        text
    }
}

fn imports(cycle: &Cycle, all: &Crate, ends: impl Fn(&Edge) -> (String, String)) -> String {
    let mut pairs: BTreeMap<(String, String), Vec<&Edge>> = BTreeMap::new();
    for edge in &cycle.edges {
        pairs.entry(ends(edge)).or_default().push(edge);
    }
    let mut text = String::new();
    for ((from, to), edges) in pairs {
        let _ = writeln!(text, "  {from} imports {to}");
        for edge in edges {
            let (from, to) = (&all.files[edge.from].path, &all.files[edge.to].path);
            let _ = writeln!(text, "    {from}:{}  {}  ({to})", edge.line, edge.path);
        }
    }
    text
}

/// Prints what is known of each crate and then what is wrong. Gives whether nothing is.
///
/// # Errors
/// When the crates cannot be read.
pub(crate) fn run() -> Result<bool, String> {
    let mut wrong = String::new();
    for (name, all) in crates()? {
        let report = Report::of(&all).map_err(|error| format!("{name}: {error}"))?;
        print!("{}", report.summary(&name, &all));
        wrong.push_str(&report.findings(&name, &all));
    }
    print!("{wrong}");
    Ok(wrong.is_empty())
}
