//! Which view answers which request.

use duck::prelude::*;
use duck::routing::{Param, re_path};
use duck::testing::{TestClient, TestResponse};
use duck::{Uuid, redirect, text};

fn app() -> App {
    App::new(Settings::default())
}

async fn site(patterns: impl IntoIterator<Item = UrlPattern>) -> TestClient {
    TestClient::start(app().urls(patterns)).await
}

/// Why this site cannot be built.
async fn mistake(patterns: impl IntoIterator<Item = UrlPattern>) -> String {
    match app().urls(patterns).start().await {
        Ok(_) => panic!("the site was built"),
        Err(error) => error.chain(),
    }
}

/// A view that says which one it is.
fn says(what: &'static str) -> impl AsyncView {
    move |_request: Request| std::future::ready(what)
}

/// Views made by [`says`]: a name for what `path()` asks of them.
trait AsyncView: Fn(Request) -> std::future::Ready<&'static str> + Send + Sync + 'static {}
impl<F> AsyncView for F where
    F: Fn(Request) -> std::future::Ready<&'static str> + Send + Sync + 'static
{
}

async fn name_of_route(request: Request) -> String {
    request.route_name().unwrap_or("(none)").to_owned()
}

async fn number(_request: Request, id: u32) -> String {
    format!("number {id}")
}

async fn word(_request: Request, word: String) -> String {
    word
}

fn status(response: &TestResponse) -> u16 {
    response.status().as_u16()
}

#[tokio::test]
async fn a_parameter_is_read_as_the_type_of_its_argument() {
    let site = site([path("/n/<id>", number)]).await;
    assert_eq!(site.get("/n/7").await.text(), "number 7");
    assert_eq!(site.get("/n/4294967295").await.text(), "number 4294967295");
}

#[tokio::test]
async fn text_that_the_type_cannot_read_is_no_page() {
    let site = site([path("/n/<id>", number)]).await;
    for wrong in [
        "/n/x",
        "/n/-1",
        "/n/4294967296",
        "/n/1.0",
        "/n/",
        "/n/%00",
        "/n/7%20",
        "/n/٣",
    ] {
        let wrong = wrong.replace('٣', "%D9%A3");
        assert_eq!(status(&site.get(&wrong).await), 404, "{wrong}");
    }
}

#[tokio::test]
async fn more_parameters_than_arguments_are_read_by_name() {
    async fn fifth(request: Request, a: u8) -> Result<String> {
        Ok(format!("{a} {}", request.param::<u8>("e")?))
    }
    let site = site([path("/<a>/<b>/<c>/<d>/<e>", fifth)]).await;
    assert_eq!(site.get("/1/2/3/4/5").await.text(), "1 5");
    assert_eq!(status(&site.get("/1/2/3/4/x").await), 404);
}

#[tokio::test]
async fn a_parameter_that_the_path_does_not_have_is_a_mistake_of_the_site() {
    async fn lost(request: Request) -> Result<String> {
        Ok(request.param::<String>("nmae")?)
    }
    let site = site([path("/<name>", lost)]).await;
    assert_eq!(status(&site.get("/x").await), 500);
}

#[tokio::test]
async fn any_type_that_can_be_parsed_is_a_parameter() {
    async fn address(_request: Request, Param(address): Param<std::net::SocketAddr>) -> String {
        address.port().to_string()
    }
    let site = site([path("/<address>", address)]).await;
    assert_eq!(site.get("/127.0.0.1:80").await.text(), "80");
    assert_eq!(status(&site.get("/127.0.0.1").await), 404);
}

#[tokio::test]
async fn converters_mean_what_they_mean_in_django() {
    let site = site([
        path("/int/<int:x>", says("int")),
        path("/slug/<slug:x>", says("slug")),
        path("/uuid/<uuid:x>", says("uuid")),
        path("/str/<str:x>", says("str")),
        path("/path/<path:x>", word),
    ])
    .await;
    let id = Uuid::nil();
    for there in [
        "/int/0123",
        "/slug/a-b_C9",
        &format!("/uuid/{id}"),
        "/str/a.b",
    ] {
        assert_eq!(status(&site.get(there).await), 200, "{there}");
    }
    for not_there in [
        "/int/-1",
        "/int/1a",
        "/slug/a.b",
        "/slug/caf%C3%A9",
        "/uuid/7",
        "/str/a/b",
        "/path/",
    ] {
        assert_eq!(status(&site.get(not_there).await), 404, "{not_there}");
    }
    assert_eq!(site.get("/path/a/b%20c/").await.text(), "a/b c/");
}

