//! The public names of items: what the library's root gives a name to, directly or in a public module.

use super::crates::{Crates, Home, Place};
use rustdoc_types::{ItemEnum, Visibility};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Names {
    /// Every name an item has, the shortest first.
    of: BTreeMap<Place, Vec<String>>,
    /// Names of what other crates define.
    others: BTreeMap<String, Vec<String>>,
}

impl Names {
    pub(super) fn of(crates: &Crates) -> Self {
        let mut names = Self::default();
        names.module(crates, crates.root(), "pilothouse");
        for all in names.of.values_mut() {
            all.sort_by_key(|name| (name.len(), name.clone()));
        }
        names
    }

    fn module(&mut self, crates: &Crates, place: Place, prefix: &str) {
        let ItemEnum::Module(module) = &crates.at(place).inner else { return };
        for id in &module.items {
            let Some(item) = crates.item(place.of_crate, *id) else { continue };
            if item.visibility != Visibility::Public {
                continue;
            }
            let (home, name) = match &item.inner {
                ItemEnum::Use(used) => {
                    let home = used.id.and_then(|id| crates.home(place.of_crate, id));
                    if let (true, Some(Home::Ours(from))) = (used.is_glob, &home) {
                        self.module(crates, *from, prefix);
                        continue;
                    }
                    (home, used.name.clone())
                }
                _ => (crates.home(place.of_crate, *id), item.name.clone().unwrap_or_default()),
            };
            let name = format!("{prefix}::{name}");
            match home {
                Some(Home::Ours(place)) => {
                    self.of.entry(place).or_default().push(name.clone());
                    self.module(crates, place, &name);
                }
                Some(Home::Other(path)) => self.others.entry(path.join("::")).or_default().push(name),
                None => {}
            }
        }
    }

    /// The name by which an item is called in the listing.
    pub(super) fn name(&self, place: Place) -> Option<&str> {
        self.of.get(&place)?.first().map(String::as_str)
    }

    /// The items that have names, with them.
    pub(super) fn all(&self) -> impl Iterator<Item = (Place, &Vec<String>)> {
        self.of.iter().map(|(place, names)| (*place, names))
    }

    /// What other crates define and has a name here, with the path there.
    pub(super) fn others(&self) -> impl Iterator<Item = (&String, &String)> {
        self.others.iter().flat_map(|(path, names)| names.iter().map(move |name| (name, path)))
    }

    pub(super) fn count(&self) -> usize {
        self.of.values().chain(self.others.values()).map(Vec::len).sum()
    }

    pub(super) fn at_the_top(&self) -> usize {
        let names = self.of.values().chain(self.others.values()).flatten();
        names.filter(|name| name.matches("::").count() == 1).count()
    }
}
