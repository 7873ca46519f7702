//! Errors on their way out, as the log has them: a line each, and no flood of lines of one kind.

#[cfg(feature = "templates")]
use http::StatusCode;

use crate::app::log_kind::Kind;
#[cfg(feature = "templates")]
use crate::error::Error;
use crate::error::printable::Quoted;
use crate::http::request::Request;
use crate::http::response::Response;

const FAILED: &str = "a request failed";
const REFUSED: &str = "a request was refused";

macro_rules! line {
    ($level:ident, $text:expr, $request:expr, $error:expr, $kind:expr) => {{
        let (request, error, kind) = ($request, $error, $kind);
        tracing::$level!(
            target: "duck",
            id = request.id(),
            status = kind.status.as_u16(),
            method = %request.method().as_str().get(..32).unwrap_or(request.method().as_str()),
            path = %Quoted::path(request.path()),
            client = request.client_ip().map(tracing::field::display),
            cause = %Quoted::cause(error.chain()),
            place = kind.place.as_ref().map(tracing::field::display),
            view = kind.view,
            "{}",
            $text
        );
    }};
}

/// Writes the error of a response into the log: those of the site as errors, those of the request as
/// details for who looks for them.
pub(crate) fn note(request: &Request, response: &Response) {
    let Some(error) = response.error() else {
        return;
    };
    let kind = Kind {
        view: request.route().view,
        place: error.place().cloned(),
        ..Kind::new(FAILED, response.status())
    };
    let is_failure = kind.status.is_server_error();
    if is_failure && kind.is_admitted(&request.context().floods) {
        line!(error, FAILED, request, error, &kind);
    } else {
        let text = if is_failure { FAILED } else { REFUSED };
        line!(debug, text, request, error, &kind);
    }
}

/// Writes that the site's own page for an error failed: the visitor sees the one that every site has.
#[cfg(feature = "templates")]
pub(crate) fn page_failed(request: &Request, status: StatusCode, error: &Error) {
    const TEXT: &str = "the template of an error page failed: the built-in page is sent";
    let kind = Kind {
        place: error.place().cloned(),
        ..Kind::new(TEXT, status)
    };
    if kind.is_admitted(&request.context().floods) {
        let (id, cause) = (request.id(), Quoted::cause(error.chain()));
        tracing::error!(target: "duck", id, status = status.as_u16(), %cause, "{TEXT}");
    }
}
