//! Which file defines what a path names.

use super::modules::{Crate, Placed};
use super::parse::Path;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a path may stand for. A name can be a module and a function at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target<'a> {
    Module(usize),
    Item { file: usize, name: &'a str },
}

type Targets<'a> = BTreeSet<Target<'a>>;

/// The names that are being looked up, each in its module: modules may import each other's names in a circle.
type Asked<'a> = Vec<(usize, &'a str)>;

/// An import, from the file that makes it to the file that defines the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
    /// As it is written.
    pub(super) path: String,
}

/// Every import of a crate, once for each file and path.
///
/// # Errors
/// When a path of the crate itself leads nowhere: what it imports would be overlooked.
pub(super) fn edges(all: &Crate) -> Result<BTreeSet<Edge>, String> {
    let resolver = Resolver::new(all);
    let mut edges = BTreeSet::new();
    for (at, placed) in all.modules.iter().enumerate() {
        resolver.imports_of(at, placed, &mut edges)?;
    }
    edges.retain(|edge| edge.from != edge.to && !all.files[edge.from].is_face && !all.files[edge.to].is_face);
    Ok(edges)
}

struct Resolver<'a> {
    all: &'a Crate,
    /// Where associated functions of a type are defined, where that is not beside the type.
    associated: BTreeMap<(usize, &'a str, &'a str), BTreeSet<usize>>,
    macros: BTreeMap<&'a str, usize>,
    /// Of each module, what its imports are known as.
    imported: Vec<BTreeMap<&'a str, Vec<&'a Path>>>,
    known: RefCell<HashMap<(usize, &'a str), Targets<'a>>>,
}

impl<'a> Resolver<'a> {
    fn new(all: &'a Crate) -> Self {
        let mut imported = Vec::new();
        let mut macros = BTreeMap::new();
        for placed in &all.modules {
            let mut known: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
            for import in &placed.module.imports {
                if let Some(name) = &import.name {
                    known.entry(name).or_default().push(&import.path);
                }
            }
            imported.push(known);
            macros.extend(placed.module.macros.iter().map(|name| (name.as_str(), placed.file)));
        }
        let mut resolver = Self { all, associated: BTreeMap::new(), macros, imported, known: RefCell::default() };
        let mut associated: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
        for (at, placed) in all.modules.iter().enumerate() {
            for (of, names) in &placed.module.associated {
                for target in resolver.resolve(at, &of.segments) {
                    if let Target::Item { file, name } = target {
                        for associate in names {
                            associated.entry((file, name, associate.as_str())).or_default().insert(placed.file);
                        }
                    }
                }
            }
        }
        resolver.associated = associated;
        resolver
    }

