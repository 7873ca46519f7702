//! What stands between a request and its view.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::http::{Body, stream};
use duck::middleware::Layer;
use duck::prelude::*;
use duck::testing::TestClient;
use duck::text;
use http::{HeaderName, HeaderValue, header};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::propagate_header::PropagateHeaderLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

fn app() -> App {
    App::new(Settings::default())
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0
            .lock()
            .expect("no panic while noting")
            .push(what.into());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no panic while noting")).join(" ")
    }

    /// A middleware that notes when it begins and when it ends.
    fn layer(&self, name: &'static str) -> Noting {
        Noting(self.clone(), name)
    }
}

struct Noting(Diary, &'static str);

impl Middleware for Noting {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        self.0.note(format!(">{}", self.1));
        let response = next.run(request).await;
        self.0.note(format!("{}<", self.1));
        Ok(response)
    }
}

async fn home(_request: Request) -> &'static str {
    "home"
}

async fn broken(_request: Request) -> Result<&'static str> {
    Ok("x".parse::<u8>().map(|_| "no")?)
}

async fn panics(_request: Request) -> &'static str {
    panic!("the view has had enough")
}

#[tokio::test]
async fn layers_run_from_the_site_to_the_pattern_and_back() {
    let diary = Diary::default();
    let view = {
        let diary = diary.clone();
        move |_request: Request| {
            diary.note("view");
            std::future::ready("x")
        }
    };
    let inner = Blueprint::new("inner")
        .middleware(diary.layer("inner"))
        .urls([path("/", view)
            .middleware(diary.layer("pattern1"))
            .middleware(diary.layer("pattern2"))]);
    let outer = Blueprint::new("outer")
        .middleware(diary.layer("outer"))
        .urls(inner);
    let site = TestClient::start(
        app()
            .middleware(diary.layer("site1"))
            .urls(outer)
            .middleware(diary.layer("site2")),
    )
    .await;
    site.get("/outer/inner/").await;
    assert_eq!(
        diary.take(),
        ">site1 >site2 >outer >inner >pattern1 >pattern2 view pattern2< pattern1< inner< outer< site2< site1<"
    );
}

#[tokio::test]
async fn pages_that_are_not_there_pass_the_layers_of_the_site() {
    let diary = Diary::default();
    let shop = Blueprint::new("shop")
        .middleware(diary.layer("shop"))
        .urls([path("/a", home)]);
    let site = TestClient::start(app().middleware(diary.layer("site")).urls(shop)).await;
    for (method, path, status) in [
        (GET, "/missing", 404),
        (POST, "/shop/a", 405),
        (Method::OPTIONS, "/shop/a", 204),
        (GET, "/shop/a/", 308),
        (GET, "/%zz", 400),
    ] {
        assert_eq!(site.request(method, path).await.status(), status, "{path}");
        assert_eq!(diary.take(), ">site site<", "{path}");
    }
}

