//! The tables of checks in the guide.

use std::collections::HashSet;

use duck_session::conformance::Report;

/// The first two columns of the table under a heading: check and promise. The third says what the check finds.
fn table(heading: &str) -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../../docs/writing-a-cache.md");
    let lines = page
        .lines()
        .skip_while(|line| line.trim_start_matches('#').trim() != heading);
    let section = lines.skip(1).take_while(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let (name, promise) = (cells.next()?.trim_end_matches('`'), cells.next()?);
        let finds = cells.next()?;
        assert!(!finds.is_empty(), "{name} finds nothing");
        Some((name, promise))
    };
    section.filter_map(row).collect()
}

/// Asserts that the guide lists the checks of this report in their order, and that each is among those that
/// are known to find a mistake.
pub(crate) fn check_guide(heading: &str, report: &Report, known: &[&str]) {
    let checks = report.checks().iter();
    let checks: Vec<_> = checks.map(|check| (check.name, check.promise)).collect();
    assert_eq!(table(heading), checks);
    let names: HashSet<_> = checks.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known.iter().copied().collect());
}
