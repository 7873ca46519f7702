//! A name for one request, to find it in the log by.

use std::sync::OnceLock;

use uuid::Uuid;

/// Bytes of an id that a proxy gives.
const LONGEST: usize = 128;

/// The header that a proxy names a request in.
pub(super) const HEADER: &str = "x-request-id";

/// A request's id, made when somebody asks.
#[derive(Default)]
pub(super) struct RequestId(OnceLock<Box<str>>);

impl RequestId {
    /// The id, the same each time: what the proxy says, where that can be one, else one of its own.
    pub(super) fn get<'a>(&self, of_proxy: impl FnOnce() -> Option<&'a str>) -> &str {
        self.0
            .get_or_init(|| match of_proxy().filter(|id| is_id(id)) {
                Some(id) => id.into(),
                None => Uuid::new_v4().simple().to_string().into(),
            })
    }

    /// The id, if anybody has asked for it.
    pub(super) fn made(&self) -> Option<&str> {
        self.0.get().map(|id| &**id)
    }
}

/// What can stand in a log, a page and a command line as it is.
fn is_id(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_be_anything_else_is_not_taken() {
        for odd in [
            "",
            "a b",
            "<script>",
            "a\"b",
            "a\u{202e}",
            "a\nb",
            "$(x)",
            &"a".repeat(129),
        ] {
            let id = RequestId::default();
            assert!(id.made().is_none());
            assert_eq!(id.get(|| Some(odd)).len(), 32, "{odd:?}");
        }
        for fine in [
            "7",
            "Root=1-67891233-abcdef012345678912345678",
            &"a".repeat(128),
        ] {
            let id = RequestId::default();
            assert_eq!(id.get(|| Some(fine)), fine);
            assert_eq!(id.get(|| None), fine, "it stays");
            assert_eq!(id.made(), Some(fine));
        }
    }
}
