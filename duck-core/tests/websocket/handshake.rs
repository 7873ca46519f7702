//! The handshake: RFC 6455, 4.2, and who may open a socket.

use duck::prelude::*;
use duck::testing::TestClient;
use tokio::io::AsyncWriteExt;

use crate::wire::{FIN, PONG, Server, Socket, TEXT, frame, handshake};

#[tokio::test]
async fn a_handshake_is_answered_with_the_key_that_the_rfc_has() {
    let server = Server::echo("").await;
    let (status, answer, stream) = server.ask(&handshake("/echo", "")).await;
    assert_eq!(status, 101);
    assert!(
        answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{answer}"
    );
    assert!(
        answer.contains("upgrade: websocket\r\n") && answer.contains("connection: upgrade\r\n")
    );
    let mut socket = Socket { stream };
    socket.text("quack").await;
    assert_eq!(socket.next_text().await, "quack");
}

#[tokio::test]
async fn tokens_are_read_in_any_case_and_in_lists() {
    let server = Server::echo("").await;
    let head = handshake("/echo", "")
        .replace("Upgrade: websocket", "Upgrade: h2c, WebSocket")
        .replace(
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: x, UPGRADE",
        );
    assert_eq!(server.ask(&head).await.0, 101);
}

#[tokio::test]
async fn what_is_no_handshake_is_answered_with_what_would_be_one() {
    let server = Server::echo("").await;
    let whole = handshake("/echo", "");
    let without = |line: &str| whole.replace(&format!("{line}\r\n"), "");
    let (key, version) = (
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    );
    let with = |line: &str, other: &str| whole.replace(line, other);
    for (head, expected) in [
        ("GET /echo HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(), 426),
        ("HEAD /echo HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(), 426),
        (whole.replace("GET", "HEAD"), 426),
        (whole.replace("HTTP/1.1", "HTTP/1.0"), 426),
        (without("Upgrade: websocket"), 426),
        (without("Connection: Upgrade"), 426),
        (with("Upgrade: websocket", "Upgrade: websocket2"), 426),
        (without(version), 426),
        (with(version, "Sec-WebSocket-Version: 8"), 426),
        (
            with(
                version,
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
            ),
            426,
        ),
        (without(key), 400),
        (with(key, "Sec-WebSocket-Key: dGhl"), 400),
        (with(key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="), 400),
        (
            with(key, "Sec-WebSocket-Key: !!!lIHNhbXBsZSBub25jZQ=="),
            400,
        ),
        (with(key, &format!("{key}\r\n{key}")), 400),
        (handshake("/echo", "Content-Length: 5\r\n"), 400),
        (handshake("/echo", "Transfer-Encoding: chunked\r\n"), 400),
        (whole.replace("GET", "POST"), 405),
        (handshake("/none", ""), 404),
    ] {
        let (status, answer, _) = server.ask(&head).await;
        assert_eq!(status, expected, "{head}\n{answer}");
        if status == 426 {
            assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
            assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
            assert!(answer.contains("connection: upgrade"), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_first_protocol_that_the_client_offers_and_the_view_speaks_is_chosen() {
    let server = Server::echo("").await;
    for (offers, chosen) in [
        (&["chat.v1"][..], "chat.v1"),
        (&["chat.v1, chat.v2"], "chat.v1"),
        (&["chat.v2,chat.v1"], "chat.v2"),
        (&["chat.v3,\t chat.v2 , chat.v1"], "chat.v2"),
        (&["chat.v3", "chat.v1", "chat.v2"], "chat.v1"),
        (&["chat.v2, chat.v2"], "chat.v2"),
    ] {
        let (answer, spoken) = offer(&server, offers).await;
        let lines: Vec<_> = answer
            .lines()
            .filter(|line| line.starts_with("sec-websocket-protocol"))
            .collect();
        assert_eq!(lines, [format!("sec-websocket-protocol: {chosen}")]);
        assert_eq!(spoken, chosen);
    }
}

#[tokio::test]
async fn what_is_no_protocol_of_the_view_is_passed_over_and_never_sent_back() {
    let server = Server::echo("").await;
    let many = vec!["chat.v0"; 300].join(",");
    for offers in [
        &[][..],
        &[""],
        &[",, ,"],
        &["CHAT.V1"],
        &["chat.v"],
        &["chat.v1;q=1"],
        &["\"chat.v1\""],
        &["chat.v1 chat.v2"],
        &["chat.v1\u{e9}"],
        &["x: y, <script>"],
        &[many.as_str()],
    ] {
        let (answer, spoken) = offer(&server, offers).await;
        assert!(!answer.contains("sec-websocket-protocol"), "{answer}");
        assert_eq!(spoken, "none", "{offers:?}");
    }
    // And a view that names none opens as ever.
    let head = handshake("/echo", "Sec-WebSocket-Protocol: chat.v1\r\n");
    let (status, answer, _) = server.ask(&head).await;
    assert_eq!(status, 101);
    assert!(!answer.contains("sec-websocket-protocol"), "{answer}");
}

/// The answer to a client that offers these, each in a header of its own, and which one the view speaks.
async fn offer(server: &Server, offers: &[&str]) -> (String, String) {
    let lines = offers
        .iter()
        .map(|offer| format!("Sec-WebSocket-Protocol: {offer}\r\n"));
    let head = handshake("/chat", &lines.collect::<String>());
    let (status, answer, stream) = server.ask(&head).await;
    assert_eq!(status, 101, "{answer}");
    (answer, Socket { stream }.next_text().await)
}

#[tokio::test]
async fn a_protocol_that_cannot_stand_in_a_header_stops_the_start() {
    for name in ["", "chat v2", "chat,v2", "chat\r\nx: y", "ch\u{e4}t"] {
        let view = async |_: Request, _: WebSocket| {};
        let app =
            App::new(Settings::default()).urls([websocket_with("/chat", ["chat.v1", name], view)]);
        let error = app.start().await.expect_err(name).to_string();
        let says = format!("the WebSocket at \"/chat\": {name:?} is no name of a protocol");
        assert!(error.contains(&says), "{error}");
    }
}

#[tokio::test]
async fn over_http_2_there_is_none() {
    let app = App::new(Settings::default())
        .urls([websocket("/echo", async |_: Request, _: WebSocket| {})]);
    let site = app.start().await.unwrap();
    let request = http::Request::get("http://test/echo").version(http::Version::HTTP_2);
    let request = request.body(duck::http::Body::empty()).unwrap();
    let connection = duck::http::Connection::default();
    assert_eq!(site.respond(request, connection).await.status(), 426);
}

#[tokio::test]
async fn the_answer_to_a_plain_get_is_a_sentence() {
    let app = App::new(Settings::default())
        .urls([websocket("/echo", async |_: Request, _: WebSocket| {})]);
    let site = TestClient::start(app).await;
    let answer = site.get("/echo").header("accept", "text/plain").await;
    assert_eq!(answer.status(), 426);
    assert!(
        answer.text().contains("this is the address of a WebSocket"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn pages_of_other_sites_may_not_open_it() {
    let app = |settings: &str| {
        let settings = Settings::from_toml(settings).unwrap();
        let open = || websocket("/open", async |_: Request, _: WebSocket| {}).csrf(false);
        let own = || websocket("/own", async |_: Request, _: WebSocket| {});
        App::new(settings).urls([open(), own()])
    };
    let site = TestClient::start(app("")).await;
    for origin in [
        "https://evil.example",
        "null",
        "http://testserver:81",
        "http://testserver.evil.example",
        "",
    ] {
        let refused = site.websocket("/own").from_origin(origin).refused().await;
        assert_eq!(refused.status(), 403, "{origin}");
        let mut opened = site.websocket("/open").from_origin(origin).await;
        assert_eq!(opened.closed().await, 1000, "{origin}");
    }
    let several = site
        .websocket("/own")
        .from_origin("http://testserver")
        .from_origin("http://testserver");
    assert_eq!(several.refused().await.status(), 403);
    assert_eq!(
        site.websocket("/own").await.closed().await,
        1000,
        "a page of its own"
    );
    let trusting = TestClient::start(app("CSRF_TRUSTED_ORIGINS = ['https://good.example']")).await;
    assert_eq!(
        trusting
            .websocket("/own")
            .from_origin("https://good.example")
            .await
            .closed()
            .await,
        1000
    );
    let other = trusting
        .websocket("/own")
        .from_origin("https://evil.example")
        .refused()
        .await;
    assert_eq!(other.status(), 403);
}

#[tokio::test]
async fn what_is_no_browser_sends_no_origin_and_is_let_in() {
    let server = Server::echo("").await;
    assert_eq!(server.ask(&handshake("/echo", "")).await.0, 101);
    let from = |origin: &str| handshake("/echo", &format!("Origin: {origin}\r\n"));
    assert_eq!(server.ask(&from("http://test")).await.0, 101);
    assert_eq!(server.ask(&from("http://other")).await.0, 403);
    // A proxy that is not named may have decrypted it.
    assert_eq!(server.ask(&from("https://test")).await.0, 101);
}

#[tokio::test]
async fn the_middleware_runs_first_and_may_refuse_or_add_to_the_answer() {
    let guard = async |request: Request, next: Next<'_>| -> Result<Response> {
        if request.header("x-member").is_none() {
            return redirect_to("/login");
        }
        Ok(next
            .run(request)
            .await
            .with_header("x-seen", "yes")?
            .with_cookie(("seen", "1"))?)
    };
    let view = async |_: Request, _: WebSocket, _: u32| {};
    let app = App::new(Settings::default())
        .middleware(guard)
        .urls([websocket("/room/<id>", view)]);
    let site = TestClient::start(app).await;
    let refused = site.websocket("/room/7").refused().await;
    assert_eq!(refused.header("location"), Some("/login"));
    let opened = site.websocket("/room/7").header("x-member", "yes").await;
    assert_eq!(opened.answer().header("x-seen"), Some("yes"));
    assert_eq!(site.cookie("seen").as_deref(), Some("1"));
    let none = site
        .websocket("/room/x")
        .header("x-member", "yes")
        .refused()
        .await;
    assert_eq!(none.status(), 404, "a parameter that cannot be read");
}

#[tokio::test]
async fn a_middleware_that_answers_something_else_keeps_the_view_from_running() {
    let instead = async |request: Request, next: Next<'_>| -> Result<Response> {
        drop(next.run(request).await);
        Ok(text("no"))
    };
    let view = async |_: Request, _: WebSocket| -> Result<()> { panic!("it must not run") };
    let app = App::new(Settings::default())
        .middleware(instead)
        .urls([websocket("/room", view)]);
    let server = Server::of(app).await;
    assert_eq!(server.ask(&handshake("/room", "")).await.0, 200);
}

#[tokio::test]
async fn frames_that_come_with_the_handshake_are_read() {
    let server = Server::echo("").await;
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let mut bytes = handshake("/echo", "").into_bytes();
    bytes.extend(frame(FIN | TEXT, b"early"));
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
    }
    let mut socket = Socket { stream };
    assert_eq!(socket.next_text().await, "early");
    socket.send(&frame(FIN | 0x9, b"?")).await;
    assert_eq!(socket.next().await, Some((FIN | PONG, b"?".to_vec())));
}

#[tokio::test]
async fn a_connection_that_was_kept_alive_can_become_a_socket() {
    let server = Server::of(App::new(Settings::default()).urls([
        path("/", async |_: Request| "home"),
        websocket("/echo", async |_: Request, socket: WebSocket| {
            let _ = socket.send("hello").await;
        }),
    ]))
    .await;
    let (status, _, mut stream) = server.ask("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(status, 200);
    let mut body = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body)
        .await
        .unwrap();
    stream
        .write_all(handshake("/echo", "").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    assert_eq!(Socket { stream }.next_text().await, "hello");
}
