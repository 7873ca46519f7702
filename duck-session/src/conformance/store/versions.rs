//! Which version is there, one step after the other.

use super::super::verdict::{Verdict, ensure};
use super::trial::{Trial, any_user, belongs, new, new_of, next};
use crate::store::{SessionStore, StoredSession, Version};

pub(super) async fn creates_only_under_a_free_key<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let old = new("old");
    trial.begin_session(&old, "at first").await?;
    let mut others = vec![
        old.clone(),
        next(&old, "newer"),
        belongs(&old, Some(any_user())),
    ];
    others.push(StoredSession::new(
        *old.key(),
        Version::first(),
        None,
        old.expires(),
        "other",
    ));
    for other in &others {
        ensure(!trial.create(other).await?, || {
            "`create` under a key that is taken gave true".to_owned()
        })?;
        trial
            .expect(&old, "after a `create` that was refused")
            .await?;
    }
    if let Some(user) = others[2].user() {
        let when = "after a `create` that was refused";
        trial.expect_of_user(user, &[], when).await?;
    }
    trial.end(&old, "after all").await?;
    trial.begin_session(&others[1], "after a `remove`").await?;
    trial.expect(&others[1], "created again").await
}

/// Versions that are not this one, although parts of them are.
fn others(version: Version) -> [Version; 5] {
    let Version { count, random } = version;
    [
        Version {
            count,
            random: !random,
        },
        Version {
            count,
            random: random ^ 1,
        },
        Version {
            count: count + 1,
            random,
        },
        Version {
            count: count ^ 1 << 40,
            random,
        },
        version.next(),
    ]
}

pub(super) async fn replaces_only_the_expected_version<S: SessionStore>(
    trial: Trial<S>,
) -> Verdict {
    for mut session in [new("1"), new_of(any_user())] {
        let refused = |replaced: bool, what: &str| {
            ensure(!replaced, || format!("`replace` {what} gave true"))
        };
        let replaced = trial.replace(session.version(), &session).await?;
        refused(replaced, "of nothing")?;
        trial
            .expect_none(session.key(), "after a `replace` of nothing")
            .await?;
        trial
            .begin_session(&session, "after a `replace` of nothing")
            .await?;
        for bytes in ["2", "3"] {
            let newer = next(&session, bytes);
            for other in others(session.version()) {
                let replaced = trial.replace(other, &newer).await?;
                refused(replaced, "of a version that is not there")?;
                trial
                    .expect(&session, "after a `replace` that was refused")
                    .await?;
            }
            trial.swap(&session, &newer, "among others").await?;
            let replaced = trial
                .replace(session.version(), &next(&newer, "late"))
                .await?;
            refused(replaced, "of the version before")?;
            trial.expect(&newer, "after a late `replace`").await?;
            session = newer;
        }
    }
    Ok(())
}

pub(super) async fn removes<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let (gone, stays) = (new("gone"), new("stays"));
    let removes_nothing = async |when: &str| {
        ensure(!trial.remove(gone.key(), None).await?, || {
            format!("{when}, `remove` gave true")
        })
    };
    removes_nothing("before `create`").await?;
    trial
        .begin_session(&gone, "after a `remove` of nothing")
        .await?;
    trial.begin_session(&stays, "beside another").await?;
    trial.end(&gone, "beside another").await?;
    trial.expect_none(gone.key(), "after `remove`").await?;
    removes_nothing("a second time").await?;
    trial.expect(&stays, "after another was removed").await?;
    trial.begin_session(&gone, "after `remove`").await?;
    trial.expect(&gone, "created again after `remove`").await
}

pub(super) async fn removes_only_the_expected_version<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let old = new_of(any_user());
    let session = next(&old, "2");
    trial.begin_session(&old, "at first").await?;
    trial.swap(&old, &session, "at first").await?;
    for other in others(session.version()).into_iter().chain([old.version()]) {
        ensure(!trial.remove(session.key(), Some(other)).await?, || {
            "`remove` of a version that is not there gave true".to_owned()
        })?;
        trial
            .expect(&session, "after a `remove` of another version")
            .await?;
    }
    let (key, version) = (session.key(), session.version());
    ensure(trial.remove(key, Some(version)).await?, || {
        "`remove` of the version that is there gave false".to_owned()
    })?;
    trial
        .expect_none(key, "after a `remove` of its version")
        .await?;
    ensure(!trial.remove(key, Some(version)).await?, || {
        "`remove` of a version gave true a second time".to_owned()
    })
}

pub(super) async fn keeps_what_was_removed_gone<S: SessionStore>(trial: Trial<S>) -> Verdict {
    for how in ["`remove`", "`remove` of its version", "`clear`"] {
        let session = new_of(any_user());
        trial.begin_session(&session, "at first").await?;
        let removed = match how {
            "`clear`" => trial.clear().await.map(|()| true)?,
            "`remove`" => trial.remove(session.key(), None).await?,
            _ => trial.remove(session.key(), Some(session.version())).await?,
        };
        ensure(removed, || format!("{how} gave false"))?;
        let late = trial
            .replace(session.version(), &next(&session, "late"))
            .await?;
        ensure(!late, || format!("after {how}, a late `replace` gave true"))?;
        let when = format!("after {how} and a late `replace`");
        trial.expect_none(session.key(), &when).await?;
    }
    Ok(())
}
