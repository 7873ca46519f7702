//! What a store says it holds.

use duck::session::SessionError;

use super::super::verdict::{Broken, Verdict, ensure};
use super::trial::{Trial, any_user, later, new, same};
use crate::store::{SessionKey, SessionStore, StoredSession, Version};

/// A store may do without `page`: then there is nothing to check.
pub(super) async fn lists_each_session_once<S: SessionStore>(trial: Trial<S>) -> Verdict {
    trial.clear().await?;
    let user = any_user();
    let sessions = trial.begin_sessions(25, user).await?;
    let (mut after, mut listed) = (None, Vec::new());
    for turn in 0..10_000 {
        let page = match trial.store.page(after.as_deref(), 4).await {
            Ok(page) => page,
            Err(error) if is_unsupported(&error) => return Ok(()),
            Err(error) => return Err(Broken::failed("`page`", &error)),
        };
        let count = page.sessions.len();
        ensure(count <= 4, || {
            format!("`page` of four gave {count} sessions")
        })?;
        listed.extend(page.sessions);
        after = page.next;
        if after.is_none() {
            return each_once(&sessions, &listed);
        }
        // Others come and go meanwhile.
        trial
            .begin_session(&passing(turn), "between two pages")
            .await?;
        trial.remove(passing(turn / 2).key(), None).await?;
    }
    Err(Broken::because("`page` found no end in ten thousand pages"))
}

/// A session that comes before all others, where keys have an order.
fn passing(turn: u128) -> StoredSession {
    let key = SessionKey::from_bytes((turn + 1).to_be_bytes());
    StoredSession::new(key, Version::first(), None, later(), "passing")
}

fn is_unsupported(error: &duck::Error) -> bool {
    let error = error.downcast_ref::<SessionError>();
    matches!(error, Some(SessionError::Unsupported(_)))
}

fn each_once(sessions: &[StoredSession], listed: &[StoredSession]) -> Verdict {
    for session in sessions {
        let times = listed.iter().filter(|one| same(one, session)).count();
        ensure(times == 1, || {
            format!("a session was listed {times} times as it is")
        })?;
    }
    Ok(())
}

pub(super) async fn refuses_a_wrong_cursor<S: SessionStore>(trial: Trial<S>) -> Verdict {
    trial.begin_session(&new("1"), "at first").await?;
    for cursor in ["", "no cursor", "\0", "../x", "ключ"] {
        let page = trial.store.page(Some(cursor), 4).await;
        ensure(page.is_err(), || {
            format!("`page` began at {cursor:?}, where none ended")
        })?;
    }
    Ok(())
}
