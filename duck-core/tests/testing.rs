//! The test client: what a browser would do with cookies and redirects.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::Duration;

use duck::http::{Body, HeaderValue};
use duck::prelude::*;
use duck::testing::TestClient;
use duck::{Bytes, Method};

/// Sets what `?set=…` says, and says which cookies came.
async fn cookies(request: Request) -> Result<Response> {
    let came = request.header("cookie").unwrap_or("none").to_owned();
    let mut response = text(came);
    for (_, line) in request.query::<Vec<(String, String)>>()? {
        let line = HeaderValue::try_from(line)?;
        response.headers_mut().append("set-cookie", line);
    }
    Ok(response)
}

async fn client() -> TestClient {
    let app = App::new(Settings::default());
    TestClient::start(app.urls([
        path("/", cookies),
        path("/app", cookies),
        path("/app/<path:rest>", async |request, _rest: String| {
            cookies(request).await
        }),
        path("/apple", cookies),
    ]))
    .await
}

/// Has a page set a cookie.
async fn set(client: &TestClient, at: &str, line: &str) {
    let line = serde_json::to_value(line).unwrap();
    let escaped: String = line
        .as_str()
        .unwrap()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    assert_eq!(
        client.get(&format!("{at}?set={escaped}")).await.status(),
        200
    );
}

async fn sent(client: &TestClient, at: &str) -> String {
    client.get(at).await.text().to_owned()
}

#[tokio::test]
async fn a_cookie_of_app_does_not_go_to_apple() {
    let client = client().await;
    set(&client, "/", "a=1; Path=/app").await;
    for (path, came) in [
        ("/app", "a=1"),
        ("/app/x", "a=1"),
        ("/app/x/y", "a=1"),
        ("/app?x", "a=1"),
        ("/apple", "none"),
        ("/", "none"),
    ] {
        assert_eq!(sent(&client, path).await, came, "{path}");
    }
    // Without a path it is that of the page's folder: RFC 6265bis, 5.1.4.
    client.clear_cookies();
    set(&client, "/app/x/y", "b=1").await;
    assert_eq!(sent(&client, "/app/x").await, "b=1");
    assert_eq!(sent(&client, "/app/xy").await, "none");
    assert_eq!(sent(&client, "/app").await, "none");
}

#[tokio::test]
async fn longer_paths_come_first_and_then_older_cookies() {
    let client = client().await;
    for line in [
        "z=1; Path=/",
        "a=2; Path=/app",
        "b=3; Path=/",
        "c=4; Path=/app/x",
    ] {
        set(&client, "/", line).await;
    }
    assert_eq!(sent(&client, "/app/x").await, "c=4; a=2; z=1; b=3");
    set(&client, "/", "z=5; Path=/").await;
    assert_eq!(sent(&client, "/").await, "z=5; b=3", "it keeps its age");
}

#[tokio::test]
async fn a_cookie_is_removed_by_expires_and_by_max_age() {
    let client = client().await;
    for end in [
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires=Wed, 21-Oct-2015 07:28:00 GMT",
        "Max-Age=0",
        "Max-Age=-1",
        "Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    ] {
        set(&client, "/", "a=1; Path=/").await;
        assert_eq!(sent(&client, "/").await, "a=1");
        set(&client, "/", &format!("a=; Path=/app; {end}")).await;
        assert_eq!(sent(&client, "/").await, "a=1", "{end}: of another path");
        set(&client, "/", &format!("a=; Path=/; {end}")).await;
        assert_eq!(sent(&client, "/").await, "none", "{end}");
        assert_eq!(client.cookie("a"), None);
    }
}

