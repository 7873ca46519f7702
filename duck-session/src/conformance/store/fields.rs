//! Sessions of any shape, one at a time.

use super::super::verdict::Verdict;
use super::trial::{Trial, any_key, any_user, later, new, next};
use crate::store::{SessionKey, SessionStore, StoredSession, UserKey, Version};

pub(super) async fn loads_what_was_stored<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let mut session = new("first");
    trial.expect_none(session.key(), "before `create`").await?;
    trial.begin_session(&session, "at first").await?;
    for bytes in ["second", "bytes that are longer", "3", ""] {
        for when in ["right after a write", "loaded a second time"] {
            trial.expect(&session, when).await?;
        }
        let newer = next(&session, bytes);
        trial.swap(&session, &newer, "among others").await?;
        session = newer;
    }
    trial.expect(&session, "after the last `replace`").await
}

pub(super) async fn keeps_every_field<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let users = [None, Some([0; 16]), Some([0xff; 16]), Some([b'\n'; 16])];
    let ends = [later(), later() + 1, (1 << 53) + 1, 1 << 63, u64::MAX];
    let counts = [0, 1, u64::from(u32::MAX) + 1, u64::MAX];
    for (place, expires) in ends.into_iter().enumerate() {
        for (count, user) in counts.into_iter().zip(users) {
            let random = [0, 1, u64::MAX, 1 << 63][place % 4];
            let version = Version { count, random };
            let user = user.map(UserKey::from_bytes);
            let session = StoredSession::new(any_key(), version, user, expires, "bytes");
            trial.begin_session(&session, "with odd fields").await?;
            trial.expect(&session, "after `create`").await?;
            let old = StoredSession::new(any_key(), Version::first(), None, later(), "old");
            trial.begin_session(&old, "with plain fields").await?;
            let newer = StoredSession::new(*old.key(), version, user, expires, "new");
            trial.swap(&old, &newer, "for odd fields").await?;
            trial.expect(&newer, "after `replace`").await?;
        }
    }
    Ok(())
}

pub(super) async fn keeps_any_bytes<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let values: [&[u8]; 7] = [b"\0", b"", b"a\0b", b"\r\n", b"\xff\xfe", b" padded ", &all];
    for value in values {
        let session = new(value);
        trial.begin_session(&session, "with odd bytes").await?;
        trial.expect(&session, "after `create`").await?;
        let newer = next(&session, [value, b"-", value].concat());
        trial.swap(&session, &newer, "with odd bytes").await?;
        trial.expect(&newer, "after `replace`").await?;
    }
    Ok(())
}

pub(super) async fn keeps_large_sessions<S: SessionStore>(trial: Trial<S>) -> Verdict {
    // Of bytes that no store packs together, and a few more than a power of two.
    let random: Vec<u8> = (0..1 << 17)
        .flat_map(|_| fastrand::u64(..).to_le_bytes())
        .collect();
    let mut session = new("1");
    trial.begin_session(&session, "while it is small").await?;
    for size in [1 << 16, (1 << 16) + 3, 1 << 20, 1] {
        let newer = next(&session, &random[..size]);
        trial.swap(&session, &newer, "with another size").await?;
        trial.expect(&newer, &format!("with {size} bytes")).await?;
        session = newer;
    }
    let session = new(&random);
    trial.begin_session(&session, "with a mebibyte").await?;
    trial.expect(&session, "created with a mebibyte").await
}

pub(super) async fn keeps_keys_apart<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let base = *any_key().as_bytes();
    // Each differs from the first in one bit, the last ones in what text would take for nothing.
    let mut keys: Vec<_> = (0..16)
        .flat_map(|byte| [1, 0x20, 0x80].map(|bit| (byte, bit)))
        .map(|(byte, bit)| {
            let mut key = base;
            key[byte] ^= bit;
            key
        })
        .collect();
    keys.push(base);
    keys.extend([[0; 16], [0xff; 16], [b'/'; 16], [b'.'; 16], [b'\''; 16]]);
    let session = |key: &[u8; 16]| {
        let key = SessionKey::from_bytes(*key);
        StoredSession::new(key, Version::first(), None, later(), key.to_hex())
    };
    let sessions: Vec<_> = keys.iter().map(session).collect();
    for session in &sessions {
        // The last keys may be there from before.
        trial.remove(session.key(), None).await?;
        trial
            .begin_session(session, "beside its neighbours")
            .await?;
    }
    for session in &sessions {
        trial
            .expect(session, "after its neighbours were created")
            .await?;
    }
    for (place, session) in sessions.iter().enumerate() {
        trial.end(session, "among neighbours").await?;
        for other in &sessions[place + 1..] {
            trial.expect(other, "after a neighbour was removed").await?;
        }
    }
    Ok(())
}

pub(super) async fn clears<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let user = any_user();
    let sessions = trial.begin_sessions(50, user).await?;
    trial.clear().await?;
    trial.clear().await?;
    for session in &sessions {
        trial.expect_none(session.key(), "after `clear`").await?;
    }
    trial.expect_of_user(&user, &[], "after `clear`").await?;
    for session in &sessions[..2] {
        trial.begin_session(session, "after `clear`").await?;
        trial.expect(session, "created again after `clear`").await?;
    }
    let when = "created again after `clear`";
    trial.expect_of_user(&user, &[&sessions[1]], when).await
}

pub(super) async fn flushes_at_any_time<S: SessionStore>(trial: Trial<S>) -> Verdict {
    let session = new("1");
    trial.flush().await?;
    trial.flush().await?;
    trial.begin_session(&session, "after `flush`").await?;
    trial.expect(&session, "before `flush`").await?;
    trial.flush().await?;
    trial.expect(&session, "after `flush`").await?;
    trial.end(&session, "after `flush`").await?;
    trial.flush().await?;
    trial
        .expect_none(session.key(), "removed and flushed")
        .await
}
