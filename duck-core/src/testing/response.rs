use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

/// What a site answered a [`TestClient`](crate::testing::TestClient).
#[derive(Debug)]
pub struct TestResponse {
    pub(super) url: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Bytes, String>,
}

impl TestResponse {
    /// The path and query that this answers: after [`follow`](crate::testing::TestRequest::follow) the last
    /// one.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The cookies it sets, each as it was sent.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect()
    }

    /// The body, or why it broke off.
    pub fn body(&self) -> Result<&Bytes, &str> {
        self.body.as_ref().map_err(String::as_str)
    }

    /// The body.
    ///
    /// # Panics
    ///
    /// When it broke off.
    #[track_caller]
    pub fn bytes(&self) -> &Bytes {
        match &self.body {
            Ok(bytes) => bytes,
            Err(error) => panic!("the body broke off: {error}"),
        }
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// When it broke off, or is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes()) {
            Ok(text) => text,
            Err(error) => panic!("the body is not UTF-8: {error}"),
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is not JSON of that type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(self.bytes()) {
            Ok(value) => value,
            Err(error) => panic!("the body is not that JSON: {error}: {}", self.text()),
        }
    }
}
