//! What one file declares, imports and names, as plain data: what has been parsed cannot leave its thread.

use proc_macro2::{Span, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// A path as it is written, and its line.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

/// A name in a `use`.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: Path,
    /// As it is known here; nothing for `as _`.
    pub(super) name: Option<String>,
}

/// A `mod name;`, or a module within the file.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) for_tests: bool,
    /// `#[path = "…"]`
    pub(super) path: Option<String>,
    /// Nothing where it is a file of its own.
    pub(super) inline: Option<Module>,
}

/// A module: a file, or a module within one.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// There is more than declarations of modules and imports.
    pub(super) has_code: bool,
    /// The whole file is for tests.
    pub(super) for_tests: bool,
    pub(super) defined: BTreeSet<String>,
    pub(super) macros: BTreeSet<String>,
    pub(super) children: Vec<Child>,
    pub(super) imports: Vec<Import>,
    pub(super) globs: Vec<Path>,
    /// Paths and single names in code, each once.
    pub(super) used: Vec<Path>,
    /// Methods that are called: a trait that came with a glob is named nowhere else.
    pub(super) called: BTreeSet<String>,
    pub(super) traits: BTreeMap<String, Vec<String>>,
    /// Associated functions and constants by the type of their `impl`.
    pub(super) associated: Vec<(Path, Vec<String>)>,
}

/// Reads a file.
pub(super) fn parse(text: &str) -> syn::Result<Module> {
    let file = syn::parse_file(text)?;
    let mut reader = Reader { modules: vec![Module::default()], seen: vec![BTreeSet::new()], ..Reader::default() };
    if for_tests(&file.attrs) {
        reader.modules[0].for_tests = true;
    }
    reader.visit_file(&file);
    Ok(reader.modules.pop().unwrap_or_default())
}

/// Whether attributes leave an item out of everything but tests.
fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| only_tests(&meta))
    })
}

fn only_tests(meta: &syn::Meta) -> bool {
    let syn::Meta::List(list) = meta else { return meta.path().is_ident("test") };
    let all = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
    let Ok(parts) = list.parse_args_with(all) else { return false };
    if list.path.is_ident("all") {
        parts.iter().any(only_tests)
    } else {
        list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(only_tests)
    }
}

fn item_attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn item_name(item: &syn::Item) -> Option<&syn::Ident> {
    match item {
        syn::Item::Const(item) => Some(&item.ident),
        syn::Item::Enum(item) => Some(&item.ident),
        syn::Item::Fn(item) => Some(&item.sig.ident),
        syn::Item::Macro(item) => item.ident.as_ref(),
        syn::Item::Static(item) => Some(&item.ident),
        syn::Item::Struct(item) => Some(&item.ident),
        syn::Item::Trait(item) => Some(&item.ident),
        syn::Item::TraitAlias(item) => Some(&item.ident),
        syn::Item::Type(item) => Some(&item.ident),
        syn::Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

#[derive(Default)]
struct Reader {
    /// From the file's own inwards.
    modules: Vec<Module>,
    seen: Vec<BTreeSet<Vec<String>>>,
    /// How many items that are no modules stand around this one: what they define is known to nobody else.
    within: usize,
    /// The types of the `impl`s around this place.
    types: Vec<Option<Vec<String>>>,
}

impl Reader {
    fn module(&mut self) -> &mut Module {
        let last = self.modules.len() - 1;
        &mut self.modules[last]
    }

    fn names(&mut self, segments: Vec<String>, span: Span) {
        let first = self.seen.last_mut().is_some_and(|seen| seen.insert(segments.clone()));
        if first {
            let line = span.start().line;
            self.module().used.push(Path { segments, line });
        }
    }

    /// A path in code. One that begins with `Self` stands for the type of the `impl`.
    fn names_path(&mut self, mut segments: Vec<String>, span: Span) {
        if segments.first().is_some_and(|first| first == "Self") {
            let Some(Some(of)) = self.types.last() else { return };
            segments = of.iter().cloned().chain(segments.into_iter().skip(1)).collect();
        }
        self.names(segments, span);
    }

    fn imports(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(plain(&path.ident));
                self.imports(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.imports(tree, before)),
            syn::UseTree::Glob(glob) => {
                let path = Path { segments: before.clone(), line: glob.star_token.span.start().line };
                self.module().globs.push(path);
            }
            syn::UseTree::Name(name) => self.import(&name.ident, &name.ident, before),
            syn::UseTree::Rename(rename) => self.import(&rename.ident, &rename.rename, before),
        }
    }

    fn import(&mut self, ident: &syn::Ident, known_as: &syn::Ident, before: &[String]) {
        let mut segments = before.to_vec();
        if ident != "self" || segments.is_empty() {
            segments.push(plain(ident));
        }
        let line = ident.span().start().line;
        let name = if known_as == "self" { segments.last().cloned() } else { Some(plain(known_as)) };
        let name = name.filter(|name| name != "_");
        self.module().imports.push(Import { path: Path { segments, line }, name });
    }

    fn child(&mut self, item: &syn::ItemMod, tests: bool) {
        let path = item.attrs.iter().find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => string(&pair.value),
            _ => None,
        });
        let inline = item.content.as_ref().map(|(_, items)| {
            self.modules.push(Module::default());
            self.seen.push(BTreeSet::new());
            let (within, types) = (std::mem::take(&mut self.within), std::mem::take(&mut self.types));
            for item in items {
                self.visit_item(item);
            }
            (self.within, self.types) = (within, types);
            self.seen.pop();
            self.modules.pop().unwrap_or_default()
        });
        if !tests && inline.as_ref().is_some_and(|module| module.has_code) {
            self.module().has_code = true;
        }
        let child = Child { name: plain(&item.ident), for_tests: tests, path, inline };
        self.module().children.push(child);
    }

    /// What a macro is given may be anything: whatever looks like a path is taken for one.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut at = Span::call_site();
        let mut colons = 0;
        let (mut dot, mut of_self) = (false, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    let name = plain(&ident);
                    if !path.is_empty() && colons == 2 {
                        path.push(name);
                    } else {
                        self.flush(&mut path, at);
                        if dot {
                            if of_self {
                                self.names_path(vec!["Self".to_owned(), name.clone()], ident.span());
                            }
                            self.module().called.insert(name);
                        } else {
                            (at, path) = (ident.span(), vec![name]);
                        }
                    }
                    (colons, dot) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => (colons, dot) = (colons + 1, false),
                TokenTree::Punct(punct) => {
                    of_self = path == ["self"];
                    self.flush(&mut path, at);
                    (colons, dot) = (0, punct.as_char() == '.');
                }
                TokenTree::Group(group) => {
                    self.flush(&mut path, at);
                    (colons, dot) = (0, false);
                    self.tokens(group.stream());
                }
                TokenTree::Literal(_) => {
                    self.flush(&mut path, at);
                    (colons, dot) = (0, false);
                }
            }
        }
        self.flush(&mut path, at);
    }

    fn flush(&mut self, path: &mut Vec<String>, at: Span) {
        if !path.is_empty() {
            self.names_path(std::mem::take(path), at);
        }
    }

    /// Attributes name functions and modules as strings: `#[serde(with = "crate::duration")]`.
    fn strings(&mut self, tokens: TokenStream) {
        let mut key = String::new();
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.strings(group.stream()),
                TokenTree::Literal(literal) => {
                    let lit = syn::Lit::new(literal);
                    if let syn::Lit::Str(text) = &lit
                        && let Ok(path) = text.parse::<syn::Path>()
                    {
                        let mut segments = segments(&path);
                        if key == "with" {
                            // A module, of which serde calls this.
                            segments.push("serialize".to_owned());
                        }
                        self.names_path(segments, text.span());
                    }
                }
                TokenTree::Ident(ident) => key = plain(&ident),
                TokenTree::Punct(_) => {}
            }
        }
    }
}

