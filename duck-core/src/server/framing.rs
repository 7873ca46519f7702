//! What a response says about where it ends and about its connection.
//!
//! Both are the server's to say (RFC 9112, 6 and 9). A length that is not the body's would make the
//! client read the next response at the wrong place, so what views, middleware and tower layers
//! set there is made right, and what is wrong is logged.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::app::floods::Floods;
use crate::app::log_kind::Kind;
use crate::error::printable::Quoted;
use crate::http::body::Body;
use crate::http::parameters::has_word;
use crate::http::response::{Response, text};
use crate::server::sending::Sending;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes a response one that can be sent as the answer to this request.
pub(crate) fn settle(response: &mut Response, method: &Method, uri: &Uri, floods: &Floods<Kind>) {
    if is_settled(response, method) {
        return;
    }
    let status = response.status();
    let warn = |what| {
        if !Kind::new(what, status).is_admitted(floods) {
            return;
        }
        let status = status.as_u16();
        let path = Quoted::path(uri.path());
        tracing::warn!(target: "duck", status, %method, %path, "{what}");
    };
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // Who embeds the site may switch; [`without_switching`] is told where it was.
        let asked = (uri.clone(), floods.clone());
        response.extensions_mut().insert(asked);
        return;
    }
    if status.is_informational() || (*method == Method::CONNECT && status.is_success()) {
        *response = no_answer(status, uri.path(), Some(floods));
        return;
    }
    leave_the_connection_alone(response, warn);
    if has_no_content(status) {
        if !is_nothing(&response.take_body()) {
            warn("a response with this status has no body: the body was left out");
        }
        response.headers_mut().remove(header::CONTENT_LENGTH);
    } else if *method == Method::HEAD {
        let body = response.take_body();
        name_length(response.headers_mut(), &body, true, warn);
    } else {
        let body = response.take_body();
        name_length(response.headers_mut(), &body, false, warn);
        let body = watched(response, body, method, uri, floods);
        *response = std::mem::take(response).with_body(body);
    }
}

/// What a server that switches no protocols sends in place of a 101.
pub(crate) fn without_switching(response: &http::Response<Body>) -> http::Response<Body> {
    let asked = response.extensions().get::<(Uri, Floods<Kind>)>();
    let (path, floods) = asked.map_or(("", None), |(uri, floods)| (uri.path(), Some(floods)));
    no_answer(response.status(), path, floods).into_http()
}

