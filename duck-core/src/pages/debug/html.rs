//! A report as a page that needs no script, no picture and nothing from elsewhere.

use super::report::{Report, Table};
use super::source::Line;
use super::text::text;
use crate::pages::escape::escape_html;

/// What a debug page adds to the style of every error page.
pub(in crate::pages) const STYLE: &str = "\
main{max-width:64rem;margin:2rem auto}\
h1{margin-top:0}\
h2{font-size:1.1rem;margin:2rem 0 .5rem}\
.cause{font-size:1.15rem;white-space:pre-wrap}\
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875rem}\
pre{padding:.5rem 0;margin:.5rem 0;tab-size:4}\
pre span{display:block;padding:0 .75rem 0 4.5rem;text-indent:-3.75rem}\
pre i{display:inline-block;width:3rem;margin-right:.75rem;text-indent:0;text-align:right;font-style:normal;color:var(--dim);user-select:none}\
pre .meant{background:var(--mark)}\
pre .meant i{color:inherit}\
pre.text{padding:.75rem}\
table{border-collapse:collapse;width:100%;table-layout:fixed}\
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);font-weight:normal;white-space:pre-wrap}\
th{width:32%;font-size:.875rem;color:var(--dim)}\
@media(max-width:40rem){th,td{display:block;width:auto}th{border:0;padding-bottom:0}td{padding-top:0}}\
.routes li{margin:.3rem 0}\
summary{color:var(--dim)}";

/// What stands in `main`.
pub(in crate::pages) fn html(title: &str, report: &Report) -> String {
    let mut page = format!("<h1>{title}</h1>\n");
    causes(&mut page, &report.causes);
    for place in &report.places {
        let name = escape_html(&place.name);
        page += &format!("<p>at <code>{name}\n</code></p>\n");
        if let Some(excerpt) = &place.excerpt {
            lines(&mut page, excerpt);
        }
    }
    routes(&mut page, report);
    for part in &report.tables {
        table(&mut page, part);
    }
    let text = text(report);
    let text = escape_html(&text);
    page += &format!(
        "<h2>To copy</h2>\n<details><summary>As text</summary><pre class=\"text\">{title}\n{text}</pre></details>\n\
             <p class=\"dim\"><small>Shown because DEBUG is on. Visitors see a page without any of this when it is off.</small></p>\n"
    );
    page
}

fn causes(page: &mut String, causes: &[String]) {
    let mut causes = causes.iter().map(|cause| escape_html(cause));
    if let Some(first) = causes.next() {
        *page += &format!("<p class=\"cause\"><strong>{first}</strong></p>\n");
    }
    let behind: String = causes.map(|cause| format!("<li>{cause}</li>")).collect();
    if !behind.is_empty() {
        *page += &format!("<p class=\"dim\">because of</p>\n<ol class=\"cause\">{behind}</ol>\n");
    }
}

fn lines(page: &mut String, lines: &[Line]) {
    page.push_str("<pre>");
    for line in lines {
        let class = if line.is_meant {
            " class=\"meant\""
        } else {
            ""
        };
        let text = escape_html(&line.text);
        *page += &format!("<span{class}><i>{}</i>{text}\n</span>", line.number);
    }
    page.push_str("</pre>\n");
}

fn routes(page: &mut String, report: &Report) {
    if report.routes.is_empty() {
        return;
    }
    page.push_str(
        "<h2>URL patterns that were tried, the nearest first</h2>\n<ol class=\"routes\">",
    );
    for tried in &report.routes {
        let (methods, path) = (escape_html(&tried.methods), escape_html(&tried.path));
        let why = escape_html(&tried.why);
        *page += &format!(
            "<li><code>{methods} <strong>{path}</strong></code><br><span class=\"dim\">{why}</span></li>"
        );
    }
    page.push_str("</ol>\n");
    if report.more_routes > 0 {
        *page += &format!("<p class=\"dim\">and {} more</p>\n", report.more_routes);
    }
}

fn table(page: &mut String, table: &Table) {
    *page += &format!("<h2>{}</h2>\n", table.title);
    if table.rows.is_empty() {
        *page += &format!("<p class=\"dim\">{}</p>\n", table.note);
        return;
    }
    page.push_str("<table>");
    for (name, value) in &table.rows {
        let (name, value) = (escape_html(name), escape_html(value));
        *page += &format!("<tr><th scope=\"row\">{name}</th><td><code>{value}</code></td></tr>");
    }
    page.push_str("</table>\n");
}
