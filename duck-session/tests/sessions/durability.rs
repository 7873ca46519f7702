//! `SESSION_FSYNC`: which writes have to survive a power cut.

use std::time::Duration;

use duck::{Request, path};
use duck_session::Clock;
use duck_session::store::Durability::{Crash, PowerCut};

use crate::support::{ScriptedStore, id, over, read, settings, visit, with_id};

/// Whoever was logged out, or has lost an id to a thief, stays so after a power cut.
#[tokio::test]
async fn every_write_that_changes_a_verifier_or_ends_a_session_is_durable() {
    for (fsync, plain, secures) in [
        ("none", Crash, Crash),
        ("security", Crash, PowerCut),
        ("all", PowerCut, PowerCut),
    ] {
        let (store, clock) = (ScriptedStore::default(), Clock::manual());
        let settings = settings()
            .with("SESSION_STORAGE", "TestStore")
            .with("SESSION_FSYNC", fsync)
            .with("SESSION_ON_REPLAY", "end")
            .with("SESSION_RENEWAL_INTERVAL", "1 hour");
        let revoke = path("/revoke/<user>", async |request: Request, user: String| {
            let revoked = request.session.revoke_user(&user).await?;
            Ok::<_, duck::Error>(revoked.to_string())
        });
        let client = visit(settings, over(&store).clock(clock.clone()), [revoke]).await;
        let wrote = async |path: &str, expected: &[_]| {
            store.writes();
            read(&client, path).await;
            assert_eq!(store.writes(), expected, "{fsync} {path}");
        };
        wrote("/set/a/1", &[plain]).await;
        wrote("/set/a/2", &[plain]).await;
        wrote("/login/7", &[secures]).await;
        wrote("/cycle", &[secures]).await;
        let old = id(&client);
        clock.advance(Duration::from_secs(3600));
        wrote("/user", &[secures]).await; // the renewal
        wrote("/user", &[plain]).await; // its grace begins
        clock.advance(Duration::from_secs(3600));
        wrote("/set/a/3", &[secures]).await; // a renewal with a write
        wrote("/logout", &[secures]).await;
        wrote("/login/7", &[secures]).await;
        wrote("/revoke/7", &[secures]).await;
        assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");

        wrote("/login/7", &[secures]).await;
        let old = with_id(&client, &id(&client));
        clock.advance(Duration::from_secs(3600));
        for _ in 0..2 {
            read(&client, "/user").await;
        }
        clock.advance(Duration::from_secs(60));
        store.writes();
        read(&old, "/user").await;
        assert_eq!(store.writes(), [secures], "{fsync}: a replay ends it");
    }
}
