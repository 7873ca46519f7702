use std::str::FromStr;

use duck::{Error, Result};

use super::scan::Scan;
use crate::engine::administration::Administration;
use crate::engine::stored::{State, Stored};
use crate::seal::Handle;

/// How much of a handle `list` shows.
pub(super) const SHORT: usize = 12;

/// Less of one would be typed by accident.
const SHORTEST: usize = 4;
const WHOLE: usize = 64;

/// The beginning of a handle, by which an administrator names a session. The handle is a hash of
/// the session's id: it opens nothing.
#[derive(Debug, Clone)]
pub(super) struct Prefix(String);

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if (SHORTEST..=WHOLE).contains(&text.len()) && text.bytes().all(is_hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a session is named by the first {SHORTEST} to {WHOLE} characters of its handle, 0-9 and a-f, as `list` shows them"
        ))
    }
}

impl Prefix {
    /// The one session whose handle begins so.
    pub(super) async fn find(&self, administration: &dyn Administration) -> Result<Stored> {
        let found = match Handle::parse_hash(&self.0) {
            Some(handle) => administration.find(&handle).await?.filter(is_session),
            None => self.search(administration).await?,
        };
        found.ok_or_else(|| Error::internal(format!("no session's handle begins with {}", self.0)))
    }

    async fn search(&self, administration: &dyn Administration) -> Result<Option<Stored>> {
        let mut found: Option<Stored> = None;
        let mut scan = Scan::new(administration);
        while let Some(records) = scan.next().await? {
            for stored in records {
                if !(stored.handle.as_str().starts_with(&self.0) && is_session(&stored)) {
                    continue;
                }
                if let Some(other) = &found {
                    return Err(self.fits_both(other, &stored));
                }
                found = Some(stored);
            }
        }
        Ok(found)
    }

    fn fits_both(&self, one: &Stored, other: &Stored) -> Error {
        // As much of each as tells them apart, and no less than the list shows.
        let (one, other) = (one.handle.as_str(), other.handle.as_str());
        let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
        let shown = (same.count() + 1).clamp(SHORT, WHOLE);
        Error::internal(format!(
            "{} fits more than one session: {} and {}; give more of the handle",
            self.0,
            &one[..shown],
            &other[..shown]
        ))
    }
}

/// Not what is over, and not a tombstone.
fn is_session(stored: &Stored) -> bool {
    matches!(stored.state, State::Live { .. } | State::Unreadable(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_handle_is_one() {
        for good in ["0123", "89abcdef", &"f".repeat(64)] {
            assert!(good.parse::<Prefix>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "abc",
            "../x",
            "../../etc",
            "%",
            "ab%%",
            "' OR 1=1 --",
            "ABCD",
            "abcg",
            "ab cd",
            "abcd\0",
            "абвг",
            "--yes",
            "*",
            &"f".repeat(65),
        ] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }
}
