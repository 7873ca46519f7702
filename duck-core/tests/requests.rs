//! What a view learns of its request.

use std::collections::HashMap;

use duck::Bytes;
use duck::http::{Body, Connection};
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};
use futures_util::stream;
use http_body_util::BodyExt;
use serde::Deserialize;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn app() -> App {
    App::new(Settings::default()).setting("MAX_BODY_BYTES", 1000)
}

fn status(response: &TestResponse) -> u16 {
    response.status().as_u16()
}

/// A body whose length is not known beforehand.
fn chunks(pieces: &[&'static str]) -> Body {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())))
        .collect();
    Body::stream(stream::iter(pieces))
}

#[derive(Debug, Deserialize)]
struct Search {
    q: String,
    #[serde(default)]
    page: u32,
    #[serde(default)]
    tag: Vec<String>,
}

impl Search {
    fn say(self) -> String {
        format!("{} {} {:?}", self.q, self.page, self.tag)
    }
}

async fn readers() -> TestClient {
    TestClient::start(
        app().urls([
            path("/query", async |request: Request| {
                request.query().map(Search::say)
            }),
            path("/value", async |request: Request| {
                format!("{:?}", request.query_value("q"))
            }),
            path("/form", async |request: Request| {
                request.form_as().await.map(Search::say)
            })
            .methods([POST]),
            path("/json", async |request: Request| {
                request.json().await.map(Search::say)
            })
            .methods([POST]),
            path("/text", async |request: Request| request.text().await).methods([POST]),
            path("/bytes", async |request: Request| {
                request.bytes().await.map(|bytes| bytes.len().to_string())
            })
            .methods([POST]),
        ]),
    )
    .await
}

#[tokio::test]
async fn a_query_is_read_as_a_struct() {
    let site = readers().await;
    for (query, says) in [
        ("q=duck", "duck 0 []"),
        ("q=a+b%20c%2B&page=7", "a b c+ 7 []"),
        ("q=caf%C3%A9&tag=x&tag=y&other=z", r#"café 0 ["x", "y"]"#),
        ("q=&page=1", " 1 []"),
    ] {
        assert_eq!(
            site.get(&format!("/query?{query}")).await.text(),
            says,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_a_bad_request() {
    let site = readers().await;
    for query in [
        "",
        "page=1",
        "q=x&page=seven",
        "q=x&page=-1",
        "q=x&page=99999999999999999999",
    ] {
        let response = site.get(&format!("/query?{query}")).await;
        assert_eq!(status(&response), 400, "{query}");
    }
    assert_eq!(status(&site.get("/query").await), 400);
}

#[tokio::test]
async fn one_value_of_a_query_is_the_first_of_its_name() {
    let site = readers().await;
    for (query, says) in [
        ("?q=1&q=2", r#"Some("1")"#),
        ("?a=b&q=%41", r#"Some("A")"#),
        ("?q", r#"Some("")"#),
        ("?Q=1", "None"),
        ("", "None"),
        ("?q=%zz", r#"Some("%zz")"#),
    ] {
        assert_eq!(
            site.get(&format!("/value{query}")).await.text(),
            says,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_form_is_read_as_a_struct() {
    let site = readers().await;
    let form = "q=a+b&tag=x&tag=y";
    for media_type in [
        FORM,
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-URLencoded ;x",
    ] {
        let response = site.post("/form").body(media_type, form).await;
        assert_eq!(response.text(), r#"a b 0 ["x", "y"]"#, "{media_type}");
    }
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let site = readers().await;
    for (path, media_type) in [
        ("/form", JSON),
        ("/form", "text/plain"),
        ("/form", ""),
        ("/form", "application/x-www-form-urlencodedx"),
        ("/json", FORM),
        ("/json", "text/plain"),
        ("/json", "text/json+x"),
        ("/json", ""),
    ] {
        let response = site.post(path).body(media_type, "{}").await;
        assert_eq!(status(&response), 415, "{path} {media_type}");
    }
    assert_eq!(status(&site.post("/form").await), 415, "no type at all");
}

#[tokio::test]
async fn a_form_that_does_not_fit_is_unprocessable() {
    let site = readers().await;
    for form in ["", "page=1", "q=x&page=seven"] {
        assert_eq!(
            status(&site.post("/form").body(FORM, form).await),
            422,
            "{form}"
        );
    }
}

#[tokio::test]
async fn json_is_read_as_a_struct() {
    let site = readers().await;
    for media_type in [
        JSON,
        "application/json; charset=utf-8",
        "application/vnd.api+json",
        "APPLICATION/JSON",
    ] {
        let response = site
            .post("/json")
            .body(media_type, r#"{"q": "x", "tag": ["a"]}"#)
            .await;
        assert_eq!(response.text(), r#"x 0 ["a"]"#, "{media_type}");
    }
}

#[tokio::test]
async fn broken_json_is_a_bad_request_and_another_shape_is_unprocessable() {
    let site = readers().await;
    for (json, code) in [
        ("", 400),
        ("{", 400),
        (r#"{"q": "x"} trailing"#, 400),
        (r#"{"q": "\ud800"}"#, 400),
        ("nul", 400),
        ("[]", 422),
        ("{}", 422),
        (r#"{"q": 7}"#, 422),
        (r#"{"q": "x", "page": -1}"#, 422),
        (r#"{"q": "x", "q": "y"}"#, 422),
    ] {
        assert_eq!(
            status(&site.post("/json").body(JSON, json).await),
            code,
            "{json}"
        );
    }
    let deep = "[".repeat(999);
    assert_eq!(
        status(&site.post("/json").body(JSON, deep).await),
        422,
        "not as deep as the stack"
    );
}

#[tokio::test]
async fn json_may_not_nest_without_end() {
    let site = TestClient::start(
        app()
            .setting("MAX_BODY_BYTES", 10_000_000)
            .urls([path("/", async |request: Request| {
                request.json::<serde_json::Value>().await.map(|_| "read")
            })
            .methods([POST])]),
    )
    .await;
    assert_eq!(
        status(&site.post("/").body(JSON, "[".repeat(1_000_000)).await),
        400
    );
}

#[tokio::test]
async fn a_body_that_is_no_utf8_is_no_text() {
    let site = readers().await;
    let bytes: &[u8] = b"caf\xe9";
    assert_eq!(
        status(&site.post("/text").body("text/plain", bytes).await),
        400
    );
    assert_eq!(
        site.post("/bytes").body("text/plain", bytes).await.text(),
        "4"
    );
    assert_eq!(
        status(
            &site
                .post("/json")
                .body(JSON, &b"{\"q\": \"\xff\"}"[..])
                .await
        ),
        400
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_length_and_by_what_comes() {
    let site = readers().await;
    for (path, media_type) in [
        ("/text", "text/plain"),
        ("/bytes", "x/y"),
        ("/form", FORM),
        ("/json", JSON),
    ] {
        let by_length = site.post(path).body(media_type, "x".repeat(1001)).await;
        assert_eq!(status(&by_length), 413, "{path}");
        let chunked = site
            .post(path)
            .body(media_type, chunks(&["xxxxxxxxxx"; 101]))
            .await;
        assert_eq!(status(&chunked), 413, "{path}");
    }
    assert_eq!(
        site.post("/bytes")
            .body("x/y", "x".repeat(1000))
            .await
            .text(),
        "1000"
    );
    assert_eq!(
        site.post("/bytes")
            .body("x/y", chunks(&["xxxxxxxxxx"; 100]))
            .await
            .text(),
        "1000"
    );
    assert_eq!(
        site.post("/text")
            .body("x/y", chunks(&["a", "", "b", "c"]))
            .await
            .text(),
        "abc"
    );
    assert_eq!(site.post("/text").await.text(), "");
}

#[tokio::test]
async fn a_stream_stops_at_the_limit_and_can_be_had_once() {
    async fn count(request: Request) -> Result<String> {
        let mut body = request.body_stream()?;
        assert_eq!(request.body_stream().unwrap_err().status(), 500);
        assert_eq!(request.bytes().await.unwrap_err().status(), 500);
        let mut length = 0;
        while let Some(piece) = body.next().await? {
            length += piece.len();
        }
        Ok(length.to_string())
    }
    let site = TestClient::start(app().urls([path("/", count).methods([POST])])).await;
    assert_eq!(
        site.post("/")
            .body("x/y", chunks(&["xxxxxxxxxx"; 100]))
            .await
            .text(),
        "1000"
    );
    assert_eq!(
        status(
            &site
                .post("/")
                .body("x/y", chunks(&["xxxxxxxxxx"; 101]))
                .await
        ),
        413
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let site = readers().await;
    let started = tokio::time::Instant::now();
    let endless = Body::stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let response = site.post("/text").body("text/plain", endless).await;
    assert_eq!((status(&response), started.elapsed().as_secs()), (408, 60));
}

#[tokio::test]
async fn what_was_sent_is_never_quoted() {
    let site = readers().await;
    let secret = "s3cret-value";
    for (path, media_type, body) in [
        (
            "/json",
            JSON,
            format!(r#"{{"q": "x", "page": "{secret}"}}"#),
        ),
        ("/json", JSON, secret.to_owned()),
        ("/form", FORM, format!("q=x&page={secret}")),
        ("/form", secret, String::new()),
    ] {
        for accept in ["*/*", "text/html", "application/json"] {
            let response = site
                .post(path)
                .body(media_type, body.clone())
                .header("accept", accept)
                .await;
            assert!(response.status().is_client_error());
            assert!(!response.text().contains(secret), "{}", response.text());
        }
    }
    let response = site.get(&format!("/query?q=x&page={secret}")).await;
    assert!(!response.text().contains(secret), "{}", response.text());
}

async fn cookies() -> TestClient {
    TestClient::start(
        app().urls([path("/<name>", async |request: Request, name: String| {
            format!("{:?}", request.cookie(&name))
        })]),
    )
    .await
}

#[tokio::test]
async fn cookies_are_found_in_several_headers() {
    let site = cookies().await;
    let read = async |name: &str| {
        let request = site
            .get(&format!("/{name}"))
            .header("cookie", "a=1; b=2")
            .header("cookie", "c=3;d=a%20b");
        request.await.text().to_owned()
    };
    assert_eq!(read("a").await, r#"Some("1")"#);
    assert_eq!(read("b").await, r#"Some("2")"#);
    assert_eq!(read("c").await, r#"Some("3")"#);
    assert_eq!(read("d").await, r#"Some("a b")"#);
    assert_eq!(read("e").await, "None");
}

#[tokio::test]
async fn a_cookie_comes_back_under_every_name_it_can_have() {
    const NAME: &str = "!#$%&'*+-.^_`|~09azAZ";
    let site = TestClient::start(app().urls([
        path("/set", async |_request: Request| {
            text("").with_cookie((NAME, "a b"))
        }),
        path("/get", async |request: Request| {
            request.cookie(NAME).unwrap_or_default()
        }),
    ]))
    .await;
    site.get("/set").await;
    assert_eq!(site.get("/get").await.text(), "a b");
}

#[tokio::test]
async fn the_first_cookie_of_a_name_counts_and_broken_ones_hide_none() {
    let site = cookies().await;
    for (sent, says) in [
        ("a=1; a=2", r#"Some("1")"#),
        ("; ;=; =x; broken; a=1", r#"Some("1")"#),
        ("a", "None"),
        ("A=1", "None"),
        ("a=", r#"Some("")"#),
        ("a=b=c", r#"Some("b=c")"#),
        ("other=%ff; a=1", r#"Some("1")"#),
        ("a=%ff; a=1", r#"Some("1")"#),
        ("other=caf\u{e9}; a=1", r#"Some("1")"#),
        ("xa=2; a=1", r#"Some("1")"#),
        ("%61=2; a=1", r#"Some("1")"#),
        ("a =1", r#"Some("1")"#),
    ] {
        assert_eq!(
            site.get("/a").header("cookie", sent).await.text(),
            says,
            "{sent}"
        );
    }
}

/// Asks as no client of the test kit would: without a host, or from elsewhere.
async fn ask(site: &TestClient, request: http::Request<Body>, connection: Connection) -> String {
    let mut response = site.site().respond(request, connection).await;
    let body = response.take_body().collect().await.expect("a whole body");
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

#[tokio::test]
async fn the_host_comes_without_its_port_and_the_uri_stands_over_the_header() {
    let site = TestClient::start(app().urls([path("/", async |request: Request| {
        format!("{:?}", request.host())
    })]))
    .await;
    for (uri, host, says) in [
        ("/", Some("example.org"), "example.org"),
        ("/", Some("example.org:8000"), "example.org"),
        ("/", Some("[::1]"), "[::1]"),
        ("/", Some("[::1]:8000"), "[::1]"),
        (
            "http://example.org:80/",
            Some("other.example"),
            "example.org",
        ),
        ("http://example.org/", None, "example.org"),
    ] {
        let mut request = http::Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = ask(
            &site,
            request.body(Body::empty()).unwrap(),
            Connection::default(),
        )
        .await;
        assert_eq!(answer, format!("Some({says:?})"), "{uri} {host:?}");
    }
    let answer = ask(
        &site,
        http::Request::new(Body::empty()),
        Connection::default(),
    )
    .await;
    assert_eq!(answer, "None");
}

#[tokio::test]
async fn accept_is_weighed_as_the_standard_says() {
    let site = TestClient::start(app().urls([path("/", async |request: Request| {
        let kinds = ["text/html", "application/json", "image/png"];
        kinds
            .into_iter()
            .filter(|kind| request.accepts(kind))
            .collect::<Vec<_>>()
            .join(" ")
    })]))
    .await;
    let all = "text/html application/json image/png";
    for (accept, says) in [
        ("*/*", all),
        ("text/html", "text/html"),
        ("TEXT/HTML;level=1", "text/html"),
        ("text/*, image/*;q=0", "text/html"),
        ("text/html;level=\"1,2;q=0\", x/y;q=0", "text/html"),
        ("text/html;q=0, */*", "application/json image/png"),
        ("*/*;q=0.1, text/html;q=0", "application/json image/png"),
        ("*/*; q=0", ""),
        ("*/*;Q=0", ""),
        ("text/html;q=0.000", ""),
        ("application/json;q=1.0;charset=x", "application/json"),
        (", ,,text/html,", "text/html"),
        ("html", ""),
        ("*/html", ""),
        ("text/html;q=nan", ""),
        ("text/html;q=-1", ""),
        ("text/html;q=2", ""),
        ("text/html;q=", ""),
        ("text/html;q=0.5e3", ""),
        ("\"text/html", ""),
        (",,;;,", ""),
        ("", ""),
    ] {
        assert_eq!(
            site.get("/").header("accept", accept).await.text(),
            says,
            "{accept}"
        );
    }
    assert_eq!(
        site.get("/").await.text(),
        all,
        "no header takes everything"
    );
    let twice = site
        .get("/")
        .header("accept", "text/html")
        .header("accept", "image/png");
    assert_eq!(twice.await.text(), "text/html image/png");
}

#[tokio::test]
async fn a_connection_of_this_server_is_secure_by_itself() {
    let site = TestClient::start(app().urls([path("/", async |request: Request| {
        format!("{:?} {}", request.client_ip(), request.is_secure())
    })]))
    .await;
    assert_eq!(site.get("/").await.text(), "None false");
    assert_eq!(site.another().https().get("/").await.text(), "None true");
}

#[tokio::test]
async fn a_header_that_is_no_ascii_is_no_text() {
    let site = TestClient::start(app().urls([path("/", async |request: Request| {
        format!(
            "{:?} {}",
            request.header("x-name"),
            request.headers().contains_key("x-name")
        )
    })]))
    .await;
    assert_eq!(
        site.get("/").header("x-name", "duck").await.text(),
        r#"Some("duck") true"#
    );
    assert_eq!(
        site.get("/").header("X-Name", "é").await.text(),
        "None true"
    );
}

#[tokio::test]
async fn clones_of_a_request_are_one_request() {
    let site = TestClient::start(
        app().urls([path("/", async |request: Request| {
            let other = request.clone();
            other.insert(7_u8);
            let (one, two) = tokio::join!(request.text(), other.text());
            format!(
                "{:?} {} {}",
                request.get::<u8>(),
                one.unwrap(),
                two.unwrap()
            )
        })
        .methods([POST])]),
    )
    .await;
    assert_eq!(
        site.post("/").body("x/y", chunks(&["a", "b"])).await.text(),
        "Some(7) ab ab"
    );
}

#[tokio::test]
async fn a_form_may_be_read_as_any_map() {
    let site = TestClient::start(
        app().urls([path("/", async |request: Request| -> Result<String> {
            let fields: HashMap<String, Vec<String>> = request.form_as().await?;
            Ok(format!("{:?}", fields.get("a")))
        })
        .methods([POST])]),
    )
    .await;
    let form = [("a", "1"), ("b", "2"), ("a", "3")];
    assert_eq!(
        site.post("/").form(&form).await.text(),
        r#"Some(["1", "3"])"#
    );
}

/// Reads a body in one way of many; what it gives is the same for all of them.
async fn read(request: &Request, how: &str) -> Result<String> {
    match how {
        "text" => Ok(request.text().await?),
        "bytes" => Ok(String::from_utf8_lossy(&request.bytes().await?).into_owned()),
        "form" => {
            let pairs: Vec<(String, String)> = request.form_as().await?;
            Ok(pairs
                .iter()
                .map(|(name, text)| format!("{name}={text}"))
                .collect())
        }
        "json" => Ok(request.json::<serde_json::Value>().await.map_or_else(
            |error| format!("{} {error}", error.status()),
            |json| json.to_string(),
        )),
        "stream" => {
            let (mut body, mut whole) = (request.body_stream()?, Vec::new());
            while let Some(piece) = body.next().await? {
                whole.extend_from_slice(&piece);
            }
            Ok(String::from_utf8_lossy(&whole).into_owned())
        }
        "one piece" => {
            request.body_stream()?.next().await?;
            Ok(String::new())
        }
        "no piece" => {
            request.body_stream()?;
            Ok(String::new())
        }
        other => panic!("{other}?"),
    }
}

const WAYS: [&str; 7] = [
    "text",
    "bytes",
    "form",
    "json",
    "stream",
    "one piece",
    "no piece",
];

/// A site whose middleware reads the body in the way a header names, and whose view reads it in
/// another, or in the same.
async fn read_twice() -> TestClient {
    async fn first(request: Request, next: Next<'_>) -> Result<Response> {
        if let Some(how) = request.header("x-first") {
            // Its error is not the view's.
            let _ = read(&request, how).await;
        }
        Ok(next.run(request).await)
    }
    let view = async |request: Request| {
        let how = request.header("x-then").unwrap_or_default();
        read(&request, how).await
    };
    TestClient::start(
        app()
            .middleware(first)
            .urls([path("/", view).methods([POST])]),
    )
    .await
}

#[tokio::test]
async fn a_body_may_be_read_in_any_ways_one_after_the_other() {
    let site = read_twice().await;
    for pieces in [
        &["a=1&b=2"][..],
        &["a=", "1&b", "=", "2"],
        &["", "a=1", "&b=2", ""],
        &[],
    ] {
        for then in WAYS {
            let alone = site
                .post("/")
                .body(FORM, chunks(pieces))
                .header("x-then", then)
                .await;
            assert_eq!(alone.status(), 200);
            for first in WAYS {
                let again = site.post("/").body(FORM, chunks(pieces));
                let again = again.header("x-first", first).header("x-then", then).await;
                let (again, alone) = (
                    (again.status(), again.text()),
                    (alone.status(), alone.text()),
                );
                assert_eq!(again, alone, "{first}, then {then}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_reads_a_body_second_gets_the_error_of_the_first() {
    let broken = || {
        let pieces = [
            Ok(Bytes::from_static(b"a=1")),
            Err(std::io::Error::other("gone")),
        ];
        Body::stream(stream::iter(pieces))
    };
    let bodies: [(fn() -> Body, u16); 2] = [
        (|| Body::from("x".repeat(1001)), 413),
        (|| chunks(&["xxxxxxxxxx"; 101]), 413),
    ];
    let site = read_twice().await;
    for first in [
        "",
        "text",
        "bytes",
        "form",
        "stream",
        "one piece",
        "no piece",
    ] {
        for then in ["text", "bytes", "form", "stream"] {
            let send = async |body: Body| {
                let request = site.post("/").body(FORM, body).header("x-then", then);
                match first {
                    "" => status(&request.await),
                    first => status(&request.header("x-first", first).await),
                }
            };
            for (body, code) in bodies {
                assert_eq!(send(body()).await, code, "{first}, then {then}");
            }
            assert_eq!(send(broken()).await, 400, "{first}, then {then}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_was_given_up_is_taken_up_by_the_next() {
    use std::time::Duration;
    async fn impatient(request: Request, next: Next<'_>) -> Result<Response> {
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, request.bytes()).await.is_err());
        let mut body = request.body_stream()?;
        assert_eq!(body.next().await?, Some(Bytes::from_static(b"a")));
        assert!(tokio::time::timeout(second, body.next()).await.is_err());
        drop(body);
        Ok(next.run(request).await)
    }
    let slow = stream::unfold(0, async |count| {
        tokio::time::sleep(Duration::from_secs(5 * count)).await;
        let piece = ["a", "b", "c"].get(usize::try_from(count).ok()?)?;
        Some((
            Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())),
            count + 1,
        ))
    });
    let view = async |request: Request| request.text().await;
    let app = app()
        .middleware(impatient)
        .urls([path("/", view).methods([POST])]);
    let page = TestClient::start(app)
        .await
        .post("/")
        .body("x/y", Body::stream(slow))
        .await;
    assert_eq!(page.text(), "abc");
}

#[tokio::test]
async fn a_stream_is_kept_up_to_the_limit_of_the_site() {
    async fn twice(request: Request) -> Result<String> {
        let mut body = request.body_stream()?;
        while body.next().await?.is_some() {}
        drop(body);
        let again = request.bytes().await?;
        Ok(again.len().to_string())
    }
    let site =
        TestClient::start(app().urls([path("/", twice).methods([POST]).max_body(100_000)])).await;
    let kept = site
        .post("/")
        .body("x/y", chunks(&["xxxxxxxxxx"; 100]))
        .await;
    assert_eq!(kept.text(), "1000");
    let longer = site
        .post("/")
        .body("x/y", chunks(&["xxxxxxxxxx"; 101]))
        .await;
    assert_eq!(status(&longer), 500);
}

#[tokio::test]
async fn a_compressed_body_is_refused_with_what_is_taken() {
    let site = readers().await;
    for (path, media_type) in [("/form", FORM), ("/json", JSON), ("/text", "text/plain")] {
        for coding in [
            "gzip",
            "GZIP",
            "br",
            "identity, gzip",
            "x-unknown",
            "gzip, identity",
            "é",
        ] {
            let page = site.post(path).body(media_type, "\x1f\u{8b}");
            let page = page.header("content-encoding", coding).await;
            assert_eq!(status(&page), 415, "{path} {coding}");
            assert_eq!(
                page.header("accept-encoding"),
                Some("identity"),
                "{path} {coding}"
            );
        }
        let other = site.post(path).body("x/y", "{}").await;
        assert_eq!(
            other.header("accept-encoding"),
            None,
            "{path}: the type is what is wrong"
        );
    }
    for coding in ["identity", "IDENTITY", "", " identity , identity", ","] {
        let page = site
            .post("/form")
            .body(FORM, "q=x")
            .header("content-encoding", coding)
            .await;
        assert_eq!(page.text(), "x 0 []", "{coding}");
    }
    let twice = site.post("/form").body(FORM, "q=x");
    let twice = twice
        .header("content-encoding", "identity")
        .header("content-encoding", "gzip");
    assert_eq!(status(&twice.await), 415);
    let raw = site
        .post("/bytes")
        .body("x/y", "1234")
        .header("content-encoding", "gzip")
        .await;
    assert_eq!(raw.text(), "4", "bytes are what was sent");
}

#[tokio::test]
async fn the_media_type_is_read_in_every_spelling() {
    let site = readers().await;
    for media_type in [
        "application/json ; charset=utf-8",
        "application/json\t;\tcharset=\"utf-8\"",
        "application/json;",
        "application/json;charset=ISO-8859-1;charset=x",
        "Application/Problem+JSON; a=\"b;c\"",
        "application/json; name=\"\u{fc}\"",
    ] {
        let page = site.post("/json").body(media_type, r#"{"q": "x"}"#).await;
        assert_eq!(page.text(), "x 0 []", "{media_type}");
    }
    let charset = "application/x-www-form-urlencoded; charset=ISO-8859-1";
    assert_eq!(
        site.post("/form").body(charset, "q=x").await.text(),
        "x 0 []"
    );
    for (second, code) in [(JSON, 200), ("text/plain", 400), (FORM, 400)] {
        let page = site.post("/json").body(JSON, r#"{"q": "x"}"#);
        assert_eq!(
            status(&page.header("content-type", second).await),
            code,
            "{second}"
        );
    }
    let listed = site
        .post("/json")
        .body("application/json, application/json", "{}")
        .await;
    assert_eq!(status(&listed), 415);
}

#[tokio::test]
async fn a_mark_before_a_text_is_no_part_of_it() {
    let site = readers().await;
    let page = site
        .post("/text")
        .body("text/plain", "\u{feff}quack\u{feff}")
        .await;
    assert_eq!(page.text(), "quack\u{feff}");
    let page = site.post("/bytes").body("text/plain", "\u{feff}").await;
    assert_eq!(page.text(), "3", "bytes are what was sent");
}

#[tokio::test]
async fn all_cookies_come_in_their_order_with_those_that_come_twice() {
    let site = TestClient::start(app().urls([path("/", async |request: Request| {
        format!("{:?}", request.cookies().collect::<Vec<_>>())
    })]))
    .await;
    for (sent, says) in [
        ("b=1; a=2; b=3", r#"[("b", "1"), ("a", "2"), ("b", "3")]"#),
        (
            "a=x%20y; ;=; nothing; b=",
            r#"[("a", "x y"), ("", ""), ("b", "")]"#,
        ),
        ("a=%ff; b=1", r#"[("b", "1")]"#),
        ("%61=1; a=b=c", r#"[("%61", "1"), ("a", "b=c")]"#),
    ] {
        assert_eq!(
            site.get("/").header("cookie", sent).await.text(),
            says,
            "{sent}"
        );
    }
    let lines = site
        .get("/")
        .header("cookie", "a=1")
        .header("cookie", "a=2; b=3");
    assert_eq!(
        lines.await.text(),
        r#"[("a", "1"), ("a", "2"), ("b", "3")]"#
    );
    assert_eq!(site.get("/").await.text(), "[]");
}
