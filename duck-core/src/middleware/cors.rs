//! Which other sites' scripts may read what this site answers: <https://fetch.spec.whatwg.org/#http-cors-protocol>.

use ::http::header::{self, HeaderMap, HeaderValue};
use ::http::{Method, StatusCode};

use super::cross_site::{CrossSite, Trusted};
use super::{Middleware, Next};
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::Result;
use crate::http::origin::Origin;
use crate::http::request::Request;
use crate::http::response::{Response, is_token};
use crate::http::vary::vary_by;
use crate::settings::{Seconds, Settings, SettingsError};

const ORIGINS: &str = "CORS_ALLOWED_ORIGINS";
const CREDENTIALS: &str = "CORS_ALLOW_CREDENTIALS";
const METHODS: &str = "CORS_ALLOW_METHODS";
const HEADERS: &str = "CORS_ALLOW_HEADERS";
const EXPOSED: &str = "CORS_EXPOSE_HEADERS";
const MAX_AGE: &str = "CORS_PREFLIGHT_MAX_AGE";

/// A day: browsers take no more.
const DAY: u64 = 86400;

/// Lets scripts of other sites' pages read what this site answers: a [`Component`].
///
/// `CORS_ALLOWED_ORIGINS` says of which sites; without it, of none. It stands outside of all middleware, wherever it
/// is added: the browser's question beforehand (the preflight) is answered here, and reaches no view and no session.
///
/// ```
/// use duck::middleware::Cors;
/// use duck::testing::TestClient;
/// use duck::{App, Request, Settings, path};
///
/// async fn price(request: Request) -> &'static str {
///     "7"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let settings = Settings::default().with("CORS_ALLOWED_ORIGINS", ["https://shop.example.org"]);
/// let app = App::new(settings).with(Cors::new()).urls([path("/price", price)]);
/// let site = TestClient::start(app).await;
///
/// let answer = site.get("/price").header("origin", "https://shop.example.org").await;
/// assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example.org"));
/// let answer = site.get("/price").header("origin", "https://evil.example").await;
/// assert_eq!(answer.header("access-control-allow-origin"), None);
/// # }
/// ```
///
/// This is about reading. What other sites' pages may *send* is another matter: a `POST` of theirs is refused
/// (403) unless `CSRF_TRUSTED_ORIGINS` names them as well.
#[derive(Debug, Default)]
pub struct Cors(());

impl Cors {
    /// As the settings say.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Component for Cors {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let settings = setup.settings().clone();
        let rules = Rules::from_settings(&settings)?;
        for note in rules.notes(&settings)? {
            setup.check_note(note);
        }
        setup.outermost(rules);
        Ok(())
    }
}

/// What is sent to whom. All values are made once.
struct Rules {
    /// `None` is any.
    origins: Option<Vec<Trusted>>,
    credentials: bool,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: Option<HeaderValue>,
    max_age: HeaderValue,
}

