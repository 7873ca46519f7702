//! A report in short: for a terminal, and for programs.

use serde_json::{Value, json};

use super::report::Report;
use super::source::Line;

/// URL patterns that are named.
const ROUTES: usize = 5;

/// The lines below the status.
pub(in crate::pages) fn text(report: &Report) -> String {
    let mut lines = vec![report.causes.join(": ")];
    for place in &report.places {
        lines.push(format!("at {}", place.name));
        lines.extend(place.excerpt.iter().flat_map(|lines| excerpt(lines)));
    }
    for tried in report.routes.iter().take(ROUTES) {
        lines.push(format!(
            "tried {} {}: {}",
            tried.methods, tried.path, tried.why
        ));
    }
    let of_request = report
        .tables
        .first()
        .into_iter()
        .flat_map(|table| &table.rows);
    lines.extend(of_request.map(|(name, value)| match name.as_str() {
        "request" => value.clone(),
        name => format!("{name} {value}"),
    }));
    lines.join("\n") + "\n"
}

fn excerpt(lines: &[Line]) -> impl Iterator<Item = String> {
    lines.iter().map(|line| {
        let mark = if line.is_meant { '>' } else { ' ' };
        format!("{mark} {:>5} | {}", line.number, line.text)
    })
}

/// The same as members of a problem.
pub(in crate::pages) fn problem(report: &Report) -> Value {
    let routes = report.routes.iter().take(ROUTES);
    json!({
        "causes": report.causes,
        "places": report.places.iter().map(|place| &place.name).collect::<Vec<_>>(),
        "tried": routes
            .map(|tried| json!({ "methods": tried.methods, "path": tried.path, "why": tried.why }))
            .collect::<Vec<_>>(),
    })
}
