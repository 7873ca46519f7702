//! What is written, when, and what the visitor hears of it: rules 15 to 23.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::session::SessionError;
use duck::{Error, Request, Session, StatusCode, path, text};
use duck_session::Clock;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    Gate, Op, ScriptedStore, When, id, over, page, page_with, read, scripted, settings, visit,
    visit_store, with_id,
};

/// What each page costs and sends, for a visitor who has a session with `n` = 1.
#[tokio::test]
async fn only_a_change_is_written() {
    let (cache, clock) = (ScriptedStore::default(), Clock::manual());
    let pages = [
        page("/begin", async |request| {
            request.session.set("n", 1).await?;
            request.session.set("list", vec![1, 2]).await?;
            Ok(text(""))
        }),
        page("/equal", async |request| {
            request.session.set("n", 1).await?;
            Ok(text(""))
        }),
        page("/and-back", async |request| {
            request.session.set("n", 2).await?;
            assert!(request.session.modified());
            request.session.set("n", 1).await?;
            assert!(!request.session.modified());
            Ok(text(""))
        }),
        page("/gone-and-back", async |request| {
            request.session.remove("n").await?;
            request.session.set("n", 1).await?;
            request.session.clear().await?;
            request.session.set("list", vec![1, 2]).await?;
            request.session.set("n", 1).await?;
            Ok(text(""))
        }),
        page("/look", async |request| {
            let mut list = request.session.get_mut::<Vec<u8>>("list").await?.unwrap();
            list.reverse();
            list.reverse();
            Ok(text(""))
        }),
        page("/nested", async |request| {
            let mut list = request.session.get_mut::<Vec<u8>>("list").await?.unwrap();
            list.push(3);
            Ok(text(""))
        }),
        page("/update-nothing", async |request| {
            request.session.update("n", |_: &mut u64| ()).await?;
            Ok(text(""))
        }),
        page("/remove-missing", async |request| {
            assert!(!request.session.remove("missing").await?);
            assert_eq!(request.session.pop::<u8>("missing").await?, None);
            Ok(text(""))
        }),
        page("/pop", async |request| {
            assert_eq!(request.session.pop::<u8>("n").await?, Some(1));
            Ok(text(""))
        }),
        page("/force", async |request| {
            request.session.set_modified(true);
            Ok(text(""))
        }),
        page("/force-not", async |request| {
            request.session.set_modified(true);
            request.session.set_modified(false);
            Ok(text(""))
        }),
    ];
    let settings = settings().with("SESSION_STORAGE", "TestStore");
    let client = visit(settings, over(&cache).clock(clock.clone()), pages).await;
    let write = &[Op::Replace][..];
    for (path, writes, cookies) in [
        ("/begin", &[Op::Create][..], 1),
        ("/equal", &[], 0),
        ("/and-back", &[], 0),
        ("/gone-and-back", &[], 0),
        ("/look", &[], 0),
        ("/update-nothing", &[], 0),
        ("/remove-missing", &[], 0),
        ("/force-not", &[], 0),
        ("/nested", write, 0),
        ("/force", write, 1),
        ("/pop", write, 0),
        ("/clear", write, 0),
        ("/clear", &[], 0),
    ] {
        clock.advance(Duration::from_secs(1));
        cache.calls();
        let response = client.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let calls: Vec<_> = cache
            .calls()
            .into_iter()
            .filter(|op| *op != Op::Load)
            .collect();
        assert_eq!(calls, writes, "{path}");
        assert_eq!(response.set_cookies().len(), cookies, "{path}");
        assert_eq!(response.header("vary"), Some("Cookie"), "{path}");
    }
    assert_eq!(cache.len(), 1, "an emptied session stays");
}

