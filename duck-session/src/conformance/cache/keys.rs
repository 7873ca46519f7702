//! Keys of any text.

use super::super::verdict::Verdict;
use super::trial::{HOUR, Trial};
use crate::store::Cache;

pub(super) async fn takes_any_key<C: Cache>(trial: Trial<C>) -> Verdict {
    let long = "k".repeat(1000);
    let keys = [
        "",
        " ",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "C:\\x",
        "CON",
        "a\0b",
        "a\0c",
        "\r\n",
        "%00",
        "%2e%2e%2f",
        "*",
        "'; DROP TABLE entries; --",
        "\"",
        "ключ",
        "🦆",
        &long,
    ];
    for key in keys {
        trial.delete(key).await?;
        trial.expect(key, None, "before it was set").await?;
    }
    for key in keys {
        trial.set(key, key.as_bytes(), HOUR).await?;
    }
    for key in keys {
        let when = "after all were set";
        trial.expect(key, Some(key.as_bytes()), when).await?;
    }
    for key in keys {
        trial.delete(key).await?;
        trial.expect(key, None, "after it was deleted").await?;
    }
    Ok(())
}

pub(super) async fn tells_keys_apart<C: Cache>(trial: Trial<C>) -> Verdict {
    // The mark comes first here: what makes them differ is at their end.
    let mark = trial.key("");
    let ends = [
        "", "a", "A", "a ", " a", "aa", "a\0", "a\0b", "a/", "a/b", "a.b", "a:b", "a*", "a%", "é",
        "e\u{301}", "0", "00",
    ];
    let keys = ends.map(|end| format!("{mark}{end}"));
    for key in &keys {
        trial.set(key, key.as_bytes(), HOUR).await?;
    }
    for key in &keys {
        let when = "after its neighbours were set";
        trial.expect(key, Some(key.as_bytes()), when).await?;
    }
    for (place, key) in keys.iter().enumerate() {
        trial.delete(key).await?;
        for other in &keys[place + 1..] {
            let when = "after a neighbour was deleted";
            trial.expect(other, Some(other.as_bytes()), when).await?;
        }
    }
    Ok(())
}
