//! What a cache says it holds.

use duck::session::SessionError;

use super::trial::{HOUR, Trial};
use super::verdict::{Broken, Verdict, ensure};
use crate::cache::{Cache, Listed};

/// A cache may do without `page`: then there is nothing to check.
pub(super) async fn lists_each_entry_once<C: Cache>(trial: Trial<C>) -> Verdict {
    let names: Vec<_> = (0..25)
        .map(|number| trial.key(&number.to_string()))
        .collect();
    for (place, name) in names.iter().enumerate() {
        let ttl = if place % 2 == 0 { HOUR } else { None };
        trial.set(name, name.as_bytes(), ttl).await?;
    }
    let (passing, mut after) = (trial.key(""), None); // before all others, where keys have an order
    let mut listed = Vec::new();
    for turn in 0..10_000 {
        let page = match trial.cache.page(after.as_deref(), 4).await {
            Ok(page) => page,
            Err(error) if is_unsupported(&error) => return Ok(()),
            Err(error) => return Err(Broken::failed("`page`", &error)),
        };
        ensure(page.entries.len() <= 4, || {
            format!("`page` of four gave {} entries", page.entries.len())
        })?;
        listed.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return every_one(&trial, &names, &listed).await;
        }
        // Others come and go meanwhile.
        trial.set(&format!("{passing}{turn}"), b"1", HOUR).await?;
        trial.delete(&format!("{passing}{}", turn / 2)).await?;
    }
    Err(Broken::because("`page` found no end in ten thousand pages"))
}

fn is_unsupported(error: &duck::Error) -> bool {
    let error = error.downcast_ref::<SessionError>();
    matches!(error, Some(SessionError::Unsupported(_)))
}

async fn every_one<C: Cache>(trial: &Trial<C>, names: &[String], listed: &[Listed]) -> Verdict {
    for (place, name) in names.iter().enumerate() {
        let found: Vec<_> = listed
            .iter()
            .filter(|entry| entry.value == name.as_bytes())
            .collect();
        let [entry] = found[..] else {
            let times = found.len();
            return Err(Broken::because(format!(
                "an entry was listed {times} times"
            )));
        };
        let when = "under the name it was listed with";
        trial
            .expect(&entry.key, Some(name.as_bytes()), when)
            .await?;
        let fits = match entry.ttl {
            Some(ttl) => place % 2 == 0 && !ttl.is_zero() && Some(ttl) <= HOUR,
            None => true, // the cache may not know
        };
        ensure(fits, || {
            format!("an entry was listed with {:?} to go", entry.ttl)
        })?;
    }
    Ok(())
}
