//! The modules of a crate, from the files its `mod` items lead to.

use super::parse::{Child, Module};
use std::collections::BTreeMap;

/// A file below `src`.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    /// It only declares and re-exports: what it re-exports is followed, and it is no part of any cycle.
    pub(super) is_face: bool,
}

impl File {
    /// `.` for `src` itself.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or(".", |(folder, _)| folder)
    }
}

/// A module, in a file of its own or within one.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) file: usize,
    pub(super) parent: Option<usize>,
    pub(super) root: usize,
    pub(super) children: BTreeMap<String, usize>,
    pub(super) module: Module,
}

/// A crate without what is only for its tests.
#[derive(Debug)]
pub(super) struct Crate {
    /// As its own programs import its library.
    pub(super) library: String,
    pub(super) files: Vec<File>,
    pub(super) modules: Vec<Placed>,
    /// Files that are only for tests.
    pub(super) for_tests: usize,
}

/// Puts parsed files together, by their paths below `src`.
///
/// # Errors
/// When a file is in no module: nothing would be known of it.
pub(super) fn assemble(library: &str, parsed: BTreeMap<String, Module>) -> Result<Crate, String> {
    let roots: Vec<String> = parsed.keys().filter(|path| is_root(path)).cloned().collect();
    let all = Crate { library: library.to_owned(), files: Vec::new(), modules: Vec::new(), for_tests: 0 };
    let mut assembler = Assembler { parsed, made: all };
    for path in roots {
        assembler.file(&path, None, false).map_err(|error| format!("{library}: {error}"))?;
    }
    match assembler.parsed.keys().next() {
        Some(path) => Err(format!("{library}: {path} is in no module")),
        None => Ok(assembler.made),
    }
}

fn is_root(path: &str) -> bool {
    path == "lib.rs" || path == "main.rs" || path.strip_prefix("bin/").is_some_and(|rest| !rest.contains('/'))
}

struct Assembler {
    /// Those that no `mod` has led to so far.
    parsed: BTreeMap<String, Module>,
    made: Crate,
}

impl Assembler {
    fn file(&mut self, path: &str, parent: Option<usize>, for_tests: bool) -> Result<Option<usize>, String> {
        let Some(module) = self.parsed.remove(path) else { return Err(format!("{path} is read twice or not there")) };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_face = ["mod.rs", "lib.rs", "main.rs"].contains(&name) || is_root(path);
        let below = if is_face { folder.to_owned() } else { join(folder, name.trim_end_matches(".rs")) };
        if for_tests || module.for_tests {
            self.made.for_tests += 1;
            self.children_for_tests(&module.children, folder, &below)?;
            return Ok(None);
        }
        let file = self.made.files.len();
        self.made.files.push(File { path: path.to_owned(), is_face: !module.has_code });
        self.place(file, parent, module, folder, &below).map(Some)
    }

    fn place(
        &mut self,
        file: usize,
        parent: Option<usize>,
        mut module: Module,
        folder: &str,
        below: &str,
    ) -> Result<usize, String> {
        let at = self.made.modules.len();
        let root = parent.map_or(at, |parent| self.made.modules[parent].root);
        let children = std::mem::take(&mut module.children);
        self.made.modules.push(Placed { file, parent, root, children: BTreeMap::new(), module });
        for child in children {
            let made = match child.inline {
                Some(inline) if child.for_tests => {
                    self.children_for_tests(&inline.children, folder, &join(below, &child.name))?;
                    None
                }
                Some(inline) => Some(self.place(file, Some(at), inline, folder, &join(below, &child.name))?),
                None => self.file(&self.found(&child, folder, below)?, Some(at), child.for_tests)?,
            };
            if let Some(made) = made {
                self.made.modules[at].children.insert(child.name, made);
            }
        }
        Ok(at)
    }

    fn children_for_tests(&mut self, children: &[Child], folder: &str, below: &str) -> Result<(), String> {
        for child in children {
            if let Some(inline) = &child.inline {
                self.children_for_tests(&inline.children, folder, &join(below, &child.name))?;
            } else {
                self.file(&self.found(child, folder, below)?, None, true)?;
            }
        }
        Ok(())
    }

    fn found(&self, child: &Child, folder: &str, below: &str) -> Result<String, String> {
        let stem = join(below, &child.name);
        let path = match &child.path {
            Some(path) => join(folder, path),
            None if self.parsed.contains_key(&format!("{stem}.rs")) => format!("{stem}.rs"),
            None => format!("{stem}/mod.rs"),
        };
        if self.parsed.contains_key(&path) { Ok(path) } else { Err(format!("{path} is declared and not there")) }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
