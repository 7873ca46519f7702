//! Passwords and their hashes.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use argon2::{PasswordVerifier, password_hash};

use data_encoding::HEXLOWER;

use super::queue;
use crate::error::{Error, Result};
use crate::http::request_error::RequestError;

/// How many bytes a password has at most. Browsers' managers make some of a hundred; what is a thousand
/// times as long only costs time.
const LONGEST: usize = 1024;

/// What one hash costs: OWASP's Password Storage Cheat Sheet, argon2id with 19 MiB of memory, two passes and
/// one lane. Hashes that cost something else are made anew when their users log in.
const PARAMS: Params = match Params::new(19 * 1024, 2, 1, Some(Params::DEFAULT_OUTPUT_LEN)) {
    Ok(params) => params,
    Err(_) => panic!("argon2 takes them"),
};

/// How many bytes a salt has that is made here.
const SALT: usize = 16;

/// The hash of a password, to be stored with the user: argon2id, as a PHC string (`$argon2id$v=19$…`, 97
/// characters) that says all that comparing takes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let hash = duck::auth::hash("correct horse battery staple").await?;
/// assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// # Ok(())
/// # }
/// ```
///
/// A password is the bytes that came: they are neither trimmed nor brought into one form of Unicode.
/// Hashing runs in a thread of its own, as many at once as there are cores.
///
/// # Errors
///
/// 422 for a password that is empty or longer than 1,024 bytes: a form should say so before. 503 with too
/// many hashes waiting already.
pub async fn hash(password: &str) -> Result<String> {
    if !is_possible(password) {
        let message = "a password has between 1 and 1,024 bytes";
        return Err(RequestError::unprocessable(message).into());
    }
    let password = password.to_owned();
    queue::run(move || make(password.as_bytes())).await?
}

/// What came of comparing a password with a hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Right,
    /// Right, but with a hash that costs something else than one does today: this is one of today.
    RightButOld(String),
    Wrong,
    /// Nobody can log in: that is no hash of argon2.
    NoHash,
}

/// Compares a password with the hash of a user, or with nobody's. It takes as long either way.
pub(super) async fn check(password: &str, hash: Option<String>) -> Result<Checked> {
    if !is_possible(password) {
        return Ok(Checked::Wrong);
    }
    tracing::trace!(target: "duck::auth", "a password is compared");
    let password = password.to_owned();
    queue::run(move || compare(password.as_bytes(), hash.as_deref())).await?
}

fn compare(password: &[u8], hash: Option<&str>) -> Result<Checked> {
    let parsed = hash.and_then(|hash| PasswordHash::new(hash).ok());
    let verified = parsed.as_ref().map(|hash| verify(password, hash));
    match (verified, parsed) {
        (Some(Ok(())), Some(hash)) if is_current(&hash) => Ok(Checked::Right),
        (Some(Ok(())), Some(hash)) => Ok(Checked::RightButOld(make_anew(password, &hash)?)),
        (Some(Err(password_hash::Error::PasswordInvalid)), _) => Ok(Checked::Wrong),
        _ => {
            waste(password)?;
            Ok(hash.map_or(Checked::Wrong, |_| Checked::NoHash))
        }
    }
}

fn is_possible(password: &str) -> bool {
    (1..=LONGEST).contains(&password.len())
}

fn make(password: &[u8]) -> Result<String> {
    Ok(hasher().hash_password(password)?.to_string())
}

/// With the salt that was there, so that the [`stamp`] stays. Salts are there to differ between users, and
/// these do; one that is short is not kept.
fn make_anew(password: &[u8], old: &PasswordHash) -> Result<String> {
    match long_salt(old) {
        Some(salt) => Ok(hasher()
            .hash_password_with_salt(password, salt)?
            .to_string()),
        None => make(password),
    }
}

/// What stays the same for as long as a password does: the salt of its hash. Each new password has a new
/// one. Of anything but such a hash it is all there is.
pub(super) fn stamp(hash: &str) -> String {
    let parsed = PasswordHash::new(hash).ok();
    match parsed.as_ref().and_then(long_salt) {
        Some(salt) => HEXLOWER.encode(salt),
        None => hash.to_owned(),
    }
}

/// A salt that was made by chance: no shorter than those of today. One that somebody typed into the command
/// `argon2` may be that of all their passwords.
fn long_salt(hash: &PasswordHash) -> Option<&[u8]> {
    let salt = hash.salt.as_deref()?;
    (salt.len() >= SALT).then_some(salt)
}

fn verify(password: &[u8], hash: &PasswordHash) -> password_hash::Result<()> {
    let (Some(_), Some(_)) = (&hash.salt, &hash.hash) else {
        return Err(password_hash::Error::EncodingInvalid);
    };
    let verified = hasher().verify_password(password, hash);
    #[cfg(test)]
    tests::count(&verified);
    verified
}