#[tokio::test]
async fn an_error_is_a_response_to_the_layers_around() {
    async fn look(request: Request, next: Next<'_>) -> Result<Response> {
        let response = next.run(request).await;
        let seen = response
            .error()
            .map_or_else(|| "none".to_owned(), Error::to_string);
        Ok(response.with_header("x-seen", seen)?)
    }
    let site = TestClient::start(app().middleware(look).urls([
        path("/broken", broken),
        path("/panics", panics),
        path("/home", home),
        path("/refused", home).middleware(process_request(async |_request: Request| {
            Err(Error::new(StatusCode::FORBIDDEN, "not you"))
        })),
    ]))
    .await;
    for (path, status, seen) in [
        ("/broken", 500, "invalid digit found in string"),
        ("/panics", 500, "panicked: the view has had enough"),
        ("/home", 200, "none"),
        ("/refused", 403, "not you"),
        ("/missing", 404, "no URL pattern matches"),
    ] {
        let response = site.get(path).await;
        assert_eq!(
            (response.status().as_u16(), response.header("x-seen")),
            (status, Some(seen)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_layer_may_answer_an_error_with_a_page_of_its_own() {
    async fn pages(request: Request, next: Next<'_>) -> Result<Response> {
        let response = next.run(request).await;
        Ok(match response.error() {
            Some(_) => response.with_body("a page of the site's own"),
            None => response,
        })
    }
    let site = TestClient::start(app().middleware(pages).urls([path("/", broken)])).await;
    for path in ["/", "/missing"] {
        assert_eq!(site.get(path).await.text(), "a page of the site's own");
    }
}

#[tokio::test]
async fn a_panic_is_one_500_wherever_it_happens() {
    async fn early(_request: Request, _next: Next<'_>) -> Result<Response> {
        panic!("early")
    }
    async fn late(request: Request, next: Next<'_>) -> Result<Response> {
        next.run(request).await;
        panic!("late")
    }
    fn no_future(_request: Request) -> std::future::Ready<&'static str> {
        panic!("before there is a future")
    }
    async fn after_await(_request: Request) -> String {
        tokio::task::yield_now().await;
        panic!("{}", "with a text made at run time")
    }
    async fn without_message(_request: Request) -> &'static str {
        std::panic::panic_any(7)
    }
    struct Evil;
    impl duck::routing::FromParam for Evil {
        fn from_param(_value: &str) -> Option<Self> {
            panic!("in a parameter")
        }
    }
    impl IntoResponse for Evil {
        fn into_response(self) -> Response {
            panic!("in an answer")
        }
    }
    async fn evil_param(_request: Request, _evil: Evil) -> &'static str {
        "never"
    }
    async fn evil_answer(_request: Request) -> Evil {
        Evil
    }
    let diary = Diary::default();
    let site = TestClient::start(app().middleware(diary.layer("site")).urls([
        path("/panics", panics),
        path("/early", home).middleware(early),
        path("/late", home).middleware(late),
        path("/no-future", no_future),
        path("/after-await", after_await),
        path("/without-message", without_message),
        path("/param/<evil>", evil_param),
        path("/answer", evil_answer),
        path("/home", home),
    ]))
    .await;
    for path in [
        "/panics",
        "/early",
        "/late",
        "/no-future",
        "/after-await",
        "/without-message",
        "/param/x",
        "/answer",
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 500, "{path}");
        let begin = "500 Internal Server Error\nrequest id ";
        let id = response.text().strip_prefix(begin).map(str::trim_end);
        assert_eq!(id.map(str::len), Some(32), "{path}: {}", response.text());
        assert_eq!(diary.take(), ">site site<", "{path}");
        assert_eq!(site.get("/home").await.text(), "home", "after {path}");
        diary.take();
    }
}

#[tokio::test]
async fn a_request_hook_lets_through_changes_or_refuses() {
    let site = TestClient::start(
        app()
            .middleware(process_request(async |request: Request| {
                request.insert("seen".to_owned());
                match request.header("x-key") {
                    Some("quack") => Ok(request),
                    _ => Err(Error::new(StatusCode::UNAUTHORIZED, "no key")),
                }
            }))
            .urls([path("/", async |request: Request| {
                request.get::<String>().unwrap_or_default()
            })]),
    )
    .await;
    assert_eq!(site.get("/").await.status(), 401);
    assert_eq!(site.get("/").header("x-key", "quack").await.text(), "seen");
}

#[tokio::test]
async fn a_response_hook_sees_errors_too_and_still_has_the_request() {
    let site = TestClient::start(
        app()
            .middleware(process_response(
                async |request: Request, response: Response| {
                    Ok(response.with_header("x-path", request.path())?)
                },
            ))
            .urls([path("/home", home), path("/broken", broken)]),
    )
    .await;
    for path in ["/home", "/broken", "/missing"] {
        assert_eq!(site.get(path).await.header("x-path"), Some(path));
    }
}

#[tokio::test]
async fn a_response_hook_that_fails_is_the_answer() {
    let site = TestClient::start(
        app()
            .middleware(process_response(
                async |_request: Request, _response: Response| {
                    Err(Error::new(StatusCode::BAD_GATEWAY, "the hook failed"))
                },
            ))
            .urls([path("/", home)]),
    )
    .await;
    assert_eq!(site.get("/").await.status(), 502);
}

#[tokio::test]
async fn a_layer_may_answer_without_the_view() {
    async fn teapot(_request: Request, _next: Next<'_>) -> Result<Response> {
        Ok(text("short and stout").with_status(StatusCode::IM_A_TEAPOT))
    }
    let diary = Diary::default();
    let site = TestClient::start(
        app()
            .middleware(diary.layer("outer"))
            .middleware(teapot)
            .middleware(diary.layer("inner"))
            .urls([path("/", panics)]),
    )
    .await;
    assert_eq!(site.get("/").await.status(), 418);
    assert_eq!(diary.take(), ">outer outer<");
}

#[tokio::test]
async fn a_layer_may_run_the_view_again() {
    async fn retry(request: Request, next: Next<'_>) -> Result<Response> {
        let first = next.run(request.clone()).await;
        Ok(match first.error() {
            Some(_) => next.run(request).await,
            None => first,
        })
    }
    async fn second_time(request: Request) -> Result<&'static str> {
        let text = request.text().await?;
        assert_eq!(text, "kept");
        if request.get::<u8>().is_some() {
            return Ok("at last");
        }
        request.insert(1_u8);
        Err(Error::internal("not yet"))
    }
    let site = TestClient::start(
        app()
            .middleware(retry)
            .urls([path("/", second_time).methods([POST])]),
    )
    .await;
    assert_eq!(
        site.post("/").body("text/plain", "kept").await.text(),
        "at last"
    );
}

