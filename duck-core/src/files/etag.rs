//! Entity tags: RFC 9110, 8.8.3.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

/// Which state of a file a copy is of.
#[derive(Debug)]
pub(super) struct ETag {
    /// With its quotes.
    opaque: String,
    weak: bool,
}

impl ETag {
    /// The tag of a file by its length and date. `kind` tells the encodings of one file apart.
    pub(super) fn new(length: u64, modified: SystemTime, kind: &str, weak: bool) -> Self {
        let date = modified
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_nanos();
        Self {
            opaque: format!("\"{length:x}-{date:x}{kind}\""),
            weak,
        }
    }

    pub(super) fn header(&self) -> HeaderValue {
        let prefix = if self.weak { "W/" } else { "" };
        HeaderValue::try_from(format!("{prefix}{}", self.opaque))
            .expect("hexadecimal digits and quotes are fine")
    }

    /// Whether the two mean the same, if not byte for byte.
    pub(super) fn is_weakly(&self, tag: &str) -> bool {
        tag.strip_prefix("W/").unwrap_or(tag) == self.opaque
    }

    /// Whether the two are the same bytes.
    pub(super) fn is_strongly(&self, tag: &str) -> bool {
        !self.weak && tag == self.opaque
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_strong_comparison_are_those_of_the_standard() {
        let tag = |weak| ETag::new(16, SystemTime::UNIX_EPOCH, "", weak);
        assert_eq!(tag(false).header(), "\"10-0\"");
        assert_eq!(tag(true).header(), "W/\"10-0\"");
        // The table of RFC 9110, 8.8.3.2.
        assert!(!tag(true).is_strongly("W/\"10-0\"") && tag(true).is_weakly("W/\"10-0\""));
        assert!(!tag(true).is_strongly("\"10-0\"") && tag(true).is_weakly("\"10-0\""));
        assert!(!tag(false).is_strongly("\"10-1\"") && !tag(false).is_weakly("\"10-1\""));
        assert!(tag(false).is_strongly("\"10-0\"") && tag(false).is_weakly("\"10-0\""));
    }
}