#[tokio::test]
async fn fixed_text_comes_before_a_parameter_wherever_it_is_listed() {
    let site = site([
        path("/notes/<id>", says("one note")),
        path("/notes/new", says("new note")),
        path("/notes/<id>/edit", says("edit")),
        path("/notes/new/help", says("help")),
    ])
    .await;
    assert_eq!(site.get("/notes/new").await.text(), "new note");
    assert_eq!(site.get("/notes/newer").await.text(), "one note");
    assert_eq!(site.get("/notes/new/help").await.text(), "help");
    assert_eq!(
        site.get("/notes/new/edit").await.text(),
        "edit",
        "a note may be called `new`"
    );
    assert_eq!(status(&site.get("/notes/7/edits").await), 404);
}

#[tokio::test]
async fn fixed_text_beats_the_rest_of_the_path() {
    let site = site([
        path("/<path:rest>", says("rest")),
        path("/here", says("here")),
        path("/", says("root")),
    ])
    .await;
    assert_eq!(site.get("/here").await.text(), "here");
    assert_eq!(site.get("/here/there").await.text(), "rest");
    assert_eq!(site.get("/").await.text(), "root");
}

#[tokio::test]
async fn a_name_gives_the_path_back() {
    async fn links(request: Request) -> Result<String> {
        Ok([
            request.url("home", ())?,
            request.url("note", [7])?,
            request.url("file", ("a b", "c/d e"))?,
        ]
        .join(" "))
    }
    let site = site([
        path("/", links).name("home"),
        path("/notes/<int:id>", number).name("note"),
        path("/files/<owner>/<path:rest>", says("file")).name("file"),
    ])
    .await;
    assert_eq!(
        site.get("/").await.text(),
        "/ /notes/7 /files/a%20b/c/d%20e"
    );
}

#[tokio::test]
async fn every_url_that_is_made_leads_back_to_its_page() {
    async fn make(request: Request) -> Result<String> {
        Ok(request.url("word", [request.text().await?])?)
    }
    let site = site([
        path("/w/<word>", word).name("word"),
        path("/make", make).methods([POST]),
    ])
    .await;
    for word in [
        "a",
        "a/b",
        "a b",
        "ä€😀",
        "%",
        "100%25",
        "?#&=+",
        "a\\b",
        "...",
        "a..",
        "%2e%2e",
        "<b>\"'",
        "{x}",
        ";,@:!$",
    ] {
        let url = site
            .post("/make")
            .body("text/plain", word)
            .await
            .text()
            .to_owned();
        assert_eq!(site.get(&url).await.text(), word, "at {url}");
    }
}

/// Browsers take the dots out of a path before they send it, so that no such URL leads back.
#[tokio::test]
async fn no_value_makes_a_url_lead_elsewhere() {
    async fn url(request: Request, name: String) -> Result<String> {
        Ok(request.url(&name, [request.text().await?])?)
    }
    async fn to(request: Request, name: String) -> Result<Response> {
        redirect(&request, &name, [request.text().await?])
    }
    let site = site([
        path("/w/<word>", says("word")).name("word"),
        path("/w/<word>/edit", says("edit")).name("edit"),
        path("/dot/.<word>", says("dot")).name("dot"),
        path("/rest/<path:rest>", says("rest")).name("rest"),
        path("/<path:all>", says("all")).name("all"),
        path("/make/<name>", url).methods([POST]),
        path("/to/<name>", to).methods([POST]),
    ])
    .await;
    for (name, value) in [
        ("word", "."),
        ("word", ".."),
        ("edit", ".."),
        ("dot", "."),
        ("dot", ""),
        ("rest", ".."),
        ("rest", "a/../../admin"),
        ("rest", "a/."),
        ("rest", "./a"),
        ("all", ".."),
        ("all", "/evil.example"),
        ("all", "//evil.example"),
        ("all", "/"),
    ] {
        for page in ["make", "to"] {
            let page = site.post(&format!("/{page}/{name}"));
            let page = page.body("text/plain", value).await;
            assert_eq!(page.status(), 500, "{name} {value:?}");
            assert_eq!(page.header("location"), None);
        }
    }
    for (name, value, url) in [
        ("word", "...", "/w/..."),
        ("word", "/..", "/w/%2F.."),
        ("word", "%2e%2e", "/w/%252e%252e"),
        ("dot", "well-known", "/dot/.well-known"),
        ("rest", "a/..b/.c", "/rest/a/..b/.c"),
        ("all", "\\evil.example", "/%5Cevil.example"),
    ] {
        let made = site.post(&format!("/make/{name}"));
        let made = made.body("text/plain", value).await;
        assert_eq!(made.text(), url);
        let sent = site.post(&format!("/to/{name}"));
        let sent = sent.body("text/plain", value).await;
        assert_eq!(sent.header("location"), Some(url));
    }
}

