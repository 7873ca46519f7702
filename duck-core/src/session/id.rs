use std::fmt;

use arrayvec::ArrayString;
use data_encoding::BASE64URL_NOPAD;

/// How long an id is as text.
const LENGTH: usize = 43;

/// The secret name of a session, as it stands in the visitor's cookie: 32 random bytes, 43 characters
/// base64url.
///
/// It has two halves. The *selector* finds the session, for as long as it lives; the *verifier* proves that
/// the visitor may use it, and a login gives the session another one. (OWASP ASVS asks for 128 bits at least;
/// each half has as many.)
///
/// It opens the session to whoever has it, so it is never written to a log or a file;
/// [`reveal`](Self::reveal) is the one way to its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId {
    selector: [u8; 16],
    verifier: [u8; 16],
}

impl SessionId {
    /// The id made of these halves.
    pub const fn new(selector: [u8; 16], verifier: [u8; 16]) -> Self {
        Self { selector, verifier }
    }

    /// The id made of the halves one after the other.
    ///
    /// ```
    /// use duck::session::SessionId;
    ///
    /// let id = SessionId::from_bytes([7; 32]);
    /// assert_eq!((id.selector(), id.verifier()), (&[7; 16], &[7; 16]));
    /// ```
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let [selector, verifier] = [0, 16].map(|from| std::array::from_fn(|at| bytes[from + at]));
        Self::new(selector, verifier)
    }

    /// The half that finds the session.
    pub const fn selector(&self) -> &[u8; 16] {
        &self.selector
    }

    /// The half that proves that the visitor may use it.
    pub const fn verifier(&self) -> &[u8; 16] {
        &self.verifier
    }

    /// The id of the same session with another verifier.
    #[must_use]
    pub const fn with_verifier(self, verifier: [u8; 16]) -> Self {
        Self { verifier, ..self }
    }

    /// Reads what a client sent. Anything but 43 characters of the alphabet, the last one with
    /// its unused bits at zero, is `None`.
    ///
    /// ```
    /// use duck::session::SessionId;
    ///
    /// assert!(SessionId::parse(&[b'A'; 43]).is_some());
    /// assert!(SessionId::parse(b"../../etc/passwd").is_none());
    /// ```
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; LENGTH] = text.try_into().ok()?;
        let mut bytes = [0; 32];
        BASE64URL_NOPAD.decode_mut(text, &mut bytes).ok()?;
        Some(Self::from_bytes(bytes))
    }

    /// The text, for the cookie and for nothing else.
    pub fn reveal(&self) -> ArrayString<LENGTH> {
        // Base64url is ASCII, and as long as there is room.
        ArrayString::from_byte_string(&self.text()).unwrap_or_default()
    }

    pub(super) fn text(&self) -> [u8; LENGTH] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.selector);
        bytes[16..].copy_from_slice(&self.verifier);
        let mut text = [0; LENGTH];
        BASE64URL_NOPAD.encode_mut(&bytes, &mut text);
        text
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let id = SessionId::new([7; 16], [8; 16]);
        assert_eq!(SessionId::parse(id.reveal().as_bytes()), Some(id));
        assert_ne!(id.with_verifier([9; 16]), id);
    }

    #[test]
    fn refuses_all_else() {
        let good = SessionId::new([255; 16], [255; 16]).reveal();
        let good = good.as_str();
        let mut tail = good.to_owned();
        tail.replace_range(42.., "9"); // the same bytes as '8', but not the canonical spelling
        for bad in [
            &good[..42],
            &format!("{good}A"),
            &tail,
            &good.replace('_', "/"),
            "",
            &"\0".repeat(43),
        ] {
            assert!(SessionId::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn is_never_printed() {
        assert_eq!(
            format!("{:?}", SessionId::new([1; 16], [2; 16])),
            "[redacted]"
        );
    }
}
