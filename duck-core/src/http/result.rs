use cookie::Cookie;
use http::{HeaderValue, StatusCode};

use crate::error::{Error, Result};
use crate::http::body::BoxError;
use crate::http::response::Response;

/// The builders of [`Response`] on what a view returns, so that an answer that can fail needs no `?` in
/// between. Part of the prelude.
///
/// ```
/// use duck::prelude::*;
///
/// async fn old(request: Request) -> Result<Response> {
///     redirect(&request, "home", ()).with_status(StatusCode::FOUND).with_header("x-queue", "7")
/// }
/// # async fn home(_: Request) -> &'static str { "" }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let urls = [path("/", home).name("home"), path("/old", old)];
/// # let app = App::new(Settings::default()).urls(urls);
/// # let answer = duck::testing::TestClient::start(app).await.get("/old").await;
/// # assert_eq!((answer.status(), answer.header("x-queue")), (StatusCode::FOUND, Some("7")));
/// # }
/// ```
///
/// # Errors
///
/// Each gives the error that was there already, or the one of the method of that name of [`Response`].
pub trait ResponseResult {
    /// As [`Response::with_status`].
    fn with_status(self, status: StatusCode) -> Result<Response>;

    /// As [`Response::with_header`].
    fn with_header<V>(self, name: &str, value: V) -> Result<Response>
    where
        V: TryInto<HeaderValue, Error: Into<BoxError>>;

    /// As [`Response::with_cookie`].
    fn with_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Result<Response>;
}

impl<E> ResponseResult for Result<Response, E>
where
    Error: From<E>,
{
    #[track_caller]
    fn with_status(self, status: StatusCode) -> Result<Response> {
        Ok(self?.with_status(status))
    }

    #[track_caller]
    fn with_header<V>(self, name: &str, value: V) -> Result<Response>
    where
        V: TryInto<HeaderValue, Error: Into<BoxError>>,
    {
        Ok(self?.with_header(name, value)?)
    }

    #[track_caller]
    fn with_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Result<Response> {
        Ok(self?.with_cookie(cookie)?)
    }
}
