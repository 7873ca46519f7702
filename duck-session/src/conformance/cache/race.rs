//! A writer beside readers, and writers of different keys: over a cache, Duck lets one writer at a time
//! near a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use duck::BoxFuture;

use super::super::threads::{RUNNERS, goes_on, side_by_side};
use super::super::verdict::{Verdict, ensure};
use super::trial::{HOUR, Trial, shown};
use crate::store::Cache;

/// A value that shows whether it is whole: each byte says how many there are.
fn whole(number: u8) -> Vec<u8> {
    vec![number; 1000 + 100 * usize::from(number)]
}

pub(super) async fn leaves_whole_values<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    trial.set(&key, &whole(0), HOUR).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = looks.clone();
    let (writer, its, ends) = (trial.clone(), key.clone(), SetAtEnd(is_over.clone()));
    let write: BoxFuture<'static, Verdict> = Box::pin(async move {
        let _ends = ends;
        for (written, number) in (0..200).cycle().enumerate() {
            if !goes_on(written, &looked) {
                break;
            }
            writer.set(&its, &whole(number), HOUR).await?;
        }
        Ok(())
    });
    let read = |_| -> BoxFuture<'static, Verdict> {
        let (trial, key, is_over) = (trial.clone(), key.clone(), is_over.clone());
        let looks = looks.clone();
        Box::pin(async move {
            while !is_over.load(Ordering::Relaxed) {
                look(&trial, &key).await?;
                looks.fetch_add(1, Ordering::Relaxed);
            }
            look(&trial, &key).await
        })
    };
    let tasks = std::iter::once(write).chain((0..4).map(read));
    side_by_side(tasks.collect()).await.map(drop)
}

/// Tells the readers that the writer is done, however it ended.
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
        format!("beside a writer, {seen} was read, which nobody wrote")
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
