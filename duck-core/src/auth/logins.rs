//! What a site with logins has started.

use std::sync::Arc;

use super::erased::ErasedAccounts;
use super::throttle::Throttle;
use crate::error::{Error, Result};
use crate::http::request::Request;

/// What `Auth` leaves for the requests.
pub(super) struct Logins {
    pub(super) accounts: Arc<dyn ErasedAccounts>,
    pub(super) throttle: Throttle,
    /// The name of the login page's URL pattern.
    pub(super) page: String,
}

impl Logins {
    /// Those of the site that a request came to.
    pub(super) fn of(request: &Request) -> Result<&Self> {
        request.state().map_err(|_| {
            Error::internal("the site has no accounts: add `.with(Auth::new(…))` to the app")
        })
    }

    /// The path of the login page.
    pub(super) fn url(&self, request: &Request) -> Result<String> {
        request.url(&self.page, ()).map_err(|error| {
            Error::internal(format!("{error}: LOGIN_URL is the name of the login page"))
        })
    }

    /// Whether a request is for the login page, whatever its method.
    pub(super) fn is_login_page(&self, request: &Request) -> bool {
        let path = || request.url(&self.page, ());
        request.route_name() == Some(&self.page) || path().is_ok_and(|path| path == request.path())
    }
}