#[tokio::test]
async fn cookies_run_out_when_their_time_is_over() {
    let client = client().await;
    set(&client, "/", "a=1; Path=/; Max-Age=60").await;
    set(
        &client,
        "/",
        "b=1; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    )
    .await;
    set(&client, "/", "c=1; Path=/").await;
    client.advance(Duration::from_secs(30));
    assert_eq!(sent(&client, "/").await, "a=1; b=1; c=1");
    // Whose time begins later is over later.
    set(&client, "/", "d=1; Path=/; Max-Age=60").await;
    client.advance(Duration::from_secs(30));
    assert_eq!(sent(&client, "/").await, "b=1; c=1; d=1");
    assert_eq!(client.cookie("a"), None);
    client.advance(Duration::from_secs(30));
    assert_eq!(sent(&client, "/").await, "b=1; c=1");
    client.advance(Duration::from_hours(24 * 365 * 100));
    assert_eq!(sent(&client, "/").await, "c=1", "it ends with the browser");
    set(
        &client,
        "/",
        "e=1; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    )
    .await;
    assert_eq!(client.cookie("e"), None, "that is over by now");
}

#[tokio::test]
async fn a_foreign_domain_is_ignored() {
    let client = client().await.at_host("shop.example.org");
    for domain in [
        "example.com",
        "other.example.org",
        "a.shop.example.org",
        "ample.org",
        "org",
        "testserver",
    ] {
        set(&client, "/", &format!("a=1; Path=/; Domain={domain}")).await;
        assert_eq!(client.cookie("a"), None, "{domain}");
    }
    for domain in ["example.org", ".example.org", "EXAMPLE.org"] {
        set(&client, "/", &format!("a=1; Path=/; Domain={domain}")).await;
        let elsewhere = client.get("/").header("host", "www.example.org:8000");
        assert_eq!(elsewhere.await.text(), "a=1", "{domain}");
        client.clear_cookies();
    }
    set(&client, "/", "a=1; Path=/").await;
    let elsewhere = client.get("/").header("host", "www.example.org");
    assert_eq!(
        elsewhere.await.text(),
        "none",
        "without a domain it is of one host"
    );
}

#[tokio::test]
async fn prefixes_of_names_are_promises() {
    let secure = client().await.https();
    let plain = client().await;
    for (line, kept) in [
        ("__Host-a=1; Secure; Path=/", true),
        ("__host-a=1; Secure; Path=/", true),
        ("__Host-a=1; Secure; Path=/app", false),
        ("__Host-a=1; Secure", false),
        ("__HOST-a=1; Secure; Path=/; Domain=testserver", false),
        ("__Host-a=1; Path=/", false),
        ("__Secure-a=1; Secure; Path=/app; Domain=testserver", true),
        ("__secure-a=1; Path=/", false),
        ("a=1; SameSite=None", false),
        ("a=1; SameSite=None; Secure", true),
    ] {
        let name = line.split('=').next().unwrap();
        set(&secure, "/app", line).await;
        assert_eq!(secure.cookie(name).is_some(), kept, "{line}");
        secure.clear_cookies();
        set(&plain, "/app", line).await;
        assert_eq!(plain.cookie(name), None, "{line}, without https");
    }
}

#[tokio::test]
async fn a_secure_cookie_travels_over_https_alone() {
    let client = client().await.https();
    set(&client, "/", "a=1; Path=/; Secure").await;
    assert_eq!(sent(&client, "/").await, "a=1");
    let mut plain = TestClient::of(client.site().clone());
    set(&plain, "/", "a=1; Path=/; Secure").await;
    assert_eq!(plain.cookie("a"), None);
    set(&plain, "/", "a=1; Path=/").await;
    assert_eq!(sent(&plain, "/").await, "a=1");
    plain = plain.https();
    set(&plain, "/", "b=1; Path=/app; Secure").await;
    assert_eq!(sent(&plain, "/app").await, "b=1; a=1");
}

#[tokio::test]
async fn what_no_browser_keeps_is_not_kept() {
    let client = client().await;
    for line in ["", "=1", "no equals sign", "; Path=/"] {
        set(&client, "/", line).await;
    }
    set(&client, "/", &format!("big={}", "x".repeat(4094))).await;
    assert_eq!(sent(&client, "/").await, "none");
    set(&client, "/", &format!("big={}", "x".repeat(4093))).await;
    assert_eq!(client.cookie("big").map(|value| value.len()), Some(4093));
}

/// Says what came, and redirects as the path says.
async fn go(_request: Request, status: u16, to: String) -> Result<Response> {
    let to = format!("/{to}").replace("//", "/");
    Ok(text("")
        .with_status(StatusCode::from_u16(status)?)
        .with_header("location", to)?)
}

async fn echo(request: Request) -> Result<String> {
    let method = request.method().clone();
    let kind = request.header("content-type").unwrap_or("none").to_owned();
    let token = request.header("x-token").unwrap_or("none").to_owned();
    let secure = request.is_secure();
    Ok(format!(
        "{method} {kind} {token} {secure} {}",
        request.text().await?
    ))
}

const ALL: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];

async fn roads() -> TestClient {
    let out = async |request: Request| {
        let to = request.query::<std::collections::HashMap<String, String>>()?;
        Ok::<_, Error>(
            text("out")
                .with_status(StatusCode::FOUND)
                .with_header("location", &*to["to"])?,
        )
    };
    TestClient::start(App::new(Settings::default()).urls([
        path("/echo", echo).methods(ALL),
        path("/go/<status>/<path:to>", go).methods(ALL),
        path("/loop", async |_| redirect_to("/loop")),
        path("/out", out),
    ]))
    .await
}

#[tokio::test]
async fn redirects_change_the_method_as_in_a_browser() {
    let site = roads().await;
    let token = ("x-token", "t");
    for (method, status, ends_as) in [
        (POST, 301, "GET none t false "),
        (POST, 302, "GET none t false "),
        (POST, 303, "GET none t false "),
        (POST, 307, "POST a/b t false body"),
        (POST, 308, "POST a/b t false body"),
        (PUT, 302, "PUT a/b t false body"),
        (PUT, 303, "GET none t false "),
        (PATCH, 301, "PATCH a/b t false body"),
        (DELETE, 303, "GET none t false "),
        (DELETE, 307, "DELETE a/b t false body"),
        (GET, 303, "GET a/b t false body"),
    ] {
        let request = site.request(method.clone(), &format!("/go/{status}/echo"));
        let page = request
            .body("a/b", "body")
            .header(token.0, token.1)
            .follow()
            .await;
        assert_eq!(
            (page.url(), page.text()),
            ("/echo", ends_as),
            "{method} {status}"
        );
    }
    let page = site.head("/go/303/echo").follow().await;
    assert_eq!((page.url(), page.text()), ("/echo", ""), "HEAD stays HEAD");
    let page = site.get("/go/302/go/301/go/307/echo").follow().await;
    assert_eq!(page.url(), "/echo");
    let page = site.get("/go/302/echo").await;
    assert_eq!(
        (page.status().as_u16(), page.url()),
        (302, "/go/302/echo"),
        "unless asked"
    );
    let page = site.get("/go/304/echo").follow().await;
    assert_eq!(page.status(), 304, "that is no redirect");
}

#[tokio::test]
async fn redirects_stay_on_the_host() {
    let site = roads().await;
    for (to, ends) in [
        ("http://testserver/echo", "/echo"),
        ("//testserver/echo", "/echo"),
        ("echo", "/echo"),
        ("/echo%23part", "/echo#part"),
        ("./x/../echo?a=b", "/echo?a=b"),
        ("https://example.org/echo", "/out"),
        ("//example.org/echo", "/out"),
        ("mailto:duck@example.org", "/out"),
        ("http://[", "/out"),
    ] {
        let asked = format!("/out?to={}", to.replace('?', "%3F").replace('#', "%23"));
        let page = site.get(&asked).follow().await;
        let end = ends.split('#').next().unwrap();
        let ended = page.url().split('?').next().unwrap();
        assert_eq!(ended, end.split('?').next().unwrap(), "{to}");
    }
    let page = site.get("/out?to=https://testserver/echo").follow().await;
    assert!(page.text().contains(" true "), "{}", page.text());
}

#[tokio::test]
#[should_panic(expected = "20 redirects led to another one, to /loop")]
async fn redirects_have_an_end() {
    roads().await.get("/loop").follow().await;
}

#[tokio::test]
async fn a_stream_is_sent_again() {
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from("piece"))]);
    let request = roads().await;
    let request = request
        .post("/go/307/echo")
        .body("a/b", Body::stream(pieces));
    assert_eq!(request.follow().await.text(), "POST a/b none false piece");
}