#[tokio::test]
async fn values_belong_to_one_request() {
    async fn count(request: Request) -> String {
        let seen = request.get::<u32>().unwrap_or(0);
        request.insert(seen + 1);
        seen.to_string()
    }
    let site = TestClient::start(
        app()
            .middleware(process_request(async |request: Request| {
                if request.header("x-start").is_some() {
                    request.insert(5_u32);
                }
                Ok(request)
            }))
            .urls([path("/", count)]),
    )
    .await;
    assert_eq!(site.get("/").header("x-start", "1").await.text(), "5");
    assert_eq!(site.get("/").await.text(), "0");
}

#[tokio::test]
async fn a_response_that_a_layer_replaces_keeps_no_error() {
    async fn replace(request: Request, next: Next<'_>) -> Result<Response> {
        next.run(request).await;
        Ok(text("all is well"))
    }
    let site = TestClient::start(app().middleware(replace).urls([path("/", broken)])).await;
    let response = site.get("/").await;
    assert_eq!(
        (response.status().as_u16(), response.text()),
        (200, "all is well")
    );
}

/// A tower layer that notes when a request comes in.
#[derive(Clone)]
struct NotingLayer(Diary, &'static str);

impl<S: Clone> Layer<S> for NotingLayer {
    type Service = NotingService<S>;
    fn layer(&self, inner: S) -> NotingService<S> {
        NotingService(self.clone(), inner)
    }
}

#[derive(Clone)]
struct NotingService<S>(NotingLayer, S);

impl<S: tower::Service<http::Request<Body>>> tower::Service<http::Request<Body>>
    for NotingService<S>
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        self.0.0.note(self.0.1);
        self.1.call(request)
    }
}

#[tokio::test]
async fn the_first_tower_layer_is_the_outermost_and_all_are_outside_of_middleware() {
    let diary = Diary::default();
    let site = TestClient::start(
        app()
            .middleware(diary.layer("middleware"))
            .layer(NotingLayer(diary.clone(), "first"))
            .layer(NotingLayer(diary.clone(), "second"))
            .layer(NotingLayer(diary.clone(), "third"))
            .urls([path("/", home)]),
    )
    .await;
    site.get("/").await;
    assert_eq!(diary.take(), "first second third >middleware middleware<");
}

#[tokio::test]
async fn many_tower_layers_work_together() {
    async fn long(_request: Request) -> String {
        "quack ".repeat(1000)
    }
    async fn slow(_request: Request) -> &'static str {
        tokio::time::sleep(Duration::from_hours(1)).await;
        "never"
    }
    async fn length(request: Request) -> Result<String> {
        Ok(request.bytes().await?.len().to_string())
    }
    tokio::time::pause();
    let site = TestClient::start(
        app()
            .layer(SetResponseHeaderLayer::overriding(
                header::SERVER,
                HeaderValue::from_static("duck"),
            ))
            .layer(PropagateHeaderLayer::new(HeaderName::from_static(
                "x-request-id",
            )))
            .layer(CatchPanicLayer::new())
            .layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_secs(10),
            ))
            .layer(CorsLayer::permissive())
            .layer(CompressionLayer::new())
            .layer(RequestBodyLimitLayer::new(100))
            .middleware(process_response(
                async |_request: Request, response: Response| {
                    Ok(response.with_header("x-inside", "yes")?)
                },
            ))
            .urls([
                path("/long", long),
                path("/slow", slow),
                path("/panics", panics),
                path("/length", length).methods([POST]),
                path("/stream", async |_request: Request| {
                    let piece = Ok::<_, std::io::Error>("x".repeat(5000).into());
                    stream("text/plain", futures_util::stream::iter([piece]))
                }),
            ]),
    )
    .await;

    let page = site
        .get("/long")
        .header("accept-encoding", "gzip")
        .header("origin", "https://other.example")
        .header("x-request-id", "42")
        .await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.header("content-encoding"), Some("gzip"));
    assert!(page.bytes().starts_with(&[0x1f, 0x8b]) && page.bytes().len() < 1000);
    assert_eq!(page.header("server"), Some("duck"));
    assert_eq!(page.header("x-request-id"), Some("42"));
    assert_eq!(page.header("access-control-allow-origin"), Some("*"));
    assert_eq!(page.header("x-inside"), Some("yes"));

    let page = site.get("/long").await;
    assert_eq!(
        (page.header("content-encoding"), page.bytes().len()),
        (None, 6000)
    );

    let page = site.get("/slow").await;
    assert_eq!(
        (page.status().as_u16(), page.header("server")),
        (504, Some("duck"))
    );

    let page = site.get("/panics").await;
    assert_eq!(
        (page.status().as_u16(), page.header("x-inside")),
        (500, Some("yes")),
        "caught further in"
    );

    assert_eq!(
        site.post("/length")
            .body("text/plain", vec![0; 100])
            .await
            .text(),
        "100"
    );
    assert_eq!(
        site.post("/length")
            .body("text/plain", vec![0; 101])
            .await
            .status(),
        413
    );
    assert_eq!(site.get("/stream").await.bytes().len(), 5000);
    assert_eq!(site.get("/missing").await.header("server"), Some("duck"));

    let preflight = site
        .request(Method::OPTIONS, "/length")
        .header("origin", "https://other.example")
        .header("access-control-request-method", "POST")
        .await;
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.header("x-inside"), None, "answered by the layer");
}

