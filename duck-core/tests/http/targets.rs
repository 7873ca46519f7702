//! What a request line may ask for: RFC 9112, 3.2.

use duck::Settings;
use duck::prelude::*;

use crate::http2::{ask, connect};
use crate::wire::{Answer, Server};

async fn answer(server: &Server, line: &str) -> Answer {
    let mut wire = server.connect().await;
    wire.send(format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n"))
        .await;
    wire.answer().await
}

#[tokio::test]
async fn an_absolute_uri_is_a_path_too() {
    let server = Server::start("").await;
    for line in [
        "GET http://test/",
        "GET http://test",
        "GET HTTPS://test/?a=b",
    ] {
        assert_eq!(answer(&server, line).await.body, "home", "{line}");
    }
}

#[tokio::test]
async fn what_is_no_path_is_400() {
    let server = Server::start("").await;
    for line in [
        "GET ping",
        "GET test:80",
        "GET *",
        "POST *",
        "OPTIONS ping",
        "GET ping/pong",
        "GET ftp://test/",
        "GET http:///",
        "GET ?a=b",
        "GET #home",
    ] {
        assert_eq!(answer(&server, line).await.status, 400, "{line}");
    }
}

#[tokio::test]
async fn options_of_the_whole_server_are_all_methods_there_are() {
    let server = Server::start("").await;
    let all = answer(&server, "OPTIONS *").await;
    assert_eq!(
        (
            all.status,
            all.header("allow"),
            all.header("content-length")
        ),
        (204, Some("GET, HEAD, OPTIONS, POST"), None)
    );
    let bare = Server::of(
        App::new(Settings::default()),
        crate::wire::Shared::default(),
    )
    .await;
    let all = answer(&bare, "OPTIONS *").await;
    assert_eq!((all.status, all.header("allow")), (204, Some("OPTIONS")));
}

#[tokio::test]
async fn nobody_is_connected_to_anything() {
    let tunnel = path("/tunnel", async |_request: Request| "dug").methods([Method::CONNECT]);
    let server = Server::with([tunnel, path("/", async |_request: Request| "home")]).await;
    for line in [
        "CONNECT test:443",
        "CONNECT /",
        "CONNECT /tunnel",
        "CONNECT *",
    ] {
        let answer = answer(&server, line).await;
        assert_eq!(answer.status, 405, "{line}");
        assert!(answer.header("allow").is_some(), "{line}");
    }
}

#[tokio::test]
async fn http_2_takes_the_same() {
    let server = Server::start("").await;
    let client = connect(&server).await;
    let request = |method: &str, uri: &str| {
        let request = http::Request::builder().method(method).uri(uri);
        request
            .version(http::Version::HTTP_2)
            .body("".into())
            .expect("a request")
    };
    assert_eq!(ask(&client, request("GET", "http://test/")).await.0, 200);
    assert_eq!(ask(&client, request("CONNECT", "test:443")).await.0, 405);
    assert_eq!(ask(&client, request("GET", "http://test/")).await.1, "home");
}
