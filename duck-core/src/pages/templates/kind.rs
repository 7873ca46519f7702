//! What a template is, by the ending of its name.

use minijinja::AutoEscape;

/// The media type of what a template becomes, and how the values in it are escaped. Both go by the
/// ending of its name, so that no browser takes for HTML what was not escaped for it. An ending that is
/// not in the list is HTML.
pub(super) fn kind(name: &str) -> (&'static str, AutoEscape) {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "txt" => ("text/plain; charset=utf-8", AutoEscape::None),
        "md" => ("text/markdown; charset=utf-8", AutoEscape::None),
        "csv" => ("text/csv; charset=utf-8", AutoEscape::None),
        "css" => ("text/css; charset=utf-8", AutoEscape::None),
        "js" => ("text/javascript; charset=utf-8", AutoEscape::Json),
        "json" => ("application/json", AutoEscape::Json),
        "xml" => ("application/xml", AutoEscape::Html),
        "atom" => ("application/atom+xml", AutoEscape::Html),
        "rss" => ("application/rss+xml", AutoEscape::Html),
        "svg" => ("image/svg+xml", AutoEscape::Html),
        _ => ("text/html; charset=utf-8", AutoEscape::Html),
    }
}
