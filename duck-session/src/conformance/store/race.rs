//! Many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use duck::BoxFuture;

use super::super::threads::{RUNNERS, goes_on, side_by_side};
use super::super::verdict::{Broken, Verdict, ensure};
use super::trial::{Trial, any_key, any_user, ends, later, new, new_of, next, over, same, shown};
use crate::store::{SessionKey, SessionStore, StoredSession, UserKey, Version};

type Runner<T> = BoxFuture<'static, Result<T, Broken>>;

pub(super) async fn lets_one_of_many_create<S: SessionStore>(trial: Trial<S>) -> Verdict {
    for _ in 0..20 {
        let key = any_key();
        let creators = (0..RUNNERS).map(|runner| {
            let trial = trial.clone();
            async move {
                let mine = runner.to_string();
                let mine = StoredSession::new(key, Version::first(), None, later(), mine);
                Ok(trial.create(&mine).await?.then_some(mine))
            }
        });
        let created = side_by_side(creators.collect()).await?;
        let created: Vec<_> = created.into_iter().flatten().collect();
        let [winner] = &created[..] else {
            let seen = format!("{} of {RUNNERS} created the same session", created.len());
            return Err(Broken::because(seen));
        };
        trial.expect(winner, "after one had created it").await?;
    }
    Ok(())
}

pub(super) async fn loses_no_replace<S: SessionStore>(trial: Trial<S>) -> Verdict {
    const TIMES: usize = 50;
    let session = new("0");
    trial.begin_session(&session, "at first").await?;
    let key = *session.key();
    let counters = (0..RUNNERS).map(|_| {
        let trial = trial.clone();
        async move {
            let (mut counted, mut refused) = (0, 0);
            while counted < TIMES {
                if count(&trial, key).await? {
                    counted += 1;
                } else {
                    refused += 1;
                }
                ensure(refused <= RUNNERS * TIMES, || {
                    "more were refused than others were made".to_owned()
                })?;
            }
            Ok(())
        }
    });
    side_by_side(counters.collect()).await?;
    let (all, seen) = (RUNNERS * TIMES, number(&trial, key).await?.1);
    ensure(seen == all, || {
        format!("after {RUNNERS} had each counted to {TIMES}, the session held {seen}")
    })
}

/// Adds one, unless somebody else is faster.
async fn count<S: SessionStore>(trial: &Trial<S>, key: SessionKey) -> Result<bool, Broken> {
    let (seen, number) = number(trial, key).await?;
    let newer = next(&seen, (number + 1).to_string());
    trial.replace(seen.version(), &newer).await
}

async fn number<S: SessionStore>(
    trial: &Trial<S>,
    key: SessionKey,
) -> Result<(StoredSession, usize), Broken> {
    let loaded = trial.load(&key).await?;
    let text = loaded.as_ref().map(StoredSession::bytes);
    let number = text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    match (loaded, number) {
        (Some(session), Some(number)) => Ok((session, number)),
        (loaded, _) => Err(Broken::because(format!(
            "among numbers, {} was loaded",
            shown(loaded.as_ref())
        ))),
    }
}

pub(super) async fn lets_no_replace_undo_a_remove<S: SessionStore>(trial: Trial<S>) -> Verdict {
    for round in 0..30 {
        let session = new_of(any_user());
        trial.begin_session(&session, "at first").await?;
        let (other, its) = (trial.clone(), session.clone());
        let remove: Runner<()> = Box::pin(async move {
            // Of any version: that has to succeed, whoever writes meanwhile.
            other.end(&its, "beside writers").await
        });
        let writers = (1..RUNNERS).map(|_| -> Runner<()> {
            let (trial, session) = (trial.clone(), session.clone());
            Box::pin(async move {
                let newer = next(&session, "2");
                trial.replace(session.version(), &newer).await?;
                trial
                    .replace(newer.version(), &next(&newer, "3"))
                    .await
                    .map(drop)
            })
        });
        side_by_side(std::iter::once(remove).chain(writers).collect()).await?;
        let when = format!("after a `remove` that raced writers (round {round})");
        trial.expect_none(session.key(), &when).await?;
    }
    Ok(())
}

pub(super) async fn lets_one_of_many_remove<S: SessionStore>(trial: Trial<S>) -> Verdict {
    for round in 0..20 {
        let session = new("1");
        trial.begin_session(&session, "at first").await?;
        let (key, expected) = (
            *session.key(),
            (round % 2 == 0).then_some(session.version()),
        );
        let removers = (0..RUNNERS).map(|_| {
            let trial = trial.clone();
            async move { trial.remove(&key, expected).await }
        });
        let removed = side_by_side(removers.collect()).await?;
        let removed = removed.into_iter().filter(|removed| *removed).count();
        ensure(removed == 1, || {
            format!("{removed} of {RUNNERS} removed the same session")
        })?;
        trial.expect_none(&key, "after it was removed").await?;
    }
    Ok(())
}