#[tokio::test]
async fn a_session_with_nothing_in_it_is_never_created() {
    let (client, cache) = scripted([
        page("/force", async |request| {
            request.session.set_modified(true);
            Ok(text(""))
        }),
        page("/expiry", async |request| {
            request.session.set_expiry(Duration::from_mins(1)).await?;
            Ok(text(""))
        }),
        page("/and-empty", async |request| {
            request.session.set("a", 1).await?;
            request.session.clear().await?;
            request.session.save().await?;
            Ok(text(""))
        }),
    ])
    .await;
    let paths = ["/get/a", "/clear", "/logout", "/cycle", "/remove/a"];
    for path in paths.into_iter().chain(["/force", "/expiry", "/and-empty"]) {
        let response = client.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.set_cookies(), [""; 0], "{path}");
    }
    assert_eq!(
        cache.calls(),
        [],
        "a visitor without a cookie cost something"
    );
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn a_failed_page_keeps_who_is_logged_in_and_nothing_else() {
    for end in ["500", "503", "panic", "error"] {
        let fail = move |path: &'static str, what: &'static str| {
            page(path, move |request: Request| async move {
                let session = &request.session;
                session.set("lost", 1).await?;
                session.set_expiry(Duration::from_secs(9)).await?;
                match what {
                    "login" => session.login("7").await?,
                    "logout" => session.logout().await?,
                    "cycle" => session.cycle_id().await?,
                    _ => {}
                }
                session.set("lost", 2).await?;
                match end {
                    "500" => Ok(text("").with_status(StatusCode::INTERNAL_SERVER_ERROR)),
                    "503" => Ok(text("").with_status(StatusCode::SERVICE_UNAVAILABLE)),
                    "panic" => panic!("on purpose"),
                    _ => Err(Error::internal("on purpose")),
                }
            })
        };
        let (client, cache) = scripted([
            fail("/fail/data", "data"),
            fail("/fail/login", "login"),
            fail("/fail/cycle", "cycle"),
            fail("/fail/logout", "logout"),
        ])
        .await;
        client.get("/fail/data").await;
        assert_eq!(cache.len(), 0, "{end}");
        read(&client, "/set/kept/1").await;
        let mut before = id(&client);
        for (path, user) in [("/fail/login", "7"), ("/fail/cycle", "7")] {
            let response = client.get(path).await;
            assert!(response.status().is_server_error(), "{end} {path}");
            assert_ne!(id(&client), before, "{end} {path}");
            assert_eq!(read(&client, "/user").await, user, "{end} {path}");
            assert_eq!(read(&client, "/get/kept").await, "\"1\"", "{end} {path}");
            assert_eq!(read(&client, "/get/lost").await, "nothing", "{end} {path}");
            before = id(&client);
        }
        let response = client.get("/fail/logout").await;
        assert!(response.set_cookies()[0].contains("Max-Age=0"), "{end}");
        let old = with_id(&client, &before);
        assert_eq!(read(&old, "/user").await, "nobody", "{end}");
    }
}

#[tokio::test]
async fn a_site_may_keep_the_data_of_failed_pages() {
    let more = [page("/fail", async |request| {
        request.session.set("a", 1).await?;
        Err(Error::internal("on purpose"))
    })];
    let settings = settings().with("SESSION_SAVE_ON_ERROR", true);
    let client = visit_store(settings, &ScriptedStore::default(), more).await;
    assert_eq!(client.get("/fail").await.status(), 500);
    assert_eq!(read(&client, "/get/a").await, "1");
}

#[tokio::test]
async fn all_other_statuses_save() {
    let (client, _) = scripted([path("/<status>", async |request: Request, status: u16| {
        request.session.set("last", status).await?;
        Ok::<_, Error>(text("").with_status(StatusCode::from_u16(status)?))
    })])
    .await;
    for status in [101, 200, 204, 302, 304, 404, 409, 499] {
        let response = client.get(&format!("/{status}")).await;
        assert_eq!(response.status(), status);
        assert_eq!(read(&client, "/get/last").await, status.to_string());
    }
}

