//! URL patterns that are for some hosts only.

use duck::http::Connection;
use duck::prelude::*;
use duck::routing::host;
use duck::testing::TestClient;
use duck::{StatusCode, redirect};

async fn text(request: Request) -> String {
    format!("{:?}", request.route_path())
}

async fn everywhere(_request: Request) -> &'static str {
    "everywhere"
}

async fn api(_request: Request) -> &'static str {
    "api"
}

async fn tenant(request: Request) -> Result<String> {
    let tenant: String = request.param("tenant")?;
    Ok(format!("tenant {tenant}"))
}

async fn note(request: Request, id: u32) -> Result<String> {
    Ok(format!(
        "note {id} of {}",
        request.param::<String>("tenant")?
    ))
}

async fn link(request: Request) -> Result<String> {
    Ok(request.url("note", ("Acme", 7))?)
}

async fn go(request: Request) -> Result<Response> {
    redirect(&request, "note", ("acme", 7))
}

fn app(settings: &str) -> App {
    App::new(Settings::from_toml(settings).expect("settings"))
        .urls([
            path("/", everywhere),
            path("/about", everywhere),
            path("/link", link),
            path("/go", go),
        ])
        .urls(host(
            "api.example.org",
            [path("/", api), path("/only/", api)],
        ))
        .urls(host(
            "<tenant>.example.org",
            [
                path("/", tenant),
                path("/notes/<int:id>", note).name("note"),
            ],
        ))
}

async fn ask(site: &TestClient, named: &str, path: &str) -> (StatusCode, String) {
    let answer = site.get(path).header("host", named).await;
    (answer.status(), answer.text().to_owned())
}

#[tokio::test]
async fn the_most_exact_host_counts_and_then_patterns_without_a_host() {
    let site = TestClient::start(app("")).await;
    for (named, path, expected) in [
        ("api.example.org", "/", "api"),
        ("acme.example.org", "/", "tenant acme"),
        ("acme.example.org", "/notes/7", "note 7 of acme"),
        ("example.org", "/", "everywhere"),
        ("other.example", "/", "everywhere"),
        ("api.example.org", "/about", "everywhere"),
        ("acme.example.org", "/about", "everywhere"),
    ] {
        let (status, text) = ask(&site, named, path).await;
        assert_eq!((status.as_u16(), &*text), (200, expected), "{named}{path}");
    }
    // The API has no notes, though a tenant of that name would.
    for (named, path) in [
        ("api.example.org", "/notes/7"),
        ("example.org", "/only/"),
        ("acme.example.org", "/notes/x"),
    ] {
        assert_eq!(ask(&site, named, path).await.0, 404, "{named}{path}");
    }
}

#[tokio::test]
async fn a_host_is_compared_without_upper_case_port_and_last_dot() {
    let site = TestClient::start(app("")).await;
    for named in [
        "API.Example.ORG",
        "api.example.org:8000",
        "api.example.org.",
        "api.example.org.:80",
        "api.example.org:",
    ] {
        assert_eq!(ask(&site, named, "/").await.1, "api", "{named}");
    }
    assert_eq!(
        ask(&site, "ACME.example.org:99", "/").await.1,
        "tenant acme"
    );
    assert_eq!(
        ask(&site, "xn--bcher-kva.example.org", "/").await.1,
        "tenant xn--bcher-kva"
    );
    assert_eq!(ask(&site, "a_b.example.org", "/").await.1, "tenant a_b");
    assert_eq!(ask(&site, "1.example.org", "/").await.1, "tenant 1");
}

