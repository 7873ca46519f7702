//! The files of a crate, and which of them imports which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::source::{Path, Source};

/// A file is called as its module is: `session::id`. The crate's own file is `crate`.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

/// The files of a crate.
#[derive(Debug, Default)]
pub(crate) struct Package(BTreeMap<Path, Source>);

impl Package {
    /// Follows the `mod` lines from the crate's own file on.
    pub(crate) fn read(root: &std::path::Path) -> Self {
        let mut package = Self::default();
        let folder = root.parent().expect("a folder");
        package.follow(Path::new(), root, folder);
        package
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let module = |name: &str| name.split("::").skip(1).map(str::to_owned).collect();
        let files = files.iter();
        Self(
            files
                .map(|(name, text)| (module(name), Source::parse(text)))
                .collect(),
        )
    }

    fn follow(&mut self, module: Path, file: &std::path::Path, folder: &std::path::Path) {
        let source = Source::parse(&fs::read_to_string(file).expect("a source file"));
        for (name, elsewhere) in &source.modules {
            let inner = folder.join(name);
            let [beside, inside] = [inner.with_extension("rs"), inner.join("mod.rs")];
            let file = match elsewhere {
                Some(path) => file.with_file_name(path),
                None if beside.exists() => beside,
                None => inside,
            };
            self.follow(
                [&*module, std::slice::from_ref(name)].concat(),
                &file,
                &inner,
            );
        }
        self.0.insert(module, source);
    }

    /// Whoever takes what another file passes on (`pub use`) imports the file that defines it.
    pub(crate) fn imports(&self) -> Imports {
        let of = |module: &Path| {
            let wanted = self.wanted(module).into_iter();
            let others = wanted
                .filter(|wanted| wanted != module)
                .map(|wanted| name(&wanted));
            (name(module), others.collect())
        };
        self.0.keys().map(of).collect()
    }

    fn wanted(&self, module: &Path) -> Vec<Path> {
        let source = &self.0[module];
        let uses = source.uses.iter().map(|(_, path)| path);
        let paths = uses.chain(&source.paths);
        paths
            .filter_map(|path| self.file_of(module, path, 0))
            .collect()
    }

    /// The file that defines what a path in `module` leads to, if it is one of this crate.
    fn file_of(&self, module: &Path, path: &[String], depth: u8) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => Path::new(),
            "self" => module.clone(),
            "super" => module.split_last()?.1.to_vec(),
            // A word alone is a name of this file, or one that a `use` brought.
            _ if rest.is_empty() && depth == 0 => return None,
            word => self.step(module, word, depth)?,
        };
        let step = |at: Path, word: &String| self.step(&at, word, depth).ok_or(at);
        let end = rest.iter().try_fold(start, step);
        // What leads on inside of a file is defined there.
        Some(end.unwrap_or_else(|at| at))
    }

    /// Where a word leads in a module: to a file below it, or to what it has from elsewhere.
    fn step(&self, module: &Path, word: &str, depth: u8) -> Option<Path> {
        if word == "super" {
            return Some(module.split_last()?.1.to_vec());
        }
        let below = [&**module, &[word.to_owned()]].concat();
        if self.0.contains_key(&below) {
            return Some(below);
        }
        let source = self.0.get(module).filter(|_| depth < 8)?;
        let mut known = source.reexports.iter().chain(&source.uses);
        let (_, path) = known.find(|(name, _)| name == word)?;
        self.file_of(module, path, depth + 1)
    }
}

fn name(module: &[String]) -> String {
    if module.is_empty() {
        "crate".to_owned()
    } else {
        module.join("::")
    }
}
