//! The modules of this crate import each other in one direction, so that one can be read after the
//! other. A folder is one module.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// Which module imports which.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_module_imports_one_that_imports_it() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(&sources).expect("the sources") {
        let file = entry.expect("an entry").path();
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        read(&file, texts.entry(name).or_default());
    }
    assert!(texts.len() > 30, "only {} modules were found", texts.len());
    let imports = imports(texts);
    assert!(imports["app"].contains("router"), "{:?}", imports["app"]);
    assert!(
        imports["router"].contains("error"),
        "{:?}",
        imports["router"]
    );
    if let Some(cycle) = cycle(&imports) {
        panic!("these import each other in a circle: {}", cycle.join(" → "));
    }
}

#[test]
fn circles_are_found() {
    let imports = |texts: &[(&str, &str)]| {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        imports(texts.iter().map(owned).collect())
    };
    let round = imports(&[
        ("lib", "mod a;\npub use c::{C, d::D};"),
        ("a", "use crate::b::B;"),
        ("b", "use crate::{\n    x::{X, Y},\n    D,\n};"),
        ("c", "fn f() -> crate::a::A {}"),
        ("x", ""),
    ]);
    assert_eq!(
        cycle(&round),
        Some(["a", "b", "c", "a"].map(str::to_owned).to_vec())
    );
    let straight = imports(&[
        ("lib", "pub use a::A;"),
        (
            "a",
            "// use crate::c::C;\nuse crate::b::B;\n#[cfg(test)]\nmod tests { use crate::c::C; }",
        ),
        ("b", "use super::other;"),
        ("c", "use crate::{A, b};\n/// [`d`](crate::d)\n"),
    ]);
    assert_eq!(cycle(&straight), None);
}

/// The code of a file, or of all in a folder: without comments and unit tests.
fn read(file: &Path, code: &mut String) {
    if file.is_dir() {
        for entry in fs::read_dir(file).expect("a folder") {
            read(&entry.expect("an entry").path(), code);
        }
    } else {
        *code += &without_tests(&fs::read_to_string(file).expect("a text"));
    }
}

fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join(" ")
}

fn imports(mut texts: BTreeMap<String, String>) -> Imports {
    let facade = texts.remove("lib").unwrap_or_default();
    texts.remove("prelude");
    // `crate::Error` is `crate::error::Error`.
    let names: BTreeMap<String, String> = paths_after("pub use ", &facade)
        .into_iter()
        .filter_map(|path| Some((path.last()?.clone(), path.first()?.clone())))
        .collect();
    let of = |(name, text): (&String, &String)| {
        let wanted = paths_after("crate::", &without_tests(text))
            .into_iter()
            .filter_map(|path| {
                let first = path.first()?;
                names.get(first).or(Some(first)).cloned()
            });
        let modules = wanted.filter(|module| texts.contains_key(module) && module != name);
        (name.clone(), modules.collect())
    };
    texts.iter().map(of).collect()
}

/// The paths that come after a word.
fn paths_after(word: &str, code: &str) -> Vec<Vec<String>> {
    let places = code.match_indices(word);
    places
        .flat_map(|(at, _)| paths(&code[at + word.len()..]))
        .collect()
}

/// The paths at the front of a text: in `a::{b, c::d}` there are `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(paths).collect();
    }
    let word = |character: char| character.is_alphanumeric() || character == '_';
    let (first, rest) = text.split_at(
        text.find(|character| !word(character))
            .unwrap_or(text.len()),
    );
    let begin = |rest: Vec<String>| [vec![first.to_owned()], rest].concat();
    match rest.strip_prefix("::") {
        Some(rest) => paths(rest).into_iter().map(begin).collect(),
        None => vec![begin(Vec::new())],
    }
}

/// What stands between the commas of a group, up to its end.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match (character, depth) {
            ('{', _) => depth += 1,
            ('}', 0) => {
                found.push(&group[start..at]);
                return found;
            }
            ('}', _) => depth -= 1,
            (',', 0) => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The shortest way from a module back to itself.
fn cycle(imports: &Imports) -> Option<Vec<String>> {
    let ways = imports.keys().filter_map(|start| way_back(start, imports));
    ways.min_by_key(Vec::len)
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
