//! `SESSION_CONFLICT`: rule 27.

use std::time::Duration;

use duck::{Settings, text};
use duck_session::Clock;
use tokio::time::Instant;

use crate::support::{
    Gate, Kind, Op, ScriptedCache, When, id, on_every_storage, page, read, settings, visit_cache,
    with_id,
};

fn with(mode: &str) -> Settings {
    settings().with("SESSION_CONFLICT", mode)
}

#[tokio::test]
async fn the_second_to_save_may_fail() {
    let cache = ScriptedCache::default();
    let client = visit_cache(with("fail"), &cache, []).await;
    read(&client, "/set/a/1").await;
    let late = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Swap, When::Before);
    let (response, ()) = tokio::join!(late.get("/set/b/2"), async {
        gate.reached().await;
        read(&client, "/set/c/3").await;
        gate.open();
    });
    assert_eq!(response.status(), 409);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(read(&client, "/get/b").await, "nothing");
    assert_eq!(read(&client, "/get/c").await, "\"3\"");
    assert_eq!(read(&late, "/set/b/2").await, "set", "nothing stays behind");
}

#[tokio::test]
async fn the_second_to_save_may_stand_over_the_first() {
    let cache = ScriptedCache::default();
    let client = visit_cache(with("last_write_wins"), &cache, []).await;
    read(&client, "/set/a/1").await;
    let late = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Swap, When::Before);
    tokio::join!(read(&late, "/set/b/2"), async {
        gate.reached().await;
        read(&client, "/set/c/3").await;
        gate.open();
    });
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    assert_eq!(read(&client, "/get/b").await, "\"2\"");
    assert_eq!(
        read(&client, "/get/c").await,
        "nothing",
        "as the late one saw it"
    );
}

#[tokio::test]
async fn whoever_wins_a_logout_is_not_undone() {
    for mode in ["fail", "last_write_wins", "lock", "merge"] {
        let cache = ScriptedCache::default();
        let client = visit_cache(with(mode), &cache, []).await;
        read(&client, "/login/7").await;
        let late = with_id(&client, &id(&client));
        let gate = cache.hold(Op::Swap, When::Before);
        if mode == "lock" {
            // The first swap is the lock's: the logout has to wait for the write.
            tokio::join!(late.get("/set/b/2"), async {
                gate.reached().await;
                gate.open();
            });
            read(&client, "/logout").await;
        } else {
            tokio::join!(late.get("/set/b/2"), async {
                gate.reached().await;
                read(&client, "/logout").await;
                gate.open();
            });
        }
        assert_eq!(read(&late, "/user").await, "nobody", "{mode}");
        assert_eq!(cache.len(), 0, "{mode}");
    }
}

/// A page that waits at the gate with its session loaded.
fn slow(gate: &Gate) -> duck::UrlPattern {
    let gate = gate.clone();
    page("/slow", move |request| {
        let gate = gate.clone();
        async move {
            let seen = request.session.get::<u32>("n").await?.unwrap_or_default();
            gate.pass().await;
            request.session.set("n", seen + 1).await?;
            Ok(text("slow"))
        }
    })
}

#[tokio::test]
async fn with_a_lock_the_second_waits_for_the_first() {
    let gate = Gate::new();
    for Kind { name, client, .. } in
        on_every_storage(&with("lock"), &Clock::default(), || vec![slow(&gate)]).await
    {
        read(&client, "/set/a/1").await;
        let (one, two) = (
            with_id(&client, &id(&client)),
            with_id(&client, &id(&client)),
        );
        let other = client.another();
        tokio::join!(read(&one, "/slow"), async {
            gate.reached().await;
            let mut second = std::pin::pin!(read(&two, "/slow"));
            let waits = tokio::time::timeout(Duration::from_millis(100), second.as_mut()).await;
            assert!(waits.is_err(), "{name}: the second did not wait");
            assert_eq!(
                read(&other, "/add/n").await,
                "1",
                "{name}: others are served"
            );
            assert_eq!(
                read(&two, "/plain").await,
                "plain",
                "{name}: so are other pages"
            );
            gate.open();
            tokio::join!(second, async {
                gate.reached().await;
                gate.open();
            });
        });
        assert_eq!(
            read(&client, "/get/n").await,
            "2",
            "{name}: neither was lost"
        );
    }
}

/// The lock goes with its request, whatever became of that.
#[tokio::test]
async fn a_lock_is_given_back_by_panics_and_by_clients_that_leave() {
    let gate = Gate::new();
    let more = || {
        vec![
            slow(&gate),
            page("/panic", async |request| {
                request.session.get::<u8>("n").await?;
                panic!("on purpose")
            }),
        ]
    };
    for Kind { name, client, .. } in on_every_storage(&with("lock"), &Clock::default(), more).await
    {
        read(&client, "/set/a/1").await;
        assert_eq!(client.get("/panic").await.status(), 500);
        assert_eq!(
            read(&client, "/get/a").await,
            "\"1\"",
            "{name}: after a panic"
        );
        {
            let leaving = std::pin::pin!(client.get("/slow").into_future());
            tokio::select! {
                _ = leaving => panic!("{name}: nobody has opened the gate"),
                () = gate.reached() => {}
            }
        }
        let start = Instant::now();
        assert_eq!(
            read(&client, "/get/a").await,
            "\"1\"",
            "{name}: after a client that left"
        );
        assert!(start.elapsed() < Duration::from_secs(4), "{name}");
    }
}

/// Who waits in vain is told so; a process that died with the lock is waited for no longer than that.
#[tokio::test]
async fn nobody_waits_longer_than_the_timeout() {
    let gate = Gate::new();
    let settings = with("lock").with("SESSION_LOCK_TIMEOUT", "300ms");
    for Kind { name, client, .. } in
        on_every_storage(&settings, &Clock::default(), || vec![slow(&gate)]).await
    {
        read(&client, "/set/a/1").await;
        let (one, two) = (
            with_id(&client, &id(&client)),
            with_id(&client, &id(&client)),
        );
        tokio::join!(read(&one, "/slow"), async {
            gate.reached().await;
            let response = two.get("/get/a").await;
            assert_eq!(response.status(), 503, "{name}");
            assert!(response.header("retry-after").is_some(), "{name}");
            gate.open();
        });
        assert_eq!(read(&two, "/get/a").await, "\"1\"", "{name}");
    }
}
