//! Requests of one visitor side by side, in every order their storage operations can have: rules 24
//! to 29, 31, 32, 35, 36 and 46. What is left has to make sense in each of them.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod cache;
mod race;
mod scheduler;
#[expect(dead_code, reason = "the sessions' tests use the rest of it")]
#[path = "../sessions/support.rs"]
mod support;

use crate::race::Act::{Delete, Expire, Visit};
use crate::race::{Race, Sent, every_order, every_order_renewing};
use crate::scheduler::Steps;

const WRITE: race::Act = Visit("/set/b/2");
const UPDATE: race::Act = Visit("/add/n");
const TOUCH: race::Act = Visit("/get/old");
const LOGOUT: race::Act = Visit("/logout");
const CYCLE: race::Act = Visit("/cycle");
const LOGIN: race::Act = Visit("/login/7");

/// Each race twice: step by step, and with the answers of operations as steps of their own.
macro_rules! races {
    ($($race:ident),* $(,)?) => {
        mod whole_steps {
            $(#[tokio::test(start_paused = true)]
            async fn $race() {
                super::$race(super::Steps::Whole).await;
            })*
        }

        mod half_steps {
            $(#[tokio::test(start_paused = true)]
            #[ignore = "takes a minute: thousands of orders"]
            async fn $race() {
                super::$race(super::Steps::Half).await;
            })*
        }
    };
}

races!(
    writes_of_different_keys_are_both_kept,
    of_writes_of_one_key_the_last_one_counts,
    updates_all_count,
    a_logout_stays_whatever_was_under_way,
    a_revocation_stays_whatever_was_under_way,
    what_expired_stays_so_whatever_was_under_way,
    a_revoked_session_gets_no_new_id,
    a_new_id_has_everything_that_was_saved_and_the_old_one_nothing,
    of_two_new_ids_one_has_the_session,
    a_logout_follows_the_session_to_its_new_id,
    two_logouts_are_one,
    a_new_id_in_time_loses_nothing_and_nobody,
    a_logout_ends_a_session_that_gets_a_new_id_in_time,
    an_end_of_its_own_is_kept_by_a_write_beside,
);

/// The id leads nowhere any more.
async fn is_dead(race: &Race, id: &str) {
    assert_eq!(race.see(id, "/user").await, "nobody", "{race}");
    assert_eq!(race.see(id, "/get/old").await, "nothing", "{race}");
    assert_eq!(race.see(id, "/get/b").await, "nothing", "{race}");
}

/// The id leads to the session that both came for.
async fn is_whole(race: &Race, id: &str) {
    assert_eq!(race.see(id, "/user").await, "7", "{race}");
    assert_eq!(race.see(id, "/get/old").await, "\"0\"", "{race}");
}

async fn writes_of_different_keys_are_both_kept(steps: Steps) {
    for acts in [[Visit("/set/a/1"), WRITE], [Visit("/remove/c"), WRITE]] {
        let orders = every_order(steps, acts, async |race: &Race| {
            is_whole(race, &race.old).await;
            assert_eq!(race.see(&race.old, "/get/b").await, "\"2\"", "{race}");
            if acts[0] == Visit("/set/a/1") {
                assert_eq!(race.see(&race.old, "/get/a").await, "\"1\"", "{race}");
            }
            assert_eq!(race.store.keys().len(), 1, "{race}");
        })
        .await;
        assert!(orders > 10, "{orders}");
    }
}

async fn of_writes_of_one_key_the_last_one_counts(steps: Steps) {
    let acts = [Visit("/set/b/1"), WRITE];
    every_order(steps, acts, async |race: &Race| {
        let last = ["\"1\"", "\"2\""][race.last_writer()];
        assert_eq!(race.see(&race.old, "/get/b").await, last, "{race}");
    })
    .await;
}

async fn updates_all_count(steps: Steps) {
    every_order(steps, [UPDATE, UPDATE], async |race: &Race| {
        assert_eq!(race.see(&race.old, "/get/n").await, "2", "{race}");
        is_whole(race, &race.old).await;
    })
    .await;
}

