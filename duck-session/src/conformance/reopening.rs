//! A cache that is closed and opened again, and one that is open several times.

use super::trial::{HOUR, Trial};
use super::verdict::Verdict;
use crate::cache::Cache;

pub(super) async fn is_there_after_reopening<C: Cache>(trial: Trial<C>) -> Verdict {
    let (ever, hour, gone, over) = (
        trial.key("ever"),
        trial.key("hour"),
        trial.key("gone"),
        trial.key("over"),
    );
    let large = vec![7; 1 << 16];
    trial.set(&ever, &large, None).await?;
    trial.set(&hour, b"a\0b", HOUR).await?;
    trial.set(&gone, b"1", HOUR).await?;
    trial
        .set(&over, b"1", Some(std::time::Duration::ZERO))
        .await?;
    trial.delete(&gone).await?;
    trial.save().await?;
    let mut trial = trial;
    for when in ["opened again", "opened a third time"] {
        trial = trial.reopened().await;
        trial.expect(&ever, Some(&large), when).await?;
        trial.expect(&hour, Some(b"a\0b"), when).await?;
        trial.expect(&gone, None, when).await?;
        trial.expect(&over, None, when).await?;
    }
    let swap = (Some(&b"a\0b"[..]), None);
    trial.expect_swap(&hour, swap, true, "opened again").await?;
    trial.save().await?;
    let trial = trial.reopened().await;
    trial
        .expect(&hour, None, "swapped for nothing and opened again")
        .await
}

pub(super) async fn is_one_storage<C: Cache>(here: Trial<C>) -> Verdict {
    let there = here.opened_again().await;
    let key = here.key("a");
    let when = "read by another handle";
    there.expect(&key, None, when).await?;
    for value in [&b"1"[..], b"2"] {
        here.set(&key, value, HOUR).await?;
        there.expect(&key, Some(value), when).await?;
        here.expect(&key, Some(value), "read by the one that wrote")
            .await?;
    }
    there
        .expect_swap(&key, (Some(b"2"), Some(b"3")), true, "by another handle")
        .await?;
    let late = (Some(&b"2"[..]), Some(&b"4"[..]));
    here.expect_swap(&key, late, false, "after another handle's swap")
        .await?;
    here.expect(&key, Some(b"3"), when).await?;
    there.delete(&key).await?;
    here.expect(&key, None, "deleted by another handle").await?;
    here.set(&key, b"5", HOUR).await?;
    there.expect(&key, Some(b"5"), when).await?;
    there.clear().await?;
    here.expect(&key, None, "cleared by another handle").await?;
    let third = here.opened_again().await;
    third.set(&key, b"6", HOUR).await?;
    for handle in [&here, &there] {
        handle
            .expect(&key, Some(b"6"), "set by a third handle")
            .await?;
    }
    Ok(())
}