#[tokio::test]
async fn an_explicit_save_costs_the_response_no_cookie() {
    let (client, cache) = scripted([
        page("/begin", async |request| {
            request.session.set("a", 1).await?;
            request.session.save().await?;
            assert!(!request.session.modified());
            assert!(request.session.is_new().await?, "the visitor came without");
            request.session.save().await?;
            Ok(text(""))
        }),
        page("/cycle-and-on", async |request| {
            request.session.cycle_id().await?;
            request.session.save().await?;
            request.session.set("b", 2).await?;
            request.session.save().await?;
            request.session.set("c", 3).await?;
            Ok(text(""))
        }),
        page("/out-and-in", async |request| {
            request.session.logout().await?;
            request.session.save().await?;
            request.session.set("d", 4).await?;
            Ok(text(""))
        }),
        page("/in-vain", async |request| {
            request.session.set("e", 5).await?;
            request.session.save().await?;
            request.session.flush().await?;
            Ok(text(""))
        }),
    ])
    .await;
    let response = client.get("/begin").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_eq!(cache.calls(), [Op::Create]);
    let first = id(&client);
    let response = client.get("/cycle-and-on").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_ne!(id(&client), first);
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        assert_eq!(read(&client, &format!("/get/{key}")).await, value);
    }
    let second = id(&client);
    let response = client.get("/out-and-in").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_ne!(id(&client), second);
    assert_eq!(read(&client, "/get/a").await, "nothing");
    assert_eq!(read(&client, "/get/d").await, "4");
    let stranger = client.another();
    let response = stranger.get("/in-vain").await;
    assert_eq!(response.set_cookies(), [""; 0], "it carried no cookie");
}

/// The page saves, and while it does so another request has changed the session.
#[tokio::test]
async fn what_others_saved_before_an_explicit_save_is_kept_by_the_next_one() {
    let gate = Gate::new();
    let (client, _) = scripted([page_with("/slow", &gate, async |request, gate| {
        request.session.set("a", 1).await?;
        gate.pass().await;
        request.session.save().await?;
        let seen: Option<String> = request.session.get("b").await?;
        request.session.set("c", 3).await?;
        request.session.set("begun", "yes").await?;
        Ok(text(format!("{seen:?}")))
    })])
    .await;
    read(&client, "/set/begun/yes").await;
    let slow = gate
        .beside(read(&client, "/slow"), async {
            read(&client, "/set/b/2").await;
            read(&client, "/set/begun/no").await;
        })
        .await;
    assert_eq!(slow, "Some(\"2\")", "what was merged can be seen");
    for (key, value) in [("a", "1"), ("b", "\"2\""), ("c", "3"), ("begun", "\"yes\"")] {
        assert_eq!(read(&client, &format!("/get/{key}")).await, value, "{key}");
    }
}

