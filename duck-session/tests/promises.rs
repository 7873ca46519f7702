//! `docs/promises.md` names every rule there is, and only tests that exist.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was found wrong elsewhere: each is a row too.
const FOUND: [&str; 61] = [
    "L5/W1",
    "L7/W1d",
    "L6/W1c",
    "L4/W3",
    "L2/W2",
    "L3",
    "L1",
    "W9",
    "W4/M3",
    "M1",
    "W11",
    "W19",
    "C1",
    "W17",
    "W6",
    "W7",
    "W8",
    "W10",
    "W5",
    "M2",
    "L9",
    "disk full",
    "W12",
    "W13",
    "W18",
    "W16/W16b",
    "W14",
    "W15",
    "M6",
    "clock",
    "id",
    "M4",
    "R1",
    "R2",
    "R3",
    "T0",
    "T1",
    "T2",
    "T3",
    "T4",
    "D1",
    "D2",
    "D3",
    "D4",
    "D5",
    "D6",
    "D7",
    "D8",
    "E0",
    "E1",
    "E2",
    "path traversal",
    "resurrection",
    "store filling",
    "cached cookie",
    "timing lookup",
    "forged MAC",
    "fallback to clear",
    "shared names",
    "collision",
    "fixation",
];

/// The row of a rule: the promise, and what holds it.
struct Row {
    promise: String,
    held_by: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> BTreeMap<String, Row> {
    let page = std::fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [rule, promise, tests] = cells[..] else {
            panic!("a row has three cells: {line}");
        };
        if rule == "rule" {
            continue;
        }
        let row = Row {
            promise: promise.to_owned(),
            held_by: tests.split("<br>").map(str::to_owned).collect(),
        };
        assert!(
            rows.insert(rule.to_owned(), row).is_none(),
            "{rule} is there twice"
        );
    }
    rows
}

#[test]
fn every_rule_has_its_row() {
    let rows = rows();
    let numbered = (1..=72).map(|number| number.to_string());
    let files = (1..=15).map(|number| format!("F{number}"));
    let found = FOUND.map(str::to_owned);
    for rule in numbered.chain(files).chain(found) {
        let row = rows
            .get(&rule)
            .unwrap_or_else(|| panic!("{rule} is missing"));
        assert!(row.promise.len() > 10, "{rule} promises nothing");
    }
}

/// A row names tests, or says why there is none: `not promised: …`.
#[test]
fn every_named_test_is_there() {
    let mut count = 0;
    for (rule, row) in rows() {
        for held in row.held_by {
            if held.starts_with("not promised") && held.len() > 20 {
                continue;
            }
            let named = held
                .strip_prefix('`')
                .and_then(|held| held.strip_suffix('`'));
            let Some((file, test)) = named.and_then(|named| named.split_once("::")) else {
                panic!("rule {rule}: {held:?} names no test and gives no reason");
            };
            let places = [
                root().join("duck-session/tests").join(file),
                root().join(file),
            ];
            let source = places
                .iter()
                .find_map(|place| std::fs::read_to_string(place).ok());
            let source = source.unwrap_or_else(|| panic!("rule {rule}: there is no file {file}"));
            assert!(
                is_in(&source, test),
                "rule {rule}: there is no {test} in {file}"
            );
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

/// Whether a function has this name. In one file a macro writes the function.
fn is_in(source: &str, test: &str) -> bool {
    ["(", "<"]
        .iter()
        .any(|next| source.contains(&format!("fn {test}{next}")))
        || source.contains(&format!("{test}: \""))
}