#[tokio::test]
async fn a_host_that_only_looks_like_one_of_the_routes_is_another_one() {
    let site = TestClient::start(app("")).await;
    for named in [
        "api.example.org.evil",
        "evilapi.example.org.evil.example",
        "a.b.example.org",
        "api.example.orgx",
        "example.org",
        "xexample.org",
        "a.example.com",
        "127.0.0.1",
        "[::1]",
    ] {
        assert_eq!(ask(&site, named, "/").await.1, "everywhere", "{named}");
    }
    for none in [
        "api.example.org:99999",
        ".example.org",
        "a..example.org",
        "api.example.org,evil",
        "evil@api.example.org",
        "api.example.org/x",
        "api.example.org ",
        "<tenant>.example.org",
        "",
    ] {
        assert_eq!(ask(&site, none, "/").await.0, 400, "{none}");
    }
    let both = site
        .get("/")
        .header("host", "acme.example.org")
        .header("x-forwarded-host", "api.example.org");
    assert_eq!(both.await.text(), "tenant acme");
}

#[tokio::test]
async fn allowed_hosts_decide_first() {
    let site = TestClient::start(app("ALLOWED_HOSTS = ['example.org', 'api.example.org']")).await;
    assert_eq!(ask(&site, "api.example.org", "/").await.1, "api");
    assert_eq!(ask(&site, "acme.example.org", "/").await.0, 400);
    let site = TestClient::start(app("ALLOWED_HOSTS = ['.example.org']")).await;
    assert_eq!(ask(&site, "acme.example.org", "/").await.1, "tenant acme");
    assert_eq!(ask(&site, "acme.example.org.evil", "/").await.0, 400);
}

#[tokio::test]
async fn the_host_that_counts_is_the_one_of_request_host() {
    let site = app("TRUSTED_PROXIES = ['10.0.0.1']\nPROXY_HEADERS = 'forwarded'")
        .start()
        .await
        .unwrap();
    let ask = async |peer: &str, uri: &str, named: &str| {
        let request = http::Request::get(uri)
            .header("host", named)
            .header("forwarded", "for=192.0.2.1;host=api.example.org")
            .body(duck::http::Body::empty())
            .unwrap();
        let connection = Connection {
            peer: Some(peer.parse().unwrap()),
            secure: false,
        };
        let mut answer = site.respond(request, connection).await;
        let body = http_body_util::BodyExt::collect(answer.take_body())
            .await
            .unwrap();
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    };
    assert_eq!(ask("10.0.0.1:1", "/", "inside").await, "api");
    assert_eq!(
        ask("192.0.2.9:1", "/", "acme.example.org").await,
        "tenant acme"
    );
    assert_eq!(
        ask("192.0.2.9:1", "http://api.example.org/", "acme.example.org").await,
        "api"
    );
}

#[tokio::test]
async fn a_url_of_a_host_is_absolute_with_the_scheme_and_the_port_of_the_request() {
    let site = TestClient::start(app("")).await;
    assert_eq!(
        site.get("/link").await.text(),
        "http://acme.example.org/notes/7"
    );
    let site = site.https().at_host("example.org:8443");
    assert_eq!(
        site.get("/link").await.text(),
        "https://acme.example.org:8443/notes/7"
    );
    let go = site.get("/go").await;
    assert_eq!(
        go.header("location"),
        Some("https://acme.example.org:8443/notes/7")
    );
}

#[tokio::test]
async fn a_value_that_is_no_part_of_a_host_makes_no_url() {
    async fn evil(request: Request) -> Result<String> {
        let name: String = request.text().await?;
        Ok(request.url("note", (name, 7))?)
    }
    let site =
        TestClient::start(app("").urls([path("/evil", evil).methods([duck::http::POST])])).await;
    assert_eq!(
        site.post("/evil").body("text/plain", "acme").await.status(),
        200
    );
    let long = "a".repeat(64);
    for text in [
        "<x>",
        "evil.example/",
        "evil.example",
        "a@b",
        "",
        ".",
        "a:80",
        "a b",
        "\u{fc}",
        &long,
    ] {
        assert_eq!(
            site.post("/evil")
                .body("text/plain", text.to_owned())
                .await
                .status(),
            500,
            "{text}"
        );
    }
}

