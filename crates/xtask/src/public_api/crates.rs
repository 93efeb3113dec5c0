//! What rustdoc has written of the library and its inner crates.

use rustdoc_types::{Crate, FORMAT_VERSION, Id, Item, ItemKind};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

/// The library first.
const PACKAGES: [&str; 9] = [
    "pilothouse",
    "pilothouse-core",
    "pilothouse-expression",
    "pilothouse-health",
    "pilothouse-helm",
    "pilothouse-kube",
    "pilothouse-probe",
    "pilothouse-process",
    "pilothouse-testing",
];

/// An item, in the crate that defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) of_crate: usize,
    pub(super) id: Id,
}

/// Where the definition of something is that a crate mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Home {
    /// In one of our crates.
    Ours(Place),
    /// In another crate, by its path there.
    Other(Vec<String>),
}

pub(super) struct Crates {
    made: Vec<Crate>,
    names: BTreeMap<String, usize>,
    /// The items of each crate by path and kind.
    paths: Vec<HashMap<(Vec<String>, ItemKind), Id>>,
}

impl Crates {
    /// Has rustdoc write them, and reads what it has written.
    ///
    /// # Errors
    /// When rustdoc fails, or writes another form than the one that is known here.
    pub(super) fn documented(root: &Path) -> Result<Self, String> {
        let mut cargo = cargo();
        cargo.current_dir(root).args(["doc", "--quiet", "--no-deps", "--lib", "--locked", "--target-dir", "target"]);
        cargo.args(["--features", "pilothouse/testing"]);
        cargo.env("RUSTDOC", root.join("crates/xtask/rustdoc-json"));
        cargo.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json");
        for package in PACKAGES {
            cargo.args(["-p", package]);
        }
        let done = cargo.status().map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !done.success() {
            return Err("rustdoc has failed".to_owned());
        }
        let (mut made, mut names, mut paths) = (Vec::new(), BTreeMap::new(), Vec::new());
        for package in PACKAGES {
            let name = package.replace('-', "_");
            let read = read(&root.join("target/doc").join(format!("{name}.json")))?;
            let own = read.paths.iter().filter(|(_, summary)| summary.crate_id == 0);
            paths.push(own.map(|(id, summary)| ((summary.path.clone(), summary.kind), *id)).collect());
            names.insert(name, made.len());
            made.push(read);
        }
        Ok(Self { made, names, paths })
    }

    /// The library's root module.
    pub(super) fn root(&self) -> Place {
        Place { of_crate: 0, id: self.made[0].root }
    }

    pub(super) fn item(&self, of_crate: usize, id: Id) -> Option<&Item> {
        self.made[of_crate].index.get(&id)
    }

    pub(super) fn at(&self, place: Place) -> &Item {
        &self.made[place.of_crate].index[&place.id]
    }

    /// Where that is defined which `of_crate` knows by `id`.
    pub(super) fn home(&self, of_crate: usize, id: Id) -> Option<Home> {
        let here = &self.made[of_crate];
        if here.index.get(&id).is_some_and(|item| item.crate_id == 0) {
            return Some(Home::Ours(Place { of_crate, id }));
        }
        let summary = here.paths.get(&id)?;
        let ours = self.names.get(summary.path.first()?);
        let found = ours.and_then(|at| Some((*at, *self.paths[*at].get(&(summary.path.clone(), summary.kind))?)));
        Some(match found {
            Some((of_crate, id)) => Home::Ours(Place { of_crate, id }),
            None => Home::Other(summary.path.clone()),
        })
    }

    /// The path of an item in the crate that defines it.
    pub(super) fn inner_path(&self, place: Place) -> String {
        let summary = self.made[place.of_crate].paths.get(&place.id);
        summary.map(|summary| summary.path.join("::")).unwrap_or_default()
    }
}

fn read(path: &Path) -> Result<Crate, String> {
    let name = path.display();
    let text = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| format!("{name}: {error}"))?;
    let format = value["format_version"].as_u64().unwrap_or_default();
    if format != u64::from(FORMAT_VERSION) {
        return Err(format!(
            "this rustdoc writes form {format}, and form {FORMAT_VERSION} is known here (`rustdoc-types`)"
        ));
    }
    serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "cargo tells in it which cargo started this program")]
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
