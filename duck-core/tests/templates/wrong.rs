//! Templates that fail: what is said, and about which line.

use duck::pages::minijinja;

use super::*;

#[tokio::test]
async fn a_missing_name_is_an_error_in_production_too() {
    let folder = folder(&[("page.html", "<h1>\n{{ titel }}</h1>")]);
    for debug in [true, false] {
        let app = app(&folder).setting("DEBUG", debug).urls([path("/", page)]);
        let page = TestClient::start(app).await.get("/").await;
        assert_eq!(page.status(), 500);
        let told = page
            .text()
            .contains("undefined value: `titel` is undefined (template page.html:2)");
        assert_eq!(told, debug, "{}", page.text());
        assert_eq!(page.text().contains("page.html"), debug);
    }
    assert_eq!(
        text_of("{{ titel|default('none') }} {{ titel is defined }}").await,
        "none False"
    );
}

#[tokio::test]
async fn an_error_has_the_innermost_template_and_the_views_line() {
    async fn view(request: Request) -> Result<Response> {
        let line = line!() + 1;
        let page = render(&request, "a.html", context! {}).await;
        let error = page.unwrap_err();
        assert_eq!(
            error.place().unwrap().to_string(),
            format!("{}:{line}", file!())
        );
        let template: &TemplateError = error.downcast_ref().unwrap();
        assert_eq!(
            (template.template(), template.line()),
            ("part.html", Some(2))
        );
        assert_eq!(template.message(), "undefined value: `x` is undefined");
        let lines: Vec<_> = template.source_lines(1).collect();
        assert_eq!(lines, [(1, "<p>"), (2, "{{ x.y }}"), (3, "</p>")]);
        assert_eq!(template.source_lines(0).count(), 1);
        assert_eq!(template.source_lines(usize::MAX).count(), 4);
        Ok(text("seen"))
    }
    let part = "<p>\n{{ x.y }}\n</p>\n<hr>";
    let folder = folder(&[
        ("a.html", "\n\n{% include 'part.html' %}"),
        ("part.html", part),
    ]);
    let site = TestClient::start(app(&folder).urls([path("/", view)])).await;
    assert_eq!(site.get("/").await.text(), "seen");
}

#[tokio::test]
async fn a_template_that_is_not_there_is_named() {
    async fn view(request: Request) -> Result<Response> {
        let error = render(&request, "nowhere.html", context! {})
            .await
            .unwrap_err();
        let template: &TemplateError = error.downcast_ref().unwrap();
        assert_eq!(
            (template.template(), template.line()),
            ("nowhere.html", None)
        );
        assert_eq!(template.source_lines(5).count(), 0);
        Ok(text(error.to_string()))
    }
    let folder = folder(&[]);
    let site = TestClient::start(app(&folder).urls([path("/", view)])).await;
    let page = site.get("/").await;
    assert!(
        page.text().contains("\"nowhere.html\" does not exist"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn what_a_function_fails_with_is_the_cause() {
    async fn view(request: Request) -> Result<Response> {
        let error = render(&request, "page.html", context! {})
            .await
            .unwrap_err();
        Ok(text(error.chain()))
    }
    let folder = folder(&[("page.html", "{{ weigh('much') }}")]);
    let app = app(&folder)
        .urls([path("/", view)])
        .with(async |setup: &mut Setup<'_>| {
            setup.template_function("weigh", |text: String| {
                text.parse::<u32>().map_err(|why| {
                    let kind = minijinja::ErrorKind::InvalidOperation;
                    minijinja::Error::new(kind, "no weight").with_source(why)
                })
            });
            Ok(())
        });
    let page = TestClient::start(app).await.get("/").await;
    assert_eq!(
        page.text(),
        "invalid operation: no weight (template page.html:1): invalid digit found in string"
    );
}

#[tokio::test]
async fn an_include_that_is_not_there_names_the_line_that_asks_for_it() {
    let text = text_of("a\n{% include 'nowhere.html' %}").await;
    assert!(
        text.contains("nowhere.html") && text.contains("(template page.html:2)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_name_cannot_leave_the_folder() {
    async fn view(request: Request) -> Result<Response> {
        let name: String = request.query::<Vec<(String, String)>>()?.remove(0).1;
        render(&request, &name, context! {}).await
    }
    let outer = tempfile::tempdir().unwrap();
    write(outer.path(), "secret.html", "secret");
    write(
        outer.path(),
        "templates/page.html",
        "{% include request.path %}",
    );
    write(outer.path(), "templates/.hidden.html", "secret");
    write(outer.path(), "templates/page.html~", "secret");
    let secret = outer.path().join("secret.html").display().to_string();
    let app = App::new(Settings::default())
        .with(Templates::on_disk([outer.path().join("templates")]))
        .urls([path("/", view)]);
    let site = TestClient::start(app).await;
    for name in [
        "../secret.html",
        "./page.html",
        "x/../../secret.html",
        &secret,
        "//page.html",
        "/page.html",
        "page.html/",
        "",
        "page.html\0",
        "..\\secret.html",
        "C:page.html",
        ".hidden.html",
        "page.html~",
        "page.html/../page.html",
        "x\0/../page.html",
    ] {
        let query: String = encoded(name);
        let page = site.get(&format!("/?name={query}")).await;
        assert_eq!(page.status(), 500, "{name:?}: {}", page.text());
        assert!(!page.text().contains("secret"), "{name:?}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn a_template_that_includes_itself_ends() {
    for text in [
        "{% include 'page.html' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% extends 'page.html' %}",
        "{% from 'page.html' import x %}",
    ] {
        let page = text_of(text).await;
        assert!(page.contains("500"), "{text}: {page}");
    }
}

#[tokio::test]
async fn a_site_without_templates_says_how_to_add_them() {
    let site = App::new(Settings::default().with("DEBUG", true)).urls([path("/", page)]);
    let page = TestClient::start(site).await.get("/").await;
    assert!(
        page.text().contains(".with(duck::templates!())"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn no_value_of_the_page_is_in_the_error() {
    async fn view(request: Request) -> Result<Response> {
        let error = render(&request, "page.html", context! { password => "swordfish" })
            .await
            .unwrap_err();
        Ok(text(format!("{error:?} {error} {:?}", error.cause())))
    }
    let folder = folder(&[("page.html", "{{ password.length.what }}")]);
    let site = TestClient::start(app(&folder).urls([path("/", view)])).await;
    let page = site.get("/").await;
    assert!(
        page.text().contains("page.html:1") && !page.text().contains("swordfish"),
        "{}",
        page.text()
    );
}
