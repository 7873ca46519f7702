//! The files of each crate import each other in one direction, so that one can be read after the other.

mod package;
mod source;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::package::{Imports, Package};

#[test]
fn no_file_imports_one_that_imports_it() {
    let mut found = Vec::new();
    for (root, files) in [
        ("duck-core/src/lib.rs", 60),
        ("duck-session/src/lib.rs", 60),
        ("duck-cli/src/main.rs", 20),
    ] {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let imports = Package::read(&workspace.join(root)).imports();
        assert!(imports.len() > files, "{root}: only {}", imports.len());
        let circles = circles(&imports).into_iter();
        found.extend(circles.map(|circle| format!("{root}: {}", circle.join(" → "))));
    }
    assert!(
        found.is_empty(),
        "imports in a circle:\n{}",
        found.join("\n")
    );
}

#[test]
fn the_files_that_architecture_names_are_there() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(workspace.join("ARCHITECTURE.md")).unwrap();
    let parts = [
        "duck-core",
        "duck-session",
        "duck-cli",
        "example-site",
        ".ci",
    ];
    let files: Vec<PathBuf> = parts
        .iter()
        .flat_map(|part| files_below(&workspace.join(part)))
        .collect();
    let is_file = |name: &&str| {
        Path::new(name).extension().is_some_and(|end| end == "rs") || name.starts_with(".ci/")
    };
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_file).collect();
    assert!(named.len() > 100, "{}", named.len());
    for name in named {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("a file").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true if path.ends_with("target") => Vec::new(),
            true => files_below(&path),
            false => vec![path],
        })
        .collect()
}

#[test]
fn circles_are_found() {
    let round = Package::of(&[
        ("crate", "mod a; mod b; mod c; mod x; pub use c::{C, d::D};"),
        ("crate::a", "use crate::b::B;"),
        ("crate::b", "use crate::{x::{X, Y}, D};"),
        ("crate::c", "pub mod d;"),
        (
            "crate::c::d",
            "fn f() { println!(\"{}\", crate::a::A::new()) }",
        ),
        ("crate::x", ""),
    ]);
    assert_eq!(circles(&round.imports()), [["a", "b", "c::d", "a"]]);
    let in_a_folder = Package::of(&[
        ("crate", "mod a;"),
        ("crate::a", "mod b; mod c; pub struct A; fn f() { c::g() }"),
        ("crate::a::b", "use super::A;"),
        ("crate::a::c", "use super::b; pub fn g() { b::h(); }"),
    ]);
    assert_eq!(
        circles(&in_a_folder.imports()),
        [["a", "a::c", "a::b", "a"]]
    );
}

#[test]
fn what_is_no_circle_is_none() {
    let straight = Package::of(&[
        ("crate", "mod a; mod b; mod c; pub use a::A; pub use b::B;"),
        (
            "crate::a",
            "// use crate::c::C;\nuse crate::B; #[cfg(test)] mod tests { use crate::c::C; }",
        ),
        ("crate::b", "mod inner; pub use inner::Inner; pub struct B;"),
        ("crate::b::inner", "use super::B;"),
        (
            "crate::c",
            "//! [`d`](crate::d)\nuse crate::{A, b};\nfn f(_: b::Inner) {}",
        ),
    ]);
    let imports = straight.imports();
    assert_eq!(circles(&imports), [[""; 0]; 0]);
    let c = ["a", "b", "b::inner"].map(str::to_owned);
    assert_eq!(imports["c"], BTreeSet::from(c));
}

/// Of the files that cannot be put in an order, the shortest circle of each group.
fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let mut ways: Vec<_> = imports
        .keys()
        .filter_map(|start| way_back(start, imports))
        .collect();
    ways.sort_by_key(Vec::len);
    let mut circles: Vec<Vec<String>> = Vec::new();
    for way in ways {
        let is_new = |known: &Vec<String>| !known.iter().any(|file| way.contains(file));
        if circles.iter().all(is_new) {
            circles.push(way);
        }
    }
    circles
}

fn way_back(start: &str, imports: &Imports) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            let longer = [way.as_slice(), std::slice::from_ref(next)].concat();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}
