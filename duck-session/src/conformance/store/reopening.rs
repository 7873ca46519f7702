//! A store that is closed and opened again, and one that is open several times.

use super::super::threads::{RUNNERS, side_by_side};
use super::super::verdict::{Verdict, ensure};
use super::trial::{Trial, any_user, belongs, new, new_of, next};
use crate::store::SessionStore;

pub(super) async fn is_there_after_reopening<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let user = any_user();
    let (large, gone) = (new(vec![7; 1 << 16]), new("gone"));
    let (first, theirs) = (new("a\0b"), new_of(user));
    for session in [&large, &gone, &first, &theirs] {
        trial.begin_session(session, "at first").await?;
    }
    let replaced = belongs(&first, Some(user));
    trial.swap(&first, &replaced, "at first").await?;
    trial.end(&gone, "at first").await?;
    trial.flush().await?;
    let mut trial = trial;
    for when in ["opened again", "opened a third time"] {
        trial = trial.reopened().await;
        for session in [&large, &replaced, &theirs] {
            trial.expect(session, when).await?;
        }
        trial.expect_none(gone.key(), when).await?;
        trial
            .expect_of_user(&user, &[&replaced, &theirs], when)
            .await?;
    }
    let newer = next(&replaced, "newer");
    trial.swap(&replaced, &newer, "opened again").await?;
    trial.end(&theirs, "opened again").await?;
    trial.flush().await?;
    let trial = trial.reopened().await;
    trial.expect(&newer, "replaced and opened again").await?;
    let when = "removed and opened again";
    trial.expect_none(theirs.key(), when).await?;
    trial.expect_of_user(&user, &[&newer], when).await
}

pub(super) async fn is_one_store<S: SessionStore>(here: Trial<S>) -> Verdict {
    let there = here.opened_again().await;
    let user = any_user();
    let (one, when) = (new("1"), "loaded by another handle");
    there.expect_none(one.key(), when).await?;
    here.begin_session(&one, "here").await?;
    there.expect(&one, when).await?;
    ensure(!there.create(&one).await?, || {
        "`create` gave true for what another handle had created".to_owned()
    })?;
    let two = belongs(&one, Some(user));
    here.swap(&one, &two, "here").await?;
    there.expect(&two, when).await?;
    there
        .expect_of_user(&user, &[&two], "asked of another handle")
        .await?;
    let three = next(&two, "3");
    there.swap(&two, &three, "by another handle").await?;
    ensure(
        !here.replace(two.version(), &next(&two, "late")).await?,
        || "`replace` gave true for what another handle had replaced".to_owned(),
    )?;
    here.expect(&three, when).await?;
    there.end(&three, "by another handle").await?;
    here.expect_none(three.key(), "removed by another handle")
        .await?;
    here.expect_of_user(&user, &[], "removed by another handle")
        .await?;
    here.begin_session(&one, "after another handle's `remove`")
        .await?;
    there.clear().await?;
    here.expect_none(one.key(), "cleared by another handle")
        .await?;
    let third = here.opened_again().await;
    third.begin_session(&one, "by a third handle").await?;
    for handle in [&here, &there] {
        handle.expect(&one, "created by a third handle").await?;
    }
    Ok(())
}

pub(super) async fn handles_race_as_threads_do<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let mut handles = Vec::new();
    for _ in 0..RUNNERS {
        handles.push(trial.opened_again().await);
    }
    for _ in 0..20 {
        let session = new("1");
        let racers = handles.iter().cloned().map(|handle| {
            let session = session.clone();
            async move {
                let created = handle.create(&session).await?;
                let newer = next(&session, "2");
                let replaced = handle.replace(session.version(), &newer).await?;
                Ok((created, replaced.then_some(newer)))
            }
        });
        let (mut created, mut replaced) = (0, Vec::new());
        for (did_create, newer) in side_by_side(racers.collect()).await? {
            created += usize::from(did_create);
            replaced.extend(newer);
        }
        let [newer] = &replaced[..] else {
            let seen = format!("{} handles replaced the same version", replaced.len());
            return ensure(false, || seen);
        };
        ensure(created == 1, || {
            format!("{created} handles created the same session")
        })?;
        trial
            .expect(newer, "after one handle had replaced it")
            .await?;
    }
    Ok(())
}
