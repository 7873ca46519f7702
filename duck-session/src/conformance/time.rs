//! Entries that end.

use std::time::{Duration, Instant};

use super::trial::{HOUR, Trial};
use super::verdict::{Broken, Verdict, ensure};
use crate::cache::{Cache, Entry};

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
    let (set, swapped) = (trial.key("set"), trial.key("swapped"));
    let before = Instant::now();
    trial.set(&set, b"1", Some(SHORT)).await?;
    let entry = Entry::new(b"1").ttl(SHORT);
    trial.swap(&swapped, None, Some(entry)).await?;
    let after = Instant::now();
    loop {
        let mut over = true;
        for key in [&set, &swapped] {
            let asked = Instant::now();
            let is_there = trial.get(key).await?.is_some();
            ensure(is_there || before.elapsed() + GRAIN >= SHORT, || {
                format!(
                    "an entry of {SHORT:?} was gone within {:?}",
                    before.elapsed()
                )
            })?;
            let late = asked.duration_since(after) > SHORT + GRAIN;
            ensure(!(late && is_there), || {
                format!(
                    "an entry of {SHORT:?} was there after {:?}",
                    asked.duration_since(after)
                )
            })?;
            over &= late;
        }
        if over {
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
    let swapped = trial.key("swapped");
    trial.set(&swapped, b"1", HOUR).await?;
    let entry = Entry::new(b"2").ttl(SHORT);
    trial.swap(&swapped, Some(b"1"), Some(entry)).await?;
    pass(Instant::now(), SHORT).await;
    for (name, .., stays) in times {
        let value = stays.then_some(&b"2"[..]);
        let when = format!("with a time that was {name}");
        trial.expect(&trial.key(name), value, &when).await?;
    }
    let when = "swapped for one of a short time";
    trial.expect(&swapped, None, when).await
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

pub(super) async fn expired_is_absent_to_a_swap<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    let swap = |expected: &'static [u8], new: &'static [u8]| (Some(expected), Some(new));
    trial.set(&key, b"1", OVER).await?;
    let when = "after its time";
    trial
        .expect_swap(&key, swap(b"1", b"2"), false, when)
        .await?;
    trial.expect(&key, None, "after a refused swap").await?;
    trial
        .expect_swap(&key, (None, Some(b"3")), true, when)
        .await?;
    trial.expect(&key, Some(b"3"), "created again").await?;

    trial.set(&key, b"4", Some(SHORT)).await?;
    pass(Instant::now(), SHORT).await;
    trial
        .expect_swap(&key, swap(b"4", b"5"), false, when)
        .await?;
    trial
        .expect_swap(&key, (None, Some(b"6")), true, when)
        .await?;
    trial.expect(&key, Some(b"6"), "created again").await
}

pub(super) async fn removes_only_what_expired<C: Cache>(trial: Trial<C>) -> Verdict {
    let keys = |name: &'static str| (0..10).map(move |number| format!("{name}{number}"));
    for name in keys("expired") {
        trial.set(&trial.key(&name), b"1", OVER).await?;
    }
    for (name, ttl) in keys("long")
        .map(|name| (name, HOUR))
        .chain(keys("ever").map(|name| (name, None)))
    {
        trial.set(&trial.key(&name), b"1", OVER).await?;
        trial.set(&trial.key(&name), b"2", ttl).await?;
    }
    for limit in [0, 1, 3, 1000] {
        trial.remove_expired(limit).await?;
        for name in keys("long").chain(keys("ever")) {
            let when = "after `remove_expired`";
            trial.expect(&trial.key(&name), Some(b"2"), when).await?;
        }
    }
    for _ in 0..1000 {
        if trial.remove_expired(1000).await? == 0 {
            for name in keys("expired") {
                let when = "expired and removed";
                trial.expect(&trial.key(&name), None, when).await?;
            }
            return Ok(());
        }
    }
    let seen = "`remove_expired(1000)` went on removing after a thousand times";
    Err(Broken::because(seen))
}
