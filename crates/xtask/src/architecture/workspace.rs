//! The sources of the workspace's crates.

use super::modules::{Crate, assemble};
use super::parse::{Module, parse};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The crates of the workspace, by name.
///
/// # Errors
/// When a file cannot be read or parsed, or belongs to no module.
pub(super) fn crates() -> Result<Vec<(String, Crate)>, String> {
    let here = Path::new(".").canonicalize().map_err(|error| format!("the current folder: {error}"))?;
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    let root = root.ok_or_else(|| format!("{} is not inside the workspace", here.display()))?;
    let mut crates = Vec::new();
    for path in entries(&root.join("crates"))? {
        if path.join("Cargo.toml").is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let library = package(&path)?.replace('-', "_");
            let mut texts = BTreeMap::new();
            read(&path.join("src"), "", &mut texts)?;
            crates.push((name, library, texts));
        }
    }
    // Parsing is most of the work.
    let made = std::thread::scope(|scope| {
        let running: Vec<_> = crates
            .into_iter()
            .map(|(name, library, texts)| scope.spawn(move || Ok((name, made_of(&library, &texts)?))))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a crate could not be read".to_owned())))
            .collect::<Result<Vec<_>, String>>()
    })?;
    Ok(made)
}

/// A crate of files, by their paths below `src`.
pub(super) fn made_of(library: &str, texts: &BTreeMap<String, String>) -> Result<Crate, String> {
    let parsed: Result<BTreeMap<String, Module>, String> = texts
        .iter()
        .map(|(path, text)| {
            let module = parse(text).map_err(|error| format!("{library}: {path}: {error}"))?;
            Ok((path.clone(), module))
        })
        .collect();
    assemble(library, parsed?)
}

fn package(folder: &Path) -> Result<String, String> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned).ok_or_else(|| format!("{} has no name", path.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut entries = read().map_err(|error| format!("{}: {error}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

fn read(folder: &Path, below: &str, texts: &mut BTreeMap<String, String>) -> Result<(), String> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below = if below.is_empty() { name.to_string() } else { format!("{below}/{name}") };
        if path.is_dir() {
            read(&path, &below, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            texts.insert(below, text);
        }
    }
    Ok(())
}
