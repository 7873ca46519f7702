//! Cookies that visitors cannot change, and cookies that they cannot read either.
//!
//! The crate `cookie` has such cookies too. Its signature does not cover the name, so a visitor could give the value
//! of one cookie to another; and it would bring second versions of the crates that sessions are sealed with.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use cookie::Cookie;
use data_encoding::BASE64URL_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::http::response::{Response, ResponseError};
use crate::http::vary::vary_by;
use crate::middleware::Next;
use crate::settings::SecretKey;

/// A nonce of AES-GCM-SIV, which may be random: RFC 8452, 9.
const NONCE: usize = 12;

/// What a browser keeps of a cookie, name and value: RFC 6265bis, 5.6.
const LONGEST: usize = 4096;

/// Cookies of one name that are looked at. A subdomain can plant some beside the site's own, but each costs work.
const MOST_CANDIDATES: usize = 4;

/// Signed and private cookies: a [`Component`]. Their keys are derived from `SECRET_KEY`.
///
/// * A **signed** cookie can be read by the visitor and not changed:
///   [`Response::with_signed_cookie`], [`Request::signed_cookie`].
/// * A **private** cookie can be neither read nor changed:
///   [`Response::with_private_cookie`], [`Request::private_cookie`].
///
/// Both hold for one name: the value of one cookie is nothing under the name of another. What was tampered with, cut
/// off or made with another key is as if it were not there. Cookies that a key in `SECRET_KEY_FALLBACKS` made are
/// still read. A page that asks for one says `Vary: Cookie`.
///
/// A visitor can keep an old cookie and send it again, until the key changes. What must not come back (a
/// balance, a permission that was taken away) belongs into the session, and a time into the value where it counts.
///
/// ```
/// use duck::http::PrivateCookies;
/// use duck::testing::TestClient;
/// use duck::{App, Cookie, Request, Response, Result, Settings, path, text};
///
/// async fn choose(request: Request) -> Result<Response> {
///     let cookie = Cookie::build(("currency", "EUR")).path("/").http_only(true).secure(request.is_secure());
///     text("saved").with_signed_cookie(&request, cookie)
/// }
///
/// async fn show(request: Request) -> Result<String> {
///     Ok(request.signed_cookie("currency")?.unwrap_or("USD".into()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let settings = Settings::default().with("SECRET_KEY", "0123456789abcdef0123456789abcdef");
/// let app = App::new(settings).with(PrivateCookies::new()).urls([path("/choose", choose), path("/", show)]);
/// let visitor = TestClient::start(app).await;
/// visitor.get("/choose").await;
/// assert_eq!(visitor.get("/").await.text(), "EUR");
/// assert_eq!(visitor.another().get("/").header("cookie", "currency=CHF").await.text(), "USD");
/// # }
/// ```
#[derive(Debug, Default)]
pub struct PrivateCookies(());

impl PrivateCookies {
    /// With the keys that the settings name.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Component for PrivateCookies {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let secret = SecretKey::from_settings(setup.settings())?;
        setup.insert(Ring(secret.all().map(Keys::derive).collect()));
        setup.middleware(say_what_was_read);
        Ok(())
    }
}

/// Goes with a request whose signed or private cookies were asked for.
#[derive(Clone)]
struct Asked;

/// What was made with such a cookie depends on the visitor.
async fn say_what_was_read(request: Request, next: Next<'_>) -> Response {
    let mut response = next.run(request.clone()).await;
    if request.get::<Asked>().is_some() {
        vary_by(response.headers_mut(), "Cookie");
    }
    response
}

impl Request {
    /// The value of a cookie that [`Response::with_signed_cookie`] made, and that nobody has changed since. Of several
    /// with that name, the first four are looked at.
    ///
    /// # Errors
    ///
    /// 500 where the site has no [`PrivateCookies`].
    pub fn signed_cookie(&self, name: &str) -> Result<Option<String>, RequestError> {
        self.find(name, |keys, value| keys.verified(name, value))
    }

    /// The value of a cookie that [`Response::with_private_cookie`] made, as
    /// [`signed_cookie`](Self::signed_cookie) does it.
    ///
    /// # Errors
    ///
    /// 500 where the site has no [`PrivateCookies`].
    pub fn private_cookie(&self, name: &str) -> Result<Option<String>, RequestError> {
        self.find(name, |keys, value| keys.opened(name, value))
    }

