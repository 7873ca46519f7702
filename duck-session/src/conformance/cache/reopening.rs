//! A cache that is closed and opened again.

use super::super::sessions::Trial as _;
use super::super::verdict::Verdict;
use super::trial::{HOUR, Trial};
use crate::store::Cache;

pub(super) async fn is_there_after_reopening<C: Cache>(trial: Trial<C>) -> Verdict {
    let (ever, hour, gone) = (trial.key("ever"), trial.key("hour"), trial.key("gone"));
    let large = vec![7; 1 << 16];
    trial.set(&ever, &large, None).await?;
    trial.set(&hour, b"a\0b", HOUR).await?;
    trial.set(&gone, b"1", HOUR).await?;
    trial.delete(&gone).await?;
    trial.save().await?;
    let mut trial = trial;
    for when in ["opened again", "opened a third time"] {
        trial = trial.reopened().await;
        trial.expect(&ever, Some(&large), when).await?;
        trial.expect(&hour, Some(b"a\0b"), when).await?;
        trial.expect(&gone, None, when).await?;
    }
    Ok(())
}
