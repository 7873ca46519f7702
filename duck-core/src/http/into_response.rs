//! What a view may give back.

use http::StatusCode;
use serde::Serialize;

use crate::error::Error;
use crate::http::body::Body;
use crate::http::response::{self, Response};

/// Something that can be sent as a response.
///
/// Implement it for types of your own where several views answer alike.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a response",
    label = "not a response",
    note = "a view returns a `Response`, a `String`, `Html`, `Json<T>`, a `StatusCode`, a tuple `(StatusCode, T)`, or a `Result` of one",
    note = "for a struct of your own: derive `Serialize` and answer `json(&value)`"
)]
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;
}

/// A page of HTML as a view's answer. See also [`html`](crate::html).
#[derive(Debug, Clone)]
pub struct Html<T>(pub T);

/// A value to be sent as JSON. See also [`json`](crate::json).
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default()
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        response::text(self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        response::text(self)
    }
}

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        response::html(self.0)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        response::json(&self.0)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Response::from_error(self)
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => Response::from_error(error.into()),
        }
    }
}
