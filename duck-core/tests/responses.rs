//! What a visitor gets.

use duck::http::{Body, RequestError};
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};

fn app() -> App {
    App::new(Settings::default())
}

fn status(response: &TestResponse) -> u16 {
    response.status().as_u16()
}

#[tokio::test]
async fn everything_a_view_may_answer_has_its_type() {
    let site = TestClient::start(app().urls([
        path("/unit", async |_request: Request| ()),
        path("/str", async |_request: Request| "é"),
        path("/string", async |_request: Request| String::from("é")),
        path("/html", async |_request: Request| Html("<p>")),
        path("/json", async |_request: Request| Json([1, 2])),
        path("/status", async |_request: Request| StatusCode::CREATED),
        path("/both", async |_request: Request| {
            (StatusCode::CREATED, "made")
        }),
        path("/bytes", async |_request: Request| bytes(vec![0, 1])),
        path("/empty", async |_request: Request| text("")),
    ]))
    .await;
    for (path, code, media_type, body) in [
        ("/unit", 200, None, ""),
        ("/str", 200, Some("text/plain; charset=utf-8"), "é"),
        ("/string", 200, Some("text/plain; charset=utf-8"), "é"),
        ("/html", 200, Some("text/html; charset=utf-8"), "<p>"),
        ("/json", 200, Some("application/json"), "[1,2]"),
        ("/status", 201, None, ""),
        ("/both", 201, Some("text/plain; charset=utf-8"), "made"),
        ("/bytes", 200, Some("application/octet-stream"), "\0\u{1}"),
        ("/empty", 200, Some("text/plain; charset=utf-8"), ""),
    ] {
        let response = site.get(path).await;
        assert_eq!(
            (
                status(&response),
                response.header("content-type"),
                response.text()
            ),
            (code, media_type, body),
            "{path}"
        );
    }
}

#[test]
fn no_setter_lets_a_second_header_in() {
    for evil in [
        "a\r\nx-evil: 1",
        "a\nx-evil: 1",
        "a\rx",
        "a\0b",
        "\r\n\r\n<script>",
        "\u{7f}",
    ] {
        assert!(text("").with_header("x-a", evil).is_err(), "{evil:?}");
        assert!(text("").with_added_header("x-a", evil).is_err(), "{evil:?}");
        assert!(text("").with_header(evil, "x").is_err(), "{evil:?}");
        assert!(redirect_to(format!("/{evil}")).is_err(), "{evil:?}");
        assert!(text("").without_cookie("n", evil).is_err(), "{evil:?}");
        assert!(text("").without_cookie(evil, "/").is_err(), "{evil:?}");
        assert!(
            text("")
                .with_cookie(Cookie::build(("n", "v")).domain(evil.to_owned()))
                .is_err(),
            "{evil:?}"
        );
        for response in [
            redirect_external(evil).ok(),
            text("").with_cookie(("n", evil)).ok(),
        ]
        .into_iter()
        .flatten()
        {
            assert_eq!(
                response.headers().len(),
                1 + usize::from(response.headers().contains_key("content-type"))
            );
            for value in response.headers().values() {
                assert!(
                    !value.as_bytes().iter().any(u8::is_ascii_control),
                    "{value:?}"
                );
            }
        }
    }
}

#[test]
fn a_cookie_cannot_smuggle_attributes() {
    for evil in ["v; Domain=evil", "v; HttpOnly", "v\", x=\"y", "v,w"] {
        let response = text("").with_cookie(("n", evil.to_owned())).unwrap();
        let sent = response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            !sent.contains(';') && !sent.contains(' ') && !sent.contains('"'),
            "{sent}"
        );
    }
    for evil in ["/; Secure", "evil.com; Path=/x"] {
        assert!(
            text("")
                .with_cookie(Cookie::build(("n", "v")).path(evil))
                .is_err()
        );
        assert!(
            text("")
                .with_cookie(Cookie::build(("n", "v")).domain(evil))
                .is_err()
        );
    }
    for name in ["", "a b", "a=b", "a;b", "a,b", "ä", "a\t", "\"a\""] {
        assert!(text("").with_cookie((name, "v")).is_err(), "{name:?}");
        assert!(text("").with_header(name, "v").is_err(), "{name:?}");
    }
}