    fn find(
        &self,
        name: &str,
        read: impl Fn(&Keys, &str) -> Option<String>,
    ) -> Result<Option<String>, RequestError> {
        let ring: &Ring = self.state()?;
        self.insert(Asked);
        let candidates = self.cookies().filter(|(found, _)| *found == name);
        let mut candidates = candidates.take(MOST_CANDIDATES);
        Ok(candidates.find_map(|(_, value)| {
            let fits = value.len() <= LONGEST;
            fits.then(|| ring.0.iter().find_map(|keys| read(keys, &value)))?
        }))
    }
}

impl Response {
    /// The same response with a cookie that the visitor can read and not change: its value with a signature
    /// (HMAC-SHA-256) behind it. All else is as [`with_cookie`](Self::with_cookie) does it.
    ///
    /// # Errors
    ///
    /// As [`with_cookie`](Self::with_cookie); where name and value are longer than the 4096 bytes that
    /// browsers keep; where the site has no [`PrivateCookies`].
    pub fn with_signed_cookie<'c>(
        self,
        request: &Request,
        cookie: impl Into<Cookie<'c>>,
    ) -> Result<Self> {
        self.with_made(request, cookie.into(), |keys, name, value| {
            Ok(keys.signed(name, value))
        })
    }

    /// The same response with a cookie that the visitor can neither read nor change: its value is encrypted
    /// (AES-256-GCM-SIV), differently each time. All else is as [`with_cookie`](Self::with_cookie) does it.
    ///
    /// # Errors
    ///
    /// As [`with_signed_cookie`](Self::with_signed_cookie).
    pub fn with_private_cookie<'c>(
        self,
        request: &Request,
        cookie: impl Into<Cookie<'c>>,
    ) -> Result<Self> {
        self.with_made(request, cookie.into(), Keys::sealed)
    }

    fn with_made(
        self,
        request: &Request,
        mut cookie: Cookie<'_>,
        make: impl FnOnce(&Keys, &str, &str) -> Result<String>,
    ) -> Result<Self> {
        let ring: &Ring = request.state()?;
        let value = make(&ring.0[0], cookie.name(), cookie.value())?;
        cookie.set_value(value);
        // Without the `=` between name and value.
        let length = cookie.stripped().encoded().to_string().len() - 1;
        if length > LONGEST {
            let name = cookie.name();
            let text = format!(
                "the cookie {name:?} would have {length} bytes, and browsers keep {LONGEST}"
            );
            return Err(ResponseError::new(text).into());
        }
        Ok(self.with_cookie(cookie)?)
    }
}

/// The keys of a site: the one to write with, then those that are still good for reading.
struct Ring(Vec<Keys>);

/// What is derived from one `SECRET_KEY`.
struct Keys {
    signing: Hmac<Sha256>,
    cipher: Aes256GcmSiv,
}

impl Keys {
    fn derive(secret: &[u8]) -> Self {
        let derive = Hkdf::<Sha256>::new(Some(b"duck cookies 1"), secret);
        let expand = |purpose: &[u8]| {
            let mut key = [0; 32];
            let expanded = derive.expand(purpose, &mut key);
            expanded.expect("32 bytes are no more than 255 hashes");
            key
        };
        let signing = Hmac::new_from_slice(&expand(b"signed"));
        Self {
            signing: signing.expect("a key of HMAC may have any length"),
            cipher: Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(expand(b"private"))),
        }
    }

    /// The length of the name stands first: no name and value are those of another pair.
    fn mac(&self, name: &str, value: &str) -> Hmac<Sha256> {
        let length = (name.len() as u64).to_le_bytes();
        let mac = self.signing.clone();
        mac.chain_update(length)
            .chain_update(name)
            .chain_update(value)
    }

    fn signed(&self, name: &str, value: &str) -> String {
        let mac = self.mac(name, value).finalize().into_bytes();
        format!("{value}.{}", BASE64URL_NOPAD.encode(&mac))
    }

    fn verified(&self, name: &str, signed: &str) -> Option<String> {
        let (value, mac) = signed.rsplit_once('.')?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).ok()?;
        self.mac(name, value).verify_slice(&mac).ok()?;
        Some(value.to_owned())
    }

    fn sealed(&self, name: &str, value: &str) -> Result<String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let payload = Payload {
            msg: value.as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|error| Error::internal(error.to_string()))?;
        Ok(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
    }

    fn opened(&self, name: &str, sealed: &str) -> Option<String> {
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let opened = self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()?;
        String::from_utf8(opened).ok()
    }
}