fn plain(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| plain(&segment.ident)).collect()
}

fn string(value: &syn::Expr) -> Option<String> {
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let tests = for_tests(item_attributes(item));
        if let syn::Item::Mod(item) = item {
            if self.within == 0 {
                self.child(item, tests);
            }
            return;
        }
        if tests {
            return;
        }
        if let syn::Item::Use(item) = item {
            if item.leading_colon.is_none() {
                self.imports(&item.tree, &mut Vec::new());
            }
            return;
        }
        if let syn::Item::ExternCrate(item) = item {
            if item.ident == "self"
                && let Some((_, name)) = &item.rename
            {
                let path = Path { segments: vec!["crate".to_owned()], line: item.ident.span().start().line };
                self.module().imports.push(Import { path, name: Some(plain(name)) });
            }
            return;
        }
        self.module().has_code = true;
        if self.within == 0
            && let Some(name) = item_name(item)
        {
            let name = plain(name);
            if matches!(item, syn::Item::Macro(_)) {
                self.module().macros.insert(name.clone());
            }
            if let syn::Item::Trait(item) = item {
                let methods = item.items.iter().filter_map(|item| match item {
                    syn::TraitItem::Fn(method) => Some(plain(&method.sig.ident)),
                    _ => None,
                });
                let methods = methods.collect();
                self.module().traits.insert(name.clone(), methods);
            }
            self.module().defined.insert(name);
        }
        self.within += 1;
        visit::visit_item(self, item);
        self.within -= 1;
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = match &*item.self_ty {
            syn::Type::Path(path) if path.qself.is_none() => Some(segments(&path.path)),
            _ => None,
        };
        if item.trait_.is_none()
            && let Some(of) = &of
        {
            let names = item.items.iter().filter_map(|item| match item {
                syn::ImplItem::Fn(item) if !for_tests(&item.attrs) => Some(plain(&item.sig.ident)),
                syn::ImplItem::Const(item) if !for_tests(&item.attrs) => Some(plain(&item.ident)),
                _ => None,
            });
            let (names, line) = (names.collect(), item.impl_token.span.start().line);
            self.module().associated.push((Path { segments: of.clone(), line }, names));
        }
        self.types.push(of);
        visit::visit_item_impl(self, item);
        self.types.pop();
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes: &[syn::Attribute] = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        let attributes: &[syn::Attribute] = match item {
            syn::TraitItem::Const(item) => &item.attrs,
            syn::TraitItem::Fn(item) => &item.attrs,
            syn::TraitItem::Type(item) => &item.attrs,
            syn::TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !for_tests(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !for_tests(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_field_value(&mut self, value: &'ast syn::FieldValue) {
        if !for_tests(&value.attrs) {
            visit::visit_field_value(self, value);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !for_tests(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let at = path.segments.first().map_or_else(Span::call_site, |first| first.ident.span());
            self.names_path(segments(path), at);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let method = plain(&call.method);
        if let syn::Expr::Path(receiver) = &*call.receiver
            && receiver.path.is_ident("self")
        {
            self.names_path(vec!["Self".to_owned(), method.clone()], call.method.span());
        }
        self.module().called.insert(method);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("doc") || attribute.path().is_ident("cfg") {
            return;
        }
        self.visit_path(attribute.path());
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.strings(list.tokens.clone());
        }
    }

    /// Who may see an item imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}
