//! Sessions that end.

use super::super::verdict::{Broken, Verdict, ensure};
use super::trial::{Trial, any_key, any_user, ends, later, new, next, over};
use crate::store::{SessionStore, StoredSession, UserKey, Version};

fn expired(user: Option<UserKey>) -> StoredSession {
    StoredSession::new(any_key(), Version::first(), user, over(), "expired")
}

pub(super) async fn loads_what_expired<S: SessionStore>(trial: Trial<S>) -> Verdict {
    for user in [None, Some(any_user())] {
        let session = expired(user);
        trial
            .begin_session(&session, "with an end that is over")
            .await?;
        trial.expect(&session, "expired").await?;
        ensure(!trial.create(&next(&session, "2")).await?, || {
            "`create` under the key of an expired session gave true".to_owned()
        })?;
        trial.expect(&session, "expired, after a `create`").await?;
        let newer = next(&session, "2");
        trial.swap(&session, &newer, "expired").await?;
        trial.expect(&newer, "expired and replaced").await?;
        trial.end(&newer, "expired").await?;
        trial
            .expect_none(newer.key(), "expired and removed")
            .await?;
    }
    Ok(())
}

/// A store may delete by its own clock, later, and `remove_expired` nothing.
fn deletes_by_itself(removed: usize) -> bool {
    removed == 0
}

pub(super) async fn removes_only_what_expired<S: SessionStore>(trial: Trial<S>) -> Verdict {
    trial.clear().await?;
    let user = any_user();
    let dead = [None, Some(user), None].map(expired);
    let alive = [later(), u64::MAX, 1 << 63];
    let alive = alive.map(|expires| ends(&new("alive"), expires));
    for session in dead.iter().chain(&alive) {
        trial.begin_session(session, "among others").await?;
    }
    let removed = trial.remove_expired(1000).await?;
    for session in &alive {
        trial.expect(session, "after `remove_expired`").await?;
    }
    if deletes_by_itself(removed) {
        return Ok(());
    }
    for session in &dead {
        let when = "expired, and after `remove_expired`";
        trial.expect_none(session.key(), when).await?;
    }
    let when = "expired, and after `remove_expired`";
    trial.expect_of_user(&user, &[], when).await?;
    let again = trial.remove_expired(1000).await?;
    ensure(again == 0, || {
        format!("`remove_expired` removed {again} more after all were gone")
    })
}

pub(super) async fn removes_no_more_than_asked<S: SessionStore>(trial: Trial<S>) -> Verdict {
    trial.clear().await?;
    let dead: Vec<_> = (0..20).map(|_| expired(None)).collect();
    for session in &dead {
        trial.begin_session(session, "among others").await?;
        trial.begin_session(&new("alive"), "among others").await?;
    }
    let mut left = dead.len();
    for limit in [0, 1, 3, 7, 1000] {
        let removed = trial.remove_expired(limit).await?;
        let mut there = 0;
        for session in &dead {
            there += usize::from(trial.load(session.key()).await?.is_some());
        }
        ensure(left - there == removed, || {
            let gone = left - there;
            format!("`remove_expired` says that it removed {removed}, and {gone} went")
        })?;
        left = there;
        if limit == 1 && deletes_by_itself(removed) {
            return Ok(());
        }
    }
    ensure(left == 0, || {
        format!("`remove_expired` of a thousand left {left} expired sessions")
    })
}

pub(super) async fn spares_what_was_prolonged<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let sessions = [None, Some(any_user()), None].map(expired);
    let mut prolonged = Vec::new();
    for session in &sessions {
        trial
            .begin_session(session, "with an end that is over")
            .await?;
        let newer = ends(session, later());
        trial.swap(session, &newer, "for a later end").await?;
        prolonged.push(newer);
    }
    for _ in 0..1000 {
        if trial.remove_expired(1000).await? == 0 {
            for session in &prolonged {
                let when = "prolonged, and after `remove_expired`";
                trial.expect(session, when).await?;
            }
            return Ok(());
        }
    }
    let seen = "`remove_expired(1000)` went on removing after a thousand times";
    Err(Broken::because(seen))
}
