//! Refuses what pages of other sites have a visitor's browser send.

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::Error;
use crate::http::authority::{Authority, is_name};
use crate::http::origin::Origin;
use crate::settings::{Settings, SettingsError};

pub(crate) const TOKENS: &str = "CSRF_TOKENS";

/// <https://www.w3.org/TR/fetch-metadata/>
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const TRUSTED: &str = "CSRF_TRUSTED_ORIGINS";

/// Which requests of browsers are taken, by what the browser says of the page that they come from.
///
/// `Sec-Fetch-Site` (Fetch Metadata) decides where there is one, and `Origin` where there is none. A page can
/// set neither. Who sends neither is no browser, so no visitor's cookies come along.
#[derive(Debug, Default)]
pub(crate) struct CrossSite {
    /// `CSRF_TOKENS`: forms have to bring a token besides.
    pub(crate) tokens: bool,
    trusted: Vec<Trusted>,
}

/// An origin of `CSRF_TRUSTED_ORIGINS`, or of another list of origins.
#[derive(Debug)]
pub(super) struct Trusted {
    secure: bool,
    port: u16,
    /// In lower case. All names below it, where it begins with a dot.
    host: String,
}

/// Where a request arrived.
pub(crate) struct Here<'a> {
    /// The host that the visitor named.
    pub(crate) authority: Option<Authority<'a>>,
    /// Whether the visitor's connection is known to be encrypted.
    pub(crate) secure: bool,
}

/// What a request says in a header that comes once.
#[derive(Clone, Copy)]
enum Header<'a> {
    Absent,
    One(&'a HeaderValue),
    Several,
}

impl CrossSite {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let origins: Vec<String> = settings.get(TRUSTED)?.unwrap_or_default();
        Ok(Self {
            tokens: settings.get(TOKENS)?.unwrap_or(false),
            trusted: Trusted::list(settings, TRUSTED, &origins)?,
        })
    }

    /// The trusted origins that are not encrypted.
    #[cfg(feature = "cli")]
    pub(crate) fn plain_origins(&self) -> impl Iterator<Item = String> {
        let plain = self.trusted.iter().filter(|trusted| !trusted.secure);
        plain.map(
            |Trusted { host, port, .. }| match (host.strip_prefix('.'), port) {
                (Some(below), 80) => format!("http://*.{below}"),
                (Some(below), port) => format!("http://*.{below}:{port}"),
                (None, 80) => format!("http://{host}"),
                (None, port) => format!("http://{host}:{port}"),
            },
        )
    }

    /// Why a request with an unsafe method is answered with 403, if it is. `here` is asked where the site itself
    /// is, if that matters.
    pub(crate) fn refusal<'a>(
        &self,
        headers: &'a HeaderMap,
        here: impl Fn() -> Here<'a>,
    ) -> Option<Error> {
        let site = Header::of(headers, &SEC_FETCH_SITE);
        if let Header::One(value) = site
            && [&b"same-origin"[..], b"none"].contains(&value.as_bytes())
        {
            return None;
        }
        let origin = Header::of(headers, &header::ORIGIN);
        let from = origin.origin();
        let fine = match (site, origin) {
            (Header::Absent, Header::Absent) => true,
            (Header::Absent, _) => from.is_some_and(|from| here().is_home_of(from)),
            _ => false,
        };
        if fine || from.is_some_and(|from| self.trusts(from)) {
            return None;
        }
        let text = explain(site, origin, here().authority);
        Some(Error::new(StatusCode::FORBIDDEN, text))
    }

    /// Whether a request comes from an origin that the settings name.
    pub(crate) fn is_from_trusted(&self, headers: &HeaderMap) -> bool {
        let origin = Header::of(headers, &header::ORIGIN).origin();
        origin.is_some_and(|origin| self.trusts(origin))
    }

    pub(super) fn trusts(&self, origin: Origin<'_>) -> bool {
        self.trusted.iter().any(|trusted| trusted.is(origin))
    }
}

impl Here<'_> {
    /// Whether a page of that origin is one of this site's.
    ///
    /// The scheme counts where the connection is known to be encrypted. Where it is not, a proxy that
    /// `TRUSTED_PROXIES` does not name may have decrypted it: pages of `https://` are taken too then, or no
    /// form of such a site would work in a browser that sends no `Sec-Fetch-Site`.
    fn is_home_of(&self, origin: Origin<'_>) -> bool {
        let same = |here| origin.authority.is_same(here, origin.secure);
        self.authority.is_some_and(same) && (origin.secure || !self.secure)
    }
}

impl Trusted {
    /// The origins that a setting names.
    pub(super) fn list(
        settings: &Settings,
        key: &'static str,
        names: &[String],
    ) -> Result<Vec<Self>, SettingsError> {
        let read = |name: &String| {
            let right = |right| settings.error(key, format_args!("{name:?} {right}"));
            Self::parse(name).map_err(right)
        };
        names.iter().map(read).collect()
    }

