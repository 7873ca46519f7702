//! Makes sessions unreadable and unchangeable for whoever can read or write the storage.

use std::fmt;

use aes_gcm_siv::aead::{Aead, AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce, Tag};
use bytes::{BufMut, Bytes};
use duck::session::{SessionData, SessionError, SessionId};
use duck::settings::SecretKey;
use duck::{Error, Result};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand::Rng;
use sha2::{Digest as _, Sha256};

use crate::header::Header;
use crate::reader::{Reader, RecordBytes};
use crate::store::{OpenSession, Plain, SessionKey, StoredSession, UserKey, Version};
use crate::verifier::Digest;

/// A nonce of AES-GCM-SIV, which may be random: one that comes twice shows no more than whether two sessions are
/// the same (RFC 8452, 9).
const NONCE: usize = 12;
const TAG: usize = 16;

/// The first bytes of what is sealed: the format and its version.
const MAGIC: [u8; 4] = *b"DKS3";

/// How long what stands in clear before the seal is: the format, whether the rest is readable, which key.
const PREFIX: usize = 4 + 1 + 8;

/// Seals sessions, and makes the names that a storage knows them by.
pub(crate) enum Sealer {
    /// They never leave the process: they are kept as they are.
    InProcess(Hmac<Sha256>),
    /// They are sealed with the first keys; all open. Without `encrypt` the data stays readable, but
    /// nobody without the key can change it or put it elsewhere.
    Sealed {
        keys: Vec<DerivedKeys>,
        encrypt: bool,
    },
}

/// The keys derived from one `SECRET_KEY`.
pub(crate) struct DerivedKeys {
    id: [u8; 8],
    users: Hmac<Sha256>,
    cipher: Aes256GcmSiv,
}

impl DerivedKeys {
    fn new(secret: &[u8]) -> Result<Self> {
        let derive = Hkdf::<Sha256>::new(Some(b"duck-session 2"), secret);
        let mut key = [0; 32];
        let mut expand = |purpose: &[u8]| {
            derive
                .expand(purpose, &mut key)
                .map_err(|error| Error::internal(error.to_string()))?;
            Ok::<_, Error>(key)
        };
        let id = expand(b"key id")?;
        Ok(Self {
            id: std::array::from_fn(|index| id[index]),
            users: user_mac(&expand(b"user")?)?,
            cipher: Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(expand(b"record")?)),
        })
    }
}

fn user_mac(key: &[u8]) -> Result<Hmac<Sha256>> {
    Hmac::new_from_slice(key).map_err(|error| Error::internal(error.to_string()))
}

fn user_key(mac: &Hmac<Sha256>, user: &str) -> UserKey {
    let mac = mac.clone().chain_update(user).finalize();
    UserKey::from_bytes(first_half(&mac.into_bytes()))
}

impl Sealer {
    /// For a store in the memory of this process.
    pub(crate) fn in_process() -> Result<Self> {
        Ok(Self::InProcess(user_mac(&random::<32>())?))
    }

    pub(crate) fn sealed(secret: &SecretKey, encrypt: bool) -> Result<Self> {
        let keys = secret.all().map(DerivedKeys::new).collect::<Result<_>>()?;
        Ok(Self::Sealed { keys, encrypt })
    }

    /// What a session is stored under. No secret goes into it: a selector is 128 random bits, which nobody
    /// guesses from a hash, and so a session keeps its place when `SECRET_KEY` changes.
    pub(crate) fn key(&self, id: &SessionId) -> SessionKey {
        SessionKey::from_bytes(match self {
            Self::InProcess(_) => *id.selector(),
            Self::Sealed { .. } => hash(b"duck session key", id.selector()),
        })
    }

    /// What is stored of an id's verifier: a hash, which nobody can turn back.
    pub(crate) fn digest(&self, id: &SessionId) -> Digest {
        if matches!(self, Self::InProcess(_)) {
            return Digest::new(*id.verifier());
        }
        let hash = Sha256::new_with_prefix(b"duck session verifier");
        let hash = hash.chain_update(id.selector()).chain_update(id.verifier());
        Digest::new(first_half(&hash.finalize()))
    }

