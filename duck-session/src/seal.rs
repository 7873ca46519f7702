//! Makes records unreadable and unchangeable for whoever can read or write the storage.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use duck::session::{SessionData, SessionError, SessionId};
use duck::settings::SecretKey;
use duck::{Error, Result};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub(crate) use self::handle::Handle;
use crate::header::{self, Header};

mod handle;

const NONCE: usize = 24;
const TAG: usize = 16;

/// How records are kept from those who can see the storage.
pub(crate) enum Sealer {
    /// They never leave the process.
    Open,
    /// They are sealed with the first key; all open. Without `encrypt` the data stays readable, but
    /// nobody without the key can change it or put it elsewhere.
    Sealed { rings: Vec<Ring>, encrypt: bool },
}

/// What comes of one `SECRET_KEY`.
pub(crate) struct Ring {
    id: [u8; 8],
    users: Hmac<Sha256>,
    cipher: XChaCha20Poly1305,
}

impl Ring {
    fn new(secret: &[u8]) -> Result<Self> {
        let derive = Hkdf::<Sha256>::new(Some(b"duck-session 1"), secret);
        let mut key = [0; 32];
        let mut expand = |purpose: &[u8]| {
            derive
                .expand(purpose, &mut key)
                .map_err(|error| Error::internal(error.to_string()))?;
            Ok::<_, Error>(key)
        };
        let id = expand(b"key id")?;
        let users = Hmac::new_from_slice(&expand(b"user")?)
            .map_err(|error| Error::internal(error.to_string()))?;
        let cipher = XChaCha20Poly1305::new(&Key::from(expand(b"record")?));
        Ok(Self {
            id: std::array::from_fn(|index| id[index]),
            users,
            cipher,
        })
    }

    fn user_handle(&self, user: &str) -> Handle {
        let mac = self.users.clone().chain_update(user);
        Handle::of_hash(&mac.finalize().into_bytes())
    }
}

impl Sealer {
    pub(crate) fn sealed(secret: &SecretKey, encrypt: bool) -> Result<Self> {
        let rings = secret.all().map(Ring::new).collect::<Result<_>>()?;
        Ok(Self::Sealed { rings, encrypt })
    }

    /// The name a session is kept under.
    pub(crate) fn handle(&self, id: &SessionId) -> Handle {
        match self {
            Self::Open => Handle::Id(*id),
            Self::Sealed { .. } => Handle::hashed(id),
        }
    }

    /// The name a user's list of sessions is kept under. A user's name can be guessed, so a key goes
    /// into it.
    pub(crate) fn user_handle(&self, user: &str) -> Handle {
        match self {
            Self::Open => Handle::of_hash(&Sha256::digest(user)),
            Self::Sealed { rings, .. } => rings[0].user_handle(user),
        }
    }

    /// The names it may be kept under: one for each key.
    pub(crate) fn user_handles(&self, user: &str) -> Vec<Handle> {
        match self {
            Self::Open => vec![self.user_handle(user)],
            Self::Sealed { rings, .. } => rings.iter().map(|ring| ring.user_handle(user)).collect(),
        }
    }

