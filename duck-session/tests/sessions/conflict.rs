//! `SESSION_CONFLICT`: rule 27.

use duck::Settings;

use crate::support::{Op, ScriptedStore, When, id, read, settings, visit_store, with_id};

fn with(mode: &str) -> Settings {
    settings().with("SESSION_CONFLICT", mode)
}

#[tokio::test]
async fn the_second_to_save_may_fail() {
    let cache = ScriptedStore::default();
    let client = visit_store(with("fail"), &cache, []).await;
    read(&client, "/set/a/1").await;
    let late = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    let response = gate
        .beside(late.get("/set/b/2"), read(&client, "/set/c/3"))
        .await;
    assert_eq!(response.status(), 409);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(read(&client, "/get/b").await, "nothing");
    assert_eq!(read(&client, "/get/c").await, "\"3\"");
    assert_eq!(read(&late, "/set/b/2").await, "set", "nothing stays behind");
}

#[tokio::test]
async fn the_second_to_save_may_stand_over_the_first() {
    let cache = ScriptedStore::default();
    let client = visit_store(with("last_write_wins"), &cache, []).await;
    read(&client, "/set/a/1").await;
    let late = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    gate.beside(read(&late, "/set/b/2"), read(&client, "/set/c/3"))
        .await;
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
    for mode in ["fail", "last_write_wins", "merge"] {
        let cache = ScriptedStore::default();
        let client = visit_store(with(mode), &cache, []).await;
        read(&client, "/login/7").await;
        let late = with_id(&client, &id(&client));
        let gate = cache.hold(Op::Replace, When::Before);
        gate.beside(late.get("/set/b/2"), read(&client, "/logout"))
            .await;
        assert_eq!(read(&late, "/user").await, "nobody", "{mode}");
        assert_eq!(cache.len(), 0, "{mode}");
    }
}

/// A visit that is noted, or a renewal, is no change that a visitor could lose.
#[tokio::test]
async fn where_the_others_changed_no_data_nothing_fails() {
    let cache = ScriptedStore::default();
    let settings = with("fail").with("SESSION_SAVE_EVERY_REQUEST", true);
    let client = visit_store(settings, &cache, []).await;
    read(&client, "/set/a/1").await;
    let late = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    let response = gate
        .beside(late.get("/set/b/2"), read(&client, "/get/a"))
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(read(&client, "/get/b").await, "\"2\"");
}

#[tokio::test]
async fn a_login_succeeds_whatever_others_saved() {
    let cache = ScriptedStore::default();
    let client = visit_store(with("fail"), &cache, []).await;
    read(&client, "/set/a/1").await;
    let late = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    gate.beside(read(&late, "/login/7"), read(&client, "/set/c/3"))
        .await;
    assert_eq!(read(&late, "/user").await, "7");
    assert_eq!(read(&late, "/get/c").await, "\"3\"");
}

/// Whoever changes no value undoes nobody's change, and has nothing to lose.
#[tokio::test]
async fn a_new_id_alone_takes_over_what_others_saved() {
    for mode in ["fail", "last_write_wins"] {
        let cache = ScriptedStore::default();
        let client = visit_store(with(mode), &cache, []).await;
        read(&client, "/set/a/1").await;
        let late = with_id(&client, &id(&client));
        let gate = cache.hold(Op::Replace, When::Before);
        gate.beside(read(&late, "/cycle"), read(&client, "/set/c/3"))
            .await;
        assert_eq!(read(&late, "/get/c").await, "\"3\"", "{mode}");
    }
}
