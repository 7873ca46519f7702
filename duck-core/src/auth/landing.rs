//! Where a visitor goes who has logged in or out, or has a new password.

use std::borrow::Cow;

use super::next::redirect_next_or;
use crate::error::Result;
use crate::http::redirect::{redirect, redirect_to};
use crate::http::request::Request;
use crate::http::response::Response;

/// The page named `home`, in a site that has one.
const HOME: &str = "home";

/// The page for whoever was not going anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Landing(Option<Cow<'static, str>>);

impl Landing {
    /// The URL pattern of this name.
    pub(super) fn at(name: impl Into<Cow<'static, str>>) -> Self {
        Self(Some(name.into()))
    }

    /// Sends the visitor to `next`, or else there: without a name to the page named `home`, or to `/`.
    pub(super) async fn redirect(&self, request: &Request) -> Result<Response> {
        redirect_next_or(request, || match &self.0 {
            Some(name) => redirect(request, name, ()),
            None => redirect(request, HOME, ()).or_else(|_| redirect_to("/")),
        })
        .await
    }
}
