//! What each request costs and sends: every thing a view can do with a session, under every way a
//! request can end, for every kind of visitor. What the rules say of a cell (`rules.rs`) is held
//! against what the middleware does (`run.rs`), and the whole table stands in
//! `docs/write-table.md`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod counting;
mod page;
mod rules;
mod run;
#[expect(dead_code, reason = "the sessions' tests use the rest of it")]
#[path = "../sessions/support.rs"]
mod support;

use std::path::Path;

use crate::rules::{Cell, Operation, Outcome, Visitor};

/// Every cell there is, with what became of it.
async fn cells() -> Vec<(Visitor, Operation, Outcome, Cell)> {
    let mut cells = Vec::new();
    for visitor in Visitor::ALL {
        for operation in Operation::ALL {
            for outcome in Outcome::ALL {
                let cell = run::cell(visitor, operation, outcome).await;
                cells.push((visitor, operation, outcome, cell));
            }
        }
    }
    cells
}

#[tokio::test(start_paused = true)]
async fn every_cell_is_as_the_rules_say() {
    let cells = cells().await;
    assert_eq!(
        cells.len(),
        Visitor::ALL.len() * Operation::ALL.len() * Outcome::ALL.len()
    );
    let wrong: Vec<_> = cells
        .iter()
        .filter_map(|&(visitor, operation, outcome, cell)| {
            let expected = rules::expected(visitor, operation, outcome);
            (cell != expected).then(|| {
                format!(
                    "{visitor:?}, {operation:?}, {outcome:?}\n  is   {cell:?}\n  want {expected:?}"
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    compare_with_page(&page::write(&cells));
}

/// The page is what this test prints; `DUCK_RENEW=1` in the environment has it written anew.
fn compare_with_page(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/write-table.md");
    if std::env::var_os("DUCK_RENEW").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == table,
        "docs/write-table.md is not what the middleware does. If that is meant to be so:\n\
         DUCK_RENEW=1 cargo test -p duck-session --test write_table\n\n{table}"
    );
}
