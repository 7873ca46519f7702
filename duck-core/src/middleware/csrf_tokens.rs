//! Tokens in forms, for browsers too old to say where a request comes from: `CSRF_TOKENS`.

use std::sync::Arc;

use ::http::{StatusCode, header};
use data_encoding::BASE64URL_NOPAD;

use super::cross_site::TOKENS;
use super::{Middleware, Next, SessionLayer, Sessions};
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::parameters::essence;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::http::response::Response;
use crate::session::csrf::Secret;

/// The field of a form that has the token.
const FIELD: &str = "csrf_token";

/// The header that has it in place of the form.
const HEADER: &str = "x-csrf-token";

/// How long a secret is.
const LENGTH: usize = size_of::<Secret>();

/// The token for forms and scripts of the page that answers this request; empty unless `CSRF_TOKENS` is set.
/// A script sends it in the header `X-CSRF-Token`.
///
/// It is another text for each page, and good until the visitor logs in or out. A visitor without a session gets
/// one.
///
/// # Errors
///
/// When the session cannot be read.
pub async fn csrf_token(request: &Request) -> Result<String> {
    if !request.has_csrf_tokens() {
        return Ok(String::new());
    }
    mask(&request.session.csrf_secret().await?)
}

/// The hidden field for a form of the page that answers this request: HTML, with a [`csrf_token`]. Empty unless
/// `CSRF_TOKENS` is set, and the session is not touched then.
///
/// ```
/// use duck::middleware::csrf_field;
/// use duck::prelude::*;
///
/// async fn form(request: Request) -> Result<Html<String>> {
///     let csrf = csrf_field(&request).await?;
///     Ok(Html(format!("<form method=\"post\">{csrf}<button>Save</button></form>")))
/// }
///
/// # use duck::testing::TestClient;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let site = TestClient::start(App::new(Settings::default()).urls([path("/", form)])).await;
/// let page = site.get("/").await;
/// assert_eq!(page.text(), "<form method=\"post\"><button>Save</button></form>");
/// # }
/// ```
///
/// # Errors
///
/// As [`csrf_token`].
pub async fn csrf_field(request: &Request) -> Result<String> {
    let token = csrf_token(request).await?;
    if token.is_empty() {
        return Ok(token);
    }
    Ok(format!(
        "<input type=\"hidden\" name=\"{FIELD}\" value=\"{token}\">"
    ))
}

impl Setup<'_> {
    /// Adds what brings their sessions to the requests of the views inside of it. Where `CSRF_TOKENS` is set, the
    /// check of tokens stands directly inside.
    ///
    /// # Errors
    ///
    /// When `CSRF_TOKENS` is neither `true` nor `false`.
    pub fn session_layer(&mut self, layer: impl SessionLayer) -> Result<()> {
        self.layers.push(Arc::new(Sessions(layer)));
        if self.settings().get(TOKENS)?.unwrap_or(false) {
            self.middleware(CsrfTokens);
            self.checks_tokens = true;
            #[cfg(feature = "templates")]
            self.template_value("csrf_field()", async |request| {
                let field = csrf_field(&request).await?;
                Ok(minijinja::Value::from_safe_string(field))
            });
        }
        Ok(())
    }
}

/// Stands directly inside of the middleware that brings the session, and refuses what has no token of it.
pub(crate) struct CsrfTokens;

impl Middleware for CsrfTokens {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        if request.needs_csrf_token() {
            check(&request).await?;
        }
        Ok(next.run(request).await)
    }
}

async fn check(request: &Request) -> Result<()> {
    let Some(secret) = request.session.known_csrf_secret().await? else {
        return Err(refused(
            "the session has no token: the form has no `csrf_field()`, or the cookie did not come",
        ));
    };
    let token = match request.headers().get(HEADER) {
        Some(token) => Some(String::from_utf8_lossy(token.as_bytes()).into_owned()),
        None => token_of_form(request).await?,
    };
    match token {
        Some(token) if unmask(&token).is_some_and(|sent| is_equal(&sent, &secret)) => Ok(()),
        Some(_) => Err(refused(
            "the token is not one of this session: the page may be from before a login",
        )),
        None => Err(refused(
            "there is no token: put `csrf_field()` into the form, or send `X-CSRF-Token`",
        )),
    }
}

fn refused(why: &'static str) -> Error {
    Error::new(StatusCode::FORBIDDEN, why)
}

/// Looks into the body, which is kept for the view. Where more may come than is kept, the token has to be in
/// the header.
async fn token_of_form(request: &Request) -> Result<Option<String>> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).map(essence);
    let is_form = kind.as_deref() == Some("application/x-www-form-urlencoded");
    let is_upload = cfg!(feature = "multipart") && kind.as_deref() == Some("multipart/form-data");
    if !is_form && !is_upload {
        return Ok(None);
    }
    if !request.is_body_kept() {
        return Err(refused(
            "a body that may be larger than MAX_BODY_BYTES needs the header `X-CSRF-Token`",
        ));
    }
    #[cfg(feature = "multipart")]
    if is_upload {
        return token_of_upload(request).await;
    }
    let body = request.bytes().await?;
    let fields = Fields::parse(&body, request.limits().max_fields)
        .ok_or_else(|| RequestError::too_large("the form has too many fields"))?;
    Ok(fields.first(FIELD))
}

/// Reads no further than to the token.
#[cfg(feature = "multipart")]
async fn token_of_upload(request: &Request) -> Result<Option<String>> {
    let mut parts = request.multipart()?;
    while let Some(part) = parts.next().await? {
        if part.name() == FIELD && part.file_name().is_none() {
            return Ok(Some(part.text().await?));
        }
    }
    Ok(None)
}

/// The secret under a mask of as many random bytes, in front of it. So a page that is compressed does not give it
/// away by its length (BREACH).
fn mask(secret: &Secret) -> Result<String> {
    let mut token = [0; 2 * LENGTH];
    getrandom::fill(&mut token[..LENGTH])?;
    for place in 0..LENGTH {
        token[LENGTH + place] = token[place] ^ secret[place];
    }
    Ok(BASE64URL_NOPAD.encode(&token))
}

fn unmask(token: &str) -> Option<Secret> {
    let token = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (mask, masked) = token.split_at_checked(LENGTH)?;
    let mut secret: Secret = masked.try_into().ok()?;
    for (byte, mask) in secret.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    Some(secret)
}

/// Looks at every byte, whatever the first ones are: the time says nothing.
fn is_equal(a: &Secret, b: &Secret) -> bool {
    let differing = a.iter().zip(b).fold(0, |so_far, (a, b)| so_far | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hides_its_secret_anew_each_time_and_gives_back_no_other() {
        let secret = [7; LENGTH];
        let (one, other) = (mask(&secret).unwrap(), mask(&secret).unwrap());
        assert_ne!(one, other);
        assert_eq!((unmask(&one), unmask(&other)), (Some(secret), Some(secret)));
        assert!(is_equal(&secret, &secret));
        for place in 0..LENGTH {
            let mut wrong = secret;
            wrong[place] ^= 1;
            assert!(!is_equal(&secret, &wrong));
        }
        for wrong in [
            "",
            "AAAA",
            &one[1..],
            &format!("{one}AA"),
            "\u{e9}",
            &"A".repeat(10_000),
        ] {
            assert_eq!(unmask(wrong), None, "{wrong}");
        }
    }
}
