//! Compare-and-swap, one step after the other.

use super::trial::{HOUR, Trial};
use super::verdict::Verdict;
use crate::cache::Cache;

pub(super) async fn creates_only_if_absent<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    let create = |new: &'static [u8]| (None, Some(new));
    trial
        .expect_swap(&key, create(b"1"), true, "with nothing there")
        .await?;
    trial
        .expect_swap(&key, create(b"2"), false, "with a value there")
        .await?;
    trial
        .expect(&key, Some(b"1"), "after a refused swap")
        .await?;
    trial.set(&key, b"", HOUR).await?;
    trial
        .expect_swap(&key, create(b"3"), false, "with an empty value there")
        .await?;
    trial
        .expect(&key, Some(b""), "after a refused swap")
        .await?;
    trial.delete(&key).await?;
    trial
        .expect_swap(&key, create(b"4"), true, "after a delete")
        .await?;
    trial.expect(&key, Some(b"4"), "after a swap").await
}

pub(super) async fn swaps_only_what_is_expected<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    let one: Option<&[u8]> = Some(b"1");
    let two: Option<&[u8]> = Some(b"2");
    let steps = [
        (one, two, false, "with nothing there"),
        (Some(b""), two, false, "with nothing there"),
        (one, None, false, "with nothing there"),
        (None, None, true, "with nothing there"),
        (None, one, true, "with nothing there"),
        (None, None, false, "with b\"1\" there"),
        (two, one, false, "with b\"1\" there"),
        (two, None, false, "with b\"1\" there"),
        (Some(b""), two, false, "with b\"1\" there"),
        (Some(b"12"), two, false, "with b\"1\" there"),
        (Some(b"1\0"), two, false, "with b\"1\" there"),
        (one, one, true, "with b\"1\" there"),
        (one, two, true, "with b\"1\" there"),
        (one, two, false, "with b\"2\" there"),
        (two, None, true, "with b\"2\" there"),
        (two, one, false, "after a swap for nothing"),
    ];
    let mut held = None;
    for (expected, new, succeeds, when) in steps {
        trial
            .expect_swap(&key, (expected, new), succeeds, when)
            .await?;
        held = if succeeds { new } else { held };
        trial.expect(&key, held, "after a swap").await?;
    }
    Ok(())
}

pub(super) async fn keeps_what_was_deleted_deleted<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    for how in ["`delete`", "`clear`", "a swap for nothing"] {
        trial.set(&key, b"1", HOUR).await?;
        let seen = trial.get(&key).await?;
        match how {
            "`delete`" => trial.delete(&key).await?,
            "`clear`" => trial.clear().await?,
            _ => {
                let swap = (seen.as_deref(), None);
                trial
                    .expect_swap(&key, swap, true, "of what was read")
                    .await?;
            }
        }
        let late = (seen.as_deref(), Some(&b"2"[..]));
        trial
            .expect_swap(&key, late, false, &format!("after {how}"))
            .await?;
        trial
            .expect(&key, None, &format!("after {how} and a late swap"))
            .await?;
    }
    Ok(())
}
