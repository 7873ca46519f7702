use std::fmt;

use data_encoding::HEXLOWER;

/// What a store knows a session by: the first 128 bits of a SHA-256 of the half of its id that finds it.
/// It opens nothing.
///
/// ```
/// use duck_session::store::SessionKey;
///
/// let key = SessionKey::from_bytes([0xa7; 16]);
/// assert_eq!(SessionKey::from_hex(&key.to_hex()), Some(key));
/// assert_eq!(SessionKey::from_hex("../../etc"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey([u8; 16]);

/// What a store knows a user by: the first 128 bits of an HMAC, with a key that the store does not have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey([u8; 16]);

macro_rules! key {
    ($key:ident) => {
        impl $key {
            /// The key made of these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// It as 32 hexadecimal digits, in lower case: for file names and the like.
            pub fn to_hex(&self) -> String {
                HEXLOWER.encode(&self.0)
            }

            /// Reads what [`to_hex`](Self::to_hex) wrote; `None` where it is anything else.
            pub fn from_hex(text: &str) -> Option<Self> {
                let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
                bytes.try_into().ok().map(Self)
            }
        }

        /// Not the bytes: in memory they may be half of an id.
        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[redacted]")
            }
        }
    };
}

key!(SessionKey);
key!(UserKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_as_it_was_written_and_nothing_else_is() {
        let key = SessionKey::from_bytes([0xa7; 16]);
        assert_eq!(SessionKey::from_hex(&key.to_hex()), Some(key));
        for bad in [
            "",
            "a7",
            &"A7".repeat(16),
            &"a7".repeat(17),
            &"zz".repeat(16),
        ] {
            assert_eq!(SessionKey::from_hex(bad), None, "{bad:?}");
        }
    }
}
