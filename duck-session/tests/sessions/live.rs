//! The session in what stays open: WebSockets and server-sent events.

use std::time::Duration;

use duck::live::{Event, WebSocket, sse, websocket};
use duck::session::SessionError;
use duck::testing::TestClient;
use duck::{BoxFuture, Error, Request, Result, Settings, UrlPattern};
use duck_session::SessionMiddleware;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::support::{
    Op, ScriptedStore, id, page, read, scripted, settings, visit, visit_store, with_id,
};

/// Looks at its session when it is told to, and answers with what came of that.
async fn on_command(request: Request, mut socket: WebSocket) -> Result<()> {
    let session = &request.session;
    while let Some(message) = socket.receive().await {
        let command = message.text().unwrap_or_default();
        let (command, key) = command.split_once(' ').unwrap_or((command, "n"));
        let done: Result<String, SessionError> = match command {
            "get" => session
                .get::<u64>(key)
                .await
                .map(|value| format!("{value:?}")),
            "add" => session
                .update(key, |n: &mut u64| *n += 1)
                .await
                .map(|n| n.to_string()),
            "set" => session.set(key, 7).await.map(|()| "set".to_owned()),
            "save" => session.save().await.map(|()| "saved".to_owned()),
            "reload" => session.reload().await.map(|()| "read".to_owned()),
            "login" => session.login("eve").await.map(|()| "in".to_owned()),
            "cycle" => session.cycle_id().await.map(|()| "cycled".to_owned()),
            "logout" => session.logout().await.map(|()| "out".to_owned()),
            _ => Ok("what?".to_owned()),
        };
        socket
            .send(done.unwrap_or_else(|error| format!("{error:?}")))
            .await?;
    }
    Ok(())
}

fn quick() -> Settings {
    settings().with("SESSION_TOUCH_INTERVAL", 1)
}

async fn site(settings: Settings) -> TestClient {
    let begin = async |request: Request, next: duck::Next<'_>| -> Result<duck::Response> {
        request.session.set("n", 1).await?;
        Ok(next.run(request).await)
    };
    let urls = [
        websocket("/on-command", on_command),
        websocket("/begins", on_command).middleware(begin),
    ];
    visit(settings, SessionMiddleware::new(), urls).await
}