    /// What a store knows a user by. A user's name can be guessed, so a secret goes into it.
    pub(crate) fn user_key(&self, user: &str) -> UserKey {
        match self {
            Self::InProcess(mac) => user_key(mac, user),
            Self::Sealed { keys, .. } => user_key(&keys[0].users, user),
        }
    }

    /// What a store may know a user by: one for each `SECRET_KEY`.
    pub(crate) fn user_keys(&self, user: &str) -> Vec<UserKey> {
        match self {
            Self::InProcess(mac) => vec![user_key(mac, user)],
            Self::Sealed { keys, .. } => {
                let users = keys.iter().map(|keys| user_key(&keys.users, user));
                users.collect()
            }
        }
    }

    /// Whether what an older `SECRET_KEY` sealed still opens.
    pub(crate) fn has_fallbacks(&self) -> bool {
        matches!(self, Self::Sealed { keys, .. } if keys.len() > 1)
    }

    /// A verifier, readable for whoever has the id before and for nobody else.
    pub(crate) fn wrap(
        &self,
        old: &SessionId,
        verifier: &[u8; 16],
    ) -> Result<Vec<u8>, SessionError> {
        if matches!(self, Self::InProcess(_)) {
            return Ok(verifier.to_vec());
        }
        let nonce = random::<NONCE>();
        let sealed = wrapping_cipher(old)
            .and_then(|cipher| cipher.encrypt(&Nonce::from(nonce), &verifier[..]).ok())
            .ok_or_else(|| SessionError::store("a verifier could not be sealed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What [`wrap`](Self::wrap) was given; `None` with another id.
    pub(crate) fn unwrap(&self, old: &SessionId, wrapped: &[u8]) -> Option<[u8; 16]> {
        if matches!(self, Self::InProcess(_)) {
            return wrapped.try_into().ok();
        }
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>()?;
        let verifier = wrapping_cipher(old)?.decrypt(&Nonce::from(*nonce), sealed);
        verifier.ok()?.try_into().ok()
    }

    /// The session as a store takes it. What stands beside the seal is part of it: under another key, in
    /// another version, for another user or with another end, it does not open.
    pub(crate) fn seal(&self, session: &OpenSession) -> Result<StoredSession, SessionError> {
        let Self::Sealed { keys, encrypt } = self else {
            return Ok(session.unsealed());
        };
        let (header, data) = (session.header(), session.data().as_bytes());
        let mut bytes = RecordBytes::with_capacity(PREFIX + NONCE + 128 + data.len() + TAG);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(u8::from(!encrypt));
        bytes.extend_from_slice(&keys[0].id);
        let nonce = random::<NONCE>();
        bytes.extend_from_slice(&nonce);
        header.write(&mut bytes);
        bytes.extend_from_slice(data);
        let (key, version, expires) = (session.key(), session.version(), session.expires());
        let user = header.user().copied();
        let (prefix, rest) = bytes.split_first_chunk_mut().ok_or_else(not_sealed)?;
        let content = &mut rest[NONCE..];
        let shown = if *encrypt { 0 } else { content.len() };
        let (shown, hidden) = content.split_at_mut(shown);
        let aad = beside(key, version, user, expires, prefix, shown);
        let cipher = &keys[0].cipher;
        let tag = cipher.encrypt_inout_detached(&Nonce::from(nonce), &aad, hidden.into());
        let tag = tag.map_err(|_| not_sealed())?;
        bytes.extend_from_slice(&tag);
        let bytes = Bytes::copy_from_slice(&bytes);
        Ok(StoredSession::new(*key, version, user, expires, bytes))
    }

    /// A stored session with what is in it; `None` where it was not sealed by us as it is now.
    pub(crate) fn open(&self, stored: &StoredSession) -> Option<OpenSession> {
        let Self::Sealed { keys, .. } = self else {
            return OpenSession::of(stored);
        };
        let (prefix, rest) = stored.bytes().split_first_chunk::<PREFIX>()?;
        let keys = keys.iter().find(|keys| keys.id == prefix[5..])?;
        if prefix[..4] != MAGIC {
            return None;
        }
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (content, tag) = rest.split_last_chunk::<TAG>()?;
        let mut content = RecordBytes::from_slice(content);
        let shown = if prefix[4] == 0 { 0 } else { content.len() };
        let (shown, hidden) = content.split_at_mut(shown);
        let (key, version, user) = (stored.key(), stored.version(), stored.user().copied());
        let aad = beside(key, version, user, stored.expires(), prefix, shown);
        let (nonce, tag) = (Nonce::from(*nonce), Tag::from(*tag));
        let opened = keys
            .cipher
            .decrypt_inout_detached(&nonce, &aad, hidden.into(), &tag);
        opened.ok()?;
        let mut reader = Reader(&content);
        Some(OpenSession::new(Plain {
            key: *key,
            version,
            expires: stored.expires(),
            header: Header::read(&mut reader, user)?,
            data: SessionData::read(reader.0)?,
        }))
    }

    /// Whether there is a key for what was sealed so.
    #[cfg(feature = "commands")]
    pub(crate) fn has_key(&self, bytes: &[u8]) -> bool {
        match (self, key_id(bytes)) {
            (Self::InProcess(_), _) => true,
            (Self::Sealed { keys, .. }, Some(id)) => keys.iter().any(|keys| keys.id == id),
            (Self::Sealed { .. }, None) => false,
        }
    }

    /// Whether it is sealed as a new session is: with the same key, and encrypted or not.
    #[cfg(feature = "commands")]
    pub(crate) fn is_current(&self, bytes: &[u8]) -> bool {
        match self {
            Self::InProcess(_) => true,
            Self::Sealed { keys, encrypt } => {
                key_id(bytes) == Some(&keys[0].id[..]) && bytes[4] == u8::from(!encrypt)
            }
        }
    }
}

fn not_sealed() -> SessionError {
    SessionError::store("a session could not be sealed")
}

/// Which key something was sealed with; `None` where it is of no format that is known.
#[cfg(feature = "commands")]
pub(crate) fn key_id(bytes: &[u8]) -> Option<&[u8]> {
    bytes.starts_with(&MAGIC).then(|| bytes.get(5..PREFIX))?
}

/// What a session in a cookie of this name and place is sealed for.
pub(crate) fn cookie_key(name: &str, place: &str) -> SessionKey {
    let hash = Sha256::new_with_prefix(b"duck session cookie");
    let hash = hash.chain_update(name).chain_update(place);
    SessionKey::from_bytes(first_half(&hash.finalize()))
}

/// What a session's name is to its user and in the log: it stays the same over logins, and opens nothing.
pub(crate) fn name_of(key: &SessionKey) -> String {
    data_encoding::HEXLOWER.encode(&hash(b"duck session name", key.as_bytes()))
}

/// What the seal holds together.
fn beside(
    key: &SessionKey,
    version: Version,
    user: Option<UserKey>,
    expires: u64,
    prefix: &[u8; PREFIX],
    shown: &[u8],
) -> RecordBytes {
    let mut clear = [0; 57 + PREFIX];
    let mut rest = &mut clear[..];
    rest.put_slice(key.as_bytes());
    rest.put_u64_le(version.count);
    rest.put_u64_le(version.random);
    rest.put_u8(u8::from(user.is_some()));
    rest.put_slice(&user.map_or([0; 16], |user| *user.as_bytes()));
    rest.put_u64_le(expires);
    rest.put_slice(prefix);
    let mut aad = RecordBytes::from_slice(&clear);
    aad.extend_from_slice(shown);
    aad
}

/// What an id seals its next verifier with.
fn wrapping_cipher(old: &SessionId) -> Option<Aes256GcmSiv> {
    let mut key = [0; 32];
    let derive = Hkdf::<Sha256>::new(Some(old.selector()), old.verifier());
    derive
        .expand(b"duck-session next verifier", &mut key)
        .ok()?;
    Some(Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key)))
}

/// The first 128 bits of a SHA-256, which is that of nothing made for another purpose.
fn hash(purpose: &[u8], text: &[u8; 16]) -> [u8; 16] {
    let hash = Sha256::new_with_prefix(purpose).chain_update(text);
    first_half(&hash.finalize())
}

fn first_half(hash: &[u8]) -> [u8; 16] {
    std::array::from_fn(|index| hash[index])
}

/// Bytes that nobody can guess, from a generator that the system's seeds.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProcess(_) => f.write_str("InProcess"),
            Self::Sealed { keys, .. } => write!(f, "Sealed({} keys)", keys.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use duck::Settings;

    use super::*;
    use crate::header::Login;

    const ONE: &str = "SECRET_KEY = 'one key of more than thirty-two bytes'";
    const TWO: &str = "SECRET_KEY = 'two key of more than thirty-two bytes'\nSECRET_KEY_FALLBACKS = ['one key of more than thirty-two bytes']";
    const OTHER: &str = "SECRET_KEY = 'another one, also longer than thirty-two'";

    fn sealer(toml: &str) -> Sealer {
        make(toml, true)
    }

    fn make(toml: &str, encrypt: bool) -> Sealer {
        let settings = Settings::from_toml(toml).unwrap();
        Sealer::sealed(&SecretKey::from_settings(&settings).unwrap(), encrypt).unwrap()
    }

    fn data() -> SessionData {
        let mut data = SessionData::default();
        data.set("colour", b"\"green\"");
        data
    }

    fn session() -> Plain {
        let mut header = Header::new(Digest::new([6; 16]), 7);
        header.login = Some(Box::new(login(Some(UserKey::from_bytes([4; 16])))));
        Plain {
            key: SessionKey::from_bytes([1; 16]),
            version: Version {
                count: 2,
                random: 3,
            },
            expires: 5,
            header,
            data: data(),
        }
    }

    fn login(user: Option<UserKey>) -> Login {
        let (at, agent) = (7, None);
        Login { user, at, agent }
    }

    fn seal(sealer: &Sealer) -> StoredSession {
        sealer.seal(&OpenSession::new(session())).unwrap()
    }

    /// The same bytes beside something else.
    fn moved(stored: &StoredSession, change: impl FnOnce(&mut Plain)) -> StoredSession {
        let mut beside = session();
        change(&mut beside);
        let user = beside.header.user().copied();
        let bytes = stored.bytes().clone();
        StoredSession::new(beside.key, beside.version, user, beside.expires, bytes)
    }

    fn with_bytes(bytes: impl Into<Bytes>) -> StoredSession {
        let beside = session();
        let user = beside.header.user().copied();
        StoredSession::new(beside.key, beside.version, user, beside.expires, bytes)
    }

    fn shows_data(stored: &StoredSession) -> bool {
        stored.bytes().windows(5).any(|bytes| bytes == b"green")
    }

    #[test]
    fn a_session_opens_as_it_was_sealed() {
        for encrypt in [true, false] {
            let sealer = make(ONE, encrypt);
            let stored = seal(&sealer);
            let opened = sealer.open(&stored).unwrap();
            assert_eq!(
                (opened.header(), opened.data()),
                (&session().header, &data())
            );
            assert_eq!(shows_data(&stored), !encrypt);
        }
    }

    #[test]
    fn what_stands_beside_the_seal_cannot_be_changed() {
        for encrypt in [true, false] {
            let sealer = make(ONE, encrypt);
            let stored = seal(&sealer);
            assert!(sealer.open(&moved(&stored, |_| {})).is_some());
            for (what, forged) in [
                (
                    "the key",
                    moved(&stored, |beside| {
                        beside.key = SessionKey::from_bytes([9; 16]);
                    }),
                ),
                (
                    "the version",
                    moved(&stored, |beside| beside.version.random = 9),
                ),
                (
                    "the count",
                    moved(&stored, |beside| beside.version.count = 9),
                ),
                (
                    "the user",
                    moved(&stored, |beside| {
                        beside.header.login =
                            Some(Box::new(login(Some(UserKey::from_bytes([9; 16])))));
                    }),
                ),
                (
                    "no user",
                    moved(&stored, |beside| {
                        beside.header.login = Some(Box::new(login(None)));
                    }),
                ),
                ("the end", moved(&stored, |beside| beside.expires = 9)),
            ] {
                assert!(sealer.open(&forged).is_none(), "{what}");
            }
        }
    }

    #[test]
    fn any_flipped_byte_and_any_cut_is_noticed() {
        for encrypt in [true, false] {
            let sealer = make(ONE, encrypt);
            let bytes = seal(&sealer).bytes().clone();
            for place in 0..bytes.len() {
                let mut flipped = bytes.to_vec();
                flipped[place] ^= 1;
                assert!(sealer.open(&with_bytes(flipped)).is_none(), "byte {place}");
                let cut = bytes.slice(..place);
                assert!(sealer.open(&with_bytes(cut)).is_none(), "cut at {place}");
            }
            let longer = [&bytes[..], b"\0"].concat();
            assert!(sealer.open(&with_bytes(longer)).is_none());
        }
    }

    #[test]
    fn what_was_written_before_encryption_was_switched_opens() {
        for encrypt in [true, false] {
            let stored = seal(&make(ONE, encrypt));
            assert!(make(ONE, !encrypt).open(&stored).is_some());
        }
    }

    #[test]
    fn an_old_key_still_opens_and_a_foreign_one_does_not() {
        let stored = seal(&sealer(ONE));
        assert!(sealer(TWO).open(&stored).is_some());
        assert!(sealer(OTHER).open(&stored).is_none());
    }

    #[test]
    fn what_is_stored_does_not_give_the_id_away() {
        let sealer = sealer(ONE);
        let id = SessionId::new([3; 16], [4; 16]);
        let (key, digest) = (sealer.key(&id), sealer.digest(&id));
        assert_ne!(key.as_bytes(), id.selector());
        assert_ne!(digest.as_bytes(), id.verifier());
        assert_ne!(key.as_bytes(), digest.as_bytes());
        assert_ne!(name_of(&key), key.to_hex());
    }

    #[test]
    fn a_wrapped_verifier_opens_with_the_id_before_and_with_no_other() {
        let old = SessionId::new([1; 16], [2; 16]);
        for sealer in [Sealer::in_process().unwrap(), sealer(ONE)] {
            let wrapped = sealer.wrap(&old, &[3; 16]).unwrap();
            assert_eq!(sealer.unwrap(&old, &wrapped), Some([3; 16]));
            if let Sealer::Sealed { .. } = sealer {
                assert_eq!(sealer.unwrap(&old.with_verifier([9; 16]), &wrapped), None);
                assert!(wrapped.windows(16).all(|bytes| bytes != [3; 16]));
            }
        }
    }

    proptest::proptest! {
        /// Whatever the data, it opens as it was sealed, and in no other way: not with any byte changed, cut, or
        /// put behind.
        #[test]
        fn a_session_opens_as_it_was_sealed_or_not_at_all(
            value in "\\PC{0,200}",
            encrypt: bool,
            place: proptest::sample::Index,
            change in 1_u8..,
            more in proptest::collection::vec(proptest::num::u8::ANY, 1..9),
        ) {
            let sealer = make(ONE, encrypt);
            let mut session = session();
            session.data.set("key", &serde_json::to_vec(&value).unwrap());
            let data = session.data.clone();
            let stored = sealer.seal(&OpenSession::new(session)).unwrap();
            assert_eq!(sealer.open(&stored).unwrap().data(), &data);
            let bytes = stored.bytes();
            let place = place.index(bytes.len());
            let mut changed = bytes.to_vec();
            changed[place] ^= change;
            let longer = [&bytes[..], &more].concat();
            for forged in [changed, bytes[..place].to_vec(), longer] {
                assert!(sealer.open(&with_bytes(forged)).is_none());
            }
        }

        /// Nothing made up opens, and none of it is a panic.
        #[test]
        fn what_is_made_up_opens_nothing(
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
            readable: bool,
        ) {
            let sealer = sealer(ONE);
            let mut made_up = seal(&sealer).bytes()[..PREFIX].to_vec();
            made_up[4] = u8::from(readable);
            made_up.extend_from_slice(&rest);
            assert!(sealer.open(&with_bytes(made_up)).is_none());
        }
    }
}
