//! One line for each public item, field, variant and method.

use super::crates::{Crates, Place};
use super::names::Names;
use super::render::Writer;
use rustdoc_types::{Attribute, Id, Item, ItemEnum, StructKind, VariantKind, Visibility};
use std::collections::BTreeSet;

/// The lines of all items that have names, and of those that are reached from them, in order.
pub(super) fn lines(crates: &Crates, names: &Names) -> Vec<String> {
    let mut lines: Vec<String> = names.others().map(|(name, path)| format!("{name}: {path}")).collect();
    let mut seen: BTreeSet<Place> = names.all().map(|(place, _)| place).collect();
    let mut open: Vec<Place> = seen.iter().copied().collect();
    while let Some(place) = open.pop() {
        let writer = Writer::new(crates, names, place.of_crate);
        let own = Lines { crates, writer: &writer, of_crate: place.of_crate };
        let known = names.all().find(|(known, _)| *known == place).map(|(_, names)| names.clone());
        let all = known.unwrap_or_else(|| vec![crates.inner_path(place)]);
        lines.extend(own.item(&all[0], crates.at(place)));
        // What has a second name is told once in full.
        lines.extend(all[1..].iter().map(|other| format!("{other}: is {}", all[0])));
        for met in writer.met() {
            if seen.insert(met) {
                open.push(met);
            }
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

struct Lines<'a> {
    crates: &'a Crates,
    writer: &'a Writer<'a>,
    of_crate: usize,
}

impl Lines<'_> {
    fn get(&self, id: Id) -> Option<&Item> {
        self.crates.item(self.of_crate, id)
    }

    fn item(&self, name: &str, item: &Item) -> Vec<String> {
        let open = if item.attrs.contains(&Attribute::NonExhaustive) { "#[non_exhaustive] " } else { "" };
        match &item.inner {
            ItemEnum::Module(_) => vec![format!("{name}: mod")],
            ItemEnum::Struct(of) => {
                let traits = self.traits(&of.impls);
                let mut lines = vec![format!("{name}: {open}struct{}{traits}", self.writer.generics(&of.generics))];
                match &of.kind {
                    StructKind::Unit => {}
                    StructKind::Tuple(fields) => {
                        let fields = fields.iter().enumerate().filter_map(|(at, id)| Some((at.to_string(), (*id)?)));
                        lines.extend(fields.filter_map(|(at, id)| self.field(name, &at, id)));
                    }
                    StructKind::Plain { fields, .. } => {
                        let fields = fields.iter().filter_map(|id| Some((self.get(*id)?.name.clone()?, *id)));
                        lines.extend(fields.filter_map(|(field, id)| self.field(name, &field, id)));
                    }
                }
                lines.extend(self.methods(name, &of.impls));
                lines
            }
            ItemEnum::Enum(of) => {
                let traits = self.traits(&of.impls);
                let mut lines = vec![format!("{name}: {open}enum{}{traits}", self.writer.generics(&of.generics))];
                lines.extend(of.variants.iter().filter_map(|id| self.variant(name, *id)));
                lines.extend(self.methods(name, &of.impls));
                lines
            }
            ItemEnum::Trait(of) => {
                let bounds = self.writer.bounds(&of.bounds);
                let mut lines = vec![format!("{name}: trait {bounds}")];
                lines.extend(of.items.iter().filter_map(|id| {
                    let item = self.get(*id)?;
                    let given = matches!(&item.inner, ItemEnum::Function(of) if of.has_body);
                    Some(format!("{}{}", self.associated(name, item)?, if given { " { .. }" } else { "" }))
                }));
                lines
            }
            ItemEnum::Function(of) => vec![format!("{name}: {}", self.writer.function("", of).replace("fn (", "fn("))],
            ItemEnum::TypeAlias(of) => vec![format!("{name}: = {}", self.writer.shown(&of.type_))],
            ItemEnum::Constant { type_, .. } => vec![format!("{name}: const {}", self.writer.shown(type_))],
            _ => vec![format!("{name}: {:?}", item.inner.item_kind())],
        }
    }

    fn field(&self, of: &str, name: &str, id: Id) -> Option<String> {
        let item = self.get(id)?;
        let ItemEnum::StructField(held) = &item.inner else { return None };
        (item.visibility == Visibility::Public).then(|| format!("{of}.{name}: {}", self.writer.shown(held)))
    }

    fn variant(&self, of: &str, id: Id) -> Option<String> {
        let item = self.get(id)?;
        let ItemEnum::Variant(variant) = &item.inner else { return None };
        let held = |id: &Id| match &self.get(*id)?.inner {
            ItemEnum::StructField(held) => Some((self.get(*id)?.name.clone()?, self.writer.shown(held))),
            _ => None,
        };
        let with = match &variant.kind {
            VariantKind::Plain => String::new(),
            VariantKind::Tuple(fields) => {
                let held: Vec<String> = fields.iter().flatten().filter_map(held).map(|(_, held)| held).collect();
                format!("({})", held.join(", "))
            }
            VariantKind::Struct { fields, .. } => {
                let held = fields.iter().filter_map(held).map(|(name, held)| format!("{name}: {held}"));
                format!(" {{ {} }}", held.collect::<Vec<_>>().join(", "))
            }
        };
        Some(format!("{of}::{}{with}", item.name.as_deref()?))
    }

    /// The traits that were implemented by hand or derived.
    fn traits(&self, impls: &[Id]) -> String {
        let mut traits: Vec<String> = impls
            .iter()
            .filter_map(|id| match &self.get(*id)?.inner {
                ItemEnum::Impl(of) if !of.is_synthetic && of.blanket_impl.is_none() => of.trait_.as_ref(),
                _ => None,
            })
            .map(|path| self.writer.path(path))
            .filter(|name| name != "StructuralPartialEq")
            .collect();
        traits.sort();
        traits.dedup();
        if traits.is_empty() { String::new() } else { format!(" is {}", traits.join(" + ")) }
    }

    fn methods(&self, of: &str, impls: &[Id]) -> Vec<String> {
        let inherent = impls.iter().filter_map(|id| match &self.get(*id)?.inner {
            ItemEnum::Impl(of) if of.trait_.is_none() => Some(&of.items),
            _ => None,
        });
        let items = inherent.flatten().filter_map(|id| self.get(*id));
        items
            .filter(|item| item.visibility == Visibility::Public)
            .filter_map(|item| self.associated(of, item))
            .collect()
    }

    fn associated(&self, of: &str, item: &Item) -> Option<String> {
        let name = item.name.as_deref()?;
        match &item.inner {
            ItemEnum::Function(function) => {
                let shown = self.writer.function("", function);
                Some(format!("{of}::{name}: {}", shown.replace("fn (", "fn(")))
            }
            ItemEnum::AssocConst { type_, .. } => Some(format!("{of}::{name}: const {}", self.writer.shown(type_))),
            ItemEnum::AssocType { bounds, .. } => Some(format!("{of}::{name}: type {}", self.writer.bounds(bounds))),
            _ => None,
        }
    }
}
