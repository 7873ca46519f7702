//! What a site is put together from.

use std::future::Future;
use std::pin::Pin;

use crate::app::setup::Setup;
use crate::error::Result;

/// A part of a site that has to start before the site can answer: a database pool, a mailer, sessions.
///
/// Add one with [`App::with`](crate::App::with). Components start one after the other, in the order they
/// were added, and each may use what those before it left with [`Setup::insert`]. If one fails, the site
/// does not start: `run`, `check` and every other command that starts it print the error as one line and
/// exit with 1.
///
/// An async closure is a component. Its argument needs its type written out:
///
/// ```
/// use duck::testing::TestClient;
/// use duck::{App, Request, Result, Settings, Setup, path};
///
/// struct Prices(Vec<u32>);
///
/// async fn first(request: Request) -> Result<String> {
///     Ok(request.state::<Prices>()?.0[0].to_string())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App::new(Settings::default().with("PRICES", "7 11"))
///     .with(async |setup: &mut Setup<'_>| {
///         let text: String = setup.settings().get("PRICES")?.unwrap_or_default();
///         let prices: Result<Vec<u32>, _> = text.split(' ').map(str::parse).collect();
///         setup.insert(Prices(prices?));
///         Ok(())
///     })
///     .urls([path("/", first)]);
/// assert_eq!(TestClient::start(app).await.get("/").await.text(), "7");
/// # }
/// ```
///
/// So is an `async fn` with that argument, and a type of your own that implements this trait: for a part
/// that takes options, or that others use as well.
///
/// ```
/// use duck::{Component, Result, Setup};
///
/// struct Mailer {
///     from: String,
/// }
///
/// impl Component for Mailer {
///     async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
///         setup.banner("mail", &self.from);
///         setup.insert(self);
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a component of a site",
    label = "not a component",
    note = "a component implements `Component`, or is a closure: `async |setup: &mut Setup<'_>| {{ … Ok(()) }}`",
    note = "a middleware that needs no start is added with `App::middleware`"
)]
pub trait Component: Send + 'static {
    /// Opens what the component needs, and registers with `setup` what it adds to the site.
    ///
    /// The future may hold what is not `Send`: a site starts on the thread that asks for it.
    ///
    /// # Errors
    ///
    /// Whatever keeps the site from starting.
    fn start(self, setup: &mut Setup<'_>) -> impl Future<Output = Result<()>>;
}

#[diagnostic::do_not_recommend]
impl<F> Component for F
where
    F: for<'a, 'b> AsyncFnOnce(&'a mut Setup<'b>) -> Result<()> + Send + 'static,
{
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        self(setup).await
    }
}

/// A component whose type is forgotten.
pub(crate) type Start = Box<
    dyn for<'a, 'b> FnOnce(&'a mut Setup<'b>) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>
        + Send,
>;