#[test]
fn a_cookie_comes_back_as_it_was_set() {
    for value in ["plain", "a b", "a;b,c\"d\\e", "é€😀", "100%", "%41", ""] {
        let response = text("").with_cookie(("n", value.to_owned())).unwrap();
        let sent = response.headers()["set-cookie"].to_str().unwrap();
        let back = Cookie::parse_encoded(sent).unwrap();
        assert_eq!(back.value(), value, "{sent}");
    }
}

#[test]
fn several_cookies_are_several_headers() {
    let response = text("")
        .with_cookie(("a", "1"))
        .unwrap()
        .with_cookie(("b", "2"))
        .unwrap();
    let sent: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(sent, ["a=1", "b=2"]);
}

#[test]
fn a_redirect_to_a_path_stays_on_the_site() {
    for evil in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "evil",
        "",
        "/\t/evil",
        "/\n/evil",
        "javascript:x",
    ] {
        assert!(redirect_to(evil).is_err(), "{evil:?}");
    }
    for (path, location) in [
        ("/a b", "/a%20b"),
        ("/?next=//evil", "/?next=//evil"),
        ("/ü", "/%C3%BC"),
        ("/a%2Fb", "/a%2Fb"),
        ("/<\">", "/<%22>"),
    ] {
        let response = redirect_to(path).unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers()["location"].to_str().unwrap()
            ),
            (303, location)
        );
    }
}

#[tokio::test]
async fn a_header_set_twice_is_one_and_an_added_one_is_two() {
    let site = TestClient::start(app().urls([path(
        "/",
        async |_request: Request| -> Result<Response> {
            Ok(text("")
                .with_header("vary", "a")?
                .with_header("vary", "b")?
                .with_added_header("vary", "c")?)
        },
    )]))
    .await;
    let response = site.get("/").await;
    assert_eq!(
        response
            .headers()
            .get_all("vary")
            .iter()
            .collect::<Vec<_>>(),
        ["b", "c"]
    );
}

#[tokio::test]
async fn a_stream_is_sent_and_its_failure_is_told() {
    let site = TestClient::start(app().urls([
        path("/whole", async |_request: Request| {
            stream(
                "text/event-stream",
                futures_util::stream::iter(
                    ["a", "b"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))),
                ),
            )
        }),
        path("/broken", async |_request: Request| {
            let pieces = [
                Ok(Bytes::from("a")),
                Err(std::io::Error::other("the disk is gone")),
            ];
            stream("text/plain", futures_util::stream::iter(pieces))
        }),
    ]))
    .await;
    let whole = site.get("/whole").await;
    assert_eq!(
        (whole.text(), whole.header("content-type")),
        ("ab", Some("text/event-stream"))
    );
    assert!(site.get("/broken").await.body().is_err());
}

/// The hidden cause, as the log has it.
#[derive(Debug)]
struct Secret;

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<password of /etc/shadow>")
    }
}

impl std::error::Error for Secret {}

const LINE_OF_THE_QUESTION_MARK: u32 = line!() + 3;
async fn fails(_request: Request) -> Result<&'static str> {
    let failed: Result<&'static str, Secret> = Err(Secret);
    Ok(failed?)
}

async fn asked_wrongly(_request: Request) -> Result<&'static str> {
    let cause = RequestError::new(StatusCode::BAD_REQUEST, "the <date> is missing").because(Secret);
    Err(cause.into())
}

async fn unavailable(_request: Request) -> Result<&'static str> {
    Err(duck::session::SessionError::store(Secret).into())
}

async fn unavailable_until(_request: Request) -> Result<Response> {
    Ok(StatusCode::SERVICE_UNAVAILABLE
        .into_response()
        .with_header("retry-after", "60")?)
}

async fn failing(debug: bool) -> TestClient {
    TestClient::start(
        app()
            .setting("DEBUG", debug)
            .setting("SECRET_KEY", "hushhushhushhushhushhushhushhush")
            .urls([
                path("/fails/<id>", fails),
                path("/asked-wrongly", asked_wrongly),
                path("/unavailable", unavailable),
                path("/unavailable-until", unavailable_until),
            ]),
    )
    .await
}

