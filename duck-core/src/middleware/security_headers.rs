//! The headers by which browsers keep a page from being misused: `SECURITY_HEADERS`.

use ::http::StatusCode;
use ::http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};

#[cfg(feature = "cli")]
use super::content_policy::POLICY;
use super::content_policy::{ContentPolicy, sources_of};
use crate::http::parameters::has_word;
use crate::http::response::Response;
use crate::settings::{Seconds, Settings, SettingsError};

pub(crate) const HEADERS: &str = "SECURITY_HEADERS";
const HSTS_SECONDS: &str = "SECURE_HSTS_SECONDS";
const HSTS_SUBDOMAINS: &str = "SECURE_HSTS_INCLUDE_SUBDOMAINS";
const HSTS_PRELOAD: &str = "SECURE_HSTS_PRELOAD";

/// A year, which is what browsers' lists of sites ask for: <https://hstspreload.org>.
const YEAR: u64 = 31_536_000;

static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The headers of every response, made once. A response that has one of them already keeps its own, and sends
/// none where its own is empty.
#[derive(Debug)]
pub(crate) struct SecurityHeaders {
    policy: Option<ContentPolicy>,
    /// What the policy says of frames, for browsers that do not read it there.
    frames: Option<HeaderValue>,
    /// `Strict-Transport-Security`: RFC 6797.
    transport: Option<HeaderValue>,
    /// All of them but the last, for a response that has none of its own.
    usual: Vec<(HeaderName, HeaderValue)>,
}

impl SecurityHeaders {
    /// `None` where they are off.
    pub(crate) fn from_settings(
        settings: &Settings,
        debug: bool,
    ) -> Result<Option<Self>, SettingsError> {
        let is_on: bool = settings.get(HEADERS)?.unwrap_or(true);
        let policy = ContentPolicy::from_settings(settings)?;
        let transport = transport(settings)?;
        let frames = match &policy {
            Some(policy) => frames_of(policy.without_nonce().as_bytes()),
            None => frames_of(b""),
        };
        let policy_header = policy.as_ref().map(|policy| {
            let policy = policy.without_nonce().clone();
            (header::CONTENT_SECURITY_POLICY, policy)
        });
        let frames_header = frames
            .clone()
            .map(|frames| (header::X_FRAME_OPTIONS, frames));
        let fixed = FIXED.map(|(name, value)| (name.clone(), value.clone()));
        let usual = policy_header.into_iter().chain(frames_header).chain(fixed);
        let headers = Self {
            usual: usual.collect(),
            policy,
            frames,
            // The name `localhost` is that of all sites of a developer's machine.
            transport: transport.filter(|_| !debug),
        };
        Ok(is_on.then_some(headers))
    }

    /// Gives a page that has asked for a nonce the policy with it. Such a page is for one visitor, once: the nonce
    /// of a page that others get too is known to them.
    pub(crate) fn add_nonce(&self, nonce: &str, response: &mut Response) {
        let policy = self.policy.as_ref().filter(|_| says_anything(response));
        let Some(policy) = policy.and_then(|policy| policy.with_nonce(nonce)) else {
            return;
        };
        let headers = response.headers_mut();
        if let Entry::Vacant(place) = headers.entry(header::CONTENT_SECURITY_POLICY) {
            place.insert(policy);
        }
        let is_private = |value: &HeaderValue| {
            // `no-cache="set-cookie"` is about that header alone.
            let words = ["no-store", "no-cache", "private"];
            words.iter().any(|word| has_word(value, word))
        };
        if !headers
            .get_all(header::CACHE_CONTROL)
            .iter()
            .any(is_private)
        {
            let private = const { HeaderValue::from_static("private, no-cache") };
            headers.insert(header::CACHE_CONTROL, private);
        }
    }

    /// Whether some are for visitors who came by HTTPS alone.
    #[cfg(feature = "tower")]
    pub(crate) fn depend_on_scheme(&self) -> bool {
        self.transport.is_some()
    }

    /// Adds the headers to a response on its way out.
    pub(crate) fn add(&self, response: &mut Response, is_secure: impl FnOnce() -> bool) {
        if !says_anything(response) {
            return;
        }
        let headers = response.headers_mut();
        if headers.keys().any(is_one) {
            self.add_to_own(headers);
        } else {
            for (name, value) in &self.usual {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(transport) = self.transport.as_ref().filter(|_| is_secure()) {
            put(headers, &header::STRICT_TRANSPORT_SECURITY, transport);
        }
    }

    /// Adds them to a response that has some of its own.
    fn add_to_own(&self, headers: &mut HeaderMap) {
        let own;
        let frames = match headers.entry(header::CONTENT_SECURITY_POLICY) {
            Entry::Vacant(place) => {
                if let Some(policy) = &self.policy {
                    place.insert(policy.without_nonce().clone());
                }
                &self.frames
            }
            Entry::Occupied(place) => {
                own = frames_of(place.get().as_bytes());
                if place.get().is_empty() {
                    place.remove_entry();
                }
                &own
            }
        };
        if let Some(frames) = frames {
            put(headers, &header::X_FRAME_OPTIONS, frames);
        }
        for (name, value) in FIXED {
            put(headers, name, value);
        }
    }
}

/// Whether a header is one that every response has.
fn is_one(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONTENT_SECURITY_POLICY
            | header::X_FRAME_OPTIONS
            | header::X_CONTENT_TYPE_OPTIONS
            | header::REFERRER_POLICY
    ) || *name == OPENER_POLICY
}

/// What a 304 says goes for the copy that the client has, whose nonce is another one.
fn says_anything(response: &Response) -> bool {
    let status = response.status();
    !status.is_informational() && status != StatusCode::NOT_MODIFIED
}

static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static REFERRER: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");
static OPENER: HeaderValue = HeaderValue::from_static("same-origin");

static FIXED: [(&HeaderName, &HeaderValue); 3] = [
    (&header::X_CONTENT_TYPE_OPTIONS, &NOSNIFF),
    (&header::REFERRER_POLICY, &REFERRER),
    (&OPENER_POLICY, &OPENER),
];

/// Adds a header, unless the response has its own.
fn put(headers: &mut HeaderMap, name: &HeaderName, value: &HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(place) => drop(place.insert(value.clone())),
        Entry::Occupied(place) if place.get().is_empty() => drop(place.remove_entry()),
        Entry::Occupied(_) => {}
    }
}

