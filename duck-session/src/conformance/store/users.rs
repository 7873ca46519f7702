//! The sessions of a user.

use super::super::verdict::{Verdict, ensure};
use super::trial::{Trial, any_user, belongs, new, new_of, next};
use crate::store::SessionStore;

pub(super) async fn finds_sessions_of_a_user<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let (user, other) = (any_user(), any_user());
    trial.expect_of_user(&user, &[], "before any").await?;
    let (one, two, theirs, nobodys) = (new_of(user), new_of(user), new_of(other), new("1"));
    trial.begin_session(&one, "with a user").await?;
    trial
        .expect_of_user(&user, &[&one], "right after `create`")
        .await?;
    for session in [&theirs, &nobodys, &two] {
        trial.begin_session(session, "beside another").await?;
    }
    trial
        .expect_of_user(&user, &[&one, &two], "beside others")
        .await?;
    trial
        .expect_of_user(&other, &[&theirs], "beside others")
        .await?;
    let newer = next(&one, "newer");
    trial.swap(&one, &newer, "with the same user").await?;
    trial
        .expect_of_user(&user, &[&newer, &two], "right after `replace`")
        .await
}

pub(super) async fn follows_a_change_of_user<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let (user, other) = (any_user(), any_user());
    let mut session = new("1");
    trial.begin_session(&session, "without a user").await?;
    let steps = [
        Some(user),
        None,
        Some(user),
        Some(other),
        Some(user),
        Some(other),
        None,
    ];
    for owner in steps {
        let newer = belongs(&session, owner);
        trial.swap(&session, &newer, "with another user").await?;
        session = newer;
        for asked in [user, other] {
            let its: &[_] = if owner == Some(asked) {
                &[&session]
            } else {
                &[]
            };
            let when = "after a change of user";
            trial.expect_of_user(&asked, its, when).await?;
        }
    }
    Ok(())
}

pub(super) async fn gives_no_more_than_asked<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let user = any_user();
    let sessions: Vec<_> = (0..12).map(|_| new_of(user)).collect();
    for session in &sessions {
        trial.begin_session(session, "among others").await?;
    }
    // What is gone or another's does not count.
    for (place, session) in sessions.iter().enumerate() {
        if place % 4 == 0 {
            trial.end(session, "among others").await?;
        } else if place % 4 == 1 {
            let nobodys = belongs(session, None);
            trial.swap(session, &nobodys, "among others").await?;
        }
    }
    for (limit, expected) in [(0, 0), (1, 1), (5, 5), (6, 6), (7, 6), (1000, 6)] {
        let found = trial.of_user(&user, limit).await?.len();
        ensure(found == expected, || {
            format!("`of_user` of {limit} gave {found} of six sessions")
        })?;
    }
    Ok(())
}

pub(super) async fn forgets_what_is_gone<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let user = any_user();
    let (one, two, three) = (new_of(user), new_of(user), new_of(user));
    for session in [&one, &two, &three] {
        trial.begin_session(session, "among others").await?;
    }
    trial.end(&two, "among others").await?;
    trial
        .expect_of_user(&user, &[&one, &three], "after a `remove`")
        .await?;
    let version = Some(one.version());
    ensure(trial.remove(one.key(), version).await?, || {
        "`remove` of the version that is there gave false".to_owned()
    })?;
    trial
        .expect_of_user(&user, &[&three], "after a `remove` of a version")
        .await?;
    trial.begin_session(&two, "after a `remove`").await?;
    trial
        .expect_of_user(&user, &[&two, &three], "created again")
        .await
}
