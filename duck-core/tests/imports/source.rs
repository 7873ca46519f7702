//! What a source file declares and names.

use std::mem::take;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, ItemMod, ItemUse, Lit, Macro, UseTree, Visibility};

/// `crate`, `session`, `Session`.
pub(crate) type Path = Vec<String>;

/// A source file, without its comments and unit tests.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The modules that are files of their own, and where, if it is said: `#[path = "…"] mod visitor;`.
    pub(crate) modules: Vec<(String, Option<String>)>,
    /// What it brings into its scope, and under which name: `use crate::session::Session;`.
    pub(crate) uses: Vec<(String, Path)>,
    /// The same for what it only passes on: `pub use session::Session;`.
    pub(crate) reexports: Vec<(String, Path)>,
    /// The paths that stand anywhere else: `crate::session::open()`.
    pub(crate) paths: Vec<Path>,
}

impl Source {
    pub(crate) fn parse(text: &str) -> Self {
        let mut source = Self::default();
        source.visit_file(&syn::parse_file(text).expect("a source file"));
        source
    }

    fn words(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.paths.push(take(&mut path));
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                other => {
                    self.paths.push(take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.words(group.stream());
                    }
                }
            }
        }
        self.paths.push(path);
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.attrs.iter().any(is_for_tests) {
            return;
        }
        if item.content.is_some() {
            visit::visit_item_mod(self, item);
        } else {
            let file = item.attrs.iter().find_map(file_of);
            self.modules.push((item.ident.to_string(), file));
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let found = match item.vis {
            Visibility::Inherited => &mut self.uses,
            _ => &mut self.reexports,
        };
        flatten(&item.tree, &Path::new(), found);
    }

    /// `pub(super)` names nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words = path.segments.iter().map(|word| word.ident.to_string());
        self.paths.push(words.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.words(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

/// The file that a `#[path = "…"]` names.
fn file_of(attribute: &Attribute) -> Option<String> {
    let line = attribute.meta.require_name_value().ok()?;
    match &line.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if line.path.is_ident("path") => Some(text.value()),
        _ => None,
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let mut is_test = false;
    if attribute.path().is_ident("cfg") {
        // `cfg(feature = "…")` and the like are no error here, and no tests.
        let _ = attribute.parse_nested_meta(|meta| {
            is_test |= meta.path.is_ident("test");
            Ok(())
        });
    }
    is_test
}

fn flatten(tree: &UseTree, before: &Path, found: &mut Vec<(String, Path)>) {
    let join = |word: String| [before.clone(), vec![word]].concat();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &join(path.ident.to_string()), found),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), join(name.ident.to_string()))),
        UseTree::Rename(name) => {
            found.push((name.rename.to_string(), join(name.ident.to_string())));
        }
        UseTree::Glob(_) => found.push(("*".to_owned(), before.clone())),
        UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| flatten(tree, before, found)),
    }
}
