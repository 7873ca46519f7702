//! What a site's `views.rs` and `urls.rs` need: `use duck::prelude::*;`.

#[cfg(feature = "regex")]
pub use crate::urls::re_path;
pub use crate::{
    App, Blueprint, ClassView, Cookie, DELETE, Error, Expiry, FlashLevel, GET, Html, IntoResponse,
    Json, Method, Middleware, Next, Or500, OrNotFound, PATCH, POST, PUT, Request, Response, Result,
    Session, Settings, StatusCode, UrlPattern, class_view, escape_html, html, json, path,
    process_request, process_response, redirect, redirect_to, text,
};
