//! Two requests of one visitor side by side, in every order that their operations on the store can have:
//! what [`invariants`] says holds in each of them, whichever response the browser hears, and whichever first.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod five_methods;
mod invariants;
mod race;
mod scheduler;
mod store;
#[expect(dead_code, reason = "the sessions' tests use the rest of it")]
#[path = "../sessions/support.rs"]
mod support;

use std::time::Duration;

use crate::race::{Act, Race, Sent, Start, every_order};
use crate::scheduler::Steps;
use crate::store::Fault;
use crate::support::read;

/// Sets a value that nobody else sets, or one that both do.
const OWN: [Act; 2] = [Act::Set("a"), Act::Set("b")];
const SAME: Act = Act::Set("c");

/// What keeps the session as it is but for its data.
const PLAIN: [Act; 4] = [Act::Set("a"), SAME, Act::Update, Act::Visit];
const ASKED: [Act; 3] = [Act::Cycle, Act::Login("7"), Act::Login("8")];
/// User 7 has to be logged in for the last one.
const REVOCATIONS: [Act; 3] = [Act::RevokeOthers, Act::RevokeUser, Act::RevokeOne];

const ALL_STARTS: [Start; 5] = [
    Start::Anonymous,
    Start::LoggedIn,
    Start::Due,
    Start::Pending,
    Start::Grace,
];

/// Every act of the one beside every act of the other; both ways round where they come with different cookies.
async fn every_pair(steps: Steps, starts: &[Start], ones: &[Act], others: &[Act]) {
    for &start in starts {
        for &one in ones {
            for &other in others {
                let both = [[one, other], [other, one]];
                let ways = if start.has_two_ids() {
                    &both[..]
                } else {
                    &both[..1]
                };
                for &acts in ways {
                    let orders = every_order(steps, start, acts, None, invariants::hold).await;
                    assert!(orders > 1, "{start:?} {acts:?}");
                }
            }
        }
    }
}

/// Each race twice: operation by operation, and with the answers of operations as steps of their own.
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
            #[ignore = "takes minutes: many thousands of orders"]
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
    a_visit_reverts_nothing,
    a_new_id_has_everything_that_was_saved_and_the_old_one_nothing,
    of_two_new_ids_one_has_the_session,
    a_logout_stays_whatever_was_under_way,
    a_revocation_stays_whatever_was_under_way,
    a_revoked_session_gets_no_new_id,
    what_expired_stays_so_whatever_was_under_way,
    two_logouts_are_one,
    what_was_done_though_an_error_was_reported_is_done_once,
    what_was_sent_twice_is_done_once,
    what_failed_is_not_acknowledged,
    a_new_id_in_time_loses_nothing_and_nobody,
    a_cache_of_five_methods_keeps_what_both_write,
);

async fn writes_of_different_keys_are_both_kept(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &OWN[..1], &OWN[1..]).await;
}

async fn of_writes_of_one_key_the_last_one_counts(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &[SAME], &[SAME]).await;
}

async fn updates_all_count(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &[Act::Update], &[SAME, Act::Update]).await;
}

async fn a_visit_reverts_nothing(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &[Act::Visit], &PLAIN).await;
}

async fn a_new_id_has_everything_that_was_saved_and_the_old_one_nothing(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &ASKED, &PLAIN).await;
}

/// And each login has one.
async fn of_two_new_ids_one_has_the_session(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &ASKED, &ASKED).await;
}

async fn a_logout_stays_whatever_was_under_way(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &[Act::Logout], &PLAIN).await;
    every_pair(steps, &ALL_STARTS, &[Act::Logout], &ASKED).await;
}

async fn a_revocation_stays_whatever_was_under_way(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &REVOCATIONS[..2], &PLAIN).await;
    every_pair(steps, &ALL_STARTS[1..], &REVOCATIONS[2..], &PLAIN).await;
}

async fn a_revoked_session_gets_no_new_id(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &REVOCATIONS[..2], &ASKED).await;
    every_pair(steps, &ALL_STARTS[1..], &REVOCATIONS[2..], &ASKED).await;
}

/// This store keeps what has expired: the engine looks at the clock itself.
async fn what_expired_stays_so_whatever_was_under_way(steps: Steps) {
    every_pair(steps, &ALL_STARTS, &[Act::Expire], &PLAIN).await;
    every_pair(steps, &ALL_STARTS, &[Act::Expire], &ASKED).await;
}

/// And so are a logout and a revocation.
async fn two_logouts_are_one(steps: Steps) {
    let ends = [Act::Logout, Act::RevokeUser, Act::RevokeOthers];
    every_pair(steps, &ALL_STARTS, &ends[..1], &ends).await;
}

/// A fault of the first `replace` of actor 0, beside what actor 1 does.
async fn with_fault(steps: Steps, fault: Fault) {
    let logs_in = Act::Login("7");
    let ones = [Act::Set("a"), Act::Update, Act::Visit, Act::Cycle, logs_in];
    let others = [SAME, Act::Update, Act::Cycle, logs_in, Act::Logout];
    for one in ones {
        for other in others {
            // A fault makes so many half steps that all pairs would take an hour.
            let is_counted = one == Act::Update || other == Act::Update;
            if steps == Steps::Whole || is_counted {
                let both = [one, other];
                every_order(steps, Start::LoggedIn, both, Some(fault), invariants::hold).await;
            }
        }
    }
    for one in [Act::Set("a"), Act::Visit] {
        every_order(
            steps,
            Start::Due,
            [one, Act::Update],
            Some(fault),
            invariants::hold,
        )
        .await;
    }
}

async fn what_was_done_though_an_error_was_reported_is_done_once(steps: Steps) {
    with_fault(steps, Fault::ErrorThoughDone).await;
}

async fn what_was_sent_twice_is_done_once(steps: Steps) {
    with_fault(steps, Fault::SentTwice).await;
}

async fn what_failed_is_not_acknowledged(steps: Steps) {
    with_fault(steps, Fault::Error).await;
}

/// A new id in time is pending until somebody comes with it: until then nothing renews again, and the id
/// before is good. Then it is for another minute.
async fn a_new_id_in_time_loses_nothing_and_nobody(steps: Steps) {
    for acts in [OWN, [SAME, Act::Visit], [Act::Visit; 2]] {
        every_order(steps, Start::Due, acts, None, async |race: &Race| {
            let sent = [race.sent(0), race.sent(1)];
            let mut ids = sent.iter().filter_map(|sent| match sent {
                Sent::Renewed(id) => Some(id),
                _ => None,
            });
            let one = ids.next().unwrap();
            assert!(ids.all(|id| id == one), "{race}: one session has two ids");
            // However long it takes: nobody has come with the new one.
            let old = &race.ids[0];
            for _ in 0..2 {
                race.clock.advance(Duration::from_mins(2));
                let tab = race.tab(Some(old));
                assert_eq!(read(&tab, "/user").await, "7", "{race}");
                assert_eq!(tab.cookie("session_id").as_ref(), Some(one), "{race}");
            }
            assert_eq!(race.see(one).await.text("user"), "7", "{race}");
            assert_eq!(race.see(old).await.text("user"), "7", "{race}");
            race.clock.advance(Duration::from_mins(2));
            assert_eq!(
                race.see(old).await.text("user"),
                "",
                "{race}: its grace is over"
            );
            assert_eq!(race.see(one).await.text("user"), "7", "{race}");
        })
        .await;
    }
}

async fn a_cache_of_five_methods_keeps_what_both_write(steps: Steps) {
    five_methods::keep_what_both_write(steps).await;
}