/// A socket that is told something, and what it answers.
async fn tell(socket: &mut duck::testing::TestSocket, command: &str) -> String {
    socket.send(command).await;
    let answer = timeout(Duration::from_secs(20), socket.receive()).await;
    answer
        .expect("an answer")
        .expect("an open socket")
        .text()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_socket_reads_its_session_and_saves_it_when_it_says_so() {
    let client = site(settings()).await;
    read(&client, "/add/n").await;
    let mut socket = client.websocket("/on-command").await;
    assert_eq!(tell(&mut socket, "get").await, "Some(1)");
    assert_eq!(tell(&mut socket, "add").await, "2");
    assert_eq!(read(&client, "/get/n").await, "1", "it is not saved yet");
    assert_eq!(tell(&mut socket, "save").await, "saved");
    assert_eq!(read(&client, "/get/n").await, "2");
    read(&client, "/add/n").await;
    assert_eq!(tell(&mut socket, "get").await, "Some(2)", "as it was read");
    assert_eq!(tell(&mut socket, "add").await, "3");
    assert_eq!(tell(&mut socket, "save").await, "saved");
    assert_eq!(
        tell(&mut socket, "get").await,
        "Some(4)",
        "and counted on from what others saved"
    );
    read(&client, "/add/n").await;
    assert_eq!(tell(&mut socket, "reload").await, "read");
    assert_eq!(tell(&mut socket, "get").await, "Some(5)");
}

#[tokio::test]
async fn what_a_socket_does_not_save_is_lost() {
    let client = site(settings()).await;
    read(&client, "/add/n").await;
    let mut socket = client.websocket("/on-command").await;
    assert_eq!(tell(&mut socket, "add").await, "2");
    socket.close().await;
    assert_eq!(read(&client, "/get/n").await, "1");
}

#[tokio::test]
async fn a_session_that_begins_with_the_handshake_has_its_cookie_from_the_101() {
    let client = site(settings()).await;
    let mut socket = client.websocket("/begins").await;
    assert_eq!(socket.answer().set_cookies().len(), 1);
    assert_eq!(tell(&mut socket, "add").await, "2");
    assert_eq!(tell(&mut socket, "save").await, "saved");
    assert_eq!(read(&client, "/get/n").await, "2");
}

#[tokio::test]
async fn what_would_need_a_cookie_is_refused() {
    let client = site(settings()).await;
    let mut anonymous = client.websocket("/on-command").await;
    assert_eq!(tell(&mut anonymous, "get").await, "None");
    for command in ["set", "add", "login", "cycle", "logout"] {
        assert_eq!(
            tell(&mut anonymous, command).await,
            "Committed",
            "{command}"
        );
    }
    assert_eq!(
        tell(&mut anonymous, "save").await,
        "saved",
        "there is nothing to save"
    );
    assert_eq!(client.cookie("session_id"), None);
    read(&client, "/login/ada").await;
    let mut socket = client.websocket("/on-command").await;
    for command in ["login", "cycle"] {
        assert_eq!(tell(&mut socket, command).await, "Committed", "{command}");
    }
    assert_eq!(tell(&mut socket, "set").await, "set");
    assert_eq!(tell(&mut socket, "save").await, "saved");
    assert_eq!(read(&client, "/user").await, "ada");
}

#[tokio::test]
async fn a_session_in_the_cookie_can_be_read_and_not_saved() {
    let client = site(settings().with("SESSION_ENGINE", "cookie")).await;
    read(&client, "/add/n").await;
    let mut socket = client.websocket("/on-command").await;
    assert_eq!(tell(&mut socket, "get").await, "Some(1)");
    assert_eq!(tell(&mut socket, "add").await, "2");
    assert!(
        tell(&mut socket, "save")
            .await
            .contains("cannot be saved by a socket")
    );
    assert_eq!(read(&client, "/get/n").await, "1");
}

/// The storage fails just when the session of the socket is looked at for the first time.
#[tokio::test]
async fn a_logout_closes_a_socket_whose_session_could_not_be_watched_at_first() {
    let store = ScriptedStore::default();
    let breaks = store.clone();
    let view = move |request: Request, mut socket: WebSocket| -> BoxFuture<'static, Result<()>> {
        let store = breaks.clone();
        Box::pin(async move {
            request.session.get::<u64>("n").await?;
            store.fail(&[Op::Load]);
            socket.send("read").await?;
            socket.receive().await;
            Ok(())
        })
    };
    let client = visit_store(quick(), &store, [websocket("/breaks", view)]).await;
    read(&client, "/login/ada").await;
    let tab = with_id(&client, &id(&client));
    let mut socket = client.websocket("/breaks").await;
    assert_eq!(socket.receive().await.unwrap().text(), Some("read"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.fail(&[]);
    read(&tab, "/logout").await;
    let code = timeout(Duration::from_secs(20), socket.closed()).await;
    assert_eq!(code.expect("it is closed"), 4401);
}

#[tokio::test]
async fn a_logout_elsewhere_closes_the_socket_with_4401() {
    for leave in ["/logout", "/cycle", "/login/eve"] {
        let client = site(quick()).await;
        read(&client, "/login/ada").await;
        let tab = with_id(&client, &id(&client));
        let mut socket = client.websocket("/on-command").await;
        assert_eq!(tell(&mut socket, "get").await, "None");
        read(&tab, leave).await;
        let code = timeout(Duration::from_secs(20), socket.closed()).await;
        assert_eq!(code.expect("it is closed"), 4401, "{leave}");
    }
}

#[tokio::test]
async fn a_socket_that_logs_its_visitor_out_is_closed_too() {
    let client = site(quick()).await;
    read(&client, "/login/ada").await;
    let mut socket = client.websocket("/on-command").await;
    assert_eq!(tell(&mut socket, "logout").await, "out");
    assert_eq!(tell(&mut socket, "save").await, "saved");
    assert_eq!(read(&client, "/user").await, "nobody");
    assert_eq!(
        tell(&mut socket, "set").await,
        "Committed",
        "no session begins in its place"
    );
    assert_eq!(
        timeout(Duration::from_secs(20), socket.closed())
            .await
            .unwrap(),
        4401
    );
}

#[tokio::test]
async fn a_socket_that_never_asks_for_its_session_costs_the_storage_nothing_and_stays() {
    let echo = async |_: Request, mut socket: WebSocket| -> Result<()> {
        while let Some(message) = socket.receive().await {
            socket.send(message).await?;
        }
        Ok(())
    };
    let (client, store) = scripted([websocket("/echo", echo)]).await;
    read(&client, "/login/ada").await;
    store.calls();
    let mut socket = client.websocket("/echo").await;
    assert_eq!(tell(&mut socket, "hello").await, "hello");
    assert_eq!(store.calls(), Vec::<Op>::new());
    read(&client, "/logout").await;
    assert_eq!(tell(&mut socket, "still here").await, "still here");
}

#[tokio::test(start_paused = true)]
async fn visitors_without_a_session_and_with_a_living_one_stay() {
    let client = site(quick()).await;
    let mut anonymous = client.websocket("/on-command").await;
    read(&client, "/login/ada").await;
    let mut socket = client.websocket("/on-command").await;
    for _ in 0..50 {
        assert_eq!(tell(&mut anonymous, "get").await, "None");
        assert_eq!(tell(&mut socket, "get").await, "None");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// One event, and no more, of a page that asks who is logged in.
fn events(asks: bool) -> UrlPattern {
    page(
        "/events",
        move |request: Request| -> BoxFuture<'static, _> {
            Box::pin(async move {
                if asks {
                    request.session.user().await?;
                }
                let first = futures_util::stream::iter([Ok::<_, Error>(Event::new("first"))]);
                Ok(sse(&request, first.chain(futures_util::stream::pending())))
            })
        },
    )
}

#[tokio::test]
async fn events_end_with_the_session_if_their_view_has_asked_for_it() {
    for (asks, ends) in [(true, true), (false, false)] {
        let client = visit(quick(), SessionMiddleware::new(), [events(asks)]).await;
        read(&client, "/login/ada").await;
        let tab = with_id(&client, &id(&client));
        let (events, ()) = tokio::join!(
            timeout(Duration::from_secs(6), client.get("/events").into_future()),
            async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                read(&tab, "/logout").await;
            }
        );
        assert_eq!(events.is_ok(), ends, "{asks}");
        if let Ok(events) = events {
            assert_eq!(events.text(), "data: first\n\n");
            assert_eq!(events.header("vary"), Some("Cookie"));
        }
    }
}
