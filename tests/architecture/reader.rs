//! Reads one source file by `syn`: what it defines, what it names, and the laws that hold for a file by
//! itself.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item, ItemMod, Meta, Signature, UseTree};

use super::resolve::{Fault, House, Module, ModulePath};
use super::{FUNCTION_LINES, INLINE_TEST_LINES, TEST_MODULES};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A private `use`.
    Use,
    /// A `use` with a visibility.
    Reexport,
    Glob,
    /// A path in an expression, a type, an attribute or the tokens of a macro.
    Plain,
}

/// A path as it is written. A leading `::` is an empty first segment.
pub(crate) struct Reference {
    pub(crate) module: ModulePath,
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

pub(crate) struct Reader<'a> {
    pub(crate) file: &'a str,
    pub(crate) module: ModulePath,
    /// Inside a module that is compiled for tests only.
    pub(crate) test: bool,
    pub(crate) house: &'a mut House,
    /// Modules with a file of their own, and whether that is compiled for tests only.
    pub(crate) declared: Vec<(ModulePath, bool)>,
}

fn line(span: Span) -> usize {
    span.start().line
}

fn names_test(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Group(group) => names_test(group.stream()),
        _ => false,
    })
}

/// The one gate of production code that names tests.
const FEATURE_OR_TEST: &str = "any (feature = \"cluster\" , test)";

/// `#[cfg(test)]`, `#[cfg(any(test, ..))]`, `#[cfg_attr(not(test), ..)]`, `#[test]`, `#[tokio::test]`.
fn is_test_gate(attribute: &Attribute) -> bool {
    match &attribute.meta {
        // Production code of a feature, which the simulation runs without that feature too.
        Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == FEATURE_OR_TEST => false,
        Meta::List(list) if list.path.is_ident("cfg") || list.path.is_ident("cfg_attr") => {
            names_test(list.tokens.clone())
        }
        meta => meta.path().segments.last().is_some_and(|last| last.ident == "test"),
    }
}