#[tokio::test]
async fn every_method_has_its_name() {
    let site = roads().await;
    for (request, method) in [
        (site.get("/echo"), "GET"),
        (site.post("/echo"), "POST"),
        (site.put("/echo"), "PUT"),
        (site.patch("/echo"), "PATCH"),
        (site.delete("/echo"), "DELETE"),
        (site.options("/echo"), "OPTIONS"),
    ] {
        assert_eq!(request.await.text(), format!("{method} none none false "));
    }
    assert_eq!(
        site.head("/echo").await.header("content-length"),
        Some("21")
    );
}

#[tokio::test]
#[should_panic(expected = "the site's middleware brings no session")]
async fn without_sessions_nobody_logs_in() {
    roads().await.login("ada").await;
}

/// The name, the media type and the bytes of each.
#[cfg(feature = "multipart")]
type Files = Vec<(String, String, Vec<u8>)>;

#[cfg(feature = "multipart")]
#[tokio::test]
async fn a_form_with_files_arrives_as_it_was() {
    async fn upload(request: Request) -> Result<Response> {
        let form = request.multipart_form().await?;
        let values: Vec<_> = form.values("text").map(str::to_owned).collect();
        let files = form.files("file");
        let files: Vec<_> = files
            .map(|file| {
                let kind = file.media_type().unwrap_or_default().to_owned();
                (file.file_name().to_owned(), kind, file.bytes().to_vec())
            })
            .collect();
        Ok(json(&(values, files)))
    }
    let site =
        TestClient::start(App::new(Settings::default()).urls([path("/", upload).methods([POST])]))
            .await;
    // The first tries at a boundary are in the files.
    let tricky = b"\r\n--duck-boundary--\r\n--duck-boundaryx\r\n\0\xff".to_vec();
    let page = site
        .post("/")
        .field("text", "one\r\ntwo")
        .field("text", "")
        .file("file", "a \"b\".txt", "text/plain", "")
        .file("file", "ä.bin", "application/octet-stream", tricky.clone())
        .await;
    let (values, files): (Vec<String>, Files) = page.json();
    assert_eq!(values, ["one\r\ntwo", ""]);
    // Browsers write a quotation mark as %22; a name that may be that of a file has none.
    assert_eq!(
        (files[0].0.as_str(), files[1].0.as_str()),
        ("a _b_.txt", "ä.bin")
    );
    assert_eq!(
        (&*files[1].1, &files[1].2),
        ("application/octet-stream", &tricky)
    );
    assert_eq!((files[0].1.as_str(), files[0].2.len()), ("text/plain", 0));
}