#[tokio::test]
async fn a_tower_layer_that_fails_is_a_500_without_its_reason() {
    let layer = tower::layer::layer_fn(|inner: duck::middleware::Inside| {
        tower::service_fn(move |request: http::Request<Body>| {
            let answer = inner.clone().oneshot(request);
            async move {
                let Ok(_) = answer.await;
                Err::<http::Response<Body>, _>(std::io::Error::other("hush"))
            }
        })
    });
    let site = TestClient::start(app().layer(layer).urls([path("/", home)])).await;
    let response = site.get("/").await;
    assert_eq!(response.status(), 500);
    assert!(!response.text().contains("hush"));
}

#[tokio::test]
async fn a_panic_in_a_tower_layer_is_one_500() {
    let layer = tower::layer::layer_fn(|inner: duck::middleware::Inside| {
        inner.map_request(|request: http::Request<Body>| {
            assert!(request.uri().path() != "/panic", "the layer has had enough");
            request
        })
    });
    let site = TestClient::start(app().layer(layer).urls([path("/", home)])).await;
    assert_eq!(site.get("/panic").await.status(), 500);
    assert_eq!(site.get("/").await.text(), "home");
}

#[tokio::test]
async fn a_site_is_a_tower_service() {
    let site = app().urls([path("/", home)]).start().await.unwrap();
    let service = tower::ServiceBuilder::new()
        .layer(SetResponseHeaderLayer::overriding(
            header::SERVER,
            HeaderValue::from_static("outside"),
        ))
        .service(site);
    let request = http::Request::builder()
        .uri("/")
        .body(Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["server"]),
        (StatusCode::OK, &HeaderValue::from_static("outside"))
    );
}

#[tokio::test]
async fn a_layer_may_answer_what_a_view_may() {
    async fn closed(_request: Request, _next: Next<'_>) -> (StatusCode, &'static str) {
        (StatusCode::SERVICE_UNAVAILABLE, "closed")
    }
    async fn passes(request: Request, next: Next<'_>) -> Response {
        next.run(request).await
    }
    async fn fails(
        _request: Request,
        _next: Next<'_>,
    ) -> Result<Html<String>, std::num::ParseIntError> {
        Ok(Html("x".parse::<u8>()?.to_string()))
    }
    let site = TestClient::start(app().urls([
        path("/closed", home).middleware(closed),
        path("/passes", home).middleware(passes),
        path("/fails", home).middleware(fails),
    ]))
    .await;
    let page = site.get("/closed").await;
    assert_eq!((page.status().as_u16(), page.text()), (503, "closed"));
    assert_eq!(site.get("/passes").await.text(), "home");
    assert_eq!(site.get("/fails").await.status(), 500);
}

#[tokio::test]
async fn a_pattern_without_middleware_keeps_its_own_and_its_blueprints() {
    let diary = Diary::default();
    let noting = |what: &'static str| {
        let diary = diary.clone();
        duck::middleware::process_request(move |request: Request| {
            diary.note(what);
            async move { Ok(request) }
        })
    };
    let app = app().middleware(noting("site")).urls([
        path("/", home),
        path("/version", home).without_middleware(),
        path("/own", home)
            .middleware(noting("own"))
            .without_middleware(),
    ]);
    let blueprint = Blueprint::new("api")
        .middleware(noting("blueprint"))
        .urls([path("/hook", home).without_middleware()]);
    let site = TestClient::start(app.urls(blueprint)).await;
    for (path, expected) in [
        ("/", "site"),
        ("/version", ""),
        ("/own", "own"),
        ("/api/hook", "blueprint"),
    ] {
        assert_eq!(site.get(path).await.text(), "home", "{path}");
        assert_eq!(diary.take(), expected, "{path}");
    }
}
