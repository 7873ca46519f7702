//! The status of a page that a view renders.

use http::StatusCode;

use crate::http::request::Request;

/// A mark on a request whose form was filled in wrongly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormFailed;

/// 422 for a request with a form that was filled in wrongly, else 200.
pub(crate) fn of(request: &Request) -> StatusCode {
    match request.get::<FormFailed>() {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    }
}
