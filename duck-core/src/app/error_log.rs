//! Errors on their way out, as the log has them: a line each, and no flood of lines of one kind.

use std::sync::Arc;

#[cfg(feature = "templates")]
use http::StatusCode;
use tokio::time::sleep;

use crate::app::context::Context;
use crate::app::floods::{Kind, Verdict, WINDOW};
#[cfg(feature = "templates")]
use crate::error::Error;
use crate::error::printable::Quoted;
use crate::http::request::Request;
use crate::http::response::Response;

/// Writes the error of a response into the log: those of the site as errors, those of the request as
/// details for who looks for them.
pub(crate) fn note(request: &Request, response: &Response) {
    let Some(error) = response.error() else {
        return;
    };
    let status = response.status();
    let kind = Kind {
        status: status.as_u16(),
        view: request.route().view,
        place: error.place().cloned(),
    };
    if !status.is_server_error() {
        return refused(request, response, &kind);
    }
    match request.context().floods.weigh(&kind) {
        Verdict::Write => failed(request, response, &kind),
        Verdict::HoldBack => refused(request, response, &kind),
        Verdict::Begin => {
            refused(request, response, &kind);
            tell_at_the_end(request.context(), &kind);
        }
    }
}

/// Writes that the site's own page for an error failed: the visitor sees the one that every site has.
#[cfg(feature = "templates")]
pub(crate) fn page_failed(request: &Request, status: StatusCode, error: &Error) {
    let kind = Kind {
        status: status.as_u16(),
        view: Some("error page"),
        place: error.place().cloned(),
    };
    let verdict = request.context().floods.weigh(&kind);
    if verdict == Verdict::Begin {
        tell_at_the_end(request.context(), &kind);
    }
    if verdict == Verdict::Write {
        let (id, cause) = (request.id(), Quoted::cause(error.chain()));
        tracing::error!(target: "duck", id, status = kind.status, %cause, "the template of an error page failed: the built-in page is sent");
    }
}

macro_rules! line {
    ($level:ident, $text:literal, $request:expr, $response:expr, $kind:expr) => {{
        let (request, kind) = ($request, $kind);
        tracing::$level!(
            target: "duck",
            id = request.id(),
            status = kind.status,
            method = %request.method().as_str().get(..32).unwrap_or(request.method().as_str()),
            path = %Quoted::path(request.path()),
            client = request.client_ip().map(tracing::field::display),
            cause = $response.error().map(|error| tracing::field::display(Quoted::cause(error.chain()))),
            place = kind.place.as_ref().map(tracing::field::display),
            view = kind.view,
            $text
        );
    }};
}

fn failed(request: &Request, response: &Response, kind: &Kind) {
    line!(error, "a request failed", request, response, kind);
}

fn refused(request: &Request, response: &Response, kind: &Kind) {
    line!(debug, "a request was refused", request, response, kind);
}

/// When the window of a kind is over, the log says how many lines it has held back.
fn tell_at_the_end(context: &Arc<Context>, kind: &Kind) {
    let (site, ended) = (context.clone(), kind.clone());
    let tell = async move {
        sleep(WINDOW).await;
        let more = site.floods.end(&ended);
        let Kind {
            status,
            view,
            place,
        } = ended;
        let place = place.map(tracing::field::display);
        tracing::error!(target: "duck", more, status, place, view, "more requests failed at the same line");
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(tell)),
        // Nobody can wait for its end.
        Err(_) => drop(context.floods.end(kind)),
    }
}
