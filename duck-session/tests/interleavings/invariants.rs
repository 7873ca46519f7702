//! What holds when two requests are over, whatever they did and in whatever order.

use std::collections::HashSet;
use std::time::Duration;

use duck::session::SessionId;

use crate::race::{Act, Race, Seen, Sent, Start, key_of};
use crate::store::{Fault, What};
use crate::support::read;

/// Which responses the browser hears, in which order.
const HEARD: [&[usize]; 5] = [&[], &[0], &[1], &[0, 1], &[1, 0]];

/// All of it. What looks at the session comes first, and what changes it last.
pub(crate) async fn hold(race: &Race) {
    responses_are_sound(race);
    nothing_is_left_over(race);
    what_secures_is_durable(race);
    ends_are_final(race).await;
    for actor in [0, 1] {
        a_login_succeeds(race, actor).await;
        a_write_is_kept_or_its_session_ended(race, actor).await;
        a_login_is_not_undone_by_a_cookie(race, actor);
    }
    updates_all_count(race).await;
    nobody_is_logged_out(race).await;
    ids_given_up_open_nothing(race).await;
    a_wrong_verifier_opens_nothing(race).await;
    a_login_with_any_cookie_works(race).await;
}

/// The id that opens the session now; `None` where it ended, or nobody was told.
fn id_now(race: &Race) -> Option<String> {
    if !race.is_alive() {
        return None;
    }
    let asked = [0, 1].map(|actor| race.new_id_asked(actor));
    let actor = usize::from(asked[1] > asked[0]);
    if asked[actor].is_some() {
        return match race.sent(actor) {
            Sent::Renewed(id) => Some(id),
            // It was begun for the one who asked, and theirs is another.
            _ => None,
        };
    }
    let renewed = [0, 1].into_iter().find_map(|actor| match race.sent(actor) {
        Sent::Renewed(id) => Some(id),
        _ => None,
    });
    Some(renewed.unwrap_or_else(|| race.ids[1].clone()))
}

/// Whether somebody logged in to the session whose user is another than before: all data goes then.
fn is_reset(race: &Race) -> bool {
    [0, 1].into_iter().any(|actor| {
        let other_user = matches!(race.acts[actor], Act::Login(user) if user != race.start.user());
        other_user && race.start != Start::Anonymous && race.new_id_asked(actor).is_some()
    })
}

/// No page fails but where the store does, and what it says depends on the cookie.
fn responses_are_sound(race: &Race) {
    for actor in [0, 1] {
        let Some(response) = race.response(actor) else {
            continue;
        };
        let may_fail = actor == 0
            && match race.fault {
                // Whoever finds their own version knows that it was done.
                None | Some(Fault::SentTwice) => false,
                Some(Fault::Error) => true,
                Some(Fault::ErrorThoughDone) => !race.has_replaced(0) || other_changed_after(race),
            };
        let allowed = response.status() == 200 || (may_fail && response.status() == 503);
        assert!(allowed, "{race}: {} {}", response.status(), response.text());
        assert!(response.set_cookies().len() <= 1, "{race}");
        if !race.acts[actor].revokes() {
            assert_eq!(response.header("vary"), Some("Cookie"), "{race}");
        }
    }
}

/// Whether actor 1 changed the session after actor 0 had.
fn other_changed_after(race: &Race) -> bool {
    let changed = race
        .last(1, What::Replaced)
        .max(race.last(1, What::Removed));
    changed > race.first(0, What::Replaced) || race.acts[1] == Act::Expire
}

/// There is no session that nobody was told of.
fn nothing_is_left_over(race: &Race) {
    let begun = [0, 1].map(|actor| usize::from(matches!(race.sent(actor), Sent::Begun(_))));
    let created = race
        .events
        .iter()
        .filter(|event| event.what == What::Created);
    assert_eq!(created.count(), begun[0] + begun[1], "{race}");
    assert!(race.others() <= begun[0] + begun[1], "{race}");
}

/// Rule 12: another verifier and an end survive a power cut. What only changes data need not wait for that.
fn what_secures_is_durable(race: &Race) {
    let mut renews = race.start == Start::Due;
    for event in &race.events {
        let act = race.acts[event.actor];
        let secures = match event.what {
            What::Loaded | What::Listed => continue,
            What::Removed => act.ends(), // what is found expired is only tidied up
            What::Created => act.is_login(),
            What::Replaced => std::mem::take(&mut renews) || act.asks_for_id(),
        };
        assert_eq!(event.is_durable, secures, "{race}: {event:?}");
    }
}

