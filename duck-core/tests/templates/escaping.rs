//! What a template's ending means.

use super::*;

#[tokio::test]
async fn the_ending_says_how_values_are_escaped_and_what_the_page_is() {
    async fn view(request: Request, name: String) -> Result<Response> {
        render(&request, &name, context! { x => "<a href='b'>&" }).await
    }
    let html = "&lt;a href=&#39;b&#39;&gt;&amp;";
    let json = r#""<a href='b'>&""#;
    let expected = [
        ("p.html", html, "text/html; charset=utf-8"),
        ("p.HTM", html, "text/html; charset=utf-8"),
        ("p", html, "text/html; charset=utf-8"),
        ("p.html.j2", html, "text/html; charset=utf-8"),
        ("p.txt.unknown", html, "text/html; charset=utf-8"),
        ("p.svg", html, "image/svg+xml"),
        ("p.xml", html, "application/xml"),
        ("p.rss", html, "application/rss+xml"),
        ("p.atom", html, "application/atom+xml"),
        ("p.json", json, "application/json"),
        ("p.js", json, "text/javascript; charset=utf-8"),
        ("p.txt", "<a href='b'>&", "text/plain; charset=utf-8"),
        ("p.html.txt", "<a href='b'>&", "text/plain; charset=utf-8"),
        ("p.md", "<a href='b'>&", "text/markdown; charset=utf-8"),
        ("p.csv", "<a href='b'>&", "text/csv; charset=utf-8"),
        ("p.css", "<a href='b'>&", "text/css; charset=utf-8"),
    ];
    let templates = expected.map(|(name, ..)| (name, "{{ x }}"));
    let folder = folder(&templates);
    let site = TestClient::start(app(&folder).urls([path("/<name>", view)])).await;
    for (name, text, media_type) in expected {
        let page = site.get(&format!("/{name}")).await;
        assert_eq!(
            (page.text(), page.header("content-type")),
            (text, Some(media_type)),
            "{name}"
        );
    }
}