impl Rules {
    fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let names: Vec<String> = settings.get(ORIGINS)?.unwrap_or_default();
        let credentials = settings.get(CREDENTIALS)?.unwrap_or(false);
        let max_age: Option<Seconds> = settings.get(MAX_AGE)?;
        let max_age = max_age.map_or(DAY, |age| age.0.as_secs());
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let headers = ["authorization", "content-type", "x-csrf-token"];
        let exposed: &[&str] = &[];
        let exposed = list(settings, EXPOSED, exposed)?;
        Ok(Self {
            origins: origins(settings, &names, credentials)?,
            credentials,
            methods: list(settings, METHODS, &methods)?,
            headers: list(settings, HEADERS, &headers)?,
            exposed: Some(exposed).filter(|exposed| !exposed.is_empty()),
            max_age: HeaderValue::from(max_age),
        })
    }

    /// What may be read there, and not sent from there.
    fn notes(&self, settings: &Settings) -> Result<Vec<String>> {
        let trusted = CrossSite::from_settings(settings)?;
        let is_trusted = |name: &&String| {
            // A wildcard stands for one of its names.
            let one = name.replace("*.", "a.");
            Origin::parse(&one).is_some_and(|origin| trusted.trusts(origin))
        };
        let names: Vec<String> = settings.get(ORIGINS)?.unwrap_or_default();
        let names = names
            .iter()
            .filter(|name| self.credentials && !is_trusted(name));
        let note = |name: &String| {
            let text = format!(
                "lets {name} read as the visitor, but what it sends with POST is refused: name it in CSRF_TRUSTED_ORIGINS too, if it should"
            );
            settings.error(ORIGINS, text).to_string()
        };
        Ok(names.map(note).collect())
    }

    /// What `Access-Control-Allow-Origin` says to a request: an origin that the settings allow, in the spelling it
    /// came in.
    fn allowed(&self, request: &Request) -> Option<HeaderValue> {
        let Some(origins) = &self.origins else {
            // Whoever asks: what a cache keeps is right for the next one.
            return Some(const { HeaderValue::from_static("*") });
        };
        let mut values = request.headers().get_all(header::ORIGIN).iter();
        let (value, None) = (values.next()?, values.next()) else {
            return None;
        };
        let origin = Origin::parse(value.to_str().ok()?)?;
        let is_allowed = origins.iter().any(|allowed| allowed.is(origin));
        is_allowed.then(|| value.clone())
    }

    /// The browser's question whether it may send a request: it gets nothing else.
    fn answer(&self, request: &Request) -> Response {
        let mut response = Response::new(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        headers.insert(header::VARY, HeaderValue::from_static(vary));
        if let Some(origin) = self.allowed(request) {
            self.allow(headers, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        response
    }

    fn allow(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            let yes = const { HeaderValue::from_static("true") };
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

impl Middleware for Rules {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let asked = request.headers();
        if *request.method() == Method::OPTIONS
            && asked.contains_key(header::ORIGIN)
            && asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Ok(self.answer(&request));
        }
        let mut response = next.run(request.clone()).await;
        let headers = response.headers_mut();
        if self.origins.is_some() {
            // Said to everybody: what a cache keeps is not handed to another origin.
            vary_by(headers, "Origin");
        }
        if let Some(origin) = self.allowed(&request) {
            self.allow(headers, origin);
            if let Some(exposed) = &self.exposed {
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
            }
        }
        Ok(response)
    }
}

/// `None` is any origin.
fn origins(
    settings: &Settings,
    names: &[String],
    credentials: bool,
) -> Result<Option<Vec<Trusted>>, SettingsError> {
    if names == ["*"] {
        if credentials {
            let right = format!(
                "goes with origins that are named: {ORIGINS} is \"*\", and any site could read as the visitor"
            );
            return Err(settings.error(CREDENTIALS, right));
        }
        return Ok(None);
    }
    Trusted::list(settings, ORIGINS, names).map(Some)
}

/// A list of methods or headers as one value.
fn list(
    settings: &Settings,
    key: &'static str,
    default: &[&str],
) -> Result<HeaderValue, SettingsError> {
    let names: Option<Vec<String>> = settings.get(key)?;
    let names = names.unwrap_or_else(|| default.iter().map(ToString::to_string).collect());
    let wrong = |name: &str| {
        let right = format!(
            "{name:?} is not a name; write them one by one, [\"GET\", \"PUT\"] or [\"content-type\"]"
        );
        settings.error(key, right)
    };
    // `*` is a token too, which browsers take as a name where cookies come along.
    if let Some(name) = names.iter().find(|name| !is_token(name) || *name == "*") {
        return Err(wrong(name));
    }
    HeaderValue::try_from(names.join(", ")).map_err(|_| wrong(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(toml: &str) -> String {
        let settings = Settings::from_toml(toml).unwrap();
        Rules::from_settings(&settings)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_would_let_any_site_read_as_the_visitor_is_refused_at_start() {
        let toml = "CORS_ALLOWED_ORIGINS = ['*']\nCORS_ALLOW_CREDENTIALS = true";
        assert!(
            error(toml).contains("line 2: CORS_ALLOW_CREDENTIALS: goes with"),
            "{}",
            error(toml)
        );
        let error = error("CORS_ALLOWED_ORIGINS = ['https://a.example', '*']");
        assert!(
            error.contains("line 1: CORS_ALLOWED_ORIGINS: \"*\" is no origin"),
            "{error}"
        );
    }

    #[test]
    fn names_of_methods_and_headers_bring_no_header_along() {
        for key in [METHODS, HEADERS, EXPOSED] {
            for wrong in ["a\\r\\nx: y", "a b", "a, b", "", "*"] {
                let error = error(&format!("{key} = [\"{wrong}\"]"));
                assert!(
                    error.contains(&format!("line 1: {key}: ")),
                    "{wrong}: {error}"
                );
            }
        }
    }
}
