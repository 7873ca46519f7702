//! A page from a template.

use std::future::Future;
use std::panic::Location;

use http::header::{CONTENT_TYPE, HeaderValue};

use super::context::Context;
use super::engine::Engine;
use super::kind::kind;
use crate::error::place::Place;
use crate::error::{Error, Result};
use crate::http::request::Request;
use crate::http::response::{self, Response};
use crate::pages::status;

/// A page: a template, filled in with the values of [`context!`](crate::context!).
///
/// ```no_run
/// use duck::{Request, Response, Result, context, render};
///
/// async fn home(request: Request) -> Result<Response> {
///     let visits: u32 = request.session.update("visits", |visits: &mut u32| *visits += 1).await?;
///     render(&request, "home.html", context! { visits }).await
/// }
/// ```
///
/// `name` is the path of a file below a folder of templates: see [`templates!`](crate::templates!). Its
/// ending says what the page is: `.txt`, `.md`, `.csv`, `.css`, `.js`, `.json`, `.xml`, `.atom`, `.rss`
/// and `.svg` get their media types, and everything else is HTML. In HTML and XML values are escaped, in
/// JSON and JavaScript they are written as JSON, and in the others they are written as they are.
///
/// The status is 200, or 422 (RFC 9110, 15.5.21) where a form of this request was filled in wrongly:
/// [`with_status`](Response::with_status) sets another.
///
/// # Errors
///
/// 500 with a [`TemplateError`](crate::pages::TemplateError) where there is no such template, it does
/// not compile, or uses a name that is not there. What fetching a value of
/// [`Setup::template_value`](crate::Setup::template_value) fails with is passed on. The
/// [`place`](Error::place) of both is the line that called this.
#[track_caller]
pub fn render<'a>(
    request: &'a Request,
    name: &'a str,
    context: Context,
) -> impl Future<Output = Result<Response>> + Send + 'a {
    let place = Place::of_site(Location::caller());
    async move {
        let page = page(request, name, context).await;
        page.map_err(|error| match error.place() {
            // The line of the site's own function that failed says more.
            Some(_) => error,
            None => error.at(place),
        })
    }
}

async fn page(request: &Request, name: &str, context: Context) -> Result<Response> {
    let Ok(engine) = request.state::<Engine>() else {
        return Err(Error::internal(
            "the site has no templates: add `.with(duck::templates!())` to the app",
        ));
    };
    let text = engine.render(request, name, context).await?;
    let media_type = HeaderValue::from_static(kind(name).0);
    let page = response::text(text).with_status(status::of(request));
    Ok(page.with(CONTENT_TYPE, media_type))
}