#[tokio::test]
async fn a_wrong_name_or_value_is_a_500_that_names_the_nearest() {
    async fn wrong_name(request: Request) -> Result<String> {
        Ok(request.url("hmoe", ())?)
    }
    async fn wrong_value(request: Request) -> Result<String> {
        Ok(request.url("note", ["x"])?)
    }
    let debug = TestClient::start(app().setting("DEBUG", true).urls([
        path("/", says("home")).name("home"),
        path("/a", wrong_name),
        path("/b", wrong_value),
        path("/notes/<int:id>", number).name("note"),
    ]))
    .await;
    let page = debug.get("/a").await;
    assert_eq!(status(&page), 500);
    assert!(
        page.text().contains("did you mean \"home\"?"),
        "{}",
        page.text()
    );
    let page = debug.get("/b").await;
    assert_eq!(status(&page), 500);
    assert!(
        page.text().contains("does not fit its parameter `id`"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn a_redirect_by_name_is_a_303_to_its_path() {
    async fn create(request: Request) -> Result<Response> {
        redirect(&request, "note", [7])
    }
    let site = site([
        path("/notes", create).methods([POST]),
        path("/notes/<id>", number).name("note"),
    ])
    .await;
    let response = site.post("/notes").await;
    assert_eq!(status(&response), 303);
    assert_eq!(response.header("location"), Some("/notes/7"));
}

#[tokio::test]
async fn groups_of_an_expression_are_parameters() {
    async fn named(request: Request, year: u16) -> Result<String> {
        Ok(format!("{year} {}", request.param::<String>("slug")?))
    }
    async fn unnamed(request: Request, a: u8, b: u8) -> Result<String> {
        Ok(format!("{a} {b} {}", request.param::<u8>("2")?))
    }
    let site = site([
        re_path(r"/archive/(?<year>\d{4})/(?<slug>[a-z]+)", named),
        re_path(r"/pair/(\d+)-(\d+)", unnamed),
    ])
    .await;
    assert_eq!(site.get("/archive/2026/duck").await.text(), "2026 duck");
    assert_eq!(site.get("/pair/1-2").await.text(), "1 2 2");
    assert_eq!(status(&site.get("/pair/1-999").await), 404, "no u8");
}

#[tokio::test]
async fn an_expression_matches_the_whole_path_or_nothing() {
    let site = site([
        re_path(r"/a|/b", says("a or b")),
        re_path(r"^/c$", says("c")),
    ])
    .await;
    for there in ["/a", "/b", "/c"] {
        assert_eq!(status(&site.get(there).await), 200, "{there}");
    }
    for not_there in ["/ax", "/x/b", "/a%0A", "/c%0A", "/b%0Ax"] {
        assert_eq!(status(&site.get(not_there).await), 404, "{not_there}");
    }
}

#[tokio::test]
async fn a_group_that_did_not_take_part_is_no_page_for_a_number_and_empty_as_text() {
    async fn maybe(_request: Request, page: String) -> String {
        format!("[{page}]")
    }
    let site = site([re_path(r"/list(?:/(\d+))?", maybe)]).await;
    assert_eq!(site.get("/list/2").await.text(), "[2]");
    assert_eq!(site.get("/list").await.text(), "[]");
}

#[tokio::test]
async fn paths_come_before_expressions_and_expressions_in_their_order() {
    let site = site([
        re_path(r"/x/.*", says("first")),
        re_path(r"/x/y", says("second")),
        path("/x/z", says("path")),
    ])
    .await;
    assert_eq!(site.get("/x/y").await.text(), "first");
    assert_eq!(site.get("/x/z").await.text(), "path");
}

#[tokio::test]
async fn an_expression_gets_what_a_converter_refuses() {
    let site = site([
        path("/<int:x>", says("number")),
        re_path(r"/[a-z]+", says("word")),
    ])
    .await;
    assert_eq!(site.get("/7").await.text(), "number");
    assert_eq!(site.get("/seven").await.text(), "word");
}

#[tokio::test]
async fn a_blueprint_has_a_prefix_and_names_of_its_own() {
    async fn item_url(request: Request) -> Result<String> {
        Ok(request.url("shop.item", [7])?)
    }
    let shop = Blueprint::new("shop").urls([
        path("/", item_url).name("index"),
        path("/<int:id>", number).name("item"),
        re_path(r"^/tag-(\w+)", word).name("tag"),
    ]);
    let site = site(shop).await;
    assert_eq!(site.get("/shop/").await.text(), "/shop/7");
    assert_eq!(site.get("/shop/7").await.text(), "number 7");
    assert_eq!(site.get("/shop/tag-red").await.text(), "red");
    assert_eq!(status(&site.get("/7").await), 404);
}

#[tokio::test]
async fn the_prefix_of_a_blueprint_is_text_to_its_expressions() {
    let site = site(
        Blueprint::new("v1")
            .prefix("/v1.0")
            .urls([re_path("/a|/b", says("x"))]),
    )
    .await;
    assert_eq!(status(&site.get("/v1.0/a").await), 200);
    assert_eq!(
        status(&site.get("/v1.0/b").await),
        200,
        "both alternatives stand behind the prefix"
    );
    assert_eq!(status(&site.get("/v1x0/a").await), 404);
    assert_eq!(status(&site.get("/b").await), 404);
}

#[tokio::test]
async fn blueprints_nest() {
    let admin = Blueprint::new("admin").urls([path("/users/<id>", name_of_route).name("user")]);
    let shop = Blueprint::new("shop").prefix("/s").urls(admin);
    let site = site(shop).await;
    assert_eq!(site.get("/s/admin/users/7").await.text(), "shop.admin.user");
}

#[tokio::test]
async fn a_blueprint_without_prefix_stands_at_the_root() {
    let site = site(
        Blueprint::new("pages")
            .prefix("/")
            .urls([path("/", name_of_route).name("home")]),
    )
    .await;
    assert_eq!(site.get("/").await.text(), "pages.home");
}

#[tokio::test]
async fn a_method_that_no_view_answers_is_told_which_would() {
    let site = site([
        path("/a", says("get")),
        path("/b", says("post")).methods([POST]),
        path("/c", says("get")),
        path("/c", says("put or delete")).methods([PUT, DELETE]),
    ])
    .await;
    for (method, path, allow) in [
        (POST, "/a", "GET, HEAD, OPTIONS"),
        (GET, "/b", "OPTIONS, POST"),
        (Method::HEAD, "/b", "OPTIONS, POST"),
        (PATCH, "/c", "DELETE, GET, HEAD, OPTIONS, PUT"),
        (
            Method::from_bytes(b"BREW").unwrap(),
            "/a",
            "GET, HEAD, OPTIONS",
        ),
        (
            Method::from_bytes(b"get").unwrap(),
            "/a",
            "GET, HEAD, OPTIONS",
        ),
        (Method::TRACE, "/a", "GET, HEAD, OPTIONS"),
    ] {
        let response = site.request(method.clone(), path).await;
        assert_eq!(status(&response), 405, "{method} {path}");
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(response.headers().get_all("allow").iter().count(), 1);
    }
}

#[tokio::test]
async fn options_are_answered_unless_a_view_does() {
    let site = site([
        path("/a", says("x")).methods([GET, POST]),
        path("/b", says("my own")).methods([Method::OPTIONS]),
    ])
    .await;
    let response = site.request(Method::OPTIONS, "/a").await;
    assert_eq!(status(&response), 204);
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(site.request(Method::OPTIONS, "/b").await.text(), "my own");
    assert_eq!(status(&site.request(Method::OPTIONS, "/c").await), 404);
}

#[tokio::test]
async fn head_has_the_headers_and_the_length_of_get_and_no_body() {
    async fn page(request: Request) -> Result<Response> {
        Ok(text(format!(
            "{} is told all of it",
            request.method().as_str().len()
        ))
        .with_header("x-a", "b")?)
    }
    let site = site([
        path("/", page),
        path("/broken", async |_request: Request| -> Result<&str> {
            Err(Error::internal("x"))
        }),
    ])
    .await;
    for (path, length) in [("/", "19"), ("/missing", "14"), ("/broken", "70")] {
        let (get, head) = (site.get(path).await, site.request(Method::HEAD, path).await);
        assert_eq!(get.status(), head.status());
        assert_eq!(get.header("content-type"), head.header("content-type"));
        assert_eq!(get.header("x-a"), head.header("x-a"));
        assert_eq!(
            head.header("content-length"),
            Some(length),
            "{path}: {:?}",
            get.text()
        );
        assert_eq!(head.text(), "");
    }
}

#[tokio::test]
async fn a_view_of_its_own_answers_head_where_there_is_one() {
    async fn length(_request: Request) -> Result<Response> {
        Ok(text("").with_header("content-length", "1000")?)
    }
    let site = site([
        path("/", says("get")),
        path("/", length).methods([Method::HEAD]),
    ])
    .await;
    assert_eq!(
        site.request(Method::HEAD, "/")
            .await
            .header("content-length"),
        Some("1000")
    );
}

#[tokio::test]
async fn a_class_view_answers_the_methods_it_names() {
    struct Notes;
    impl ClassView for Notes {
        const METHODS: &'static [Method] = &[GET, POST, DELETE];
        async fn get(&self, request: Request) -> Result<Response> {
            Ok(text(request.param::<String>("id")?))
        }
        async fn post(&self, request: Request) -> Result<Response> {
            Ok(text(request.text().await?))
        }
    }
    let site = site([path("/notes/<id>", class_view(Notes))]).await;
    assert_eq!(site.get("/notes/7").await.text(), "7");
    assert_eq!(
        site.post("/notes/7").body("text/plain", "hi").await.text(),
        "hi"
    );
    assert_eq!(status(&site.request(Method::HEAD, "/notes/7").await), 200);
    let refused = site.request(PUT, "/notes/7").await;
    assert_eq!(
        (status(&refused), refused.header("allow")),
        (405, Some("DELETE, GET, HEAD, OPTIONS, POST"))
    );
    assert_eq!(
        status(&site.request(DELETE, "/notes/7").await),
        501,
        "named, but not written"
    );
}

#[tokio::test]
async fn one_path_has_many_spellings() {
    let site = site([path("/café/<x>", word), path("/~duck", says("home"))]).await;
    for spelling in ["/caf%C3%A9/x", "/caf%c3%a9/x", "/%63af%c3%A9/x"] {
        assert_eq!(site.get(spelling).await.text(), "x", "{spelling}");
    }
    assert_eq!(status(&site.get("/%7Educk").await), 200);
    assert_eq!(status(&site.get("/%7educk").await), 200);
}

#[tokio::test]
async fn a_path_may_be_sent_as_plain_utf8() {
    let site = site([path("/café/<x>", word), path("/%7Bx%7D", says("braces"))]).await;
    assert_eq!(site.get("/café/é").await.text(), "é");
    assert_eq!(site.get("/{x}").await.text(), "braces");
    assert_eq!(site.get("/%7bx%7d").await.text(), "braces");
}

#[tokio::test]
async fn a_pattern_may_be_written_as_it_is_sent() {
    let site = site([
        path("/caf%c3%a9/%41", says("coffee")),
        path("/a:b/@<word>", word),
    ])
    .await;
    assert_eq!(site.get("/café/A").await.text(), "coffee");
    assert_eq!(site.get("/a:b/@x").await.text(), "x");
}

#[tokio::test]
async fn an_encoded_slash_stays_inside_its_parameter() {
    let site = site([path("/<word>", word), path("/a/b", says("two segments"))]).await;
    assert_eq!(site.get("/a%2Fb").await.text(), "a/b");
    assert_eq!(site.get("/a%2fb").await.text(), "a/b");
    assert_eq!(site.get("/a/b").await.text(), "two segments");
}

#[tokio::test]
async fn a_percent_sign_is_decoded_once() {
    let site = site([path("/<word>", word)]).await;
    assert_eq!(site.get("/%2525").await.text(), "%25");
    assert_eq!(site.get("/%252F").await.text(), "%2F");
}

#[tokio::test]
async fn a_broken_percent_encoding_is_a_bad_request() {
    let site = site([path("/<word>", word), re_path("/.*/.*", says("any"))]).await;
    for broken in [
        "/%zz",
        "/%",
        "/a%2",
        "/%-1",
        "/%+f",
        "/x/%g0",
        "/nowhere/at/all/%",
    ] {
        assert_eq!(status(&site.get(broken).await), 400, "{broken}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_no_page() {
    let site = site([
        path("/w/<word>", word),
        path("/s/<slug:x>", says("slug")),
        path("/p/<path:x>", word),
        re_path("/r/(.*)", word),
    ])
    .await;
    for path in ["/w/%ff", "/s/%C3", "/p/a/%80", "/r/%fe", "/%ff"] {
        assert_eq!(status(&site.get(path).await), 404, "{path}");
    }
}

#[tokio::test]
async fn a_missing_or_surplus_slash_is_redirected_with_the_query() {
    let site = site([
        path("/with/", says("with")),
        path("/without", says("without")),
        path("/n/<id>", number),
    ])
    .await;
    for (asked, told) in [
        ("/with", "/with/"),
        ("/without/", "/without"),
        ("/without/?a=b&c=%20", "/without?a=b&c=%20"),
        ("/n/7/", "/n/7"),
    ] {
        let response = site.get(asked).await;
        assert_eq!(
            (status(&response), response.header("location")),
            (308, Some(told)),
            "{asked}"
        );
    }
    assert_eq!(status(&site.request(Method::HEAD, "/with").await), 308);
    assert_eq!(
        status(&site.post("/with").await),
        404,
        "no view there answers POST"
    );
    assert_eq!(status(&site.get("/without//").await), 404);
    assert_eq!(status(&site.get("/nowhere/").await), 404);
}

#[tokio::test]
async fn a_strict_site_redirects_no_slash() {
    let site = TestClient::start(app().setting("TRAILING_SLASH", "strict").urls([
        path("/with/", says("with")),
        path("/without", says("without")),
    ]))
    .await;
    for path in ["/with", "/without/"] {
        assert_eq!(status(&site.get(path).await), 404, "{path}");
    }
    let error = app()
        .setting("TRAILING_SLASH", "maybe")
        .start()
        .await
        .unwrap_err()
        .chain();
    assert!(
        error.contains("TRAILING_SLASH") && error.contains("\"strict\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_slash_redirect_never_leaves_the_site() {
    let sites = [
        site([path("/<word>", word)]).await,
        site([path("/<word>/", word)]).await,
        site([re_path("/.*[^/]", says("any"))]).await,
        site([re_path("/.*/", says("any"))]).await,
    ];
    let traps = [
        "//evil.com",
        "///evil.com",
        "/\\evil.com",
        "/%5cevil.com",
        "/%5Cevil.com",
        "/%2Fevil.com",
        "/%2f%2fevil.com",
        "/\\/evil.com",
        "/%09/evil.com",
        "/./evil.com",
    ];
    let mut redirects = 0;
    for (site, trap) in sites.iter().flat_map(|site| traps.map(|trap| (site, trap))) {
        for trap in [trap.to_owned(), format!("{trap}/")] {
            let response = site.get(&trap).await;
            if let Some(location) = response.header("location") {
                redirects += 1;
                let second = location.chars().nth(1);
                assert!(location.starts_with('/'), "{trap} leads to {location}");
                assert!(
                    !matches!(second, Some('/' | '\\')),
                    "{trap} leads to {location}"
                );
            }
        }
    }
    assert!(redirects > 20, "only {redirects} of the traps were tried");
}

#[tokio::test]
async fn one_path_has_a_view_for_each_method() {
    let site = site([
        path("/notes", says("list")).name("notes"),
        path("/notes", name_of_route).methods([POST]).name("create"),
    ])
    .await;
    assert_eq!(site.get("/notes").await.text(), "list");
    assert_eq!(site.post("/notes").await.text(), "create");
}

#[tokio::test]
async fn views_of_one_path_may_name_its_parameters_differently() {
    let site = site([
        path("/<id>", async |request: Request| {
            request.param::<String>("id")
        }),
        path("/<slug>", async |request: Request| {
            request.param::<String>("slug")
        })
        .methods([POST]),
    ])
    .await;
    assert_eq!(site.get("/x").await.text(), "x");
    assert_eq!(site.post("/y").await.text(), "y");
}

#[tokio::test]
async fn views_of_one_path_may_have_converters_of_their_own() {
    let site = site([
        path("/<int:id>", says("a number")),
        path("/<slug:name>", says("a name")).methods([POST]),
    ])
    .await;
    assert_eq!(status(&site.get("/7").await), 200);
    assert_eq!(status(&site.get("/seven").await), 404);
    assert_eq!(site.post("/seven").await.text(), "a name");
}

#[tokio::test]
async fn two_views_for_one_method_of_a_path_are_named() {
    let error = mistake([
        path("/notes/<id>", says("a")).name("note"),
        path("/notes/<slug>", says("b")).name("post"),
    ])
    .await;
    assert!(error.contains("\"/notes/<id>\" (note)"), "{error}");
    assert!(error.contains("\"/notes/<slug>\" (post)"), "{error}");
    assert!(error.contains("GET"), "{error}");
}

#[tokio::test]
async fn paths_that_are_in_each_others_way_are_both_named() {
    for (one, other) in [
        ("/a/<x>", "/a/<path:y>"),
        ("/<path:a>", "/<b>"),
        ("/f/<a>", "/f/<b>"),
    ] {
        let error = mistake([path(one, says("a")), path(other, says("b"))]).await;
        assert!(error.contains(one) && error.contains(other), "{error}");
        assert!(
            !error.contains('{'),
            "that is no syntax of the site's author: {error}"
        );
    }
}

#[tokio::test]
async fn mistakes_are_found_when_the_site_is_built() {
    for (pattern, says_what) in [
        (path("notes", says("x")), "must begin with `/`"),
        (re_path("/(", says("x")), "/("),
    ] {
        let error = mistake([pattern]).await;
        assert!(error.contains(says_what), "{error}");
    }
}

#[tokio::test]
async fn two_parameters_in_one_segment_are_a_mistake_that_names_the_path() {
    let built = app().urls([path("/<a><b>", says("x"))]).start().await;
    let error = built.expect_err("nobody can tell where `a` ends").chain();
    assert!(error.contains("/<a><b>"), "{error}");
}

#[tokio::test]
async fn a_view_with_too_many_arguments_is_named() {
    let error = mistake([path("/u", number)]).await;
    assert!(
        error.contains("`/u` has 0 path parameters, but its view"),
        "{error}"
    );
    assert!(
        error.contains("number") && error.contains("takes 1"),
        "{error}"
    );
}

#[tokio::test]
async fn one_name_for_two_pages_is_a_mistake() {
    let error = mistake([
        path("/a", says("a")).name("page"),
        path("/b", says("b")).name("page"),
    ])
    .await;
    assert!(error.contains("\"page\""), "{error}");
    assert!(error.contains("/a") && error.contains("/b"), "{error}");
}

#[tokio::test]
async fn one_name_may_stand_for_the_methods_of_one_path() {
    let site = site([
        path("/notes", says("list")).name("notes"),
        path("/notes", name_of_route).methods([POST]).name("notes"),
    ])
    .await;
    assert_eq!(site.post("/notes").await.text(), "notes");
}

#[tokio::test]
async fn a_pattern_without_methods_is_a_mistake() {
    let error = mistake([path("/a", says("a")).methods([])]).await;
    assert!(error.contains("/a") && error.contains("method"), "{error}");
}

#[tokio::test]
async fn sites_in_one_process_share_nothing() {
    async fn who(request: Request) -> Result<String> {
        Ok(format!(
            "{} {}",
            request.state::<&str>()?,
            request.is_debug()
        ))
    }
    let one = TestClient::start(
        app()
            .state("one")
            .setting("DEBUG", true)
            .urls([path("/", who)]),
    )
    .await;
    let two = TestClient::start(app().state("two").urls([path("/", who)])).await;
    let none = TestClient::start(app().urls([path("/", who)])).await;
    assert_eq!(one.get("/").await.text(), "one true");
    assert_eq!(two.get("/").await.text(), "two false");
    assert_eq!(status(&none.get("/").await), 500, "no state of that type");
}

#[tokio::test]
async fn a_pattern_takes_more_or_less_than_the_rest_of_the_site() {
    async fn length(request: Request) -> Result<String> {
        Ok(request.bytes().await?.len().to_string())
    }
    let site = TestClient::start(app().setting("MAX_BODY_BYTES", 10).urls([
        path("/usual", length).methods([POST]),
        path("/more", length).methods([POST]).max_body(20),
        path("/less", length).methods([POST]).max_body(5),
    ]))
    .await;
    let send = async |path: &str, bytes: usize| {
        status(&site.post(path).body("text/plain", vec![b'x'; bytes]).await)
    };
    assert_eq!(
        (send("/usual", 10).await, send("/usual", 11).await),
        (200, 413)
    );
    assert_eq!(
        (send("/more", 20).await, send("/more", 21).await),
        (200, 413)
    );
    assert_eq!((send("/less", 5).await, send("/less", 6).await), (200, 413));
}

#[expect(
    clippy::many_single_char_names,
    clippy::too_many_arguments,
    reason = "as many as there can be"
)]
#[tokio::test]
async fn a_view_of_five_parts_was_no_view() {
    async fn five(_request: Request, a: u8, b: u16, c: u32, d: String, e: char) -> String {
        format!("{a} {b} {c} {d} {e}")
    }
    type Text = String;
    async fn eight(
        request: Request,
        a: Text,
        b: Text,
        c: Text,
        d: Text,
        e: Text,
        f: Text,
        g: Text,
        h: Text,
    ) -> Result<String> {
        Ok(request.url("eight", (h, g, f, e, d, c, b, a))?)
    }
    let site = site([
        path("/five/<a>/x-<b>/<c>/<d>/<e>", five),
        path("/<a>/<b>/<c>/<d>/<e>/<f>/<g>/<h>", eight).name("eight"),
    ])
    .await;
    assert_eq!(site.get("/five/1/x-2/3/x/y").await.text(), "1 2 3 x y");
    assert_eq!(site.get("/five/1/x-2/3/x/yy").await.status(), 404);
    assert_eq!(
        site.get("/1/2/3/4/5/6/7/8").await.text(),
        "/8/7/6/5/4/3/2/1"
    );
}

#[tokio::test]
async fn parameters_as_other_frameworks_write_them_were_silently_plain_text() {
    let said = mistake([path("/x/:id", says("x"))]).await;
    assert!(said.contains("/x/:id") && said.contains("`<id>`"), "{said}");
    let said = mistake(
        Blueprint::new("x")
            .prefix("/:shop")
            .urls([path("/", says("x"))]),
    )
    .await;
    assert!(said.contains("`<shop>`"), "{said}");
    let said = mistake([re_path("/x/<id>", says("x"))]).await;
    assert!(said.contains("`(?<id>[^/]+)`"), "{said}");
}

#[tokio::test]
async fn any_method_answers_what_no_other_view_of_the_path_does() {
    async fn any(request: Request) -> String {
        format!("any {}", request.method())
    }
    let site = site([
        path("/hook", any).any_method(),
        path("/both/<int:id>", any).any_method(),
        path("/both/<int:id>", says("got")),
    ])
    .await;
    let purge = Method::from_bytes(b"PURGE").expect("a token");
    for method in [GET, POST, PUT, PATCH, DELETE, OPTIONS, purge.clone()] {
        let answer = site.request(method.clone(), "/hook").await;
        assert_eq!(answer.text(), format!("any {method}"));
    }
    assert_eq!(site.request(HEAD, "/hook").await.status(), 200);
    assert_eq!(site.get("/both/1").await.text(), "got");
    assert_eq!(
        site.request(HEAD, "/both/1").await.header("content-length"),
        Some("3")
    );
    assert_eq!(site.request(purge, "/both/1").await.text(), "any PURGE");
    assert_eq!(site.post("/both/x").await.status(), 404);
    assert_eq!(site.post("/hook/").await.status(), 308);
    let said = mistake([path("/", any).any_method(), path("/", any).any_method()]).await;
    assert!(said.contains("both answer any method"), "{said}");
    assert_eq!(
        app()
            .urls([path("/", any).any_method()])
            .start()
            .await
            .expect("a site")
            .routes()[0]
            .methods,
        "any"
    );
}