/// A logout that came with the right verifier, a revocation and the end of its time: the session is over,
/// and what opened it opens nothing.
async fn ends_are_final(race: &Race) {
    for actor in [0, 1] {
        let act = race.acts[actor];
        let has_ended = match act {
            Act::Expire => true,
            Act::Logout => {
                assert_eq!(race.sent(actor), Sent::Removal, "{race}");
                !race.is_late(actor, race.new_id_asked(1 - actor))
            }
            _ if act.revokes() => race.first(actor, What::Listed).is_some() && !is_reset(race),
            _ => false,
        };
        if !has_ended {
            continue;
        }
        if act != Act::Expire {
            assert!(
                race.store.version(&race.key).is_none(),
                "{race}: it goes on"
            );
        }
        let renewed = [0, 1].map(|actor| race.sent(actor));
        let renewed = renewed.into_iter().filter_map(|sent| match sent {
            Sent::Renewed(id) => Some(id),
            _ => None,
        });
        for id in race.ids.iter().cloned().chain(renewed) {
            opens_nothing(race, &id).await;
        }
    }
}

async fn opens_nothing(race: &Race, id: &str) {
    assert_eq!(race.see(id).await, Seen::default(), "{race}");
}

/// Rules 1 and 2: whoever logs in is logged in, and only an end that came later changes that.
async fn a_login_succeeds(race: &Race, actor: usize) {
    let Act::Login(user) = race.acts[actor] else {
        return;
    };
    if !race.is_acknowledged(actor) {
        return;
    }
    let (id, is_begun) = match race.sent(actor) {
        Sent::Renewed(id) => (id, false),
        Sent::Begun(id) => (id, true),
        other => panic!("{race}: a login got {other:?}"),
    };
    if race.store.version(&key_of(&id)).is_none() || race.acts[1 - actor] == Act::Expire {
        let ends = race.acts[1 - actor].ends();
        assert!(ends, "{race}: a login went nowhere");
        assert!(
            race.acts[1 - actor] == Act::Expire || ended_after_login(race, &id, actor),
            "{race}"
        );
        return;
    }
    let seen = race.see(&id).await;
    assert_eq!(seen.text("user"), user, "{race}");
    let keeps = !is_begun && !is_reset(race);
    assert_eq!(seen.text("old"), if keeps { "0" } else { "" }, "{race}");
    let is_over = race.end().is_some() || race.new_id_asked(1 - actor).is_some();
    assert!(
        !is_begun || is_over,
        "{race}: it left its session without need"
    );
}

/// Whether what a login made was removed after it was made.
fn ended_after_login(race: &Race, id: &str, actor: usize) -> bool {
    let key = key_of(id);
    let made = race.events.iter().rposition(|event| {
        let makes = matches!(event.what, What::Created | What::Replaced);
        makes && event.actor == actor && event.key == key
    });
    let mut removed = race.events.iter();
    removed.rposition(|event| event.what == What::Removed && event.key == key) > made
}

/// What was written and acknowledged is there, unless the session ended or an id was asked for in between.
async fn a_write_is_kept_or_its_session_ended(race: &Race, actor: usize) {
    if !race.acts[actor].is_write() || !race.is_acknowledged(actor) {
        return;
    }
    let other = 1 - actor;
    if let Sent::Begun(id) = race.sent(actor) {
        let was_over = race.is_late(actor, race.end()) || race.acts[other] == Act::Expire;
        assert!(
            was_over,
            "{race}: a write began a session beside a living one"
        );
        is_anonymous(race, &id).await;
        return;
    }
    if !race.has_replaced(actor) {
        let may_drop = race.acts[other].ends() || race.new_id_asked(other).is_some();
        assert!(may_drop, "{race}: a write was acknowledged and not made");
        assert_eq!(race.sent(actor), Sent::None, "{race}");
    }
    let Some(id) = id_now(race) else {
        let may_be_over = race.acts[other].ends() || !race.is_acknowledged(other);
        assert!(may_be_over, "{race}: nobody can open the session");
        return;
    };
    let Act::Set(key) = race.acts[actor] else {
        return; // updates are counted
    };
    let value = race.see(&id).await.text(key);
    let is_last = race.acts[other] != race.acts[actor]
        || race.last(other, What::Replaced) < race.last(actor, What::Replaced);
    let expected = match (race.has_replaced(actor) && !is_reset(race), is_last) {
        (true, true) => actor.to_string(),
        (true, false) => other.to_string(),
        (false, _) => String::new(),
    };
    assert_eq!(value, expected, "{race}");
}

/// Rules 3 and 4: a request that was under way during a login sends no cookie made after it, and none of an
/// anonymous session.
fn a_login_is_not_undone_by_a_cookie(race: &Race, actor: usize) {
    let other = 1 - actor;
    let Some(asked) = race.new_id_asked(other) else {
        return;
    };
    if race.acts[actor] == Act::Logout || race.acts[actor].is_login() {
        return;
    }
    let sent = race.sent(actor);
    // It may have left the server before the login did: rule 11.
    let was_first = race.has_replaced(actor) && race.last(actor, What::Replaced) < Some(asked);
    let was_told = !race.acts[actor].is_write() && !race.is_late(actor, Some(asked));
    match sent {
        Sent::Same | Sent::Renewed(_) if was_first => return,
        Sent::Renewed(id) if was_told && id == race.ids[1] => return,
        _ => {}
    }
    assert_eq!(sent, Sent::None, "{race}");
}

