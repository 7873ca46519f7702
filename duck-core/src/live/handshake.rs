//! The opening handshake of a WebSocket: RFC 6455, 4.2.

use data_encoding::BASE64;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::socket_limits::SocketLimits;
use super::upgrade::{Accepted, Start, Upgrade};
use crate::http::parameters::has_word;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::http::response::Response;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Answers a request for a WebSocket: with 101 and what the connection is to become, or with why it does not.
pub(super) fn answer(
    request: Request,
    limits: SocketLimits,
    spoken: &[&'static str],
    start: Start,
) -> Response {
    let key = match read(&request) {
        Ok(key) => key,
        Err(error) => return refusal(error),
    };
    if let Some(error) = request.refused_as_from_elsewhere() {
        return Response::from_error(error);
    }
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let accept = accept.expect("Base64 can stand in a header");
    let upgrade = const { HeaderValue::from_static("upgrade") };
    let mut response = Response::new(StatusCode::SWITCHING_PROTOCOLS)
        .with(header::CONNECTION, upgrade)
        .with(header::UPGRADE, WEBSOCKET)
        .with(header::SEC_WEBSOCKET_ACCEPT, accept);
    let protocol = choose(&request, spoken);
    if let Some(protocol) = protocol {
        let protocol = HeaderValue::from_static(protocol);
        response = response.with(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let accepted = Accepted {
        request,
        limits,
        protocol,
        start,
    };
    response.extensions_mut().insert(Upgrade::new(accepted));
    response
}

/// The first protocol that the client offers and the view speaks: RFC 6455, 4.2.2. Only names of the view's own are
/// sent back.
fn choose(request: &Request, spoken: &[&'static str]) -> Option<&'static str> {
    if spoken.is_empty() {
        return None;
    }
    let lists = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = lists
        .into_iter()
        .flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    offered.find_map(|offer| {
        let mut spoken = spoken.iter().copied();
        spoken.find(|name| name.as_bytes() == offer.trim_ascii())
    })
}

/// 426 says what to upgrade to (RFC 9110, 15.5.22), and which version of it is spoken here (RFC 6455, 4.4).
fn refusal(error: RequestError) -> Response {
    let response = Response::from_error(error.into());
    if response.status() != StatusCode::UPGRADE_REQUIRED {
        return response;
    }
    let version = const { HeaderValue::from_static("13") };
    response
        .with(header::UPGRADE, WEBSOCKET)
        .with(header::SEC_WEBSOCKET_VERSION, version)
}

/// The key of a handshake that is as it has to be.
fn read(request: &Request) -> Result<HeaderValue, RequestError> {
    let required = |what| Err(RequestError::new(StatusCode::UPGRADE_REQUIRED, what));
    let bad = |what| Err(RequestError::bad_request(what));
    if request.version() != Version::HTTP_11 || *request.method() != Method::GET {
        return required("a WebSocket is opened with GET over HTTP/1.1");
    }
    if !names(request, &header::UPGRADE, "websocket")
        || !names(request, &header::CONNECTION, "upgrade")
    {
        return required(
            "this is the address of a WebSocket: a script opens it with `new WebSocket(…)`",
        );
    }
    if only(request, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return required("the only version of WebSocket that is spoken here is 13");
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING)
        || request
            .headers()
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
    {
        return bad("a request for a WebSocket has no body");
    }
    match only(request, &header::SEC_WEBSOCKET_KEY) {
        Some(key) if is_key(key) => Ok(key.clone()),
        _ => bad("a request for a WebSocket has one Sec-WebSocket-Key: 16 bytes in Base64"),
    }
}

fn is_key(key: &HeaderValue) -> bool {
    BASE64
        .decode(key.as_bytes())
        .is_ok_and(|bytes| bytes.len() == 16)
}

/// A header that comes once.
fn only<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = request.headers().get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether a list of tokens has this one.
fn names(request: &Request, name: &HeaderName, token: &str) -> bool {
    let mut values = request.headers().get_all(name).into_iter();
    values.any(|value| has_word(value, token))
}
