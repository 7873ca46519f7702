//! One request through the real middleware.

use std::pin::pin;
use std::time::Duration;

use duck::http::{BoxError, stream};
use duck::session::{FlashLevel, SessionError};
use duck::testing::{TestClient, TestResponse};
use duck::{App, Bytes, Next, Request, Response, Result, Session, StatusCode, text};
use duck_session::Clock;
use futures_util::future::select_all;
use futures_util::stream::once;
use tokio::time::{sleep, timeout};

use crate::counting::Counts;
use crate::rules::{Cell, Cookie, Operation, Outcome, Visitor, age};
use crate::support::{
    Gate, Op, ScriptedStore, When, id, over, page, page_with, read, settings, with_id,
};

/// `SESSION_COOKIE_AGE` of the sites here, in seconds.
pub(crate) const AGE: u64 = 86_400;
/// `SESSION_IDLE_TIMEOUT` where a visit may be due to move the end.
pub(crate) const IDLE: u64 = 7200;
/// `SESSION_RENEWAL_INTERVAL` where another id may be due.
const RENEWAL: u64 = 3600;
/// What `set_expiry` is given.
pub(crate) const OWN_AGE: u64 = 3600;

/// What the views say of caching before the session layer has its say.
const CACHE_CONTROL: &str = "public, max-age=60";
const VARY: &str = "Accept-Encoding";

/// What becomes of one request.
pub(crate) async fn cell(visitor: Visitor, operation: Operation, outcome: Outcome) -> Cell {
    let (store, clock, in_view) = (ScriptedStore::default(), Clock::manual(), Gate::new());
    let client = site(&store, &clock, visitor, operation, outcome, &in_view).await;
    let sent = arrive(&client, &clock, visitor).await;
    store.calls();
    let response = ask(&client, &store, outcome, &in_view).await;
    let counts = Counts::of(&store.calls());
    let Some(response) = response else {
        let cell = Cell::default();
        return Cell { counts, ..cell };
    };
    let cookie = cookie(&response, sent.as_deref(), age(visitor, operation));
    Cell {
        counts,
        cookie,
        varies: varies(&response),
        no_store: is_no_store(&response),
    }
}

async fn site(
    store: &ScriptedStore,
    clock: &Clock,
    visitor: Visitor,
    operation: Operation,
    outcome: Outcome,
    in_view: &Gate,
) -> TestClient {
    let mut settings = settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_COOKIE_AGE", i64::try_from(AGE).unwrap());
    if visitor == Visitor::Due {
        settings = settings.with("SESSION_IDLE_TIMEOUT", i64::try_from(IDLE).unwrap());
    }
    if visitor == Visitor::Renewing {
        let interval = i64::try_from(RENEWAL).unwrap();
        settings = settings.with("SESSION_RENEWAL_INTERVAL", interval);
    }
    let view = page_with("/do", in_view, move |request, in_view| async move {
        act(operation, &request.session).await?;
        answer(operation, outcome, request.session, in_view).await
    });
    let begin = page("/begin", async |request: Request| {
        request.session.set("n", 1).await?;
        request.session.set("list", vec![1, 2]).await?;
        request.session.flash(FlashLevel::Info, "begun").await?;
        Ok(text(""))
    });
    let log_in = page("/login", async |request: Request| {
        request.session.login("7").await?;
        Ok(text(""))
    });
    let app = App::new(settings).with(over(store).clock(clock.clone()));
    TestClient::start(app.middleware(patience).urls([begin, log_in, view])).await
}

/// Gives the client what the visitor comes with, and says which id that is.
async fn arrive(client: &TestClient, clock: &Clock, visitor: Visitor) -> Option<String> {
    if visitor.has_a_session() || visitor == Visitor::Replaced {
        read(client, "/begin").await;
    }
    match visitor {
        Visitor::New => return None,
        Visitor::Live => {}
        Visitor::Due => clock.advance(Duration::from_secs(IDLE / 2)),
        Visitor::Renewing => {
            read(client, "/login").await;
            clock.advance(Duration::from_secs(RENEWAL));
        }
        Visitor::Replaced => drop(read(&with_id(client, &id(client)), "/login").await),
        Visitor::Dead => client.set_cookie("session_id", &"A".repeat(43)),
    }
    Some(id(client))
}

/// What the view does.
async fn act(operation: Operation, session: &Session) -> Result<()> {
    match operation {
        Operation::Nothing => {}
        Operation::Read => drop(session.get::<u8>("n").await?),
        Operation::Equal => session.set("n", 1).await?,
        Operation::Write => session.set("n", 2).await?,
        Operation::Save => {
            session.set("n", 2).await?;
            session.save().await?;
        }
        Operation::Nested => {
            if let Some(mut list) = session.get_mut::<Vec<u8>>("list").await? {
                list.push(3);
            }
        }
        Operation::Clear => session.clear().await?,
        Operation::SetExpiry => session.set_expiry(Duration::from_secs(OWN_AGE)).await?,
        Operation::Flash => session.flash(FlashLevel::Info, "done").await?,
        Operation::Flashes => drop(session.flashes().await?),
        Operation::CycleId => session.cycle_id().await?,
        Operation::Login => session.login("7").await?,
        Operation::Flush => session.flush().await?,
    }
    Ok(())
}

