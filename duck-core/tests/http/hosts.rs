//! The host that a client names, in every version of HTTP.

use duck::StatusCode;

use crate::http2;
use crate::wire::Server;

const OWN: &str = "ALLOWED_HOSTS = ['duck.example', '.friend.example', '[::1]']";

/// As development has it, and nobody's list.
const DEBUG: &str = "DEBUG = true";

/// The status and the body of the answer to `GET /` with these headers.
async fn get(server: &Server, version: &str, headers: &str) -> (u16, String) {
    let mut wire = server.connect().await;
    wire.send(format!("GET / HTTP/{version}\r\n{headers}\r\n"))
        .await;
    let answer = wire.answer().await;
    (answer.status, answer.body)
}

/// The same over HTTP/2.
async fn get_http_2(server: &Server, authority: &str, host: Option<&str>) -> StatusCode {
    let client = http2::connect(server).await;
    let mut request = http2::request("GET", "/", "");
    *request.uri_mut() = format!("http://{authority}/").parse().expect("a URI");
    if let Some(host) = host {
        let host = host.parse().expect("a header");
        request.headers_mut().insert("host", host);
    }
    http2::ask(&client, request).await.0
}

#[tokio::test]
async fn a_host_that_is_not_the_sites_is_refused_in_every_version_before_any_view() {
    for (settings, right, wrong) in [
        (
            OWN,
            &[
                "duck.example",
                "duck.example:80",
                "DUCK.example.",
                "a.friend.example",
                "[::1]:80",
            ][..],
            "127.0.0.1",
        ),
        (
            DEBUG,
            &["127.0.0.1:8000", "localhost", "a.localhost:99", "[::1]"],
            "[::2]",
        ),
    ] {
        let server = Server::start(settings).await;
        for host in right {
            for version in ["1.1", "1.0"] {
                let (status, _) = get(&server, version, &format!("Host: {host}\r\n")).await;
                assert_eq!(status, 200, "{host} HTTP/{version}");
            }
            assert_eq!(get_http_2(&server, host, None).await, 200, "{host} HTTP/2");
        }
        let seen = server.shared.seen().len();
        for host in [
            wrong,
            "evil.example",
            "duck.example.evil",
            "127.0.0.1.evil.example",
            "192.0.2.7",
            "testservers",
        ] {
            for version in ["1.1", "1.0"] {
                let (status, _) = get(&server, version, &format!("Host: {host}\r\n")).await;
                assert_eq!(status, 400, "{host} HTTP/{version}");
            }
            assert_eq!(get_http_2(&server, host, None).await, 400, "{host} HTTP/2");
        }
        assert_eq!(server.shared.seen().len(), seen, "a view was reached");
    }
}

#[tokio::test]
async fn a_connection_on_which_a_wrong_host_is_named_ends() {
    let server = Server::start(OWN).await;
    for host in ["evil.example", "a/b@c"] {
        let mut wire = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        wire.send(request).await;
        let answer = wire.answer().await;
        let closes = answer.header("connection");
        assert_eq!((answer.status, closes), (400, Some("close")), "{host}");
        assert_eq!(wire.rest().await, "", "{host}");
    }
}

#[tokio::test]
async fn what_is_no_host_or_more_than_one_is_refused_with_any_settings() {
    for settings in ["", OWN, DEBUG, "ALLOWED_HOSTS = ['*']"] {
        let server = Server::start(settings).await;
        for headers in [
            "Host: \r\n",
            "Host: a/b@c\r\n",
            "Host: user@localhost\r\n",
            "Host: localhost/\r\n",
            "Host: localhost, duck.example\r\n",
            "Host: localhost,duck.example\r\n",
            "Host: localhost;\r\n",
            "Host: localhost:http\r\n",
            "Host: localhost:80:80\r\n",
            "Host: localhost:65536\r\n",
            "Host: .localhost\r\n",
            "Host: a..localhost\r\n",
            "Host: ::1\r\n",
            "Host: [::1\r\n",
            "Host: [::1]evil\r\n",
            "Host: \u{e9}.localhost\r\n",
            "Host: *\r\n",
            "Host: localhost\r\nHost: localhost\r\n",
            "Host: localhost\r\nHost: evil.example\r\n",
        ] {
            for version in ["1.1", "1.0"] {
                let (status, _) = get(&server, version, headers).await;
                assert_eq!(status, 400, "{headers} HTTP/{version} {settings}");
            }
        }
        for host in [
            "a/b@c",
            "",
            "localhost, duck.example",
            "user@localhost",
            "::1",
        ] {
            let status = get_http_2(&server, "localhost", Some(host)).await;
            assert_eq!(status, 400, "{host} {settings}");
        }
        assert!(server.shared.seen().is_empty(), "a view was reached");
    }
}

#[tokio::test]
async fn the_uri_and_the_host_of_http_2_are_one() {
    let server = Server::start("").await;
    assert_eq!(
        get_http_2(&server, "duck.example", Some("duck.example")).await,
        200
    );
    assert_eq!(
        get_http_2(&server, "duck.example", Some("Duck.example:80")).await,
        200
    );
    assert_eq!(
        get_http_2(&server, "duck.example", Some("evil.example")).await,
        400
    );
    assert_eq!(
        get_http_2(&server, "duck.example", Some("duck.example:81")).await,
        400
    );
}

#[tokio::test]
async fn the_host_in_the_request_line_is_the_one_that_counts() {
    let server = Server::start(OWN).await;
    for (target, host, status) in [
        ("http://duck.example/", "evil.example", 200),
        ("http://evil.example/", "duck.example", 400),
        ("http://user@duck.example/", "duck.example", 400),
    ] {
        let mut wire = server.connect().await;
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert_eq!(wire.answer().await.status, status, "{target} {host}");
    }
}

#[tokio::test]
async fn a_request_of_http_1_0_may_name_no_host() {
    for settings in ["", OWN, DEBUG] {
        let server = Server::start(settings).await;
        assert_eq!(get(&server, "1.0", "").await.0, 200, "{settings}");
    }
}

/// A page at a name that leads to this machine can read what the site answers: so it is told nothing.
#[tokio::test]
async fn dns_rebinding_shows_nothing_of_a_site_in_development() {
    let server = Server::start(DEBUG).await;
    let ask = async |host: &str| {
        let mut wire = server.connect().await;
        let headers = format!("Host: {host}\r\nAccept: text/html\r\n");
        wire.send(format!("GET /panic?secret HTTP/1.1\r\n{headers}\r\n"))
            .await;
        wire.answer().await
    };
    let own = ask("localhost:8000").await;
    assert!(own.status == 500 && own.body.contains("as it has to"));
    let rebound = ask("evil.example:8000").await;
    assert_eq!(rebound.status, 400);
    assert_eq!(
        rebound.body,
        "400 Bad Request\nALLOWED_HOSTS does not name \"evil.example\". If this site is to answer there, \
         set ALLOWED_HOSTS = [\"evil.example\"]\n"
    );
    let production = Server::start(OWN).await;
    let (_, body) = get(&production, "1.1", "Host: evil.example\r\n").await;
    assert_eq!(
        body,
        "400 Bad Request\nThe host is not one of this site's.\n"
    );
}