    /// The error says what would be right.
    fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(match text.trim_start_matches("*.") {
                host if is_name(host) => format!("has no scheme; write \"https://{text}\""),
                _ => EXAMPLE.to_owned(),
            });
        };
        if !["http", "https"].contains(&scheme) {
            return Err("begins with neither \"https://\" nor \"http://\"".to_owned());
        }
        if !text.is_ascii() {
            return Err(
                "has a name in other letters; write it in its ASCII form, \"https://xn--…\""
                    .to_owned(),
            );
        }
        if let Some(end) = rest.find(['/', '?', '#']) {
            let origin = &rest[..end];
            return Err(format!(
                "names more than an origin; write \"{scheme}://{origin}\""
            ));
        }
        let below = rest.strip_prefix("*.");
        let plain = format!("{scheme}://{}", below.unwrap_or(rest));
        let origin = Origin::parse(&plain).ok_or(EXAMPLE)?;
        let host = origin.authority.host.to_ascii_lowercase();
        let host = match below {
            Some(_) if is_name(&host) => format!(".{host}"),
            Some(_) => return Err("has names below an address; there are none".to_owned()),
            None => host,
        };
        Ok(Self {
            secure: origin.secure,
            port: origin.port(),
            host,
        })
    }

    pub(super) fn is(&self, origin: Origin<'_>) -> bool {
        let host = origin.authority.host;
        let fits = if self.host.starts_with('.') {
            let start = host.len().saturating_sub(self.host.len());
            start > 0 && host[start..].eq_ignore_ascii_case(&self.host)
        } else {
            host.eq_ignore_ascii_case(&self.host)
        };
        fits && self.secure == origin.secure && self.port == origin.port()
    }
}

const EXAMPLE: &str = "is no origin; write \"https://shop.example.org\", or \"https://*.example.org\" for all below it";

impl<'a> Header<'a> {
    fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::One(value),
            _ => Self::Several,
        }
    }

    fn origin(self) -> Option<Origin<'a>> {
        match self {
            Self::One(value) => Origin::parse(value.to_str().ok()?),
            Self::Absent | Self::Several => None,
        }
    }
}

/// What the site's author is told. It repeats nothing of the request that has not been read as what it should
/// be.
fn explain(site: Header<'_>, origin: Header<'_>, here: Option<Authority<'_>>) -> String {
    let here = match (site, here) {
        (Header::Absent, Some(here)) => format!(
            ", this host is \"{here}\" (a proxy in front has to pass on the `Host` that it gets)"
        ),
        _ => String::new(),
    };
    let site = match site {
        Header::Absent => String::new(),
        Header::One(value) if value == "cross-site" || value == "same-site" => {
            format!("`Sec-Fetch-Site` is {value:?}, ")
        }
        _ => "`Sec-Fetch-Site` is nothing that a browser sends, ".to_owned(),
    };
    let from = origin.origin().map(|origin| origin.to_string());
    let origin = match (&from, origin) {
        (Some(from), _) => format!("`Origin` is {from:?}"),
        (None, Header::Absent) => "there is no `Origin`".to_owned(),
        (None, Header::One(value)) if value == "null" => "`Origin` is \"null\"".to_owned(),
        (None, _) => "`Origin` is not one origin".to_owned(),
    };
    let trust = from.map_or_else(String::new, |from| {
        format!(" To take requests from there, set {TRUSTED} = [{from:?}].")
    });
    format!(
        "a page of another site made this request: {site}{origin}{here}.{trust} To take requests to this view \
         from everywhere, write `.csrf(false)` on its URL pattern."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(origins: &[&str]) -> Result<CrossSite, SettingsError> {
        CrossSite::from_settings(&Settings::default().with(TRUSTED, origins))
    }

    #[test]
    fn a_trusted_origin_is_scheme_host_and_port() {
        let sites = read(&[
            "https://a.example",
            "http://b.example:8000",
            "https://*.example.org",
            "https://*.c.example:444",
            "https://[::1]",
        ])
        .unwrap();
        let trusts = |origin| Origin::parse(origin).is_some_and(|origin| sites.trusts(origin));
        for origin in [
            "https://a.example",
            "https://a.example:443",
            "HTTPS://A.Example",
            "http://b.example:8000",
            "https://www.example.org",
            "https://a.b.Example.org",
            "https://x.c.example:444",
            "https://[::1]",
        ] {
            assert!(trusts(origin), "{origin}");
        }
        for origin in [
            "http://a.example",
            "https://a.example:444",
            "https://a.example.",
            "https://a.example.org.evil",
            "https://b.example:8000",
            "http://b.example",
            "https://example.org",
            "https://evilexample.org",
            "https://.example.org",
            "http://www.example.org",
            "https://x.c.example",
            "null",
            "",
            "https://a.example/",
            "https://a.example https://a.example",
            "https://user@a.example",
        ] {
            assert!(!trusts(origin), "{origin}");
        }
    }

    #[test]
    fn an_origin_that_can_never_match_is_refused_at_start_with_what_would_be_right() {
        for (wrong, right) in [
            ("a.example", "write \"https://a.example\""),
            ("*.a.example", "write \"https://*.a.example\""),
            ("https://a.example/", "write \"https://a.example\""),
            ("https://a.example/path?x", "write \"https://a.example\""),
            ("ftp://a.example", "\"https://\" nor \"http://\""),
            ("HTTPS://a.example", "\"https://\" nor \"http://\""),
            ("https://b\u{fc}cher.example", "xn--"),
            ("https://*", "https://*.example.org"),
            ("https://*a.example", "https://*.example.org"),
            ("https://a.example\r\nx: y", "https://shop.example.org"),
            ("https://a.*.example", "https://*.example.org"),
            ("https://*.[::1]", "below an address"),
            ("https://a.example:port", "https://shop.example.org"),
            ("https://user@a.example", "https://shop.example.org"),
            ("https://", "https://shop.example.org"),
            ("*", "https://shop.example.org"),
            ("null", "null"),
            ("", "https://shop.example.org"),
        ] {
            let error = read(&[wrong]).unwrap_err().to_string();
            assert!(
                error.contains(TRUSTED) && error.contains(right),
                "{wrong}: {error}"
            );
        }
    }
}