#[tokio::test]
async fn a_session_that_ended_is_not_begun_again_by_a_second_save() {
    let gate = Gate::new();
    let (client, cache) = scripted([page_with("/slow", &gate, async |request, gate| {
        request.session.set("a", 1).await?;
        gate.pass().await;
        request.session.save().await?;
        request.session.set("b", 2).await?;
        request.session.save().await?;
        request.session.set("c", 3).await?;
        Ok(text(""))
    })])
    .await;
    read(&client, "/login/7").await;
    let tab = with_id(&client, &id(&client));
    let response = gate
        .beside(tab.get("/slow"), read(&client, "/logout"))
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn a_failed_save_is_no_success_though_the_view_ignores_it() {
    let cache = ScriptedStore::default();
    let more = [page_with("/careless", &cache, async |request, cache| {
        request.session.logout().await?;
        cache.fail(&[Op::Replace, Op::Remove]);
        assert!(request.session.save().await.is_err());
        cache.fail(&[]);
        assert!(request.session.save().await.is_err());
        Ok(text("You are logged out."))
    })];
    let client = visit_store(settings(), &cache, more).await;
    read(&client, "/login/7").await;
    let response = client.get("/careless").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn a_save_nobody_waits_for_still_sends_its_cookie() {
    let (client, cache) = scripted([
        page("/impatient", async |request| {
            request.session.set("a", 1).await?;
            let save = tokio::time::timeout(Duration::ZERO, request.session.save());
            assert!(save.await.is_err(), "it is held");
            Ok(text(""))
        }),
        page("/beside", async |request| {
            request.session.set("a", 1).await?;
            let session = request.session.clone();
            tokio::spawn(async move { session.save().await });
            tokio::task::yield_now().await;
            Ok(text(""))
        }),
    ])
    .await;
    for path in ["/impatient", "/beside"] {
        let visitor = client.another();
        let gate = cache.hold(Op::Create, When::Before);
        let response = gate
            .beside(visitor.get(path), async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        assert_eq!(response.set_cookies().len(), 1, "{path}");
        assert_eq!(read(&visitor, "/get/a").await, "1", "{path}");
    }
    assert_eq!(cache.len(), 2);
}

#[tokio::test]
async fn what_is_set_after_the_response_is_refused() {
    let kept = Arc::new(Mutex::new(None));
    let pages = [
        page_with("/accesses", &kept, async |request, kept| {
            request.session.set("a", 1).await?;
            *kept.lock().unwrap() = Some(request.session);
            Ok(text(""))
        }),
        page_with("/does-not", &kept, async |request, kept| {
            *kept.lock().unwrap() = Some(request.session);
            Ok(text(""))
        }),
    ];
    let (client, _) = scripted(pages).await;
    for path in ["/accesses", "/does-not", "/accesses"] {
        read(&client, path).await;
        let session = kept.lock().unwrap().take().unwrap();
        let refused = |result: Result<(), SessionError>| {
            assert!(
                matches!(result, Err(SessionError::Committed)),
                "{path}: {result:?}"
            );
        };
        refused(session.set("b", 2).await);
        refused(session.update("b", |n: &mut u8| *n += 1).await.map(drop));
        refused(session.remove("a").await.map(drop));
        refused(session.clear().await);
        refused(session.login("7").await);
        refused(session.logout().await);
        refused(session.cycle_id().await);
        refused(session.set_expiry(Duration::from_secs(1)).await);
        session.get::<u8>("a").await.unwrap();
    }
    assert_eq!(read(&client, "/get/b").await, "nothing");
    assert_eq!(read(&client, "/user").await, "nobody");
}

/// While the session is being written, nothing may slip in between: it would be lost.
#[tokio::test]
async fn what_is_set_while_the_session_is_saved_is_refused() {
    let kept = Arc::new(Mutex::new(None));
    let (client, cache) = scripted([page_with("/keep", &kept, async |request, kept| {
        request.session.set("a", 1).await?;
        *kept.lock().unwrap() = Some(request.session);
        Ok(text(""))
    })])
    .await;
    let gate = cache.hold(Op::Create, When::After);
    gate.beside(read(&client, "/keep"), async {
        let session: Session = kept.lock().unwrap().take().unwrap();
        let late = session.set("b", 2).await;
        assert!(matches!(late, Err(SessionError::Committed)), "{late:?}");
        assert_eq!(session.get("a").await.unwrap(), Some(1), "reading goes on");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_half_saved() {
    for when in [When::Before, When::After] {
        let (client, cache) = scripted([]).await;
        read(&client, "/set/a/1").await;
        cache.calls();
        let gate = cache.hold(Op::Replace, when);
        {
            let mut request = pin!(client.get("/set/a/2").into_future());
            tokio::select! {
                _ = &mut request => panic!("it is held"),
                () = gate.reached() => {}
            }
        }
        gate.open();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(cache.calls(), [Op::Load, Op::Replace], "{when:?}");
        assert_eq!(read(&client, "/get/a").await, "\"2\"", "{when:?}");
    }
}

/// A client that has closed its side of the connection waits for its answer, and what the view set is saved.
#[tokio::test]
async fn the_write_of_a_client_that_has_closed_its_side_is_kept() {
    let gate = Gate::new();
    let slow = page_with("/slow", &gate, async |request, gate| {
        request.session.set("b", 2).await?;
        gate.pass().await;
        Ok(text("saved"))
    });
    let (client, _cache) = scripted([slow]).await;
    read(&client, "/set/a/1").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let site = client.site().clone();
    let server = tokio::spawn(duck::server::serve(listener, site, std::future::pending()));
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let cookie = format!("Cookie: session_id={}", id(&client));
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{cookie}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        stream
    };
    let answer = async |mut stream: TcpStream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let waiting = ask("/slow").await;
    gate.reached().await;
    // The server has seen the end of the first connection when it has answered on a second.
    assert!(
        answer(ask("/get/a").await)
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    gate.open();
    assert!(answer(waiting).await.ends_with("saved"));
    assert_eq!(read(&client, "/get/b").await, "2");
    server.abort();
}

/// The client goes away while its session is saved, and the site stops before that is done.
#[tokio::test]
async fn a_site_that_stops_waits_for_the_save_of_a_client_that_has_gone() {
    let (client, store) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let saving = store.hold(Op::Replace, When::Before);
    {
        let mut request = pin!(client.get("/set/a/2").into_future());
        tokio::select! {
            _ = &mut request => panic!("it is held"),
            () = saving.reached() => {}
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = client.site().clone();
    let stopping = duck::server::serve(listener, site, std::future::ready(()));
    let mut stopping = pin!(stopping);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stopping).await;
    assert!(early.is_err(), "it is not saved yet");
    saving.open();
    let stopped = tokio::time::timeout(Duration::from_secs(20), stopping).await;
    stopped.expect("it stops");
    assert_eq!(read(&client, "/get/a").await, "\"2\"");
}

/// The view has logged out and goes on to something slow; the visitor closes the page. What a logout
/// promises has to hold, but of a new id the visitor would never hear.
#[tokio::test(start_paused = true)]
async fn a_logout_of_a_client_that_goes_away_in_the_view_holds() {
    let gate = Gate::new();
    let slow = |path: &'static str| {
        page_with(
            path,
            &(gate.clone(), path),
            async |request, (gate, path)| {
                match path {
                    "/slow/logout" => request.session.logout().await?,
                    "/slow/login" => request.session.login("8").await?,
                    _ => request.session.set("b", 2).await?,
                }
                gate.pass().await;
                Ok(text(""))
            },
        )
    };
    let (client, cache) =
        scripted([slow("/slow/set"), slow("/slow/login"), slow("/slow/logout")]).await;
    read(&client, "/login/7").await;
    for (path, user) in [
        ("/slow/set", "7"),
        ("/slow/login", "7"),
        ("/slow/logout", "nobody"),
    ] {
        let tab = with_id(&client, &id(&client));
        {
            let mut request = pin!(tab.get(path).into_future());
            tokio::select! {
                _ = &mut request => panic!("it is held"),
                () = gate.reached() => {}
            }
        }
        // The clock is one that moves when there is nothing else left to do.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(read(&tab, "/user").await, user, "{path}");
        assert_eq!(read(&tab, "/get/b").await, "nothing", "{path}");
    }
    assert_eq!(cache.len(), 0);
}

/// The view has returned, and a save of the same request is still under way.
#[tokio::test(start_paused = true)]
async fn a_logout_of_a_client_that_goes_away_before_it_is_saved_holds() {
    let gate = Gate::new();
    let logout = page_with("/save-and-logout", &gate, async |request, gate| {
        request.session.set("b", 2).await?;
        let session = request.session.clone();
        tokio::spawn(async move { session.save().await });
        gate.pass().await;
        request.session.logout().await?;
        Ok(text(""))
    });
    let (client, cache) = scripted([logout]).await;
    read(&client, "/login/7").await;
    let tab = with_id(&client, &id(&client));
    let saving = cache.hold(Op::Replace, When::Before);
    {
        let mut request = pin!(tab.get("/save-and-logout").into_future());
        let until_it_waits = async {
            saving.reached().await;
            gate.open();
            // The clock is one that moves when there is nothing else left to do.
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            _ = &mut request => panic!("it is held"),
            () = until_it_waits => {}
        }
    }
    saving.open();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(read(&tab, "/user").await, "nobody");
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn a_guarded_value_that_cannot_be_stored_fails_the_page() {
    let more = [page("/grow", async |request| {
        let mut list = request.session.get_mut::<String>("a").await?.unwrap();
        list.push_str(&"x".repeat(2000));
        Ok(text("grown"))
    })];
    let settings = settings().with("SESSION_MAX_BYTES", 1000);
    let client = visit_store(settings, &ScriptedStore::default(), more).await;
    read(&client, "/set/a/1").await;
    assert_eq!(client.get("/grow").await.status(), 413);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}

#[tokio::test]
async fn a_value_seen_through_a_narrower_type_keeps_its_other_fields() {
    #[derive(Serialize, Deserialize)]
    struct Narrow {
        a: u8,
    }
    let (client, cache) = scripted([
        page("/begin", async |request| {
            let wide = BTreeMap::from([("a", 1), ("b", 2)]);
            request.session.set("value", wide).await?;
            Ok(text(""))
        }),
        page("/look", async |request| {
            let narrow = request.session.get_mut::<Narrow>("value").await?.unwrap();
            Ok(text(narrow.a.to_string()))
        }),
    ])
    .await;
    read(&client, "/begin").await;
    cache.calls();
    assert_eq!(read(&client, "/look").await, "1");
    assert_eq!(cache.calls(), [Op::Load], "looking is no change");
    assert_eq!(read(&client, "/get/value").await, r#"{"a":1,"b":2}"#);
}

#[tokio::test]
async fn a_logout_during_a_save_of_the_same_request_is_final() {
    let cache = ScriptedStore::default();
    let page = page_with("/beside", &cache, async |request, cache| {
        let gate = cache.hold(Op::Replace, When::Before);
        request.session.set("a", 1).await?;
        let session = request.session.clone();
        let saving = tokio::spawn(async move { session.save().await });
        gate.reached().await;
        request.session.logout().await?;
        gate.open();
        saving.await.unwrap()?;
        Ok(text("You are logged out."))
    });
    let client = visit_store(settings(), &cache, [page]).await;
    read(&client, "/login/7").await;
    let response = client.get("/beside").await;
    assert!(
        response.set_cookies()[0].contains("Max-Age=0"),
        "{:?}",
        response.set_cookies()
    );
    assert_eq!(cache.len(), 0, "nothing of the session is left");
}

#[tokio::test]
async fn a_logout_after_a_save_that_came_too_late_ends_the_session_under_its_new_id() {
    let gate = Gate::new();
    let (client, _) = scripted([page_with("/slow", &gate, async |request, gate| {
        request.session.set("a", 1).await?;
        gate.pass().await;
        request.session.save().await?;
        request.session.logout().await?;
        Ok(text("You are logged out."))
    })])
    .await;
    read(&client, "/login/7").await;
    let tab = with_id(&client, &id(&client));
    gate.beside(tab.get("/slow"), read(&client, "/cycle")).await;
    assert_ne!(
        read(&client, "/user").await,
        "7",
        "the new id is logged out too"
    );
}

#[tokio::test]
async fn a_value_set_back_over_what_others_wrote_is_written() {
    let cache = ScriptedStore::default();
    let start = Gate::new();
    let with = (cache.clone(), start.clone());
    let page = page_with("/there-and-back", &with, async |request, (cache, start)| {
        let session = request.session.clone();
        session.set("y", 1).await?; // here x is 0
        start.pass().await; // and now it is 3
        let gate = cache.hold(Op::Replace, When::Before);
        let saving = session.clone();
        let saving = tokio::spawn(async move { saving.save().await });
        gate.reached().await;
        session.set("x", "5").await?;
        gate.open();
        saving.await.unwrap()?;
        session.set("x", "0").await?;
        Ok(text(""))
    });
    let client = visit_store(settings(), &cache, [page]).await;
    read(&client, "/set/x/0").await;
    let tab = with_id(&client, &id(&client));
    start
        .beside(tab.get("/there-and-back"), read(&client, "/set/x/3"))
        .await;
    assert_eq!(read(&client, "/get/x").await, "\"0\"");
}