/// What is sent in place of a response that is no answer to its request.
fn no_answer(status: StatusCode, path: &str, floods: Option<&Floods<Kind>>) -> Response {
    const TEXT: &str = "a view cannot answer with this status: 500 was sent";
    if floods.is_none_or(|floods| Kind::new(TEXT, status).is_admitted(floods)) {
        let (status, path) = (status.as_u16(), Quoted::path(path));
        tracing::error!(target: "duck", status, %path, "{TEXT}");
    }
    text("500 Internal Server Error\n").with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Whether nothing about a response needs a second look, as with nearly all of them.
fn is_settled(response: &Response, method: &Method) -> bool {
    let status = response.status();
    !response.body().is_made_while_sent()
        && *method != Method::HEAD
        && *method != Method::CONNECT
        && !status.is_informational()
        && !has_no_content(status)
        && !response.headers().keys().any(is_the_servers)
}

fn is_the_servers(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::UPGRADE
            | header::TRAILER
            | header::TE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// 204, 205 and 304: RFC 9110, 15.3.5, 15.3.6 and 15.4.5.
pub(crate) fn has_no_content(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    )
}

fn is_nothing(body: &Body) -> bool {
    body.is_empty() || body.len() == Some(0)
}

/// Takes out what only the server knows about its connection: RFC 9110, 7.6.1. A view may ask for the
/// connection to be closed; and 426 names what the client should upgrade to: 15.5.22.
fn leave_the_connection_alone(response: &mut Response, warn: impl Fn(&'static str)) {
    let upgrades = response.status() == StatusCode::UPGRADE_REQUIRED;
    let headers = response.headers_mut();
    let says_close = |value: &HeaderValue| has_word(value, "close");
    let closes = headers.get_all(header::CONNECTION).iter().any(says_close);
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    if codings
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        warn("Transfer-Encoding is the server's to choose: it was taken out");
    }
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        KEEP_ALIVE,
        PROXY_CONNECTION,
    ] {
        headers.remove(name);
    }
    if !upgrades {
        headers.remove(header::UPGRADE);
    } else if headers.contains_key(header::UPGRADE) {
        headers.append(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if closes {
        headers.append(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Sees to it that `Content-Length` is the body's length, or that of the body that `HEAD` leaves out
/// (RFC 9110, 9.3.2). A length given to a stream is believed.
fn name_length(headers: &mut HeaderMap, body: &Body, is_head: bool, warn: impl Fn(&'static str)) {
    let is_named = headers.contains_key(header::CONTENT_LENGTH);
    let named = named_length(headers);
    match body.len() {
        // A view that answers `HEAD` itself need not make the body.
        Some(0) if is_head && named.is_some() => {}
        Some(length) if is_named && named != Some(length) => {
            warn("Content-Length was not the body's length: that was sent instead");
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Some(length) if is_head => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        None if is_named && named.is_none() => {
            warn("Content-Length was no length: it was taken out");
            headers.remove(header::CONTENT_LENGTH);
        }
        _ => {}
    }
}

/// The length that the headers name: one, in digits.
pub(crate) fn named_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (first, None) = (lengths.next()?, lengths.next()) else {
        return None;
    };
    let digits = first.to_str().ok()?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| are_digits)
}

/// The body as it is sent.
fn watched(
    response: &mut Response,
    body: Body,
    method: &Method,
    uri: &Uri,
    floods: &Floods<Kind>,
) -> Body {
    let length = named_length(response.headers()).or_else(|| body.len());
    if length.is_some() {
        // Only chunks are followed by trailers: RFC 9112, 6.5.
        response.headers_mut().remove(header::TRAILER);
    }
    if body.is_made_while_sent() {
        let status = response.status();
        Body::new(Sending::new(body, length, status, method, uri, floods))
    } else {
        body
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn settled(method: &Method, response: Response) -> Response {
        let mut response = response;
        let uri = Uri::from_static("/page");
        settle(&mut response, method, &uri, &Floods::default());
        response
    }

    fn length(response: &Response) -> Option<&str> {
        let length = response.headers().get(header::CONTENT_LENGTH);
        length.map(|length| length.to_str().unwrap())
    }

    fn four_bytes_as_stream() -> Response {
        let pieces = stream::iter([Ok::<_, std::io::Error>("four".into())]);
        crate::http::stream("text/plain", pieces)
    }

    #[test]
    fn head_names_the_length_of_the_page_and_of_nothing_else() {
        for (status, expected) in [
            (200, Some("4")),
            (404, Some("4")),
            (204, None),
            (205, None),
            (304, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let response = settled(&Method::HEAD, text("four").with_status(status));
            assert_eq!(length(&response), expected, "{status}");
            assert!(response.body().is_empty());
        }
        let told =
            |response: Response, value| response.with_header("content-length", value).unwrap();
        for (response, expected) in [
            (told(text("four"), "5"), Some("4")),
            (told(text(""), "5"), Some("5")),
            (told(text(""), "five"), Some("0")),
            (told(four_bytes_as_stream(), "5"), Some("5")),
            (told(four_bytes_as_stream(), "-5"), None),
            (four_bytes_as_stream(), None),
        ] {
            let response = settled(&Method::HEAD, response);
            assert_eq!(length(&response), expected);
            assert!(response.body().is_empty());
        }
    }

    #[test]
    fn a_length_is_one_number_in_digits() {
        for (values, expected) in [
            (&["7"][..], Some(7)),
            (&["007"], Some(7)),
            (&["+7"], None),
            (&["-7"], None),
            (&["7,7"], None),
            (&["7", "7"], None),
            (&[""], None),
            (&["18446744073709551616"], None),
            (&[], None),
        ] {
            let mut map = HeaderMap::new();
            for value in values {
                map.append(header::CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            assert_eq!(named_length(&map), expected, "{values:?}");
        }
    }
}
