//! Secret keys.

use data_encoding::BASE64URL_NOPAD;

use crate::failure::{Context, Result};

/// A new key: 48 random bytes, as 64 characters that need no quotes anywhere.
pub(crate) fn fresh() -> Result<String> {
    let mut bytes = [0; 48];
    getrandom::fill(&mut bytes).context(|| "no random bytes from the system".into())?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_plain_and_never_the_same() {
        let key = fresh().unwrap();
        assert_eq!(key.len(), 64);
        assert!(
            key.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        );
        assert_ne!(key, fresh().unwrap());
    }
}
