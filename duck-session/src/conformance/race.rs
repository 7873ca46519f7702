//! Many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use duck::BoxFuture;

use super::threads::{RUNNERS, side_by_side};
use super::trial::{HOUR, Trial, shown};
use super::verdict::{Broken, Verdict, ensure};
use crate::cache::{Cache, Entry};

pub(super) async fn lets_one_of_many_create<C: Cache>(trial: Trial<C>) -> Verdict {
    for round in 0..20 {
        let key = trial.key(&round.to_string());
        let creators = (0..RUNNERS).map(|runner| {
            let (trial, key) = (trial.clone(), key.clone());
            async move {
                let mine = runner.to_string();
                let created = trial
                    .swap(&key, None, Some(Entry::new(mine.as_bytes())))
                    .await?;
                Ok(created.then_some(mine))
            }
        });
        let created: Vec<_> = side_by_side(creators.collect())
            .await?
            .into_iter()
            .flatten()
            .collect();
        ensure(created.len() == 1, || {
            format!("{} of {RUNNERS} created the same key", created.len())
        })?;
        let winner = created.first().map(String::as_bytes);
        trial
            .expect(&key, winner, "after one had created it")
            .await?;
    }
    Ok(())
}

pub(super) async fn counts_every_swap<C: Cache>(trial: Trial<C>) -> Verdict {
    const TIMES: usize = 50;
    let key = trial.key("number");
    trial.set(&key, b"0", None).await?;
    let counters = (0..RUNNERS).map(|_| {
        let (trial, key) = (trial.clone(), key.clone());
        async move {
            let (mut counted, mut refused) = (0, 0);
            while counted < TIMES {
                if count(&trial, &key).await? {
                    counted += 1;
                } else {
                    refused += 1;
                }
                ensure(refused <= RUNNERS * TIMES, || {
                    "more swaps were refused than others were made".to_owned()
                })?;
            }
            Ok(())
        }
    });
    side_by_side(counters.collect()).await?;
    let all = (RUNNERS * TIMES).to_string();
    let when = format!("after {RUNNERS} had each counted to {TIMES}");
    trial.expect(&key, Some(all.as_bytes()), &when).await
}

/// Adds one, unless somebody else is faster.
async fn count<C: Cache>(trial: &Trial<C>, key: &str) -> Result<bool, Broken> {
    let seen = trial.get(key).await?;
    let number = seen
        .as_deref()
        .and_then(|text| std::str::from_utf8(text).ok());
    let number: Option<usize> = number.and_then(|text| text.parse().ok());
    let Some(number) = number else {
        let seen = shown(seen.as_deref());
        return Err(Broken::because(format!(
            "among swaps of numbers, {seen} was read"
        )));
    };
    let next = (number + 1).to_string();
    let new = Entry::new(next.as_bytes());
    trial.swap(key, seen.as_deref(), Some(new)).await
}

pub(super) async fn lets_no_swap_undo_a_delete<C: Cache>(trial: Trial<C>) -> Verdict {
    for round in 0..30 {
        let key = trial.key(&round.to_string());
        trial.set(&key, b"1", HOUR).await?;
        let (deleter, its) = (trial.clone(), key.clone());
        let delete: BoxFuture<'static, Verdict> =
            Box::pin(async move { deleter.delete(&its).await });
        let swaps = (1..RUNNERS).map(|_| {
            let (trial, key) = (trial.clone(), key.clone());
            let swap: BoxFuture<'static, Verdict> = Box::pin(async move {
                trial
                    .swap(&key, Some(b"1"), Some(Entry::new(b"2")))
                    .await
                    .map(drop)
            });
            swap
        });
        side_by_side(std::iter::once(delete).chain(swaps).collect()).await?;
        trial
            .expect(&key, None, "after a delete that raced swaps")
            .await?;
    }
    Ok(())
}

/// A value that shows whether it is whole: each byte says how many there are.
fn whole(number: u8) -> Vec<u8> {
    vec![number; 1000 + 100 * usize::from(number)]
}

/// Where `ATOMIC` is false there is one writer: so it is with sessions over such a cache.
pub(super) async fn leaves_whole_values<C: Cache>(trial: Trial<C>) -> Verdict {
    const TIMES: u8 = 50;
    let writers: u8 = if C::ATOMIC { 4 } else { 1 };
    let key = trial.key("a");
    trial.set(&key, &whole(0), HOUR).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let write = |writer: u8| -> BoxFuture<'static, Verdict> {
        let (trial, key, ends) = (trial.clone(), key.clone(), SetAtEnd(is_over.clone()));
        Box::pin(async move {
            let _ends = ends;
            for time in 0..TIMES {
                let value = whole(writer + writers * time);
                trial.set(&key, &value, HOUR).await?;
            }
            Ok(())
        })
    };
    let read = |_| -> BoxFuture<'static, Verdict> {
        let (trial, key, is_over) = (trial.clone(), key.clone(), is_over.clone());
        Box::pin(async move {
            while !is_over.load(Ordering::Relaxed) {
                look(&trial, &key).await?;
            }
            look(&trial, &key).await
        })
    };
    let tasks = (0..writers).map(write).chain((0..4).map(read));
    side_by_side(tasks.collect()).await?;
    look(&trial, &key).await
}

/// Tells the readers that a writer is done, however it ended.
struct SetAtEnd(Arc<AtomicBool>);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn look<C: Cache>(trial: &Trial<C>, key: &str) -> Verdict {
    let seen = trial.get(key).await?;
    let is_whole = seen
        .as_deref()
        .is_some_and(|value| value.first().is_some_and(|number| value == whole(*number)));
    ensure(is_whole, || {
        let seen = shown(seen.as_deref());
        format!("beside writers, {seen} was read, which nobody wrote")
    })
}

pub(super) async fn keeps_writers_apart<C: Cache>(trial: Trial<C>) -> Verdict {
    let writers = (0..RUNNERS).map(|writer| {
        let trial = trial.clone();
        async move {
            let key = trial.key(&writer.to_string());
            for time in 0..25 {
                let value = format!("{writer} {time}");
                let when = "beside writers of other keys";
                trial.set(&key, value.as_bytes(), HOUR).await?;
                trial.expect(&key, Some(value.as_bytes()), when).await?;
                trial.delete(&key).await?;
                trial.expect(&key, None, when).await?;
            }
            trial.save().await
        }
    });
    side_by_side(writers.collect()).await.map(drop)
}