#[tokio::test]
async fn an_error_is_shown_in_the_form_the_client_takes() {
    let site = failing(false).await;
    let text = ("text/plain; charset=utf-8", "500 Internal Server Error");
    let html = ("text/html; charset=utf-8", "<!doctype html>");
    let problem = ("application/problem+json", "{");
    for (accept, (media_type, begins)) in [
        (None, text),
        (Some("*/*"), text),
        (Some("text/plain"), text),
        (Some("image/png"), text),
        (Some("text/*, text/html;q=0.5"), text),
        (Some("text/html;q=0, application/json;q=0, */*"), text),
        (Some("text/html;q=0.001, */*"), text),
        (Some("garbage"), text),
        (Some(""), text),
        (Some("text/html,application/xhtml+xml,*/*;q=0.8"), html),
        (Some("text/html, application/json;q=0.5"), html),
        (Some("text/html, application/json;q=0"), html),
        (Some("text/html, application/json"), html),
        (Some("text/*"), html),
        (Some("application/json"), problem),
        (Some("application/problem+json"), problem),
        (Some("application/json, text/plain, */*"), problem),
        (Some("application/json, text/html;q=0.5"), problem),
        (Some("application/json, text/html"), problem),
        (Some("text/html;q=0.4, application/json;q=0.5"), problem),
        (Some("application/*"), problem),
    ] {
        let request = site.get("/fails/7");
        let request = match accept {
            Some(accept) => request.header("accept", accept),
            None => request,
        };
        let response = request.await;
        assert_eq!(status(&response), 500);
        assert_eq!(
            response.header("content-type"),
            Some(media_type),
            "{accept:?}"
        );
        assert!(
            response.text().starts_with(begins),
            "{accept:?}: {}",
            response.text()
        );
    }
}