/// Each update that was acknowledged counts once.
async fn updates_all_count(race: &Race) {
    let Some(id) = id_now(race).filter(|_| !is_reset(race)) else {
        return;
    };
    let made = [0, 1]
        .into_iter()
        .filter(|actor| race.acts[*actor] == Act::Update && race.has_replaced(*actor));
    let made = made.count();
    let seen: usize = race.see(&id).await.text("n").parse().unwrap_or_default();
    // Where the other one wrote between the two sendings, nobody can tell that the first had arrived.
    let may_repeat = race.fault == Some(Fault::SentTwice)
        && race.acts[0] == Act::Update
        && other_changed_after(race);
    assert!(
        seen == made || (may_repeat && seen == made + 1),
        "{race}: {seen} of {made}"
    );
}

/// A browser that hears both responses, one or none is still in its session, where nobody ended it and no
/// other id was asked for; where one was, whoever hears of it last is.
async fn nobody_is_logged_out(race: &Race) {
    if race.acts.iter().any(|act| act.ends()) {
        return;
    }
    for heard in HEARD {
        let id = id_in_browser(race, heard).unwrap();
        let asked = [0, 1].map(|actor| race.new_id_asked(actor).is_some());
        let (is_whole, user) = match heard.iter().rfind(|actor| race.sent(**actor) != Sent::None) {
            Some(&actor) if race.acts[actor].asks_for_id() => match race.acts[actor] {
                Act::Login(user) => (matches!(race.sent(actor), Sent::Renewed(_)), user),
                _ => (true, race.start.user()),
            },
            _ if asked.contains(&true) => continue, // rule 11
            _ if race.acts.iter().any(|act| act.is_login()) => continue,
            _ => (true, race.start.user()),
        };
        let seen = race.see(&id).await;
        assert_eq!(seen.text("user"), user, "{race}: heard {heard:?}");
        if is_whole && !is_reset(race) {
            assert_eq!(seen.text("old"), "0", "{race}: heard {heard:?}");
        }
    }
}

/// What the browser has when it has heard these responses, in this order.
fn id_in_browser(race: &Race, heard: &[usize]) -> Option<String> {
    let start = Some(race.ids[1].clone());
    heard
        .iter()
        .fold(start, |id, actor| match race.sent(*actor) {
            Sent::None => id,
            Sent::Same => Some(race.ids[*actor].clone()),
            Sent::Renewed(id) | Sent::Begun(id) => Some(id),
            Sent::Removal => None,
        })
}

/// An id that was given up because another was asked for opens nothing and changes nothing: for ten
/// seconds what it sets is dropped, and then begins a session of its own.
async fn ids_given_up_open_nothing(race: &Race) {
    if race.new_id_asked(0).is_none() && race.new_id_asked(1).is_none() {
        return;
    }
    let before = race.store.version(&race.key);
    for id in &race.ids {
        opens_nothing(race, id).await;
        let response = race.tab(Some(id)).get("/set/late/1").await;
        assert_eq!(response.status(), 200, "{race}");
        let is_over = before.is_none() || race.acts.contains(&Act::Expire);
        let dropped = response.set_cookies().is_empty();
        assert_eq!(dropped, !is_over, "{race}: {:?}", response.set_cookies());
    }
    race.clock.advance(Duration::from_secs(11));
    for id in &race.ids {
        begins_another(race, id).await;
    }
    assert_eq!(race.store.version(&race.key), before, "{race}");
}

/// A verifier that never was the session's is unknown at once.
async fn a_wrong_verifier_opens_nothing(race: &Race) {
    let id = SessionId::parse(race.ids[0].as_bytes()).unwrap();
    let wrong = id.with_verifier([9; 16]).reveal();
    let before = race.store.version(&race.key);
    for path in ["/cycle", "/remove/old", "/clear", "/logout"] {
        let response = race.tab(Some(&wrong)).get(path).await;
        assert_eq!(response.status(), 200, "{race}");
    }
    opens_nothing(race, &wrong).await;
    begins_another(race, &wrong).await;
    assert_eq!(race.store.version(&race.key), before, "{race}");
}

/// What is set with this id begins an anonymous session under a selector of its own.
async fn begins_another(race: &Race, id: &str) {
    let tab = race.tab(Some(id));
    read(&tab, "/set/late/1").await;
    let begun = tab.cookie("session_id").unwrap();
    assert_ne!(key_of(&begun), key_of(id), "{race}");
    is_anonymous(race, &begun).await;
}

/// What was begun in place of the session has nothing of it.
async fn is_anonymous(race: &Race, id: &str) {
    let seen = race.see(id).await;
    assert_eq!(
        (seen.text("user"), seen.text("old")),
        Default::default(),
        "{race}"
    );
}

/// Rules 2 and 11: whatever the browser holds by now, its visitor logs in again at once.
async fn a_login_with_any_cookie_works(race: &Race) {
    let ids: HashSet<_> = HEARD.map(|heard| id_in_browser(race, heard)).into();
    for id in ids {
        let tab = race.tab(id.as_deref());
        read(&tab, "/login/9").await;
        assert_eq!(read(&tab, "/user").await, "9", "{race}");
    }
}
