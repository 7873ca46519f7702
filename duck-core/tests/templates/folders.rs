//! Where templates come from, and which of several is used.

use std::os::unix::fs::symlink;

use include_dir::{Dir, include_dir};

use super::*;

#[tokio::test]
async fn an_edit_shows_at_the_next_request() {
    let folder = folder(&[
        ("page.html", "{% include 'part.html' %}"),
        ("part.html", "one"),
    ]);
    let site = TestClient::start(app(&folder).urls([path("/", page)])).await;
    assert_eq!(site.get("/").await.text(), "one");
    write(folder.path(), "part.html", "another");
    assert_eq!(site.get("/").await.text(), "another");
    write(folder.path(), "part.html", "\n{{ broken");
    let broken = site.get("/").await;
    assert!(
        broken.text().contains("(template part.html:2)"),
        "{}",
        broken.text()
    );
    fs::remove_file(folder.path().join("part.html")).unwrap();
    let gone = site.get("/").await;
    assert!(
        gone.text().contains("(template page.html:1)"),
        "{}",
        gone.text()
    );
    write(folder.path(), "part.html", "back");
    assert_eq!(site.get("/").await.text(), "back");
}

#[tokio::test]
async fn in_production_a_template_is_read_once() {
    let folder = folder(&[("page.html", "one")]);
    let app = app(&folder).setting("DEBUG", false).urls([path("/", page)]);
    let site = TestClient::start(app).await;
    fs::remove_file(folder.path().join("page.html")).unwrap();
    assert_eq!(site.get("/").await.text(), "one");
}

#[tokio::test]
async fn the_first_folder_that_has_a_template_counts() {
    let (first, second) = (
        folder(&[("a.html", "first")]),
        folder(&[
            ("a.html", "second"),
            ("page.html", "second's {% include 'a.html' %}"),
        ]),
    );
    let app = app(&first)
        .with(Templates::on_disk([second.path()]))
        .urls([path("/", page)]);
    let site = TestClient::start(app).await;
    assert_eq!(site.get("/").await.text(), "second's first");
    write(first.path(), "page.html", "now here");
    assert_eq!(
        site.get("/").await.text(),
        "now here",
        "a template that another one now stands before"
    );
    fs::remove_file(first.path().join("page.html")).unwrap();
    assert_eq!(site.get("/").await.text(), "second's first");
}

#[tokio::test]
async fn a_blueprint_brings_templates_behind_the_sites_own() {
    async fn view(request: Request) -> Result<Response> {
        render(&request, "shop/page.html", context! {}).await
    }
    let own = folder(&[("base.html", "<site>{% block main %}{% endblock %}</site>")]);
    let shop = folder(&[
        ("base.html", "not used"),
        (
            "shop/page.html",
            "{% extends 'base.html' %}{% block main %}{% include 'shop/deep.html' %}{% endblock %}",
        ),
    ]);
    let deep = folder(&[("shop/deep.html", "deep"), ("shop/page.html", "not used")]);
    let inner = Blueprint::new("inner")
        .templates(Templates::on_disk([deep.path()]))
        .urls([path("/x", view)]);
    let shop = Blueprint::new("shop")
        .templates(Templates::on_disk([shop.path()]))
        .urls([path("/", view)])
        .urls(inner);
    let site = TestClient::start(app(&own).urls(shop)).await;
    assert_eq!(site.get("/shop/").await.text(), "<site>deep</site>");
}

#[tokio::test]
async fn a_blueprints_templates_do_without_the_sites() {
    let templates = folder(&[("page.html", "shop")]);
    let shop = Blueprint::new("shop")
        .templates(Templates::on_disk([templates.path()]))
        .urls([path("/", page)]);
    let site = TestClient::start(App::new(Settings::default()).urls(shop)).await;
    assert_eq!(site.get("/shop/").await.text(), "shop");
}

static SITE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/tests/templates/site");

#[tokio::test]
async fn templates_may_be_part_of_the_program() {
    async fn any(request: Request, name: String) -> Result<Response> {
        render(&request, &name, context! {}).await
    }
    for debug in [true, false] {
        let app =
            App::new(Settings::default().with("DEBUG", debug)).with(Templates::embedded(&SITE));
        let app = app.urls([path("/", page).name("home"), path("/any/<path:name>", any)]);
        let site = TestClient::start(app).await;
        assert_eq!(site.get("/").await.text(), "<main>home</main>");
        for name in [
            ".hidden.html",
            "parts/..%2fbase.html",
            "%2fbase.html",
            "parts",
        ] {
            let page = site.get(&format!("/any/{name}")).await;
            assert_eq!(page.status(), 500, "{name}");
        }
    }
}

#[tokio::test]
async fn the_macro_finds_a_folder_of_the_crate() {
    let app = App::new(Settings::default())
        .with(duck::templates!("$CARGO_MANIFEST_DIR/tests/templates/site"))
        .urls([path("/", page).name("home")]);
    let site = TestClient::start(app).await;
    assert_eq!(site.get("/").await.text(), "<main>home</main>");
}

#[tokio::test]
async fn links_are_followed_and_may_go_round() {
    let elsewhere = folder(&[("shared.html", "shared")]);
    let folder = folder(&[(
        "page.html",
        "{% include 'link.html' %}{% include 'more/shared.html' %}",
    )]);
    symlink(
        elsewhere.path().join("shared.html"),
        folder.path().join("link.html"),
    )
    .unwrap();
    symlink(elsewhere.path(), folder.path().join("more")).unwrap();
    symlink(folder.path(), folder.path().join("round")).unwrap();
    symlink(folder.path(), elsewhere.path().join("back")).unwrap();
    symlink("nowhere", folder.path().join("broken.html")).unwrap();
    let app = app(&folder).setting("DEBUG", false).urls([path("/", page)]);
    let site = TestClient::start(app).await;
    assert_eq!(site.get("/").await.text(), "sharedshared");
}
