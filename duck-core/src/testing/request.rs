use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::BodyExt;
use serde::Serialize;
use url::Url;

use super::client::TestClient;
use super::multipart::Multipart;
use super::response::TestResponse;
use crate::http::body::Body;

/// As many as browsers follow: the Fetch standard, 4.4.
const MOST_REDIRECTS: usize = 20;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// A request that a [`TestClient`] is about to send: `.await` sends it.
#[derive(Debug)]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    request: http::Request<Body>,
    parts: Option<Multipart>,
    follows: bool,
}

impl TestClient {
    /// A `GET`. Await it, or add to it first.
    #[track_caller]
    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path)
    }

    /// A `POST`.
    #[track_caller]
    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::POST, path)
    }

    /// A `PUT`.
    #[track_caller]
    pub fn put(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PUT, path)
    }

    /// A `PATCH`.
    #[track_caller]
    pub fn patch(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, path)
    }

    /// A `DELETE`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, path)
    }

    /// A `HEAD`.
    #[track_caller]
    pub fn head(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::HEAD, path)
    }

    /// An `OPTIONS`.
    #[track_caller]
    pub fn options(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::OPTIONS, path)
    }

    /// A request of any method.
    ///
    /// # Panics
    ///
    /// When `path` is no path.
    #[track_caller]
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, path)
    }
}

impl<'a> TestRequest<'a> {
    #[track_caller]
    pub(super) fn new(client: &'a TestClient, method: Method, path: &str) -> Self {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, client.host());
        match request.body(Body::empty()) {
            Ok(request) => Self {
                client,
                request,
                parts: None,
                follows: false,
            },
            Err(error) => panic!("{path:?} is no path: {error}"),
        }
    }

    pub(super) fn into_http(self) -> http::Request<Body> {
        self.request
    }

