//! Values and keys of any shape.

use super::super::verdict::Verdict;
use super::trial::{HOUR, Trial};
use crate::store::Cache;

pub(super) async fn reads_what_was_written<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    trial.expect(&key, None, "before the first `set`").await?;
    for value in ["first", "second", "a value that is longer", "3"] {
        let value = value.as_bytes();
        trial.set(&key, value, HOUR).await?;
        for when in ["right after `set`", "read a second time"] {
            trial.expect(&key, Some(value), when).await?;
        }
    }
    Ok(())
}

pub(super) async fn keeps_any_bytes<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let values: [&[u8]; 7] = [b"\0", b"", b"a\0b", b"\r\n", b"\xff\xfe", b" padded ", &all];
    for value in values {
        trial.set(&key, value, None).await?;
        trial.expect(&key, Some(value), "after `set`").await?;
        trial.delete(&key).await?;
        trial.expect(&key, None, "after `delete`").await?;
    }
    Ok(())
}

pub(super) async fn keeps_large_values<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    // Of bytes that no store packs together, and a few more than a power of two.
    let random: Vec<u8> = (0..1 << 17)
        .flat_map(|_| fastrand::u64(..).to_le_bytes())
        .collect();
    for size in [1 << 16, (1 << 16) + 3, 1 << 20, 1] {
        trial.set(&key, &random[..size], HOUR).await?;
        let when = format!("after `set` of {size} bytes");
        trial.expect(&key, Some(&random[..size]), &when).await?;
    }
    Ok(())
}

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

pub(super) async fn keeps_keys_apart<C: Cache>(trial: Trial<C>) -> Verdict {
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

pub(super) async fn deletes<C: Cache>(trial: Trial<C>) -> Verdict {
    let (gone, stays) = (trial.key("gone"), trial.key("stays"));
    trial.delete(&gone).await?;
    trial.set(&gone, b"1", None).await?;
    trial.set(&stays, b"2", None).await?;
    for when in ["after `delete`", "after a second `delete`"] {
        trial.delete(&gone).await?;
        trial.expect(&gone, None, when).await?;
    }
    trial
        .expect(&stays, Some(b"2"), "after another was deleted")
        .await?;
    trial.set(&gone, b"3", None).await?;
    trial
        .expect(&gone, Some(b"3"), "set again after `delete`")
        .await
}

pub(super) async fn clears<C: Cache>(trial: Trial<C>) -> Verdict {
    let keys: Vec<_> = (0..50)
        .map(|number| trial.key(&number.to_string()))
        .collect();
    for key in &keys {
        trial.set(key, b"1", HOUR).await?;
    }
    trial.set(&trial.key("a"), b"1", None).await?;
    trial.save().await?;
    trial.clear().await?;
    trial.clear().await?;
    for key in keys.iter().chain([&trial.key("a")]) {
        trial.expect(key, None, "after `clear`").await?;
    }
    trial.set(&keys[0], b"2", HOUR).await?;
    trial
        .expect(&keys[0], Some(b"2"), "set again after `clear`")
        .await
}

pub(super) async fn saves_at_any_time<C: Cache>(trial: Trial<C>) -> Verdict {
    let key = trial.key("a");
    trial.save().await?;
    trial.save().await?;
    trial.set(&key, b"1", HOUR).await?;
    trial.expect(&key, Some(b"1"), "before `save`").await?;
    trial.save().await?;
    trial.expect(&key, Some(b"1"), "after `save`").await?;
    trial.delete(&key).await?;
    trial.save().await?;
    trial.expect(&key, None, "deleted and saved").await
}
