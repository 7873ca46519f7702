//! The tables of checks in the guide.

use duck_session::conformance::Report;

/// A check and its promise.
type Row = (&'static str, &'static str);

/// The first two columns of the table under a heading: check and promise. The third says what the check finds.
pub(crate) fn table(heading: &str) -> Vec<Row> {
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

/// The checks of a report, each with its promise.
pub(crate) fn checks(report: &Report) -> Vec<Row> {
    let checks = report.checks().iter();
    checks.map(|check| (check.name, check.promise)).collect()
}