    /// A new id, readable for whoever has the old one and for nobody else.
    pub(crate) fn wrap_id(&self, old: &SessionId, new: &SessionId) -> Result<String, SessionError> {
        if matches!(self, Self::Open) {
            return Ok(new.reveal().to_owned());
        }
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(SessionError::store)?;
        let sealed = wrapping_key(old)
            .and_then(|cipher| {
                cipher
                    .encrypt(&XNonce::from(nonce), new.reveal_bytes())
                    .ok()
            })
            .ok_or_else(|| SessionError::store("an id could not be sealed"))?;
        Ok(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
    }

    /// What [`wrap_id`](Self::wrap_id) made; `None` with another id.
    pub(crate) fn unwrap_id(&self, old: &SessionId, wrapped: &str) -> Option<SessionId> {
        if matches!(self, Self::Open) {
            return SessionId::parse(wrapped.as_bytes());
        }
        let bytes = BASE64URL_NOPAD.decode(wrapped.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let id = wrapping_key(old)?
            .decrypt(&XNonce::from(*nonce), sealed)
            .ok()?;
        SessionId::parse(&id)
    }

    /// Whether there is a key for what has this header.
    #[cfg(feature = "commands")]
    pub(crate) fn has_key(&self, header: &Header) -> bool {
        match self {
            Self::Open => true,
            Self::Sealed { rings, .. } => rings.iter().any(|ring| ring.id == header.key),
        }
    }

    /// Whether what has this header is sealed as a new record is: with the same key, and encrypted
    /// or not.
    #[cfg(feature = "commands")]
    pub(crate) fn is_current(&self, header: &Header) -> bool {
        match self {
            Self::Open => true,
            Self::Sealed { rings, encrypt } => {
                rings[0].id == header.key && header.readable != *encrypt
            }
        }
    }

    /// The record: header and data. `name` is what the record is kept under; opened under another
    /// name it is refused, so copying one session's bytes over another's gains nothing.
    pub(crate) fn seal(
        &self,
        name: &[u8],
        header: &mut Header,
        data: &SessionData,
    ) -> Result<Bytes, SessionError> {
        let length = data.stored_len();
        let Self::Sealed { rings, encrypt } = self else {
            let mut record = Vec::with_capacity(header::LENGTH + length);
            header.write(&mut record);
            data.write(&mut record);
            return Ok(record.into());
        };
        // What an older key sealed stays with it until it gets a new id: servers that do not know the
        // new key yet read on.
        let ring = ring_of(rings, header);
        header.key = ring.id;
        header.readable = !encrypt;
        let mut record = Vec::with_capacity(header::LENGTH + NONCE + length + TAG);
        header.write(&mut record);
        let mut clear = Vec::with_capacity(length);
        data.write(&mut clear);
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(SessionError::store)?;
        let sealed = ring.close(&nonce, name, &record, &clear, *encrypt)?;
        record.extend_from_slice(&nonce);
        if !encrypt {
            record.extend_from_slice(&clear);
        }
        record.extend_from_slice(&sealed);
        Ok(record.into())
    }

    /// The data of a record; `None` where it was not sealed by us, under this name, as it is now.
    pub(crate) fn open(&self, name: &[u8], header: &Header, record: &Bytes) -> Option<SessionData> {
        let Self::Sealed { rings, .. } = self else {
            return SessionData::read(&record.slice(header::LENGTH..));
        };
        let ring = rings.iter().find(|ring| ring.id == header.key)?;
        let (clear, rest) = record.split_at_checked(header::LENGTH)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        let data = ring.open(nonce.try_into().ok()?, name, clear, sealed, header.readable)?;
        SessionData::read(&data)
    }
}

impl Ring {
    /// Seals data to a name and a header: the data encrypted, or only what proves it.
    fn close(
        &self,
        nonce: &[u8; NONCE],
        name: &[u8],
        header: &[u8],
        data: &[u8],
        encrypt: bool,
    ) -> Result<Vec<u8>, SessionError> {
        let (msg, shown) = if encrypt {
            (data, &[][..])
        } else {
            (&[][..], data)
        };
        let aad = &[name, header, shown].concat();
        self.cipher
            .encrypt(&XNonce::from(*nonce), Payload { msg, aad })
            .map_err(|_| SessionError::store("a record could not be sealed"))
    }

    fn open(
        &self,
        nonce: [u8; NONCE],
        name: &[u8],
        header: &[u8],
        sealed: &[u8],
        readable: bool,
    ) -> Option<Bytes> {
        let hidden = if readable {
            sealed.len().checked_sub(TAG)?
        } else {
            0
        };
        let (shown, msg) = sealed.split_at(hidden);
        let aad = &[name, header, shown].concat();
        let payload = Payload { msg, aad };
        let data = self.cipher.decrypt(&XNonce::from(nonce), payload).ok()?;
        Some(if readable {
            Bytes::copy_from_slice(shown)
        } else {
            data.into()
        })
    }
}

/// What an old id seals its successor with.
fn wrapping_key(old: &SessionId) -> Option<XChaCha20Poly1305> {
    let mut key = [0; 32];
    let derive = Hkdf::<Sha256>::new(Some(b"duck-session next id"), old.reveal_bytes());
    derive.expand(b"key", &mut key).ok()?;
    Some(XChaCha20Poly1305::new(&Key::from(key)))
}

/// The key a record was sealed with; for a new one, and for one sealed with a key we do not have,
/// the current one.
fn ring_of<'a>(rings: &'a [Ring], header: &Header) -> &'a Ring {
    rings
        .iter()
        .find(|ring| ring.id == header.key)
        .unwrap_or(&rings[0])
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::Sealed { rings, .. } => write!(f, "Sealed({} keys)", rings.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Kind;
    use duck::Settings;

    fn sealer(toml: &str) -> Sealer {
        make(toml, true)
    }

    fn make(toml: &str, encrypt: bool) -> Sealer {
        let settings = Settings::from_toml(toml).unwrap();
        Sealer::sealed(&SecretKey::from_settings(&settings).unwrap(), encrypt).unwrap()
    }

    const ONE: &str = "SECRET_KEY = 'one key of more than thirty-two bytes'";
    const TWO: &str = "SECRET_KEY = 'two key of more than thirty-two bytes'\nSECRET_KEY_FALLBACKS = ['one key of more than thirty-two bytes']";

    fn header() -> Header {
        Header {
            kind: Kind::Live,
            persistent: true,
            readable: false,
            key: [0; 8],
            version: 1,
            created: 1,
            auth: 0,
            issued: 1,
            touched: 1,
            expires: 2,
            age: 1,
        }
    }

    fn data() -> SessionData {
        let mut data = SessionData::default();
        data.set("colour", "\"green\"".into());
        data
    }

    fn record(sealer: &Sealer) -> Bytes {
        sealer.seal(b"name", &mut header(), &data()).unwrap()
    }

    fn open(sealer: &Sealer, name: &[u8], record: &Bytes) -> Option<SessionData> {
        sealer.open(name, &Header::read(record)?, record)
    }

    fn shows_data(record: &Bytes) -> bool {
        record.windows(5).any(|bytes| bytes == b"green")
    }

    #[test]
    fn a_record_opens_under_its_own_name_only() {
        for encrypt in [true, false] {
            let sealer = make(ONE, encrypt);
            let record = record(&sealer);
            assert_eq!(open(&sealer, b"name", &record), Some(data()));
            assert_eq!(open(&sealer, b"other", &record), None);
            assert_eq!(shows_data(&record), !encrypt);
        }
    }

    #[test]
    fn any_flipped_byte_and_any_cut_is_noticed() {
        for encrypt in [true, false] {
            let sealer = make(ONE, encrypt);
            let record = record(&sealer);
            for place in 0..record.len() {
                let mut bytes = record.to_vec();
                bytes[place] ^= 1;
                assert_eq!(open(&sealer, b"name", &bytes.into()), None, "byte {place}");
                let cut = record.slice(..place);
                assert_eq!(open(&sealer, b"name", &cut), None, "cut at {place}");
            }
        }
    }

    #[test]
    fn what_was_written_before_encryption_was_switched_opens() {
        for encrypt in [true, false] {
            let record = record(&make(ONE, encrypt));
            assert_eq!(open(&make(ONE, !encrypt), b"name", &record), Some(data()));
        }
    }

    #[test]
    fn an_old_key_still_opens_and_a_foreign_one_does_not() {
        let record = record(&sealer(ONE));
        assert!(open(&sealer(TWO), b"name", &record).is_some());
        assert!(
            open(
                &sealer("SECRET_KEY = 'another one, also longer than thirty-two'"),
                b"name",
                &record
            )
            .is_none()
        );
    }

    #[test]
    fn a_handle_does_not_give_the_id_away() {
        let sealer = sealer(ONE);
        let id = SessionId::from_bytes([3; 32]);
        let handle = sealer.handle(&id);
        assert_eq!(handle.as_str().len(), 64);
        assert!(!handle.as_str().contains(id.reveal()));
        assert_eq!(format!("{handle:?}"), "[redacted]");
    }

    proptest::proptest! {
        /// Whatever the data and the name, it opens as it was sealed, and in no other way: not with any
        /// byte changed, cut, or put behind, and not under another name.
        #[test]
        fn a_record_opens_as_it_was_sealed_or_not_at_all(
            value in "\\PC{0,200}",
            name in proptest::collection::vec(proptest::num::u8::ANY, 0..70),
            encrypt: bool,
            place: proptest::sample::Index,
            change in 1_u8..,
            more in proptest::collection::vec(proptest::num::u8::ANY, 1..9),
        ) {
            let sealer = make(ONE, encrypt);
            let mut data = SessionData::default();
            data.set("key", serde_json::to_vec(&value).unwrap().into());
            let record = sealer.seal(&name, &mut header(), &data).unwrap();
            assert_eq!(open(&sealer, &name, &record), Some(data));
            let place = place.index(record.len());
            let mut changed = record.to_vec();
            changed[place] ^= change;
            let longer = [&record[..], &more].concat();
            for forged in [changed.into(), record.slice(..place), longer.into()] {
                assert_eq!(open(&sealer, &name, &forged), None);
            }
            let other = [&name[..], b"x"].concat();
            assert_eq!(open(&sealer, &other, &record), None);
        }

        /// Nothing made up opens, and none of it is a panic: not where records are not sealed either.
        #[test]
        fn what_is_made_up_opens_nothing(
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
            readable: bool,
        ) {
            let sealer = sealer(ONE);
            let mut made_up = record(&sealer)[..header::LENGTH].to_vec();
            made_up[6] = u8::from(readable);
            made_up.extend_from_slice(&rest);
            let made_up = Bytes::from(made_up);
            assert_eq!(open(&sealer, b"name", &made_up), None);
            let _ = open(&Sealer::Open, b"name", &made_up);
        }
    }
}