fn is_plain_cfg_test(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

impl Reader<'_> {
    fn scope(&mut self) -> &mut Module {
        self.house.modules.get_mut(&self.module).expect("the module that is being read")
    }

    fn refer(&mut self, path: Vec<String>, at: Span, kind: Kind) {
        let reference = Reference { module: self.module.clone(), path, line: line(at), kind };
        self.house.references.push(reference);
    }

    fn fault(&mut self, law: &'static str, at: usize, text: &str) {
        self.house.faults.push(Fault::new(law, self.file, at, text));
    }

    fn use_tree(&mut self, tree: &UseTree, mut prefix: Vec<String>, kind: Kind) {
        let (ident, alias) = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                return self.use_tree(&path.tree, prefix, kind);
            }
            UseTree::Group(group) => return group.items.iter().for_each(|t| self.use_tree(t, prefix.clone(), kind)),
            UseTree::Glob(glob) => {
                self.scope().globs.push(prefix.clone());
                return self.refer(prefix, glob.star_token.spans[0], Kind::Glob);
            }
            UseTree::Name(name) => (&name.ident, None),
            UseTree::Rename(rename) => (&rename.ident, Some(rename.rename.to_string())),
        };
        if ident != "self" || prefix.is_empty() {
            prefix.push(ident.to_string());
        }
        let name = alias.unwrap_or_else(|| prefix.last().cloned().unwrap_or_default());
        self.scope().uses.insert(name, prefix.clone());
        self.refer(prefix, ident.span(), kind);
    }

    /// Paths among the tokens of a macro: `a::b`, `$crate::a`, and `a::{b, c}` with the prefix `a`.
    fn scan(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, sign: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == sign);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            let TokenTree::Ident(first) = token else {
                if let TokenTree::Group(group) = token {
                    self.scan(group.stream(), &[]);
                }
                continue;
            };
            if first == "as" || (at > 1 && is(at - 2, '.')) {
                at += usize::from(first == "as");
                continue;
            }
            let mut path = [prefix, &[first.to_string()]].concat();
            while is(at, ':') && is(at + 1, ':') {
                match tokens.get(at + 2) {
                    Some(TokenTree::Ident(next)) => path.push(next.to_string()),
                    Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                        self.scan(group.stream(), &path);
                    }
                    _ => break,
                }
                at += 3;
            }
            self.refer(path, first.span(), Kind::Plain);
        }
    }

    /// Whether the gate of a module is one that the design knows.
    fn is_known_test_module(&self, module: &ItemMod) -> Result<(), String> {
        let name = module.ident.to_string();
        let fits = |(known, home): &&(&str, &str)| *known == name && self.file.starts_with(home);
        if !module.attrs.iter().all(|attribute| !is_test_gate(attribute) || is_plain_cfg_test(attribute)) {
            return Err("the gate of a test module is `#[cfg(test)]` and nothing more".to_owned());
        }
        if !TEST_MODULES.iter().any(|row| fits(&row)) {
            return Err(format!("`mod {name}` is no test module of the design; move it below `mod tests;`"));
        }
        let Some((brace, _)) = &module.content else { return Ok(()) };
        let lines = brace.span.close().end().line - line(module.mod_token.span) + 1;
        if self.file.starts_with("src/session/") || name != "tests" {
            return Err(format!("`mod {name}` needs a file of its own here"));
        }
        match lines > INLINE_TEST_LINES {
            true => Err(format!("{lines} lines of inline tests; above {INLINE_TEST_LINES} give them a `tests.rs`")),
            false => Ok(()),
        }
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        let first = line(signature.fn_token.span);
        let lines = body.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES && !self.test {
            let text = format!("`{}` has {lines} lines; split it, {FUNCTION_LINES} are the limit", signature.ident);
            self.fault("functions", first, &text);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let name = match item {
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Macro(item) => item.ident.as_ref(),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            Item::Union(item) => Some(&item.ident),
            _ => None,
        };
        if let Some(name) = name {
            self.scope().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let at = line(module.mod_token.span);
        let gated = module.attrs.iter().any(is_test_gate);
        if gated
            && !self.test
            && let Err(text) = self.is_known_test_module(module)
        {
            self.fault("test code", at, &text);
        }
        if module.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.fault("modules", at, "`#[path]` hides where a module is; move the file to its place");
        }
        let outside = self.test;
        self.test |= gated;
        self.module.push(module.ident.to_string());
        if let Some((_, items)) = &module.content {
            let scope = Module { file: self.file.to_owned(), ..Module::default() };
            self.house.modules.insert(self.module.clone(), scope);
            items.iter().for_each(|item| self.visit_item(item));
        } else {
            self.declared.push((self.module.clone(), self.test));
        }
        self.module.pop();
        self.test = outside;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        let private = matches!(item.vis, syn::Visibility::Inherited);
        let root = item.leading_colon.as_ref().map(|_| String::new());
        self.use_tree(&item.tree, root.into_iter().collect(), if private { Kind::Use } else { Kind::Reexport });
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let path = vec![String::new(), item.ident.to_string()];
        let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name).to_string();
        self.scope().uses.insert(name, path.clone());
        self.refer(path, item.ident.span(), Kind::Use);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let root = path.leading_colon.as_ref().map(|_| String::new());
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.refer(root.into_iter().chain(names).collect(), path.segments[0].ident.span(), Kind::Plain);
        visit::visit_path(self, path);
    }

    fn visit_pat_ident(&mut self, variable: &'ast syn::PatIdent) {
        let name = variable.ident.to_string();
        if name.starts_with(char::is_lowercase) {
            self.scope().variables.insert(name);
        }
        visit::visit_pat_ident(self, variable);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("cfg") && names_test(call.tokens.clone()) && !self.test {
            let at = line(call.path.segments[0].ident.span());
            self.fault("test code", at, "`cfg!(test)` in production code; let the test bring the difference");
        }
        self.scan(call.tokens.clone(), &[]);
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if is_test_gate(attribute) && !self.test {
            let text = "test code in a production file; only `#[cfg(test)] mod tests;` may be here";
            self.fault("test code", line(attribute.pound_token.spans[0]), text);
        }
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone(), &[]);
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        item.default.iter().for_each(|body| self.function(&item.sig, body));
        visit::visit_trait_item_fn(self, item);
    }
}
