use std::str::FromStr;

use duck::{Error, Result};

use super::scan::Scan;
use crate::engine::administration::{Administration, Inspected, SessionState};
use crate::seal::name_of;

/// How much of a name `list` shows.
pub(super) const SHORT: usize = 12;

/// Less of one would be typed by accident.
const SHORTEST: usize = 4;
const WHOLE: usize = 32;

/// The beginning of a session's name, as `list`, the log and the user's own page show it.
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
            "a session is named by the first {SHORTEST} to {WHOLE} characters of its name, 0-9 and a-f, as `list` shows them"
        ))
    }
}

impl Prefix {
    /// The one session whose name begins so, and its name.
    pub(super) async fn find(
        &self,
        administration: &dyn Administration,
    ) -> Result<(String, Inspected)> {
        let mut found: Option<(String, Inspected)> = None;
        let mut scan = Scan::new(administration);
        while let Some(session) = scan.next().await? {
            let name = name_of(session.stored.key());
            let is_over = matches!(session.state, SessionState::Expired);
            if is_over || !name.starts_with(&self.0) {
                continue;
            }
            if let Some((other, _)) = &found {
                return Err(self.fits_both(other, &name));
            }
            found = Some((name, session));
        }
        found.ok_or_else(|| Error::internal(format!("no session's name begins with {}", self.0)))
    }

    fn fits_both(&self, one: &str, other: &str) -> Error {
        // As much of each as tells them apart, and no less than the list shows.
        let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
        let shown = (same.count() + 1).clamp(SHORT, WHOLE);
        Error::internal(format!(
            "{} fits more than one session: {} and {}; give more of the name",
            self.0,
            &one[..shown],
            &other[..shown]
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_name_is_one() {
        for good in ["0123", "89abcdef", &"f".repeat(WHOLE)] {
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
            &"f".repeat(WHOLE + 1),
        ] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }
}
