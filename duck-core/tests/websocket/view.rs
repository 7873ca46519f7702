//! What a view sees of its socket, and what becomes of the socket when the view is done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::live::{CloseError, SocketClosed};
use duck::prelude::*;
use duck::testing::TestClient;
use tokio::sync::{Notify, broadcast};
use tokio::time::{sleep, timeout};

use crate::log::Log;
use crate::wire::echo;

async fn site(urls: impl IntoIterator<Item = UrlPattern>) -> TestClient {
    TestClient::start(App::new(Settings::default()).urls(urls)).await
}

#[tokio::test]
async fn waiting_for_a_client_and_for_others_at_once_loses_no_message() {
    let (news, _) = broadcast::channel::<u32>(16);
    let publish = news.clone();
    let view = move |_: Request, mut socket: WebSocket| {
        let mut heard = news.subscribe();
        async move {
            let mut got = Vec::new();
            loop {
                tokio::select! {
                    // The other branch is ready again and again, so this one is dropped again and again.
                    message = socket.receive() => match message {
                        Some(message) if message.text() == Some("all") => {
                            return Ok(socket.send(format!("{got:?}")).await?);
                        }
                        Some(message) => got.push(message.text().unwrap().parse::<u32>().unwrap()),
                        None => return Ok(()),
                    },
                    Ok(_) = heard.recv() => tokio::task::yield_now().await,
                }
            }
        }
    };
    let view =
        move |request, socket| -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>> {
            Box::pin(view(request, socket))
        };
    let site = site([websocket("/", view)]).await;
    let mut socket = site.websocket("/").await;
    for number in 0..500_u32 {
        let _ = publish.send(number);
        socket.send(number.to_string()).await;
        if number % 7 == 0 {
            tokio::task::yield_now().await;
        }
        let _ = publish.send(number);
    }
    socket.send("all").await;
    let expected: Vec<u32> = (0..500).collect();
    assert_eq!(
        socket.receive().await.unwrap().text(),
        Some(&*format!("{expected:?}"))
    );
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn what_a_view_sends_before_it_returns_arrives() {
    let view = async |_: Request, socket: WebSocket| -> Result<()> {
        for number in 0..3 {
            socket.send(format!("{number}")).await?;
        }
        Ok(())
    };
    let site = site([websocket("/", view)]).await;
    let mut socket = site.websocket("/").await;
    for number in 0..3 {
        assert_eq!(
            socket.receive().await.unwrap().text(),
            Some(&*number.to_string())
        );
    }
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn text_and_bytes_arrive_as_they_were_sent() {
    let site = site([websocket("/", echo)]).await;
    let mut socket = site.websocket("/").await;
    for message in [
        Message::from("\u{1F986}"),
        Message::from(vec![0, 255]),
        Message::from(""),
        Message::from(Vec::new()),
    ] {
        socket.send(message.clone()).await;
        assert_eq!(socket.receive().await, Some(message));
    }
    socket.close().await;
}

#[tokio::test]
async fn a_view_closes_the_socket_with_a_code_of_its_own() {
    let close = async |_: Request, socket: WebSocket, code: u16| -> Result<()> {
        socket.send("first").await?;
        Ok(socket.close(code, "because").await?)
    };
    let site = site([websocket("/<code>", close)]).await;
    let (log, _guard) = Log::listen();
    for code in [1000, 1003, 1008, 3000, 4000, 4999] {
        let mut socket = site.websocket(&format!("/{code}")).await;
        assert_eq!(socket.receive().await.unwrap().text(), Some("first"));
        assert_eq!(socket.closed().await, code);
    }
    assert_eq!(log.take(), Vec::<String>::new());
    for code in [0, 999, 1005, 1006, 1015, 2000, 5000] {
        let mut socket = site.websocket(&format!("/{code}")).await;
        assert_eq!(socket.closed().await, 1011, "{code}: the view has failed");
        assert!(log.take().concat().contains("no socket can be closed with"));
    }
}

#[tokio::test]
async fn a_reason_that_is_too_long_is_an_error() {
    let told = Arc::new(Mutex::new(None::<CloseError>));
    let tell = told.clone();
    let view = move |_: Request, socket: WebSocket| {
        let tell = tell.clone();
        async move { *tell.lock().unwrap() = socket.close(4000, &"x".repeat(124)).await.err() }
    };
    let site = site([websocket("/", view)]).await;
    assert_eq!(site.websocket("/").await.closed().await, 1000);
    assert!(
        told.lock()
            .unwrap()
            .take()
            .unwrap()
            .to_string()
            .contains("123 bytes")
    );
}

#[tokio::test]
async fn a_view_that_fails_closes_with_1011_and_the_log_has_its_line() {
    async fn fails(_request: Request, mut socket: WebSocket) -> Result<()> {
        socket.receive().await;
        let _: u32 = "x".parse()?; // this line
        Ok(())
    }
    async fn panics(_request: Request, mut socket: WebSocket) {
        socket.receive().await;
        panic!("as it has to"); // and this one
    }
    let site = site([websocket("/fails", fails), websocket("/panics", panics)]).await;
    let lines: Vec<_> = include_str!("view.rs").lines().collect();
    let (log, _guard) = Log::listen();
    for (path, cause, comment) in [
        ("/fails", "invalid digit", "// this line"),
        ("/panics", "as it has to", "// and this one"),
    ] {
        let mut socket = site.websocket(path).await;
        socket.send("go").await;
        assert_eq!(socket.closed().await, 1011);
        let told = log.take().join("\n");
        let number = 1 + lines
            .iter()
            .position(|line| line.ends_with(comment))
            .unwrap();
        for part in [cause, "status=500", &format!("view.rs:{number}"), path] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_client_closes_with_1008_and_is_no_line_in_the_log() {
    let view = async |_: Request, _: WebSocket| -> Result<()> {
        Err(Error::new(StatusCode::FORBIDDEN, "not in this room"))
    };
    let site = site([websocket("/", view)]).await;
    let (log, _guard) = Log::listen();
    assert_eq!(site.websocket("/").await.closed().await, 1008);
    assert_eq!(log.take(), Vec::<String>::new());
}

#[tokio::test]
async fn sending_to_a_client_that_is_gone_is_no_failure_of_the_view() {
    let done = Arc::new(Notify::new());
    let tell = done.clone();
    let view = move |_: Request, socket: WebSocket| {
        let tell = tell.clone();
        async move {
            let sent: std::result::Result<(), SocketClosed> = async {
                loop {
                    socket.send("again").await?;
                    tokio::task::yield_now().await;
                }
            }
            .await;
            tell.notify_one();
            Ok::<(), Error>(sent?)
        }
    };
    let site = site([websocket("/", view)]).await;
    let (log, _guard) = Log::listen();
    let mut socket = site.websocket("/").await;
    socket.receive().await;
    drop(socket);
    done.notified().await;
    sleep(Duration::from_millis(20)).await;
    assert_eq!(log.take(), Vec::<String>::new());
}

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_that_does_not_come_to_its_end_is_dropped() {
    let dropped = Arc::new(Notify::new());
    let tell = dropped.clone();
    let view = move |_: Request, socket: WebSocket| {
        let told = Told(tell.clone());
        async move {
            let _kept = (socket, told);
            std::future::pending::<()>().await;
        }
    };
    let site = site([websocket("/", view)]).await;
    let start = tokio::time::Instant::now();
    site.websocket("/").await.close().await;
    dropped.notified().await;
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays() {
    let site = site([websocket("/", echo)]).await;
    let mut socket = site.websocket("/").await;
    // This client answers pings while it reads.
    let waits = timeout(Duration::from_secs(3600), socket.receive()).await;
    assert!(waits.is_err(), "a client that answers stays");
    socket.send("still here").await;
    assert_eq!(socket.receive().await, Some(Message::from("still here")));
}

#[tokio::test]
async fn the_view_is_the_one_that_routes_lists() {
    async fn chat(_request: Request, _socket: WebSocket) {}
    let site = site([websocket("/chat", chat).name("chat")]).await;
    let line = &site.site().routes()[0];
    assert_eq!((line.path.as_str(), line.name.as_str()), ("/chat", "chat"));
    assert!(line.view.ends_with("chat"), "{}", line.view);
}

/// What a client sends beyond what waits for the view is not read, and neither are its answers to pings.
#[tokio::test]
async fn a_view_that_takes_no_messages_keeps_its_client() {
    async fn push(_: Request, socket: WebSocket) -> Result<()> {
        for number in 0..6 {
            sleep(Duration::from_millis(500)).await;
            socket.send(number.to_string()).await?;
        }
        Ok(())
    }
    let settings = "WEBSOCKET_PING_INTERVAL = 0\nWEBSOCKET_IDLE_TIMEOUT = 1";
    let app = App::new(Settings::from_toml(settings).unwrap()).urls([websocket("/", push)]);
    let mut socket = TestClient::start(app).await.websocket("/").await;
    for _ in 0..3 {
        socket.send("hello").await;
    }
    for number in 0..6 {
        let message = socket.receive().await.expect("an open socket");
        assert_eq!(message.text(), Some(&*number.to_string()));
    }
    assert_eq!(socket.closed().await, 1000);
}