#[tokio::test]
async fn methods_and_slashes_belong_to_the_host_that_has_the_path() {
    let site = TestClient::start(app("")).await.at_host("api.example.org");
    assert_eq!(site.delete("/").await.status(), 405);
    let other = site.get("/only").await;
    assert_eq!(
        (other.status().as_u16(), other.header("location")),
        (308, Some("/only/"))
    );
    assert_eq!(site.get("/about/").await.header("location"), Some("/about"));
}

#[tokio::test]
async fn a_blueprint_and_its_middleware_stand_at_a_host() {
    async fn mark(request: Request, next: Next<'_>) -> Result<Response> {
        Ok(next.run(request).await.with_header("x-shop", "yes")?)
    }
    let shop = || {
        Blueprint::new("shop")
            .middleware(mark)
            .urls([path("/", text).name("home")])
    };
    let inside = Blueprint::new("blog").urls(host("blog.example.org", [path("/", text)]));
    let site = TestClient::start(app("").urls(host("shop.example.org", shop())).urls(inside)).await;
    let site = site.at_host("shop.example.org");
    let page = site.get("/shop/").await;
    assert_eq!(
        (page.text(), page.header("x-shop")),
        ("Some(\"/shop/\")", Some("yes"))
    );
    let site = site.at_host("blog.example.org");
    assert_eq!(site.get("/blog/").await.text(), "Some(\"/blog/\")");
    assert_eq!(site.get("/shop/").await.status(), 404);
}

#[tokio::test]
async fn an_ipv6_address_may_be_a_host() {
    let site =
        TestClient::start(App::new(Settings::default()).urls(host("[::1]", [path("/", api)])))
            .await;
    for named in ["[::1]", "[0:0::1]:8000"] {
        assert_eq!(ask(&site, named, "/").await.1, "api", "{named}");
    }
    assert_eq!(ask(&site, "[::2]", "/").await.0, 404);
}

#[tokio::test]
async fn hosts_that_conflict_keep_the_site_from_starting() {
    let error = async |app: App| app.start().await.expect_err("it cannot start").to_string();
    let add = |named: &str| app("").urls(host(named, [path("/", api)]));
    for (named, says) in [
        ("<other>.example.org", "cannot stand beside each other"),
        ("API.example.org", "both answer GET"),
        ("<tenant>.example.org", "both answer GET"),
        ("*.example.org", "<name>.example.org"),
        ("api.example.org:8000", "more than a host"),
    ] {
        let said = error(add(named)).await;
        assert!(said.contains(says), "{named}: {said}");
    }
    let nested = host("a.example", host("b.example", [path("/", api)]));
    assert!(
        error(app("").urls(nested))
            .await
            .contains("stands inside of the host")
    );
    let twice = host("<tenant>.example.net", [path("/<tenant>", api)]);
    assert!(
        error(app("").urls(twice))
            .await
            .contains("in its host and in its path")
    );
    let name = host("b.example", [path("/notes/<int:id>", api).name("note")]);
    assert!(error(app("").urls(name)).await.contains("both named"));
}

#[tokio::test]
async fn routes_have_their_host() {
    let site = app("").start().await.unwrap();
    let line = |path: &str| {
        let found = site.routes().iter().find(|line| line.path == path);
        found.map(|line| line.host.clone())
    };
    assert_eq!(line("/about").as_deref(), Some(""));
    assert_eq!(line("/only/").as_deref(), Some("api.example.org"));
    assert_eq!(
        line("/notes/<int:id>").as_deref(),
        Some("<tenant>.example.org")
    );
}

#[tokio::test]
async fn health_pages_are_the_same_under_every_host() {
    let taken = async |_: Request, _: String| "the host's own";
    let app = App::new(Settings::default())
        .with(duck::Health::new())
        .urls(host("api.example.org", [path("/-/<path:rest>", taken)]));
    let site = TestClient::start(app).await;
    let live = ask(&site, "other.example.org", "/-/live").await;
    assert_eq!(live.0, 200);
    assert_eq!(ask(&site, "api.example.org", "/-/live").await, live);
    let other = ask(&site, "api.example.org", "/-/other").await;
    assert_eq!(other.1, "the host's own");
}