    fn imports_of(&self, at: usize, placed: &'a Placed, edges: &mut BTreeSet<Edge>) -> Result<(), String> {
        let module = &placed.module;
        let mut add = |to: usize, path: &Path, end: &str| {
            let written = format!("{}{end}", path.segments.join("::"));
            edges.insert(Edge { from: placed.file, to, line: path.line, path: written });
        };
        for import in &module.imports {
            for file in self.files(at, placed, &import.path)? {
                add(file, &import.path, "");
            }
        }
        for path in &module.used {
            let first = path.segments[0].as_str();
            // What is imported by its name has been counted where it is imported.
            let counted: Targets<'a> =
                if self.imported[at].contains_key(first) { self.named(at, first) } else { BTreeSet::new() };
            let is_counted =
                |of: usize| counted.iter().any(|target| matches!(target, Target::Item { file, .. } if *file == of));
            for file in self.files(at, placed, path)?.into_iter().filter(|file| !is_counted(*file)) {
                add(file, path, "");
            }
        }
        for glob in &module.globs {
            for target in self.resolve(at, &glob.segments) {
                match target {
                    // The variants of an enum.
                    Target::Item { file, .. } => add(file, glob, "::*"),
                    // A trait that came with it is used by its methods.
                    Target::Module(from) => {
                        for file in self.traits(from, &module.called) {
                            add(file, glob, "::*");
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn files(&self, at: usize, placed: &'a Placed, path: &'a Path) -> Result<BTreeSet<usize>, String> {
        let targets = self.resolve(at, &path.segments);
        let of_the_crate = matches!(path.segments[0].as_str(), "crate" | "super") && path.segments.len() > 1;
        if of_the_crate && targets.is_empty() {
            let file = &self.all.files[placed.file].path;
            return Err(format!("{file}:{}: {} leads nowhere", path.line, path.segments.join("::")));
        }
        let file = |target| match target {
            Target::Item { file, .. } => Some(file),
            Target::Module(_) => None,
        };
        Ok(targets.into_iter().filter_map(file).collect())
    }

    /// The files of the traits that a module gives and that have one of these methods.
    fn traits(&self, of: usize, called: &BTreeSet<String>) -> BTreeSet<usize> {
        let mut files = BTreeSet::new();
        for placed in &self.all.modules {
            for (name, methods) in &placed.module.traits {
                let item = Target::Item { file: placed.file, name: name.as_str() };
                if methods.iter().any(|method| called.contains(method)) && self.named(of, name).contains(&item) {
                    files.insert(placed.file);
                }
            }
        }
        files
    }

    fn resolve(&self, at: usize, segments: &'a [String]) -> Targets<'a> {
        self.follow(at, segments, &mut Vec::new())
    }

    fn follow(&self, at: usize, segments: &'a [String], asked: &mut Asked<'a>) -> Targets<'a> {
        let Some((first, rest)) = segments.split_first() else { return BTreeSet::new() };
        let placed = &self.all.modules[at];
        let mut targets = match first.as_str() {
            "crate" => BTreeSet::from([Target::Module(placed.root)]),
            "self" => BTreeSet::from([Target::Module(at)]),
            "super" => placed.parent.map(Target::Module).into_iter().collect(),
            name => self.lookup(at, name, asked),
        };
        if targets.is_empty() {
            targets = self.elsewhere(placed.root, first, segments.len());
        }
        for name in rest {
            let mut next = BTreeSet::new();
            for target in targets {
                match target {
                    Target::Module(module) if name == "super" => {
                        next.extend(self.all.modules[module].parent.map(Target::Module));
                    }
                    Target::Module(module) => next.extend(self.member(module, name, asked)),
                    Target::Item { file, name: of } => {
                        let files = self.associated.get(&(file, of, name.as_str())).into_iter().flatten();
                        next.extend(files.map(|file| Target::Item { file: *file, name }));
                        next.insert(Target::Item { file, name });
                    }
                }
            }
            targets = next;
        }
        targets
    }

    /// A name of no module here: the crate itself by a name it has given itself, its library imported by a program beside it,
    /// or a macro of the whole crate.
    fn elsewhere(&self, root: usize, name: &'a str, length: usize) -> Targets<'a> {
        let is_library = |placed: &Placed| placed.parent.is_none() && self.all.files[placed.file].path == "lib.rs";
        if name == self.all.library && length > 1 {
            return self.all.modules.iter().position(is_library).map(Target::Module).into_iter().collect();
        }
        let is_itself = |paths: &Vec<&Path>| paths.iter().any(|path| path.segments == ["crate"]);
        if self.imported[root].get(name).is_some_and(is_itself) {
            return BTreeSet::from([Target::Module(root)]);
        }
        let of_a_macro = self.macros.get(name).filter(|_| length == 1);
        of_a_macro.map(|file| Target::Item { file: *file, name }).into_iter().collect()
    }

    /// What a path names in a module. What nobody declares there was made by a macro there.
    fn member(&self, at: usize, name: &'a str, asked: &mut Asked<'a>) -> Targets<'a> {
        let mut found = self.lookup(at, name, asked);
        let placed = &self.all.modules[at];
        if found.is_empty() && !self.all.files[placed.file].is_face {
            found.insert(Target::Item { file: placed.file, name });
        }
        found
    }

    fn named(&self, at: usize, name: &'a str) -> Targets<'a> {
        self.lookup(at, name, &mut Vec::new())
    }

    fn lookup(&self, at: usize, name: &'a str, asked: &mut Asked<'a>) -> Targets<'a> {
        let module = &self.all.modules[at].module;
        let is_here = module.defined.contains(name)
            || self.all.modules[at].children.contains_key(name)
            || self.imported[at].contains_key(name);
        if (!is_here && module.globs.is_empty()) || asked.contains(&(at, name)) {
            return BTreeSet::new();
        }
        if let Some(known) = self.known.borrow().get(&(at, name)) {
            return known.clone();
        }
        asked.push((at, name));
        let found = self.found(at, name, asked);
        asked.pop();
        // Within a circle not everything has been followed.
        if asked.is_empty() {
            self.known.borrow_mut().insert((at, name), found.clone());
        }
        found
    }

    fn found(&self, at: usize, name: &'a str, asked: &mut Asked<'a>) -> Targets<'a> {
        let mut found = BTreeSet::new();
        let placed = &self.all.modules[at];
        if placed.module.defined.contains(name) {
            found.insert(Target::Item { file: placed.file, name });
        }
        found.extend(placed.children.get(name).map(|child| Target::Module(*child)));
        for path in self.imported[at].get(name).into_iter().flatten() {
            found.extend(self.follow(at, &path.segments, asked));
        }
        if !found.iter().any(|target| matches!(target, Target::Item { .. })) {
            for glob in &placed.module.globs {
                for target in self.follow(at, &glob.segments, asked) {
                    if let Target::Module(module) = target {
                        found.extend(self.lookup(module, name, asked));
                    }
                }
            }
        }
        found
    }
}
