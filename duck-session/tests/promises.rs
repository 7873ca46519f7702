//! `docs/promises.md` names every rule there is, and only tests that exist; `docs/security.md` names those rules and
//! tests, and defaults that are those of `docs/settings.md`.

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
            assert!(
                is_there(file, test),
                "rule {rule}: there is no {test} in {file}"
            );
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

/// Whether a file has this test. Files count from the root, and from where tests of sessions and of the core are.
fn is_there(file: &str, test: &str) -> bool {
    ["duck-session/tests", "duck-core/tests", ""]
        .iter()
        .filter_map(|folder| std::fs::read_to_string(root().join(folder).join(file)).ok())
        .any(|source| is_in(&source, test))
}

/// The rows of the tables of promises: promise, how, default, tests.
fn security_rows() -> Vec<[String; 4]> {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let row: [&str; 4] = cells.try_into().ok()?;
        Some(row.map(str::to_owned))
    });
    rows.filter(|row| row[0] != "promise" && row[0] != "---")
        .collect()
}

#[test]
fn every_promise_of_security_names_rules_or_tests_that_are_there() {
    let rules = rows();
    let rows = security_rows();
    assert!(rows.len() > 40, "{}", rows.len());
    for [promise, _, _, tests] in rows {
        let mut named = 0;
        for held in tests.split([',', ';']) {
            let held = held.trim();
            if let Some((file, test)) = held.trim_matches('`').split_once("::") {
                assert!(is_there(file, test), "{promise} there is no {held}");
            } else {
                let rule = held
                    .trim_start_matches("rules ")
                    .trim_start_matches("rule ");
                assert!(
                    rules.contains_key(rule),
                    "{promise} there is no rule {held:?}"
                );
            }
            named += 1;
        }
        assert!(named > 0, "{promise}");
    }
}

/// `KEY = value` and `KEY` unset, as `docs/settings.md` has them.
#[test]
fn every_default_of_security_is_that_of_the_settings() {
    let page = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let default = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let key = cells.next()?.trim_end_matches('`').to_owned();
        Some((key, cells.nth(1)?.trim_matches('`').to_owned()))
    };
    let defaults: BTreeMap<_, _> = page.lines().filter_map(default).collect();
    for [promise, _, default, _] in security_rows() {
        if default.starts_with("always") {
            continue;
        }
        for setting in default.split(", `") {
            let setting = setting.trim_start_matches('`');
            let (key, value) = match setting.split_once(" = ") {
                Some((key, value)) => (key, value.trim_end_matches('`')),
                None => (setting.trim_end_matches("` unset"), "unset"),
            };
            let real = defaults.get(key).map(String::as_str);
            assert_eq!(real, Some(value), "{promise} {setting}");
        }
    }
}

/// Whether a function has this name. In one file a macro writes the function.
fn is_in(source: &str, test: &str) -> bool {
    ["(", "<"]
        .iter()
        .any(|next| source.contains(&format!("fn {test}{next}")))
        || source.contains(&format!("{test}: \""))
}