pub(super) async fn spares_what_is_being_prolonged<S: SessionStore>(trial: Trial<S>) -> Verdict {
    for _ in 0..20 {
        let mut old = Vec::new();
        for _ in 1..RUNNERS {
            let session = ends(&new("1"), over());
            trial
                .begin_session(&session, "with an end that is over")
                .await?;
            old.push(session);
        }
        let sweeper = trial.clone();
        let sweep: Runner<_> = Box::pin(async move {
            sweeper.remove_expired(1000).await?;
            Ok(None)
        });
        let prolong = |session: StoredSession| -> Runner<_> {
            let trial = trial.clone();
            Box::pin(async move {
                let newer = ends(&session, later());
                let replaced = trial.replace(session.version(), &newer).await?;
                Ok(replaced.then_some(newer))
            })
        };
        let racers = std::iter::once(sweep).chain(old.into_iter().map(prolong));
        for prolonged in side_by_side(racers.collect()).await?.into_iter().flatten() {
            let when = "prolonged while expired sessions were removed";
            trial.expect(&prolonged, when).await?;
        }
    }
    Ok(())
}

/// Runs `writers`, and `read` over and over until the last of them is done.
async fn beside<F>(
    writers: Vec<Runner<()>>,
    read: impl Fn() -> F + Clone + Send + 'static,
) -> Verdict
where
    F: Future<Output = Verdict> + Send,
{
    let at_work = Arc::new(AtomicUsize::new(writers.len()));
    let writers = writers.into_iter().map(|writer| -> Runner<()> {
        let ends = CountedAtEnd(at_work.clone());
        Box::pin(async move {
            let _ends = ends;
            writer.await
        })
    });
    let readers = (0..4).map(|_| -> Runner<()> {
        let (at_work, read) = (at_work.clone(), read.clone());
        Box::pin(async move {
            while at_work.load(Ordering::Relaxed) > 0 {
                read().await?;
            }
            read().await
        })
    });
    side_by_side(writers.chain(readers).collect())
        .await
        .map(drop)
}

/// Tells the readers that a writer is done, however it ended.
struct CountedAtEnd(Arc<AtomicUsize>);

impl Drop for CountedAtEnd {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A version that shows whether it is whole: each field says which one it is.
fn whole(key: SessionKey, number: u8) -> StoredSession {
    let random = u64::from(number);
    let version = Version {
        count: random,
        random,
    };
    let user = number
        .is_multiple_of(2)
        .then(|| UserKey::from_bytes([number; 16]));
    let bytes = vec![number; 1000 + 100 * usize::from(number)];
    StoredSession::new(key, version, user, (1 << 62) + random, bytes)
}

fn is_whole(session: &StoredSession) -> bool {
    u8::try_from(session.version().count)
        .is_ok_and(|number| same(session, &whole(*session.key(), number)))
}

pub(super) async fn shows_whole_sessions<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let key = any_key();
    trial.begin_session(&whole(key, 0), "at first").await?;
    let writer = trial.clone();
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = looks.clone();
    let write: Runner<()> = Box::pin(async move {
        for (written, number) in (0..200).cycle().enumerate() {
            if !goes_on(written, &looked) {
                break;
            }
            let (old, new) = (whole(key, number), whole(key, (number + 1) % 200));
            writer.swap(&old, &new, "beside readers").await?;
        }
        Ok(())
    });
    let read = move || {
        let (trial, looks) = (trial.clone(), looks.clone());
        async move {
            let loaded = trial.load(&key).await?;
            looks.fetch_add(1, Ordering::Relaxed);
            ensure(loaded.as_ref().is_some_and(is_whole), || {
                let loaded = shown(loaded.as_ref());
                format!("beside a writer, {loaded} was loaded, which nobody stored")
            })
        }
    };
    beside(vec![write], read).await
}

pub(super) async fn keeps_users_listed<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let user = any_user();
    let (mut session, comes_and_goes) = (new_of(user), new_of(user));
    trial.begin_session(&session, "at first").await?;
    let key = *session.key();
    let (writer, other) = (trial.clone(), trial.clone());
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = looks.clone();
    let write: Runner<()> = Box::pin(async move {
        for written in 0.. {
            if !goes_on(written, &looked) {
                break;
            }
            let newer = ends(&session, session.expires() + 1);
            writer.swap(&session, &newer, "beside readers").await?;
            session = newer;
        }
        Ok(())
    });
    let come_and_go: Runner<()> = Box::pin(async move {
        for _ in 0..50 {
            other
                .begin_session(&comes_and_goes, "beside another")
                .await?;
            other.end(&comes_and_goes, "beside another").await?;
        }
        Ok(())
    });
    let read = move || {
        let (trial, looks) = (trial.clone(), looks.clone());
        async move {
            let found = trial.of_user(&user, 10).await?;
            looks.fetch_add(1, Ordering::Relaxed);
            let times = found.iter().filter(|session| *session.key() == key).count();
            ensure(times == 1, || {
                format!("beside writers, `of_user` gave a session {times} times")
            })
        }
    };
    beside(vec![write, come_and_go], read).await
}

pub(super) async fn keeps_writers_apart<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let user = any_user();
    let writers = (0..RUNNERS).map(|writer| {
        let trial = trial.clone();
        async move {
            let when = "beside writers of other sessions";
            let session = if writer % 2 == 0 {
                new_of(user)
            } else {
                new("1")
            };
            for time in 0..25 {
                trial.begin_session(&session, when).await?;
                let newer = next(&session, format!("{writer} {time}"));
                trial.swap(&session, &newer, when).await?;
                trial.expect(&newer, when).await?;
                trial.end(&newer, when).await?;
                trial.expect_none(session.key(), when).await?;
            }
            trial.flush().await
        }
    });
    side_by_side(writers.collect()).await?;
    trial
        .expect_of_user(&user, &[], "after all were removed")
        .await
}