/// What a write is to come to when the session it came for has ended: the write is 1, and it made
/// nothing live but what a visitor without a session would have begun.
async fn nothing_came_back(race: &Race, is_write: bool) {
    is_dead(race, &race.old).await;
    if race.is_late(1) && is_write {
        let begun = race.new_id(1);
        assert_eq!(race.see(&begun, "/user").await, "nobody", "{race}");
        assert_eq!(race.see(&begun, "/get/old").await, "nothing", "{race}");
        assert_eq!(race.store.keys().len(), 1, "{race}");
        return;
    }
    assert_eq!(race.store.keys().len(), 0, "{race}");
    match race.sent(1) {
        Sent::None => {}
        Sent::Same => assert!(
            race.wrote(1),
            "{race}: the end moved, and then came the end"
        ),
        // Nothing was written, and the cookie led nowhere when the request looked: rule 46.
        Sent::Removal => assert!(race.is_late(1) && !is_write, "{race}"),
        Sent::New(_) => panic!("{race}: a session was begun in place of one that is over"),
    }
}

async fn a_logout_stays_whatever_was_under_way(steps: Steps) {
    for other in [WRITE, UPDATE, TOUCH, Visit("/clear"), Visit("/expiry")] {
        let is_write = [WRITE, UPDATE].contains(&other);
        every_order(steps, [LOGOUT, other], async |race: &Race| {
            assert_eq!(race.sent(0), Sent::Removal, "{race}");
            nothing_came_back(race, is_write).await;
        })
        .await;
    }
}

async fn a_revocation_stays_whatever_was_under_way(steps: Steps) {
    for other in [WRITE, UPDATE, TOUCH] {
        every_order(steps, [Delete, other], async |race: &Race| {
            nothing_came_back(race, other != TOUCH).await;
        })
        .await;
    }
}

/// This storage keeps what has expired: the engine looks at the clock itself.
async fn what_expired_stays_so_whatever_was_under_way(steps: Steps) {
    for other in [WRITE, UPDATE, TOUCH] {
        every_order(steps, [Expire, other], async |race: &Race| {
            nothing_came_back(race, other != TOUCH).await;
        })
        .await;
    }
}

async fn a_revoked_session_gets_no_new_id(steps: Steps) {
    for ends in [Delete, Expire] {
        for other in [CYCLE, LOGIN] {
            every_order(steps, [ends, other], async |race: &Race| {
                is_dead(race, &race.old).await;
                let keys = race.store.keys().len();
                match race.sent(1) {
                    // The id was changed first: who revokes an old id leaves the new one.
                    Sent::New(id) if !race.is_late(1) && other == CYCLE && ends == Delete => {
                        is_whole(race, &id).await;
                    }
                    Sent::New(id) if other == LOGIN => {
                        assert!(keys <= 2, "{race}");
                        if race.is_late(1) {
                            assert_eq!(race.see(&id, "/get/old").await, "nothing", "{race}");
                        }
                    }
                    Sent::New(_) => assert!(!race.is_late(1), "{race}"),
                    Sent::Removal => assert!(race.is_late(1), "{race}"),
                    Sent::None => assert_eq!(keys, 0, "{race}"),
                    Sent::Same => panic!("{race}"),
                }
            })
            .await;
        }
    }
}

async fn a_new_id_has_everything_that_was_saved_and_the_old_one_nothing(steps: Steps) {
    for renews in [CYCLE, LOGIN] {
        for other in [WRITE, UPDATE, TOUCH] {
            every_order(steps, [renews, other], async |race: &Race| {
                let new = race.new_id(0);
                is_whole(race, &new).await;
                is_dead(race, &race.old).await;
                let late = race.is_late(1);
                let (path, value) = if other == WRITE {
                    ("/get/b", "\"2\"")
                } else {
                    ("/get/n", "1")
                };
                let saved = race.wrote(1) && other != TOUCH;
                let kept = if saved { value } else { "nothing" };
                assert_eq!(race.see(&new, path).await, kept, "{race}");
                // The session, what is left of its old id, and what a late write began.
                let began = late && other != TOUCH;
                assert_eq!(race.store.keys().len(), 2 + usize::from(began), "{race}");
                match race.sent(1) {
                    Sent::New(id) if began => {
                        assert_eq!(race.see(&id, "/user").await, "nobody", "{race}");
                        assert_eq!(race.see(&id, "/get/old").await, "nothing", "{race}");
                    }
                    Sent::Same => assert!(race.wrote(1), "{race}"),
                    Sent::None => assert!(!began, "{race}"),
                    other => panic!("{race}: {other:?}"),
                }
            })
            .await;
        }
    }
}