#[tokio::test]
async fn production_shows_neither_cause_nor_place_nor_key() {
    let site = failing(false).await;
    for path in [
        "/fails/7",
        "/asked-wrongly",
        "/unavailable",
        "/missing",
        "/fails/7/8",
    ] {
        for accept in ["*/*", "text/plain", "application/json", "text/html"] {
            let page = site.get(path).header("accept", accept).await;
            for hidden in [
                "password",
                "shadow",
                ".rs",
                "hush",
                "SECRET_KEY",
                "src/",
                "/fails/<",
            ] {
                assert!(
                    !page.text().contains(hidden),
                    "{path} {accept} shows {hidden}: {}",
                    page.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_debugging_author_sees_cause_line_and_route() {
    let site = failing(true).await;
    for accept in ["text/plain", "text/html"] {
        let page = site.get("/fails/7").header("accept", accept).await;
        let place = format!("tests/responses.rs:{LINE_OF_THE_QUESTION_MARK}\n");
        for shown in ["password of /etc/shadow", &place, "GET /fails/7", "/fails/"] {
            assert!(
                page.text().contains(shown),
                "{accept} does not show {shown}: {}",
                page.text()
            );
        }
        assert!(!page.text().contains("hush"), "the key is for nobody");
    }
    let page = site
        .get("/fails/7")
        .header("accept", "application/json")
        .await;
    assert!(
        page.text().contains("password of /etc/shadow"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn an_error_page_is_never_a_way_in_for_a_script() {
    for debug in [false, true] {
        let site = failing(debug).await;
        for path in [
            "/fails/%3Cscript%3E",
            "/asked-wrongly",
            "/%3Cscript%3Ealert(1)%3C/script%3E",
            "/x?a=%3Cscript%3E",
        ] {
            let page = site.get(path).header("accept", "text/html").await;
            assert!(!page.text().contains("<script>"), "{}", page.text());
            assert!(!page.text().contains("<password"), "{}", page.text());
            assert!(!page.text().contains("<date>"), "{}", page.text());
        }
    }
}

#[tokio::test]
async fn error_pages_fit_a_telephone_and_the_dark_and_ask_for_no_icon() {
    for debug in [false, true] {
        for path in ["/fails/7", "/asked-wrongly", "/nowhere"] {
            let page = failing(debug)
                .await
                .get(path)
                .header("accept", "text/html")
                .await;
            for part in [
                "<meta charset=\"utf-8\">",
                "<meta name=\"viewport\" content=\"width=device-width",
                "<meta name=\"color-scheme\" content=\"light dark\">",
                "prefers-color-scheme:dark",
                "<link rel=\"icon\" href=\"data:,\">",
            ] {
                assert!(
                    page.text().contains(part),
                    "{part} is missing in {}",
                    page.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_visitor_is_told_what_was_wrong_with_the_request() {
    let site = failing(false).await;
    let page = site.get("/asked-wrongly").await;
    assert_eq!(page.text(), "400 Bad Request\nthe <date> is missing\n");
    let page = site
        .get("/asked-wrongly")
        .header("accept", "text/html")
        .await;
    assert!(
        page.text().contains("the &lt;date&gt; is missing"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn a_client_of_an_unavailable_site_is_told_when_to_ask_again() {
    let site = failing(false).await;
    let response = site.get("/unavailable").await;
    assert_eq!(
        (status(&response), response.header("retry-after")),
        (503, Some("5"))
    );
    assert_eq!(
        site.get("/unavailable-until").await.header("retry-after"),
        Some("60")
    );
}

#[tokio::test]
async fn errors_of_requests_keep_their_status_through_the_question_mark() {
    async fn view(request: Request) -> Result<String> {
        let name: String = request.param("name")?;
        Ok(request.url(&name, ())?)
    }
    async fn none(_request: Request) -> Result<&'static str> {
        None.or_404()
    }
    async fn chosen(_request: Request) -> Result<&'static str> {
        "x".parse::<u8>()
            .map_err(|error| Error::new(StatusCode::CONFLICT, error))?;
        Ok("never")
    }
    let site = TestClient::start(app().urls([
        path("/url/<name>", view),
        path("/none", none),
        path("/chosen", chosen),
    ]))
    .await;
    assert_eq!(status(&site.get("/url/x").await), 500);
    assert_eq!(status(&site.get("/none").await), 404);
    assert_eq!(status(&site.get("/chosen").await), 409);
}

#[tokio::test]
async fn a_page_the_site_gave_to_its_error_is_kept_whole() {
    async fn page(request: Request, next: Next<'_>) -> Result<Response> {
        let response = next.run(request).await;
        let status = response.status();
        Ok(response
            .with_body(Body::from(format!("our own {status}")))
            .with_header("content-type", "text/x-own")?)
    }
    let site = TestClient::start(app().middleware(page)).await;
    let response = site.get("/").header("accept", "text/html").await;
    assert_eq!(
        (response.text(), response.header("content-type")),
        ("our own 404 Not Found", Some("text/x-own"))
    );
}

#[tokio::test]
async fn a_stream_needed_a_further_crate() {
    let site = TestClient::start(app().urls([
        path("/lines", async |request: Request| {
            stream_with("text/csv", async move |pieces| {
                for number in 0..100 {
                    pieces.send(format!("{number}{}\n", request.path())).await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            })
        }),
        path("/nothing", async |_request: Request| {
            stream_with("text/csv", async |_pieces| Ok(()))
        }),
        path("/elsewhere", async |_request: Request| {
            stream_with("text/plain", async |pieces| {
                tokio::spawn(async move { pieces.send("from a task").await });
                Ok(())
            })
        }),
    ]))
    .await;
    let lines: String = (0..100).map(|number| format!("{number}/lines\n")).collect();
    let page = site.get("/lines").await;
    assert_eq!(
        (page.header("content-type"), page.text()),
        (Some("text/csv"), &*lines)
    );
    assert_eq!(site.get("/nothing").await.text(), "");
    assert_eq!(site.get("/elsewhere").await.text(), "from a task");
}

#[tokio::test]
async fn a_streams_closure_runs_one_piece_ahead_and_its_failure_breaks_the_body_off() {
    use http_body_util::BodyExt;

    let made = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(0));
    let count = made.clone();
    let mut response = stream_with("text/plain", async move |pieces| {
        for number in 0..3_u8 {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            pieces.send(vec![number]).await?;
        }
        Err(Error::internal("the source ran dry"))
    });
    let mut body = response.take_body();
    let made = || made.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(made(), 0, "nothing runs before it is asked for");
    for number in 0..3 {
        let frame = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), vec![number]);
        assert!(
            made() <= number + 2,
            "{} pieces after {}",
            made(),
            number + 1
        );
    }
    let end = body.frame().await.expect("an end").expect_err("it fails");
    assert_eq!(end.to_string(), "the source ran dry");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn every_kind_of_redirect_is_there() {
    for status in [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ] {
        let response = redirect_to(format!("/notes/{}", 7))
            .expect("a path")
            .with_status(status);
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["location"], "/notes/7");
    }
}