/// Does what a comparison does, for nothing.
fn waste(password: &[u8]) -> Result<()> {
    #[cfg(test)]
    tests::count(&Ok(()));
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    let hashed = hasher().hash_password_into(password, b"nobody's, and 16", &mut out);
    std::hint::black_box(out);
    hashed.map_err(Error::internal)
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

fn is_current(hash: &PasswordHash) -> bool {
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|params| params == PARAMS)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static RUNS: Cell<u32> = const { Cell::new(0) };
    }

    /// Counts how often argon2 ran to its end.
    pub(super) fn count(outcome: &password_hash::Result<()>) {
        if matches!(outcome, Ok(()) | Err(password_hash::Error::PasswordInvalid)) {
            RUNS.set(RUNS.get() + 1);
        }
    }

    fn made_with(params: Params, password: &str) -> String {
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        hasher
            .hash_password(password.as_bytes())
            .unwrap()
            .to_string()
    }

    fn weak() -> Params {
        Params::new(8, 1, 1, Some(32)).unwrap()
    }

    #[test]
    fn argon2_runs_once_whether_there_is_such_a_user_or_not() {
        let current = made_with(PARAMS, "right");
        let other_kind = "$pbkdf2-sha256$i=1000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
        for (hash, password, expected) in [
            (Some(&*current), "right", Checked::Right),
            (Some(&*current), "wrong", Checked::Wrong),
            (None, "wrong", Checked::Wrong),
            (Some(""), "", Checked::NoHash),
            (Some("!"), "!", Checked::NoHash),
            (Some(other_kind), "x", Checked::NoHash),
            (Some("$argon2id$v=19$m=8,t=1,p=1"), "x", Checked::NoHash),
            (
                Some("$argon2id$v=19$m=1,t=0,p=9$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"),
                "x",
                Checked::NoHash,
            ),
            (
                Some("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"),
                "abc123xyz",
                Checked::NoHash,
            ),
        ] {
            RUNS.set(0);
            assert_eq!(
                compare(password.as_bytes(), hash).unwrap(),
                expected,
                "{hash:?}"
            );
            assert_eq!(RUNS.get(), 1, "{hash:?}");
        }
    }

    #[test]
    fn a_hash_of_another_cost_is_right_but_old() {
        for params in [weak(), Params::new(19 * 1024, 2, 1, Some(16)).unwrap()] {
            let hash = made_with(params, "right");
            assert_made_anew(&hash);
            assert_eq!(compare(b"wrong", Some(&hash)).unwrap(), Checked::Wrong);
        }
        let argon2i = Argon2::new(Algorithm::Argon2i, Version::V0x13, PARAMS);
        let hash = argon2i.hash_password(b"right").unwrap().to_string();
        assert_made_anew(&hash);
    }

    #[test]
    fn a_hash_made_anew_keeps_its_stamp_and_another_password_has_another() {
        let old = made_with(weak(), "right");
        let Checked::RightButOld(new) = compare(b"right", Some(&old)).unwrap() else {
            panic!("{old} is taken for one of today");
        };
        assert_eq!(stamp(&new), stamp(&old));
        assert_ne!(stamp(&new), stamp(&made_with(PARAMS, "right")));
        assert_ne!(stamp(""), stamp("!"));
    }

    #[test]
    fn a_salt_that_somebody_typed_is_no_stamp_and_is_not_kept() {
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, weak());
        let typed = |password: &[u8]| {
            let hash = hasher.hash_password_with_salt(password, b"somesalt");
            hash.unwrap().to_string()
        };
        let (one, other) = (typed(b"one"), typed(b"other"));
        assert_ne!(stamp(&one), stamp(&other));
        let Checked::RightButOld(new) = compare(b"one", Some(&one)).unwrap() else {
            panic!("{one} is taken for one of today");
        };
        assert!(!new.contains("c29tZXNhbHQ"), "{new}");
    }

    fn assert_made_anew(old: &str) {
        let Checked::RightButOld(new) = compare(b"right", Some(old)).unwrap() else {
            panic!("{old} is taken for one of today");
        };
        assert_eq!(compare(b"right", Some(&new)).unwrap(), Checked::Right);
    }

    #[tokio::test]
    async fn a_password_of_any_bytes_is_compared_as_it_came() {
        for password in ["pässwörd", " x ", "a\0b", "\u{1F986}", &"x".repeat(LONGEST)] {
            let hash = hash(password).await.unwrap();
            assert_eq!(
                check(password, Some(hash.clone())).await.unwrap(),
                Checked::Right
            );
            let other = format!("{password} ");
            assert_eq!(check(&other, Some(hash)).await.unwrap(), Checked::Wrong);
        }
    }

    #[tokio::test]
    async fn a_password_of_a_megabyte_is_neither_hashed_nor_compared() {
        let long = "x".repeat(1 << 20);
        assert_eq!(hash(&long).await.unwrap_err().status(), 422);
        assert_eq!(hash("").await.unwrap_err().status(), 422);
        assert_eq!(check("", None).await.unwrap(), Checked::Wrong);
        let start = std::time::Instant::now();
        for _ in 0..1000 {
            assert_eq!(check(&long, None).await.unwrap(), Checked::Wrong);
        }
        assert!(
            start.elapsed() < std::time::Duration::from_secs(5),
            "no hash was made"
        );
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        assert_ne!(hash("same").await.unwrap(), hash("same").await.unwrap());
    }
}
