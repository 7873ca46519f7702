//! Duck inside of axum, and axum inside of Duck.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{ConnectInfo, Extension, Path};
use axum::routing::{any, get, post};
use duck::http::{Body, Connection, POST, RequestError, stream};
use duck::prelude::*;
use duck::routing::mount;
use duck::testing::TestClient;
use duck::{Bytes, Site, StatusCode, redirect};
use futures_util::StreamExt;
use http::header;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt;

fn app() -> App {
    App::new(Settings::default())
}

async fn home(_request: Request) -> &'static str {
    "home"
}

/// What a mounted router sees.
fn router() -> axum::Router {
    axum::Router::new()
        .route("/", get(async || "root"))
        .route(
            "/notes/{id}",
            get(async |Path(id): Path<String>| format!("note {id}")),
        )
        .route("/notes", post(async |body: String| body))
        .route(
            "/who",
            get(async |Extension(duck): Extension<Request>| {
                format!("{} {:?}", duck.path(), duck.get::<&'static str>())
            }),
        )
        .route("/uri", any(async |uri: http::Uri| uri.to_string()))
        .route(
            "/panic",
            get(async || -> &'static str { panic!("as it has to") }),
        )
}

async fn site(app: App) -> TestClient {
    TestClient::start(app).await
}

#[tokio::test]
async fn a_mounted_service_sees_the_path_without_the_prefix() {
    let site = site(app().urls([path("/", home), mount("/api", router())])).await;
    for (path, text) in [
        ("/api", "root"),
        ("/api/", "root"),
        ("/api/notes/7", "note 7"),
        ("/api/notes/caf%C3%A9", "note café"),
        ("/api/notes/a%2Fb", "note a/b"),
        ("/%61pi/notes/7", "note 7"),
        ("/api/uri?a=b%26c", "/uri?a=b%26c"),
        ("/", "home"),
    ] {
        assert_eq!(site.get(path).await.text(), text, "{path}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_past_a_prefix_or_out_of_it() {
    let everything = axum::Router::new().fallback(async |uri: http::Uri| format!("inside {uri}"));
    let admin = async |_request: Request| "the admin's page";
    let site = site(app().urls([path("/admin", admin), mount("/api", everything)])).await;
    for evil in [
        "/api/../admin",
        "/api/./x",
        "/api/%2e%2e/admin",
        "/api/x/%2E./admin",
        "/api/..",
        "/api//x",
        "/api//evil.example/",
        "/apix",
        "/api%2Fx",
        "/API/x",
        "//api/x",
    ] {
        let answer = site.get(evil).await;
        assert_eq!(answer.status(), 404, "{evil}: {}", answer.text());
    }
    // One part, in which the service finds a slash when it decodes it: as it would without Duck.
    assert_eq!(
        site.get("/api/..%2Fadmin").await.text(),
        "inside /..%2Fadmin"
    );
    assert_eq!(site.get("/api/x//y").await.text(), "inside /x//y");
    assert_eq!(site.get("/api/%zz").await.status(), 400);
}

#[tokio::test]
async fn methods_and_slashes_below_a_prefix_are_the_services() {
    let site = site(app().urls([mount("/api", router())])).await;
    let options = site.request(http::Method::OPTIONS, "/api/notes/7").await;
    assert_eq!(
        (options.status().as_u16(), options.header("allow")),
        (405, Some("GET,HEAD"))
    );
    let wrong = site.delete("/api/notes").await;
    assert_eq!(
        (wrong.status().as_u16(), wrong.header("allow")),
        (405, Some("POST"))
    );
    let head = site.request(http::Method::HEAD, "/api/notes/7").await;
    assert_eq!((head.status().as_u16(), head.text()), (200, ""));
    assert_eq!(head.header("content-length"), Some("6"));
    assert_eq!(
        site.get("/api/notes/").await.status(),
        404,
        "no redirect of Duck's"
    );
    assert_eq!(site.get("/api/nowhere").await.status(), 404);
}

#[tokio::test]
async fn a_mount_takes_only_the_methods_that_it_is_given() {
    let site = site(app().urls([mount("/api", router()).methods([POST])])).await;
    assert_eq!(site.get("/api/notes/7").await.status(), 405);
    assert_eq!(
        site.post("/api/notes")
            .body("text/plain", "quack")
            .await
            .text(),
        "quack"
    );
}

#[tokio::test]
async fn a_page_of_the_sites_own_below_a_prefix_comes_first() {
    let site = site(app().urls([mount("/", router()), path("/notes/mine", home)])).await;
    assert_eq!(site.get("/notes/mine").await.text(), "home");
    assert_eq!(site.get("/notes/7").await.text(), "note 7");
    assert_eq!(site.get("/").await.text(), "root");
}

#[tokio::test]
async fn middleware_runs_before_a_mounted_service_which_has_ducks_request() {
    async fn note(request: Request, next: Next<'_>) -> Result<Response> {
        request.insert("noted");
        Ok(next.run(request).await.with_header("x-duck", "around")?)
    }
    async fn closed(_request: Request, _next: Next<'_>) -> Result<Response> {
        Err(duck::Error::new(StatusCode::FORBIDDEN, "closed"))
    }
    let site = site(app().middleware(note).urls([
        mount("/api", router()),
        mount("/closed", router()).middleware(closed),
    ]))
    .await;
    let who = site.get("/api/who").await;
    assert_eq!(who.text(), "/api/who Some(\"noted\")");
    assert_eq!(who.header("x-duck"), Some("around"));
    assert_eq!(site.get("/closed/notes/7").await.status(), 403);
}

#[tokio::test]
async fn pages_of_other_sites_do_not_reach_a_mounted_service_unless_it_says_so() {
    let site = site(app().urls([
        mount("/api", router()),
        mount("/open", router()).csrf(false),
    ]))
    .await;
    let evil = |path| {
        site.post(path)
            .header("sec-fetch-site", "cross-site")
            .body("text/plain", "x")
    };
    assert_eq!(evil("/api/notes").await.status(), 403);
    assert_eq!(evil("/open/notes").await.text(), "x");
}

#[tokio::test]
async fn an_error_or_a_panic_of_a_mounted_service_is_a_500_without_its_reason() {
    let failing = tower::service_fn(async |_request: http::Request<Body>| {
        Err::<http::Response<Body>, _>(std::io::Error::other("hush"))
    });
    // What the log is given.
    let looked = Arc::new(Mutex::new(None));
    let noted = looked.clone();
    let look = process_response(move |_request: Request, response: Response| {
        let error = response.error().map(duck::Error::chain);
        *noted.lock().expect("no panic while noting") = error;
        std::future::ready(Ok(response))
    });
    let site = site(
        app()
            .middleware(look)
            .urls([mount("/fails", failing), mount("/api", router())]),
    )
    .await;
    for (path, cause) in [("/fails/x", "hush"), ("/api/panic", "as it has to")] {
        let page = site.get(path).await;
        assert_eq!(page.status(), 500);
        assert!(!page.text().contains(cause), "{}", page.text());
        let looked = looked.lock().expect("no panic while noting").take();
        assert!(looked.expect("an error").contains(cause));
    }
}

#[tokio::test]
async fn a_body_for_a_mounted_service_has_the_sites_limits() {
    let settings = Settings::from_toml("MAX_BODY_BYTES = 10").unwrap();
    let site = site(App::new(settings).urls([
        mount("/api", router()),
        mount("/large", router()).max_body(20),
    ]))
    .await;
    let post = |path, bytes: usize| site.post(path).body("text/plain", "x".repeat(bytes));
    assert_eq!(post("/api/notes", 10).await.text().len(), 10);
    assert_eq!(post("/api/notes", 11).await.status(), 413);
    assert_eq!(post("/large/notes", 20).await.text().len(), 20);
    // Its length is not known before.
    let pieces = futures_util::stream::repeat(Bytes::from_static(b"12345"));
    let pieces = pieces.map(Ok::<_, Infallible>).take(1000);
    let started = app_of(site.site(), "/api/notes", Body::stream(pieces)).await;
    assert_eq!(started.status(), 413);
}

async fn app_of(site: &Site, path: &str, body: Body) -> Response {
    let request = http::Request::post(path).body(body).expect("a request");
    site.respond(request, Connection::default()).await
}

#[tokio::test]
async fn bodies_pass_a_mount_piece_by_piece_in_both_directions() {
    let echo = axum::Router::new().route(
        "/echo",
        post(async |body: axum::body::Body| axum::response::Response::new(body)),
    );
    let started = app().urls([mount("/api", echo)]).start().await.unwrap();
    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let pieces = futures_util::stream::unfold(receive, async |mut receive| {
        let piece = receive.recv().await?;
        Some((Ok::<_, Infallible>(piece), receive))
    });
    let mut answer = app_of(&started, "/api/echo", Body::stream(pieces)).await;
    let mut body = answer.take_body();
    for piece in ["one", "two"] {
        // The next is sent only when the one before is back.
        send.send(Bytes::from(piece)).await.unwrap();
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await;
        let back = frame.unwrap().unwrap().unwrap().into_data().unwrap();
        assert_eq!(back, piece);
    }
    drop(send);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_body_that_middleware_has_read_reaches_a_mounted_service() {
    async fn read(request: Request, next: Next<'_>) -> Result<Response> {
        assert_eq!(request.text().await?, "quack");
        Ok(next.run(request).await)
    }
    let site = site(app().middleware(read).urls([mount("/api", router())])).await;
    assert_eq!(
        site.post("/api/notes")
            .body("text/plain", "quack")
            .await
            .text(),
        "quack"
    );
}

#[tokio::test]
async fn a_mount_has_a_name_and_stands_in_blueprints() {
    async fn link(request: Request) -> Result<String> {
        Ok(request.url("shop.api", ["notes/7"])?)
    }
    let shop = Blueprint::new("shop").urls([mount("/api", router()).name("api")]);
    let site = site(app().urls([path("/link", link)]).urls(shop)).await;
    assert_eq!(site.get("/link").await.text(), "/shop/api/notes/7");
    assert_eq!(site.get("/shop/api/notes/7").await.text(), "note 7");
    assert_eq!(site.get("/shop/api").await.text(), "root");
    let lines = site.site().routes();
    assert_eq!(lines[1].path, "/shop/api/<path:rest>");
    assert!(
        lines[1].view.contains("axum") && lines[1].methods == "any",
        "{:?}",
        lines[1]
    );
}

#[tokio::test]
async fn a_mount_in_the_way_of_another_keeps_the_site_from_starting() {
    let error = |patterns: Vec<UrlPattern>| async {
        app().urls(patterns).start().await.unwrap_err().to_string()
    };
    let both = error(vec![mount("/api", router()), mount("/api/", router())]).await;
    assert!(both.contains("both answer any method"), "{both}");
    let relative = error(vec![mount("api", router())]).await;
    assert!(relative.contains("must begin with `/`"), "{relative}");
}

// Duck inside of axum.

/// Duck behind axum's server, which tells it where a request came from.
fn with_peer(
    site: Site,
) -> impl tower::Service<
    axum::extract::Request,
    Response = http::Response<Body>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    site.map_request(|mut request: axum::extract::Request| {
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0);
        let connection = Connection {
            peer,
            secure: false,
        };
        request.extensions_mut().insert(connection);
        request
    })
}

async fn send(address: SocketAddr, head: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("the server is there");
    let text = format!("{head} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream
        .write_all(text.as_bytes())
        .await
        .expect("the server is there");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("the server is there");
    answer
}

#[tokio::test]
async fn a_site_in_axum_answers_and_knows_the_client_and_runs_its_background_work() {
    let (ticks, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (ticks.clone(), stops.clone());
    let component = async move |setup: &mut duck::Setup<'_>| {
        let (ticks, stops) = counted;
        setup.background(move || {
            let ticks = ticks.clone();
            async move {
                ticks.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
        });
        setup.on_stop(move || {
            let stops = stops.clone();
            async move {
                stops.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    };
    let client = async |request: Request| format!("{:?}", request.client_ip());
    let duck = app()
        .with(component)
        .urls([path("/client", client)])
        .start()
        .await
        .unwrap();
    let router = axum::Router::new()
        .route("/axum", get(async || "axum"))
        .fallback_service(with_peer(duck.clone()))
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = async {
        let stopped = async { stopped.await.unwrap_or_default() };
        axum::serve(listener, router)
            .with_graceful_shutdown(stopped)
            .await
            .unwrap();
        assert_eq!(ticks.load(Ordering::Relaxed), 1);
    };
    let visit = async {
        assert!(send(address, "GET /axum").await.ends_with("axum"));
        let answer = send(address, "GET /client").await;
        assert!(answer.ends_with("Some(127.0.0.1)"), "{answer}");
        assert_eq!(stops.load(Ordering::Relaxed), 0);
        stop.send(()).unwrap();
    };
    tokio::join!(duck.run_beside(server), visit);
    assert_eq!(stops.load(Ordering::Relaxed), 1);
}

/// A site whose paths are whole, under a prefix of axum's.
fn notes() -> Blueprint {
    async fn link(request: Request) -> Result<String> {
        Ok(request.url("notes.show", [7])?)
    }
    async fn show(_request: Request, id: u32) -> String {
        format!("note {id}")
    }
    async fn go(request: Request) -> Result<Response> {
        redirect(&request, "notes.show", [7])
    }
    Blueprint::new("notes").urls([
        path("/", home),
        path("/link", link),
        path("/go", go),
        path("/<id>/show", show).name("show"),
    ])
}

#[tokio::test]
async fn a_site_under_a_prefix_of_axum_keeps_whole_paths() {
    let duck = app().urls(notes()).start().await.unwrap();
    let router: axum::Router = axum::Router::new()
        .route("/", get(async || "axum"))
        .route_service("/notes", duck.clone())
        .route_service("/notes/", duck.clone())
        .route_service("/notes/{*path}", duck);
    let ask = async |path: &str| {
        let request = http::Request::get(path)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let location = answer.headers().get(header::LOCATION).cloned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (
            location.map(|it| it.to_str().unwrap().to_owned()),
            String::from_utf8_lossy(&body).into_owned(),
        )
    };
    assert_eq!(ask("/").await.1, "axum");
    assert_eq!(ask("/notes/").await.1, "home");
    assert_eq!(ask("/notes/link").await.1, "/notes/7/show");
    assert_eq!(ask("/notes/7/show").await.1, "note 7");
    assert_eq!(ask("/notes/go").await.0.as_deref(), Some("/notes/7/show"));
    assert_eq!(ask("/notes").await.0.as_deref(), Some("/notes/"));
    assert_eq!(
        ask("/notes/7/show/").await.0.as_deref(),
        Some("/notes/7/show")
    );
}

#[tokio::test]
async fn a_site_in_axum_has_its_own_limits_and_streams_both_ways() {
    async fn echo(request: Request) -> Result<Response> {
        let body = request.body_stream()?;
        let pieces = futures_util::stream::try_unfold(body, async |mut body| {
            Ok::<_, RequestError>(body.next().await?.map(|piece| (piece, body)))
        });
        Ok(stream("text/plain", pieces))
    }
    async fn whole(request: Request) -> Result<String> {
        Ok(request.text().await?)
    }
    let settings = Settings::from_toml("MAX_BODY_BYTES = 10\nALLOWED_HOSTS = ['test']").unwrap();
    let duck = App::new(settings).urls([
        path("/echo", echo).methods([POST]),
        path("/whole", whole).methods([POST]),
    ]);
    let duck = duck.start().await.unwrap();
    let router: axum::Router = axum::Router::new().fallback_service(duck);
    let post = async |path: &str, host: &str, body: &str| {
        let body = axum::body::Body::from(body.to_owned());
        let request = http::Request::post(path)
            .header(header::HOST, host)
            .body(body)
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    assert_eq!(
        post("/echo", "test", "quack").await,
        (200, "quack".to_owned())
    );
    assert_eq!(post("/whole", "test", "quack quack quack").await.0, 413);
    assert_eq!(post("/echo", "evil.example", "quack").await.0, 400);
}
