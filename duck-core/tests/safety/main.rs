//! What keeps a site and its visitors from being misused by others.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../chromium/mod.rs"]
mod browser;
mod chromium;
#[cfg(feature = "compression")]
mod compression;
mod cors;
#[cfg(feature = "private-cookies")]
mod private_cookies;
#[path = "../running/mod.rs"]
mod running;
mod security_headers;

use duck::prelude::*;
use duck::testing::TestClient;

/// A site with these settings and URLs.
async fn site(settings: &str, urls: impl IntoIterator<Item = UrlPattern>) -> TestClient {
    TestClient::start(App::new(Settings::from_toml(settings).unwrap()).urls(urls)).await
}
