//! Files as responses: one file, or a folder of them.

#[cfg(feature = "collectstatic")]
mod collect;
mod conditional;
pub(crate) mod encoding;
mod folder;
mod manifest;
mod media;
mod name;
mod open;
mod pieces;
mod places;
mod range;
#[cfg(feature = "collectstatic")]
mod references;
mod root;
#[cfg(feature = "collectstatic")]
mod sources;
mod static_files;
mod static_urls;

use std::future::Future;
use std::ops::Range;
use std::panic::Location;
use std::path::{Path, PathBuf};

use http::{HeaderValue, Method, StatusCode, header};

use self::conditional::{Validators, Verdict, may_cut, verdict};
pub use self::folder::{media_folder, static_folder};
#[cfg(feature = "multipart")]
pub(crate) use self::name::clean;
use self::open::OpenFile;
use self::range::Asked;
pub use self::static_files::StaticFiles;
use crate::error::place::Place;
use crate::error::{Error, Result};
use crate::http::coding::Coding;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::http::response::Response;

/// A file as a response.
///
/// Its media type goes by the end of its name. Browsers may ask for a part of it, and whether it
/// has changed since they got it (RFC 9110, 13 and 14): they get 206, 304, 412 or 416 where that is
/// the answer. A large file is sent as it is read. A relative path counts from the folder of the
/// settings file. To have it saved instead of shown, see [`Response::download`].
///
/// The path is the site's to choose: nothing here keeps one that is made of a visitor's text
/// inside a folder. [`static_folder`] does.
///
/// ```
/// # use duck::testing::TestClient;
/// use duck::{App, Request, Response, Result, Settings, path};
/// use duck::files::file;
///
/// async fn manual(request: Request) -> Result<Response> {
///     file(&request, "Cargo.toml").await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let site = TestClient::start(App::new(Settings::default()).urls([path("/manual", manual)])).await;
/// let start = site.get("/manual").header("range", "bytes=0-8").await;
/// assert_eq!((start.status().as_u16(), start.text()), (206, "[package]"));
/// # }
/// ```
///
/// # Errors
///
/// 404 when there is no such file, or what is there is no regular file; 500 when it cannot be read.
#[track_caller]
pub fn file(
    request: &Request,
    path: impl AsRef<Path>,
) -> impl Future<Output = Result<Response>> + Send {
    let (request, path) = (request.clone(), request.settings().resolve(path));
    let place = Place::of_site(Location::caller());
    async move {
        let answer = whole(request, path).await;
        answer.map_err(|error| error.at(place))
    }
}

async fn whole(request: Request, path: PathBuf) -> Result<Response> {
    let answer = move || match OpenFile::open(&path)? {
        Some(file) => respond(&request, file, media_type(&path), None),
        None => Err(Error::not_found(format!(
            "{} is no regular file",
            path.display()
        ))),
    };
    tokio::task::spawn_blocking(answer).await?
}

/// The answer to what was asked about a file that is there. It reads: not for the async side.
fn respond(
    request: &Request,
    file: OpenFile,
    media_type: HeaderValue,
    encoding: Option<Coding>,
) -> Result<Response> {
    let validators = Validators::of(&file, encoding);
    let verdict = match *request.method() {
        Method::GET | Method::HEAD => verdict(validators.as_ref(), request.headers()),
        // What a POST was for has been done by now: its answer is not a copy to be kept fresh.
        _ => Verdict::Send,
    };
    match verdict {
        Verdict::Send => send(request, file, validators.as_ref(), media_type, encoding),
        Verdict::NotModified => Ok(describe(StatusCode::NOT_MODIFIED, validators.as_ref())),
        Verdict::Changed => Err(RequestError::new(
            StatusCode::PRECONDITION_FAILED,
            "the file is not as the request supposes",
        )
        .into()),
    }
}

fn describe(status: StatusCode, validators: Option<&Validators>) -> Response {
    let mut response = Response::new(status);
    if let Some(validators) = validators {
        validators.describe(&mut response);
    }
    response
}

fn send(
    request: &Request,
    file: OpenFile,
    validators: Option<&Validators>,
    media_type: HeaderValue,
    encoding: Option<Coding>,
) -> Result<Response> {
    let length = file.length;
    let (status, part) = match asked(request, validators, length) {
        Asked::Whole => (StatusCode::OK, 0..length),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Nothing => return Ok(outside(length)),
    };
    let mut response = describe(status, validators)
        .with(header::CONTENT_TYPE, media_type)
        .with(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
        .with(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    if let Some(encoding) = encoding {
        response = response.with(header::CONTENT_ENCODING, encoding.name());
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let Range { start, end } = part;
        let range = format!("bytes {start}-{}/{length}", end - 1);
        response = response.with_header("content-range", range)?;
    }
    if *request.method() == Method::HEAD {
        return Ok(response.with(header::CONTENT_LENGTH, HeaderValue::from(length)));
    }
    match pieces::body(file.file, part) {
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Err(RequestError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many files are being sent; try again",
        )
        .into()),
        body => Ok(response.with_body(body?)),
    }
}

/// `Range` means something to `GET` alone: RFC 9110, 14.2.
fn asked(request: &Request, validators: Option<&Validators>, length: u64) -> Asked {
    let ranges = request.headers().get(header::RANGE);
    match ranges.and_then(|value| value.to_str().ok()) {
        Some(range) if *request.method() == Method::GET => {
            if may_cut(validators, request.headers()) {
                Asked::of(range, length)
            } else {
                Asked::Whole
            }
        }
        _ => Asked::Whole,
    }
}

/// 416, with the length that would have been right: RFC 9110, 14.4.
fn outside(length: u64) -> Response {
    let error = RequestError::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the file has no such range",
    );
    let range = HeaderValue::try_from(format!("bytes */{length}")).expect("digits are fine");
    Response::from_error(error.into()).with(header::CONTENT_RANGE, range)
}

/// What a file of this name holds. Text is taken to be UTF-8.
fn media_type(path: &Path) -> HeaderValue {
    match mime_guess::from_path(path).first_raw() {
        Some(text) if text.starts_with("text/") => {
            HeaderValue::try_from(format!("{text}; charset=utf-8"))
                .expect("media types are made for headers")
        }
        Some(other) => HeaderValue::from_static(other),
        None => HeaderValue::from_static("application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_media_type() {
        for (name, expected) in [
            ("a.css", "text/css; charset=utf-8"),
            ("a.HTML", "text/html; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.json", "application/json"),
            ("a.nobody-knows", "application/octet-stream"),
            ("none", "application/octet-stream"),
        ] {
            assert_eq!(media_type(Path::new(name)), expected, "{name}");
        }
    }
}
