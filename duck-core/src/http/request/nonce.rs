//! What tells a page's own scripts and styles from those that somebody else put into it.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::Request;

/// 128 random bits: <https://www.w3.org/TR/CSP3/#security-nonces>.
#[derive(Clone)]
struct Nonce(Arc<str>);

impl Nonce {
    fn new() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system has random bytes");
        Self(BASE64URL_NOPAD.encode(&bytes).into())
    }
}

impl Request {
    /// The nonce of the page that answers this request, the same each time: `<script nonce="…">` and
    /// `<style nonce="…">` run under the site's policy where they bear it. It is made when it is asked for, and
    /// the `Content-Security-Policy` of the response has it then. Templates have it as `csp_nonce()`.
    ///
    /// Ask before the view returns: a stream that asks later is too late for the header. A page with a nonce is sent
    /// with `Cache-Control: private, no-cache`, in place of one that lets others keep it.
    ///
    /// ```
    /// use duck::testing::TestClient;
    /// use duck::{App, Html, Request, Settings, path};
    ///
    /// async fn page(request: Request) -> Html<String> {
    ///     let nonce = request.csp_nonce();
    ///     Html(format!("<script nonce=\"{nonce}\">console.log('Quack')</script>"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = TestClient::start(App::new(Settings::default()).urls([path("/", page)])).await;
    /// let page = site.get("/").await;
    /// let nonce = page.text().split('"').nth(1).unwrap();
    /// let policy = page.header("content-security-policy").unwrap();
    /// assert!(policy.contains(&format!("script-src 'self' 'nonce-{nonce}';")));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the operating system has no random bytes to give.
    pub fn csp_nonce(&self) -> String {
        self.inner.values.get_or_insert(Nonce::new).0.to_string()
    }

    /// The nonce, if the page has asked for it.
    pub(crate) fn nonce_if_made(&self) -> Option<Arc<str>> {
        self.get::<Nonce>().map(|nonce| nonce.0)
    }
}
