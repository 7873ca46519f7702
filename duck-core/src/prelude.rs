//! What a site's `views.rs` and `urls.rs` need: `use duck::prelude::*;`.

pub use crate::error::{Or500, OrNotFound};
pub use crate::files::{StaticFiles, file, media_folder, static_folder};
pub use crate::http::{
    DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, Pieces, ResponseResult, bytes, redirect_external,
    stream, stream_with,
};
pub use crate::live::{Event, sse, sse_with};
#[cfg(feature = "websocket")]
pub use crate::live::{Message, WebSocket, websocket, websocket_with};
pub use crate::middleware::{process_request, process_response};
pub use crate::pages::escape_html;
#[cfg(feature = "forms")]
pub use crate::pages::forms::{Form, Upload};
#[cfg(feature = "regex")]
pub use crate::routing::urls::re_path;
pub use crate::routing::{ClassView, FromParam, Param, class_view};
pub use crate::session::{Expiry, Flash, FlashLevel};
pub use crate::{
    App, Blueprint, Bytes, Component, Cookie, Error, Html, IntoResponse, Json, Method, Middleware,
    Next, Request, Response, Result, Session, Settings, Setup, StatusCode, UrlPattern, Uuid, html,
    json, path, redirect, redirect_to, text,
};
#[cfg(feature = "templates")]
pub use crate::{context, render};
