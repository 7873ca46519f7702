//! The published suites on every storage that comes with Duck and on one of five methods, and on storages
//! that are broken on purpose: each has to fail.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broken_caches;
mod broken_stores;
mod guide;
mod stores;

use std::fmt::Debug;

use duck_session::conformance::Suite;
use futures_util::future::join_all;

/// Each mistake is found by the check that is named beside it, which runs alone.
async fn each_is_found<M: Copy + Debug>(found_by: &[(M, &str)], suite: impl Fn(M) -> Suite) {
    let suites = found_by
        .iter()
        .map(|&(mistake, name)| suite(mistake).only(name).report());
    let reports = join_all(suites).await;
    let missed = found_by
        .iter()
        .zip(&reports)
        .filter_map(|((mistake, name), report)| {
            let is_found = report.broken().any(|check| check.name == *name);
            (!is_found).then(|| format!("{mistake:?} was not found by {name}"))
        });
    let missed: Vec<_> = missed.collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
