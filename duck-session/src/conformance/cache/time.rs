//! Entries that end.

use std::time::{Duration, Instant};

use super::super::verdict::{Verdict, ensure};
use super::trial::{HOUR, Trial};
use crate::store::Cache;

/// Long enough to be read before it is over, short enough to wait for.
const SHORT: Duration = Duration::from_millis(100);

/// How far the clocks of a store and of this process may be apart, with rounding.
const GRAIN: Duration = Duration::from_millis(10);

const OVER: Option<Duration> = Some(Duration::ZERO);

/// Waits until what was written before with this time is over for sure.
async fn pass(written: Instant, ttl: Duration) {
    while let Some(left) = (ttl + 2 * GRAIN).checked_sub(written.elapsed()) {
        tokio::time::sleep(left + Duration::from_millis(1)).await;
    }
}

/// Every answer is held against the moments between which it was given, so that a busy machine
/// makes no difference.
pub(super) async fn expires<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    let before = Instant::now();
    trial.set(&key, b"1", Some(SHORT)).await?;
    let after = Instant::now();
    loop {
        let asked = Instant::now();
        let is_there = trial.get(&key).await?.is_some();
        let (least, most) = (asked.duration_since(after), before.elapsed());
        ensure(is_there || most + GRAIN >= SHORT, || {
            format!("an entry of {SHORT:?} was gone within {most:?}")
        })?;
        let is_late = least > SHORT + GRAIN;
        ensure(!(is_late && is_there), || {
            format!("an entry of {SHORT:?} was there after {least:?}")
        })?;
        if is_late {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn counts_from_the_last_write<C: Cache>(trial: Trial<C>) -> Verdict {
    let short = Some(SHORT);
    let times = [
        ("short, then long", short, HOUR, true),
        ("short, then none", short, None, true),
        ("over, then long", OVER, HOUR, true),
        ("over, then none", OVER, None, true),
        ("long, then short", HOUR, short, false),
        ("none, then short", None, short, false),
        ("long, then over", HOUR, OVER, false),
    ];
    for (name, first, second, _) in times {
        trial.set(&trial.key(name), b"1", first).await?;
        trial.set(&trial.key(name), b"2", second).await?;
    }
    pass(Instant::now(), SHORT).await;
    for (name, .., stays) in times {
        let value = stays.then_some(&b"2"[..]);
        let when = format!("with a time that was {name}");
        trial.expect(&trial.key(name), value, &when).await?;
    }
    Ok(())
}

pub(super) async fn takes_any_time<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    trial.set(&key, b"1", OVER).await?;
    trial.expect(&key, None, "with a time of zero").await?;
    trial.set(&key, b"2", Some(Duration::from_nanos(1))).await?;
    pass(Instant::now(), Duration::ZERO).await;
    trial.expect(&key, None, "after a nanosecond").await?;
    for ttl in [
        Duration::MAX,
        Duration::from_millis(u64::MAX),
        Duration::from_secs(1 << 40),
    ] {
        trial.set(&key, b"3", Some(ttl)).await?;
        let when = format!("with a time of {ttl:?}");
        trial.expect(&key, Some(b"3"), &when).await?;
    }
    Ok(())
}
