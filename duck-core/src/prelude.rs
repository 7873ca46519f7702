//! What a site's `views.rs` and `urls.rs` need: `use duck::prelude::*;`.

#[cfg(feature = "regex")]
pub use crate::urls::re_path;
pub use crate::{
    App, Blueprint, ClassView, Component, Cookie, DELETE, Error, Expiry, FlashLevel, GET, Html,
    IntoResponse, Json, Method, Middleware, Next, OrNotFound, PATCH, POST, PUT, Request, Response,
    Result, Session, Settings, Setup, StatusCode, UrlPattern, class_view, escape_html, html, json,
    path, process_request, process_response, redirect, redirect_to, text,
};