/// How the view ends.
async fn answer(
    operation: Operation,
    outcome: Outcome,
    session: Session,
    in_view: Gate,
) -> Result<Response> {
    let response = match outcome {
        Outcome::Status(status) => Response::new(StatusCode::from_u16(status)?),
        Outcome::Stream => {
            // A stream that has the session may ask for it: rule 51.
            let session = (operation != Operation::Nothing).then_some(session);
            stream("text/plain", once(late(session)))
        }
        Outcome::Panic => panic!("on purpose"),
        Outcome::Timeout => std::future::pending().await,
        Outcome::GoneInView => {
            in_view.pass().await;
            text("nobody hears this")
        }
        Outcome::GoneInSave => text("perhaps nobody hears this"),
    };
    let response = response.with_header("cache-control", CACHE_CONTROL)?;
    Ok(response.with_header("vary", VARY)?)
}

/// A stream runs when the session is committed: rule 22.
async fn late(session: Option<Session>) -> Result<Bytes, BoxError> {
    if let Some(session) = session {
        let late = session.set("late", 1).await;
        assert!(matches!(late, Err(SessionError::Committed)), "{late:?}");
    }
    Ok(Bytes::from_static(b"streamed"))
}

/// A middleware as a site may have it inside of its sessions.
async fn patience(request: Request, next: Next<'_>) -> Result<Response> {
    match timeout(Duration::from_secs(1), next.run(request)).await {
        Ok(response) => Ok(response),
        Err(_) => Ok(Response::new(StatusCode::SERVICE_UNAVAILABLE)),
    }
}

/// Sends the request; `None` where the client has gone before there was a response.
async fn ask(
    client: &TestClient,
    store: &ScriptedStore,
    outcome: Outcome,
    in_view: &Gate,
) -> Option<TestResponse> {
    let gates = match outcome {
        Outcome::GoneInView => vec![in_view.clone()],
        Outcome::GoneInSave => [Op::Create, Op::Replace, Op::Remove]
            .map(|op| store.hold(op, When::Before))
            .to_vec(),
        _ => {
            let response = client.get("/do").await;
            assert!(response.body().is_ok(), "{:?}", response.body());
            return Some(response);
        }
    };
    {
        let reached = gates.iter().map(|gate| Box::pin(gate.reached()));
        let mut request = pin!(client.get("/do").into_future());
        tokio::select! {
            _ = &mut request => assert_eq!(outcome, Outcome::GoneInSave),
            _ = select_all(reached) => {}
        }
    }
    for gate in gates {
        gate.open();
    }
    // The clock is one that moves when there is nothing else left to do.
    sleep(Duration::from_secs(1)).await;
    None
}

fn cookie(response: &TestResponse, sent: Option<&str>, age: u64) -> Cookie {
    let cookies = response.set_cookies();
    let [cookie] = cookies[..] else {
        assert!(cookies.is_empty(), "{cookies:?}");
        return Cookie::None;
    };
    let (value, attributes) = cookie
        .strip_prefix("session_id=")
        .and_then(|cookie| cookie.split_once(';'))
        .unwrap();
    if value.is_empty() {
        assert!(attributes.contains("Max-Age=0; Expires=Thu, 01 Jan 1970"));
        return Cookie::Removal;
    }
    let expected = format!("Max-Age={age};");
    assert!(attributes.contains(&expected), "{expected} {attributes}");
    if sent == Some(value) {
        Cookie::Same
    } else {
        Cookie::New
    }
}

fn varies(response: &TestResponse) -> bool {
    let vary = response.headers().get_all("vary").iter();
    let names: Vec<_> = vary.map(|name| name.to_str().unwrap()).collect();
    let (own, sessions) = (names.contains(&VARY), names.contains(&"Cookie"));
    // The pages of errors have a form for each client.
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let by_form = is_error && names.contains(&"Accept");
    let known = [own, sessions, by_form].map(usize::from);
    assert_eq!(names.len(), known.into_iter().sum::<usize>());
    sessions
}

fn is_no_store(response: &TestResponse) -> bool {
    match response.header("cache-control") {
        Some("no-store") => true,
        // An error page for somebody who is logged in.
        Some("private") => {
            assert!(response.header("vary").is_none_or(|vary| vary != VARY));
            false
        }
        said => {
            // Where the view had its say, it stands.
            let expected = response.header("vary").is_some_and(|vary| vary == VARY);
            assert_eq!(said, expected.then_some(CACHE_CONTROL));
            false
        }
    }
}
