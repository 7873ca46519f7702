use sha2::{Digest, Sha256};

/// What the index of a shard goes by in place of a key: the first eight bytes of its SHA-256.
///
/// An index of whole keys is five times as large: among a million sessions most of it is far from the
/// processor. Two keys that share a digest are told apart by the keys themselves.
pub(super) fn digest(key: &str) -> i64 {
    let bytes: [u8; 32] = Sha256::digest(key).into();
    bytes
        .first_chunk()
        .map_or(0, |first| i64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is part of the format.
    #[test]
    fn digests_are_what_they_always_were() {
        assert_eq!(digest(""), 0xe3b0_c442_98fc_1c14_u64.cast_signed());
        assert_eq!(digest("abc"), 0xba78_16bf_8f01_cfea_u64.cast_signed());
    }
}
