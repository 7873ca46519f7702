use std::fmt;

use arrayvec::ArrayString;
use data_encoding::BASE64URL_NOPAD;

/// How many random bytes an id is made of: 256 bits (OWASP ASVS asks for at least 128).
const BYTES: usize = 32;

/// How long an id is as text.
const LENGTH: usize = 43;

/// Which bytes are characters of base64url.
const ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        byte += 1;
    }
    table
};

/// What the last character may be: it stands for four bits, the other two are zero.
const LAST: &[u8; 16] = b"AEIMQUYcgkosw048";

/// The secret name of a session, as it stands in the visitor's cookie: 43 characters base64url.
///
/// It opens the session to whoever has it, so it is never written to a log or a file;
/// [`reveal`](Self::reveal) is the one way to its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(ArrayString<LENGTH>);

impl SessionId {
    /// The id made of these random bytes.
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        let mut text = [0; LENGTH];
        BASE64URL_NOPAD.encode_mut(&bytes, &mut text);
        // Base64url is ASCII, and as long as there is room.
        Self(ArrayString::from_byte_string(&text).unwrap_or_default())
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
        // Every byte is looked at, whatever the first ones are: it is faster so.
        let in_alphabet = text
            .iter()
            .fold(true, |so_far, &byte| so_far & ALPHABET[usize::from(byte)]);
        if !in_alphabet || !LAST.contains(&text[LENGTH - 1]) {
            return None;
        }
        ArrayString::from_byte_string(text).ok().map(Self)
    }

    /// The text as bytes, for the cookie and for nothing else.
    pub fn reveal_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text, for the cookie and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
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
        let id = SessionId::from_bytes([7; 32]);
        assert_eq!(SessionId::parse(id.reveal().as_bytes()), Some(id));
    }

    #[test]
    fn refuses_all_else() {
        let good = SessionId::from_bytes([255; 32]);
        let good = good.reveal();
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
            format!("{:?}", SessionId::from_bytes([1; 32])),
            "[redacted]"
        );
    }
}