async fn of_two_new_ids_one_has_the_session(steps: Steps) {
    for acts in [[CYCLE, CYCLE], [CYCLE, LOGIN], [LOGIN, LOGIN]] {
        every_order(steps, acts, async |race: &Race| {
            is_dead(race, &race.old).await;
            let mut whole = 0;
            for actor in [0, 1] {
                match race.sent(actor) {
                    Sent::New(id) if race.see(&id, "/get/old").await == "\"0\"" => {
                        is_whole(race, &id).await;
                        whole += 1;
                    }
                    // A login with an id that was given up before is one from the beginning.
                    Sent::New(id) => {
                        assert!(race.is_late(actor) && acts[actor] == LOGIN, "{race}");
                        assert_eq!(race.see(&id, "/user").await, "7", "{race}");
                    }
                    Sent::None => {}
                    other => panic!("{race}: {other:?}"),
                }
            }
            assert_eq!(whole, 1, "{race}");
        })
        .await;
    }
}

async fn a_logout_follows_the_session_to_its_new_id(steps: Steps) {
    for other in [CYCLE, LOGIN] {
        every_order(steps, [LOGOUT, other], async |race: &Race| {
            is_dead(race, &race.old).await;
            match race.sent(1) {
                // The logout came with an id that had been given up: rule 35.
                Sent::New(id) if race.is_late(0) => {
                    is_whole(race, &id).await;
                    assert_eq!(race.sent(0), Sent::None, "{race}");
                }
                // The login came when all was over, and is one from the beginning.
                Sent::New(id) if race.is_late(1) => {
                    assert_eq!(race.see(&id, "/get/old").await, "nothing", "{race}");
                }
                Sent::New(id) => is_dead(race, &id).await,
                Sent::None => assert_eq!(race.store.keys().len(), 0, "{race}"),
                Sent::Removal => assert!(race.is_late(1) && other == CYCLE, "{race}"),
                Sent::Same => panic!("{race}"),
            }
        })
        .await;
    }
}

async fn two_logouts_are_one(steps: Steps) {
    every_order(steps, [LOGOUT, LOGOUT], async |race: &Race| {
        assert_eq!(race.sent(0), Sent::Removal, "{race}");
        assert_eq!(race.sent(1), Sent::Removal, "{race}");
        assert_eq!(race.store.keys().len(), 0, "{race}");
    })
    .await;
}

async fn an_end_of_its_own_is_kept_by_a_write_beside(steps: Steps) {
    for other in [WRITE, UPDATE, TOUCH] {
        every_order(steps, [Visit("/expiry"), other], async |race: &Race| {
            is_whole(race, &race.old).await;
            assert_eq!(race.see(&race.old, "/left").await, "600", "{race}");
            assert_eq!(race.sent(0), Sent::Same, "{race}");
            assert!(!matches!(race.sent(1), Sent::New(_) | Sent::Removal));
            if other == WRITE {
                assert_eq!(race.see(&race.old, "/get/b").await, "\"2\"", "{race}");
            }
        })
        .await;
    }
}

/// Rule 34: the id changes under requests that know nothing of it.
async fn a_new_id_in_time_loses_nothing_and_nobody(steps: Steps) {
    for acts in [[WRITE, Visit("/set/a/1")], [WRITE, TOUCH], [UPDATE, UPDATE]] {
        every_order_renewing(steps, acts, async |race: &Race| {
            let (one, two) = (race.sent(0), race.sent(1));
            let (Sent::New(new), Sent::New(other)) = (&one, &two) else {
                panic!("{race}: {one:?} {two:?}")
            };
            assert_eq!(new, other, "{race}: one session has two ids");
            // The old id still leads there, for those who are on their way.
            for id in [new, &race.old] {
                is_whole(race, id).await;
                for (act, path, value) in [
                    (WRITE, "/get/b", "\"2\""),
                    (Visit("/set/a/1"), "/get/a", "\"1\""),
                    (UPDATE, "/get/n", "2"),
                ] {
                    if acts.contains(&act) {
                        assert_eq!(race.see(id, path).await, value, "{race}");
                    }
                }
            }
            assert_eq!(race.store.keys().len(), 2, "{race}");
        })
        .await;
    }
}

async fn a_logout_ends_a_session_that_gets_a_new_id_in_time(steps: Steps) {
    for other in [WRITE, TOUCH] {
        every_order_renewing(steps, [LOGOUT, other], async |race: &Race| {
            is_dead(race, &race.old).await;
            assert_eq!(race.sent(0), Sent::Removal, "{race}");
            if let Sent::New(id) = race.sent(1) {
                assert_eq!(race.see(&id, "/user").await, "nobody", "{race}");
                assert_eq!(race.see(&id, "/get/old").await, "nothing", "{race}");
            }
        })
        .await;
    }
}