/// `X-Frame-Options` for a policy. It has no words for sites that may frame the page: then there is none.
fn frames_of(policy: &[u8]) -> Option<HeaderValue> {
    let policy = std::str::from_utf8(policy).unwrap_or_default();
    match sources_of(policy, "frame-ancestors").map(str::trim) {
        None | Some("'none'" | "") => Some(const { HeaderValue::from_static("DENY") }),
        Some("'self'") => Some(const { HeaderValue::from_static("SAMEORIGIN") }),
        Some(_) => None,
    }
}

fn transport(settings: &Settings) -> Result<Option<HeaderValue>, SettingsError> {
    let seconds: Option<Seconds> = settings.get(HSTS_SECONDS)?;
    let seconds = seconds.map_or(YEAR, |seconds| seconds.0.as_secs());
    let subdomains: bool = settings.get(HSTS_SUBDOMAINS)?.unwrap_or(false);
    let preload: bool = settings.get(HSTS_PRELOAD)?.unwrap_or(false);
    if preload && (!subdomains || seconds < YEAR) {
        let right = format!(
            "takes {HSTS_SUBDOMAINS} = true and a {HSTS_SECONDS} of a year: browsers' lists have no other sites"
        );
        return Err(settings.error(HSTS_PRELOAD, right));
    }
    if seconds == 0 {
        return Ok(None);
    }
    let subdomains = if subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    let preload = if preload { "; preload" } else { "" };
    let text = format!("max-age={seconds}{subdomains}{preload}");
    Ok(HeaderValue::try_from(text).ok())
}

/// What `check --deploy` says of the settings. A site that starts has read them.
#[cfg(feature = "cli")]
pub(crate) fn deploy_findings(settings: &Settings) -> Vec<String> {
    let found = |key: &'static str, text: &str| settings.error(key, text).to_string();
    let headers = SecurityHeaders::from_settings(settings, false);
    let Some(headers) = headers.ok().flatten() else {
        let text = "is off: a script that gets into a page runs, and other sites put the site's pages into frames";
        return vec![found(HEADERS, text)];
    };
    let mut findings = Vec::new();
    if headers
        .policy
        .is_none_or(|policy| policy.lets_inline_scripts_run())
    {
        let text = "lets any script run that gets into a page: name the sources of scripts, as in \"script-src 'self' {nonce}\"";
        findings.push(found(POLICY, text));
    }
    if headers.transport.is_none() {
        let text = "is 0, so nothing keeps a browser from asking by plain HTTP the next time";
        findings.push(found(HSTS_SECONDS, text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_options_say_what_the_policy_says() {
        for (policy, expected) in [
            ("", Some("DENY")),
            ("default-src 'self'", Some("DENY")),
            ("frame-ancestors 'none'", Some("DENY")),
            (
                "default-src 'self'; Frame-Ancestors  'self'",
                Some("SAMEORIGIN"),
            ),
            ("frame-ancestors", Some("DENY")),
            ("frame-ancestors 'self' https://a.example", None),
            ("frame-ancestors https://a.example;default-src 'self'", None),
        ] {
            let value = frames_of(policy.as_bytes());
            let text = value.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(text, expected, "{policy}");
        }
    }

    #[test]
    fn transport_security_is_what_the_lists_of_browsers_take() {
        let value = |toml: &str| {
            let value = transport(&Settings::from_toml(toml).unwrap());
            value.map(|value| value.map(|value| value.to_str().unwrap().to_owned()))
        };
        assert_eq!(value("").unwrap().unwrap(), "max-age=31536000");
        assert_eq!(value("SECURE_HSTS_SECONDS = 0").unwrap(), None);
        assert_eq!(
            value("SECURE_HSTS_SECONDS = '1 hour'").unwrap().unwrap(),
            "max-age=3600"
        );
        let both = "SECURE_HSTS_INCLUDE_SUBDOMAINS = true\nSECURE_HSTS_PRELOAD = true";
        assert_eq!(
            value(both).unwrap().unwrap(),
            "max-age=31536000; includeSubDomains; preload"
        );
        for wrong in [
            "SECURE_HSTS_PRELOAD = true",
            "SECURE_HSTS_PRELOAD = true\nSECURE_HSTS_INCLUDE_SUBDOMAINS = true\nSECURE_HSTS_SECONDS = 60",
        ] {
            let error = value(wrong).unwrap_err().to_string();
            assert!(
                error.contains("line 1: SECURE_HSTS_PRELOAD: takes"),
                "{error}"
            );
        }
    }
}
