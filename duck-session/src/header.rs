//! What a session's record holds beside its data.

use crate::reader::{Reader, RecordBytes};
use crate::store::UserKey;
use crate::verifier::{Digest, Verifiers};

/// What the engine keeps of a session. Times are UTC milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Whether the cookie outlives the browser.
    pub(crate) persistent: bool,
    pub(crate) created: u64,
    /// When the record was last touched: its end is counted from here.
    pub(crate) touched: u64,
    /// How long each save makes it live; 0 for a fixed end.
    pub(crate) age: u64,
    /// What proves that a visitor may use the session.
    pub(crate) verifiers: Verifiers,
    pub(crate) login: Option<Box<Login>>,
}

/// That somebody is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// What a store knows the user by, where it knows them. It stands beside the sealed header, not in it.
    pub(crate) user: Option<UserKey>,
    /// Since when.
    pub(crate) at: u64,
    /// What the browser said it was.
    pub(crate) agent: Option<Box<str>>,
}

const PERSISTENT: u8 = 1;
const LOGIN: u8 = 2;
const AGENT: u8 = 4;

impl Header {
    /// The header of a session that begins.
    pub(crate) const fn new(verifier: Digest, now: u64) -> Self {
        Self {
            persistent: true,
            created: now,
            touched: now,
            age: 0,
            verifiers: Verifiers::new(verifier, now),
            login: None,
        }
    }

    /// The memory it takes besides itself.
    pub(crate) fn heap_size(&self) -> usize {
        let login = self.login.as_ref().map_or(0, |login| {
            size_of::<Login>() + login.agent.as_ref().map_or(0, |agent| agent.len())
        });
        login + self.verifiers.heap_size()
    }

    /// When somebody logged in; 0 where nobody has.
    pub(crate) fn logged_in(&self) -> u64 {
        self.login.as_ref().map_or(0, |login| login.at)
    }

    /// What a store knows the user by.
    pub(crate) fn user(&self) -> Option<&UserKey> {
        self.login.as_ref()?.user.as_ref()
    }

    /// Appends the header.
    pub(crate) fn write(&self, bytes: &mut RecordBytes) {
        let agent = self.login.as_ref().and_then(|login| login.agent.as_deref());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        bytes.push(
            flag(self.persistent, PERSISTENT)
                | flag(self.login.is_some(), LOGIN)
                | flag(agent.is_some(), AGENT),
        );
        for time in [self.created, self.touched, self.age] {
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        self.verifiers.write(bytes);
        if let Some(login) = &self.login {
            bytes.extend_from_slice(&login.at.to_le_bytes());
        }
        if let Some(agent) = agent {
            let length = u16::try_from(agent.len()).unwrap_or_default();
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&agent.as_bytes()[..usize::from(length)]);
        }
    }

    /// Reads a header off the front; `None` where there is something else.
    pub(crate) fn read(reader: &mut Reader<'_>, user: Option<UserKey>) -> Option<Self> {
        let [flags] = reader.take()?;
        let mut header = Self {
            persistent: flags & PERSISTENT != 0,
            created: reader.number()?,
            touched: reader.number()?,
            age: reader.number()?,
            verifiers: Verifiers::read(reader)?,
            login: None,
        };
        if flags & LOGIN != 0 {
            let at = reader.number()?;
            let agent = if flags & AGENT == 0 {
                None
            } else {
                let length = u16::from_le_bytes(reader.take()?);
                let agent = reader.slice(length.into())?;
                Some(std::str::from_utf8(agent).ok()?.into())
            };
            header.login = Some(Box::new(Login { user, at, agent }));
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserKey = UserKey::from_bytes([5; 16]);

    fn header() -> Header {
        let mut header = Header::new(Digest::new([7; 16]), 1000);
        header.login = Some(Box::new(Login {
            user: Some(USER),
            at: 3,
            agent: Some("Firefox".into()),
        }));
        header.verifiers.replace(Digest::new([8; 16]), 2000);
        header
            .verifiers
            .renew(Digest::new([9; 16]), vec![1; 44], 3000);
        header.verifiers.start_grace(4000);
        header
    }

    #[test]
    fn the_memory_it_takes_is_counted() {
        let mut header = Header::new(Digest::new([7; 16]), 1000);
        assert_eq!(header.heap_size(), 0);
        let login = |agent: &str| {
            Some(Box::new(Login {
                user: None,
                at: 3,
                agent: Some(agent.into()),
            }))
        };
        header.login = login("");
        let least = header.heap_size();
        header.login = login(&"x".repeat(200));
        assert_eq!(
            (least, header.heap_size()),
            (size_of::<Login>(), least + 200)
        );
        header.verifiers.replace(Digest::new([8; 16]), 2000);
        assert!(
            header.heap_size() > least + 216,
            "and one that was given up"
        );
    }

    #[test]
    fn reads_what_it_writes() {
        let mut plain = header();
        plain.login = None;
        plain.verifiers = Verifiers::new(Digest::new([1; 16]), 5);
        for header in [header(), plain] {
            let mut bytes = RecordBytes::new();
            header.write(&mut bytes);
            bytes.extend_from_slice(b"data");
            let mut reader = Reader(&bytes);
            assert_eq!(Header::read(&mut reader, Some(USER)), Some(header));
            assert_eq!(reader.0, b"data");
            for end in 0..bytes.len() - 4 {
                assert_eq!(
                    Header::read(&mut Reader(&bytes[..end]), Some(USER)),
                    None,
                    "cut at {end}"
                );
            }
        }
    }

    proptest::proptest! {
        /// Whatever a storage holds: it is read or refused, and what is read is written as it was.
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut reader = Reader(&bytes);
            if let Some(header) = Header::read(&mut reader, Some(USER)) {
                let mut again = RecordBytes::new();
                header.write(&mut again);
                assert_eq!(Header::read(&mut Reader(&again), Some(USER)), Some(header));
            }
        }
    }
}