    /// Adds a header. A request has one `Host`: another one takes its place, and cookies are those of that
    /// host. A `Cookie` is sent in place of the client's cookies.
    ///
    /// # Panics
    ///
    /// When it cannot be one.
    #[must_use]
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self.request.headers_mut();
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(header::HOST), Ok(value)) => drop(headers.insert(header::HOST, value)),
            (Ok(name), Ok(value)) => drop(headers.append(name, value)),
            _ => panic!("{name:?}: {value:?} is no header"),
        }
        self
    }

    /// Sends the request as a browser does for a page of another site, such as `https://evil.example`: with
    /// that `Origin`, and `Sec-Fetch-Site: cross-site`. Without this, `POST` and the like are sent as for a page
    /// of the site itself.
    ///
    /// ```
    /// use duck::prelude::*;
    /// use duck::testing::TestClient;
    ///
    /// async fn delete(request: Request) -> &'static str {
    ///     "gone"
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let urls = [path("/delete", delete).methods([POST])];
    /// let site = TestClient::start(App::new(Settings::default()).urls(urls)).await;
    /// assert_eq!(site.post("/delete").await.status(), 200);
    /// assert_eq!(site.post("/delete").from_origin("https://evil.example").await.status(), 403);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it cannot stand in a header.
    #[must_use]
    #[track_caller]
    pub fn from_origin(self, origin: &str) -> Self {
        self.header(SEC_FETCH_SITE, "cross-site")
            .header("origin", origin)
    }

    /// Says what browsers say of a page of the site's own, unless the test says something else.
    fn with_fetch_metadata(&mut self) {
        let own = HeaderValue::from_static("same-origin");
        let unsafe_method = !self.request.method().is_safe();
        let headers = self.request.headers_mut();
        if unsafe_method && !headers.contains_key("origin") && !headers.contains_key(SEC_FETCH_SITE)
        {
            headers.insert(SEC_FETCH_SITE, own);
        }
    }

    /// Sends a form.
    ///
    /// # Panics
    ///
    /// When the fields cannot be a form.
    #[must_use]
    #[track_caller]
    pub fn form<T: Serialize + ?Sized>(self, fields: &T) -> Self {
        match serde_html_form::to_string(fields) {
            Ok(form) => self.body("application/x-www-form-urlencoded", form),
            Err(error) => panic!("the fields cannot be a form: {error}"),
        }
    }

    /// Sends JSON.
    ///
    /// # Panics
    ///
    /// When the value cannot be JSON.
    #[must_use]
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(error) => panic!("the value cannot be JSON: {error}"),
        }
    }

    /// Sends a form with files (`multipart/form-data`, RFC 7578) and adds a field to it.
    ///
    /// ```
    /// # #[cfg(feature = "multipart")]
    /// # {
    /// use duck::testing::TestClient;
    /// use duck::{App, Request, Result, Settings, path};
    /// use duck::error::OrNotFound;
    /// use duck::http::POST;
    ///
    /// async fn upload(request: Request) -> Result<String> {
    ///     let form = request.multipart_form().await?;
    ///     let (title, photo) = (form.value("title").or_404()?, form.file("photo").or_404()?);
    ///     Ok(format!("{title} in {}: {} bytes", photo.file_name(), photo.bytes().len()))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let urls = [path("/photos", upload).methods([POST])];
    /// let site = TestClient::start(App::new(Settings::default()).urls(urls)).await;
    /// let page = site
    ///     .post("/photos")
    ///     .field("title", "Duck")
    ///     .file("photo", "duck.png", "image/png", b"quack")
    ///     .await;
    /// assert_eq!(page.text(), "Duck in duck.png: 5 bytes");
    /// # });
    /// # }
    /// ```
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.parts.get_or_insert_default().field(name, value);
        self
    }

    /// Sends a form with files, as [`field`](Self::field) does, and adds a file to it.
    #[must_use]
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        media_type: &str,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        let parts = self.parts.get_or_insert_default();
        parts.file(name, file_name, media_type, bytes.into());
        self
    }

    /// Sends a body of this media type.
    #[must_use]
    #[track_caller]
    pub fn body(mut self, media_type: &str, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.header("content-type", media_type)
    }

    /// Follows redirects as a browser does, as long as they stay on this host: with `GET` after 303, and after
    /// 301 and 302 of a `POST`; with the same method and body after 307 and 308. One that leads to
    /// another host is the answer. A redirect to `https://` is followed over HTTPS. A body that is a stream is read
    /// first, as it may have to be sent again.
    ///
    /// ```
    /// use duck::testing::TestClient;
    /// use duck::{App, Request, Response, Result, Settings, path, redirect_to};
    /// use duck::http::POST;
    ///
    /// async fn add(request: Request) -> Result<Response> {
    ///     redirect_to("/notes")
    /// }
    ///
    /// # async fn notes(request: Request) -> &'static str { "one note" }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let urls = [path("/add", add).methods([POST]), path("/notes", notes)];
    /// let site = TestClient::start(App::new(Settings::default()).urls(urls)).await;
    /// let page = site.post("/add").follow().await;
    /// assert_eq!((page.url(), page.text()), ("/notes", "one note"));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After 20 redirects, and when a body that is a stream breaks off.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follows = true;
        self
    }

    async fn send(mut self) -> TestResponse {
        self.with_fetch_metadata();
        if let Some(parts) = self.parts.take() {
            let (media_type, body) = parts.encode();
            self = self.body(&media_type, body);
        }
        if self.follows {
            self.send_following().await
        } else {
            self.client
                .send(self.request, self.client.is_secure())
                .await
        }
    }

    async fn send_following(self) -> TestResponse {
        let mut secure = self.client.is_secure();
        let (mut head, body) = self.request.into_parts();
        let mut body = match body.collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(error) => panic!("the body of the request broke off: {error}"),
        };
        for _ in 0..=MOST_REDIRECTS {
            let request = http::Request::from_parts(head.clone(), body.clone().into());
            let from = self.client.url(&request, secure);
            let response = self.client.send(request, secure).await;
            let Some(to) = target(&response, &from) else {
                return response;
            };
            secure = to.scheme() == "https";
            let Ok(uri) = Uri::try_from(&to[url::Position::BeforePath..url::Position::AfterQuery])
            else {
                return response;
            };
            head.uri = uri;
            if becomes_get(response.status.as_u16(), &head.method) {
                head.method = Method::GET;
                body = Bytes::new();
                for name in [
                    header::CONTENT_TYPE,
                    header::CONTENT_LENGTH,
                    header::CONTENT_ENCODING,
                    header::CONTENT_LANGUAGE,
                    header::CONTENT_LOCATION,
                ] {
                    head.headers.remove(name);
                }
            }
        }
        panic!(
            "{MOST_REDIRECTS} redirects led to another one, to {}",
            head.uri
        )
    }
}

/// Where a redirect leads on the same host.
fn target(response: &TestResponse, from: &Url) -> Option<Url> {
    if !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = from.join(response.header("location")?).ok()?;
    let is_web = matches!(to.scheme(), "http" | "https");
    (is_web && to.host() == from.host()).then_some(to)
}

/// The Fetch standard, 4.4, step 12.
fn becomes_get(status: u16, method: &Method) -> bool {
    match status {
        301 | 302 => *method == Method::POST,
        303 => ![Method::GET, Method::HEAD].contains(method),
        _ => false,
    }
}

impl<'a> IntoFuture for TestRequest<'a> {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
