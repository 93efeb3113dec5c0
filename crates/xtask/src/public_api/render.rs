//! Types and signatures as text, by their public names.

use super::crates::{Crates, Home, Place};
use super::names::Names;
use rustdoc_types::{
    AssocItemConstraintKind, Function, GenericArg, GenericArgs, GenericBound, GenericParamDefKind, Generics, Path,
    Term, Type, WherePredicate,
};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Writes what one crate mentions, and notes which of our items that are.
pub(super) struct Writer<'a> {
    crates: &'a Crates,
    names: &'a Names,
    of_crate: usize,
    met: RefCell<BTreeSet<Place>>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(crates: &'a Crates, names: &'a Names, of_crate: usize) -> Self {
        Self { crates, names, of_crate, met: RefCell::default() }
    }

    /// Our items that were written.
    pub(super) fn met(self) -> BTreeSet<Place> {
        self.met.into_inner()
    }

    pub(super) fn shown(&self, of: &Type) -> String {
        match of {
            Type::ResolvedPath(path) => self.path(path),
            Type::DynTrait(of) => {
                let traits = of.traits.iter().map(|of| self.path(&of.trait_));
                let all: Vec<String> = traits.chain(of.lifetime.clone()).collect();
                format!("dyn {}", all.join(" + "))
            }
            Type::Generic(name) | Type::Primitive(name) => name.clone(),
            Type::FunctionPointer(of) => {
                let inputs: Vec<String> = of.sig.inputs.iter().map(|(_, input)| self.shown(input)).collect();
                format!("fn({}){}", inputs.join(", "), self.output(of.sig.output.as_ref()))
            }
            Type::Tuple(of) => {
                let of: Vec<String> = of.iter().map(|of| self.shown(of)).collect();
                format!("({})", of.join(", "))
            }
            Type::Slice(of) => format!("[{}]", self.shown(of)),
            Type::Array { type_, len } => format!("[{}; {len}]", self.shown(type_)),
            Type::Pat { type_, .. } => self.shown(type_),
            Type::ImplTrait(bounds) => format!("impl {}", self.bounds(bounds)),
            Type::Infer => "_".to_owned(),
            Type::RawPointer { is_mutable, type_ } => {
                format!("*{} {}", if *is_mutable { "mut" } else { "const" }, self.shown(type_))
            }
            Type::BorrowedRef { lifetime, is_mutable, type_ } => {
                let lifetime = lifetime.as_ref().map(|lifetime| format!("{lifetime} ")).unwrap_or_default();
                format!("&{lifetime}{}{}", if *is_mutable { "mut " } else { "" }, self.shown(type_))
            }
            Type::QualifiedPath { name, self_type, trait_, .. } => match trait_ {
                Some(of) if !of.path.is_empty() => format!("<{} as {}>::{name}", self.shown(self_type), self.path(of)),
                _ => format!("{}::{name}", self.shown(self_type)),
            },
        }
    }

    pub(super) fn path(&self, path: &Path) -> String {
        let name = match self.crates.home(self.of_crate, path.id) {
            Some(Home::Ours(place)) => {
                self.met.borrow_mut().insert(place);
                self.names.name(place).map_or_else(|| self.crates.inner_path(place), str::to_owned)
            }
            Some(Home::Other(of)) if matches!(of[0].as_str(), "std" | "core" | "alloc") => {
                of.last().cloned().unwrap_or_default()
            }
            Some(Home::Other(of)) => of.join("::"),
            None => path.path.clone(),
        };
        format!("{name}{}", path.args.as_deref().map(|args| self.args(args)).unwrap_or_default())
    }

    fn args(&self, args: &GenericArgs) -> String {
        match args {
            GenericArgs::AngleBracketed { args, constraints } => {
                let args = args.iter().map(|arg| match arg {
                    GenericArg::Lifetime(name) => name.clone(),
                    GenericArg::Type(of) => self.shown(of),
                    GenericArg::Const(of) => of.expr.clone(),
                    GenericArg::Infer => "_".to_owned(),
                });
                let constraints = constraints.iter().map(|constraint| match &constraint.binding {
                    AssocItemConstraintKind::Equality(Term::Type(of)) => {
                        format!("{} = {}", constraint.name, self.shown(of))
                    }
                    AssocItemConstraintKind::Equality(Term::Constant(of)) => {
                        format!("{} = {}", constraint.name, of.expr)
                    }
                    AssocItemConstraintKind::Constraint(bounds) => {
                        format!("{}: {}", constraint.name, self.bounds(bounds))
                    }
                });
                let all: Vec<String> = args.chain(constraints).collect();
                if all.is_empty() { String::new() } else { format!("<{}>", all.join(", ")) }
            }
            GenericArgs::Parenthesized { inputs, output } => {
                let inputs: Vec<String> = inputs.iter().map(|input| self.shown(input)).collect();
                format!("({}){}", inputs.join(", "), self.output(output.as_ref()))
            }
            GenericArgs::ReturnTypeNotation => "(..)".to_owned(),
        }
    }

    pub(super) fn bounds(&self, bounds: &[GenericBound]) -> String {
        let bounds = bounds.iter().filter_map(|bound| match bound {
            GenericBound::TraitBound { trait_, modifier, .. } => {
                let maybe = matches!(modifier, rustdoc_types::TraitBoundModifier::Maybe);
                Some(format!("{}{}", if maybe { "?" } else { "" }, self.path(trait_)))
            }
            GenericBound::Outlives(lifetime) => Some(lifetime.clone()),
            GenericBound::Use(_) => None,
        });
        bounds.collect::<Vec<_>>().join(" + ")
    }

    fn output(&self, output: Option<&Type>) -> String {
        output.map(|of| format!(" -> {}", self.shown(of))).unwrap_or_default()
    }

    /// The parameters between `<` and `>`, without those that stand for `impl`.
    pub(super) fn generics(&self, generics: &Generics) -> String {
        let shown = generics.params.iter().filter_map(|param| match &param.kind {
            GenericParamDefKind::Lifetime { .. } if param.name.starts_with("'life") || param.name == "'async_trait" => {
                None
            }
            GenericParamDefKind::Type { is_synthetic: true, .. } => None,
            GenericParamDefKind::Lifetime { .. } => Some(param.name.clone()),
            GenericParamDefKind::Type { bounds, .. } if bounds.is_empty() => Some(param.name.clone()),
            GenericParamDefKind::Type { bounds, .. } => Some(format!("{}: {}", param.name, self.bounds(bounds))),
            GenericParamDefKind::Const { type_, .. } => Some(format!("const {}: {}", param.name, self.shown(type_))),
        });
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() { String::new() } else { format!("<{}>", shown.join(", ")) }
    }

    pub(super) fn function(&self, name: &str, function: &Function) -> String {
        let inputs: Vec<String> = function
            .sig
            .inputs
            .iter()
            .map(|(name, of)| match (name.as_str(), self.shown(of).as_str()) {
                ("self", "Self") => "self".to_owned(),
                ("self", of) if of.ends_with("Self") && of.starts_with('&') => of.replace("Self", "self"),
                (name, of) => format!("{name}: {of}"),
            })
            .collect();
        let output = self.output(function.sig.output.as_ref());
        let (is_async, output) = match of_async_trait(&output) {
            Some(output) => (true, output),
            None => (function.header.is_async, output),
        };
        let wheres: Vec<String> =
            function.generics.where_predicates.iter().filter_map(|of| self.condition(of)).collect();
        format!(
            "{}fn {name}{}({}){}{}",
            if is_async { "async " } else { "" },
            self.generics(&function.generics),
            without_lives(&inputs.join(", ")),
            output,
            if wheres.is_empty() { String::new() } else { format!(" where {}", wheres.join(", ")) },
        )
    }

    fn condition(&self, of: &WherePredicate) -> Option<String> {
        match of {
            WherePredicate::BoundPredicate { type_, bounds, .. } => {
                let shown = format!("{}: {}", self.shown(type_), self.bounds(bounds));
                // Every method of `async_trait` has these.
                (!shown.contains("'async_trait")).then_some(shown)
            }
            WherePredicate::LifetimePredicate { .. } | WherePredicate::EqPredicate { .. } => None,
        }
    }
}

/// What a method of `async_trait` gives, as its author has written it.
fn of_async_trait(output: &str) -> Option<String> {
    let given = output.strip_prefix(" -> Pin<Box<dyn Future<Output = ")?.strip_suffix(" + Send + 'async_trait>>")?;
    let given = given.strip_suffix('>')?;
    Some(if given == "()" { String::new() } else { format!(" -> {given}") })
}

/// Without the lifetimes that `async_trait` makes.
fn without_lives(inputs: &str) -> String {
    let mut parts = inputs.split("'life");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_async_trait_are_shown_as_they_were_written() {
        let output = " -> Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'async_trait>>";
        assert_eq!(of_async_trait(output).as_deref(), Some(" -> Result<(), E>"));
        assert_eq!(of_async_trait(" -> Result<(), E>"), None);
        assert_eq!(without_lives("&'life0 self, ctx: &'life10 mut Context"), "&self, ctx: &mut Context");
    }
}
