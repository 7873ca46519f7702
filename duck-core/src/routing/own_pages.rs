//! Pages of the router's own, which no URL pattern stands for.

use http::{HeaderValue, Method, StatusCode, header};

use crate::BoxFuture;
use crate::error::Error;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::view::ErasedView;

/// The `Allow` header where these methods have views: RFC 9110, 10.2.1.
pub(super) fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> HeaderValue {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    HeaderValue::from_str(&names.join(", "))
        .unwrap_or_else(|_| HeaderValue::from_static("GET, HEAD, OPTIONS"))
}

/// A page of the router's own.
pub(super) struct Fixed {
    status: StatusCode,
    cause: Option<&'static str>,
    allow: Option<HeaderValue>,
}

impl Fixed {
    pub(super) fn failing(status: StatusCode, cause: &'static str) -> Self {
        Self {
            status,
            cause: Some(cause),
            allow: None,
        }
    }

    pub(super) fn options(allow: HeaderValue) -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            cause: None,
            allow: Some(allow),
        }
    }

    pub(super) fn not_allowed(allow: HeaderValue) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            cause: Some("the view does not answer this method"),
            allow: Some(allow),
        }
    }
}

impl ErasedView for Fixed {
    fn call(&self, _request: Request) -> BoxFuture<'_, Response> {
        let mut response = match self.cause {
            Some(cause) => Response::from_error(Error::new(self.status, cause)),
            None => Response::new(self.status),
        };
        if let Some(allow) = &self.allow {
            response = response.with(header::ALLOW, allow.clone());
        }
        Box::pin(std::future::ready(response))
    }
}

/// Sends the visitor to the same path with a slash at its end, or without.
pub(super) struct OtherSlash;

impl ErasedView for OtherSlash {
    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        // In its one spelling the path has no `\`, which browsers read as `/`.
        let path = other_slash(request.path_matched()).unwrap_or_default();
        // A path that begins with `//` would be read as another host.
        let path = format!("/{}", path.trim_start_matches('/'));
        let target = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let response = match HeaderValue::try_from(target) {
            Ok(target) => {
                Response::new(StatusCode::PERMANENT_REDIRECT).with(header::LOCATION, target)
            }
            Err(error) => Response::from_error(error.into()),
        };
        Box::pin(std::future::ready(response))
    }
}

/// The same path with a slash at its end, or without.
pub(super) fn other_slash(path: &str) -> Option<String> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(without) => Some(without.to_owned()),
        None => Some(format!("{path}/")),
    }
}
