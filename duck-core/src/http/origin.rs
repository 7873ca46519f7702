//! The origin of a page, as a browser names it in `Origin`.

use std::fmt;

use super::authority::{Authority, default_port};

/// A scheme, a host and a port: RFC 6454, 6. `null` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    pub(crate) secure: bool,
    pub(crate) authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    /// `None` for what is no origin of `http` or `https`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let authority = Authority::parse(authority)?;
        Some(Self { secure, authority })
    }

    /// The port, said or not.
    pub(crate) fn port(self) -> u16 {
        self.authority.port.unwrap_or(default_port(self.secure))
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}
