//! What a site's `views.rs` and `urls.rs` need: `use duck::prelude::*;`.

#[cfg(feature = "regex")]
pub use crate::urls::re_path;
pub use crate::{
    App, Blueprint, Bytes, ClassView, Component, Cookie, DELETE, Error, Expiry, Flash, FlashLevel,
    FromParam, GET, HEAD, Html, IntoResponse, Json, Method, Middleware, Next, OPTIONS, Or500,
    OrNotFound, PATCH, POST, PUT, Param, Pieces, Request, Response, Result, Session, Settings,
    Setup, StaticFiles, StatusCode, TypedSession, UrlPattern, Uuid, bytes, class_view, escape_html,
    file, html, json, media_folder, path, process_request, process_response, redirect,
    redirect_external, redirect_to, static_folder, stream, stream_with, text,
};
