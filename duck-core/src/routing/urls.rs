//! URL patterns: which path is answered by which view.

use std::fmt;
#[cfg(feature = "limits")]
use std::panic::Location;
use std::sync::Arc;

use http::Method;

use crate::error::Result;
use crate::http::into_response::IntoResponse;
#[cfg(feature = "limits")]
use crate::middleware::rate_limit::{Counted, RateLimit};
use crate::middleware::{ErasedMiddleware, Middleware};
#[cfg(feature = "templates")]
use crate::pages::templates::folder::Folder;
use crate::routing::params::FromParams;
use crate::routing::view::{AsyncAnswer, ErasedView, Shim, View};
use crate::settings::Settings;

/// Binds a path to a view.
///
/// A path begins with `/`. Its parameters are written `<id>`; with a converter, as in Django,
/// `<int:id>`, `<slug:name>`, `<uuid:key>`, or `<path:rest>` for the rest of the path, slashes
/// included. They become the view's further arguments, in their order. Text that an argument's
/// type cannot read is a 404.
///
/// ```
/// use duck::{Request, path};
/// use duck::http::POST;
///
/// async fn home(request: Request) -> &'static str {
///     "Hello"
/// }
///
/// async fn save(request: Request, id: u32) -> String {
///     format!("saved {id}")
/// }
///
/// let urlpatterns = [path("/", home).name("home"), path("/notes/<id>", save).name("save").methods([POST])];
/// ```
///
/// Mistakes in the path, two patterns that match the same, and a view with more arguments than its
/// path has parameters stop the site from starting, with a sentence about it.
pub fn path<V, Args>(path: &str, view: V) -> UrlPattern
where
    V: View<Args>,
    V::Future: AsyncAnswer<Answer: IntoResponse> + Send + 'static,
    Args: FromParams,
{
    UrlPattern::new(Matcher::Path(path.to_owned()), view.methods(), |_| Ok(view))
}

/// Binds a regular expression to a view. It has to match the whole path, in which what needs it stays
/// percent-encoded (`/caf%C3%A9`); its groups, decoded,
/// become the view's further arguments, and those with a name can be had with
/// [`Request::param`](crate::Request::param).
///
/// Regular expressions are tried after all paths, in their order.
///
/// ```
/// use duck::Request;
/// use duck::routing::re_path;
///
/// async fn archive(request: Request, year: u16) -> String {
///     format!("what happened in {year}")
/// }
///
/// let pattern = re_path(r"/archive/(?<year>\d{4})/?", archive).name("archive");
/// ```
#[cfg(feature = "regex")]
pub fn re_path<V, Args>(expression: &str, view: V) -> UrlPattern
where
    V: View<Args>,
    V::Future: AsyncAnswer<Answer: IntoResponse> + Send + 'static,
    Args: FromParams,
{
    UrlPattern::new(
        Matcher::Regex(expression.to_owned()),
        view.methods(),
        |_| Ok(view),
    )
}

/// URL patterns for one host, or for all hosts that differ in a part of their name.
///
/// `"api.example.org"` is one host. In `"<tenant>.example.org"` the parameter stands for one whole part between two
/// dots; [`Request::param`](crate::Request::param) reads it, in lower case. Names are compared without regard to
/// upper case, the port, and a dot at their end. Other letters are written in their ASCII form, `xn--…`, and an IPv6
/// address in brackets. The host of a request is that of [`Request::host`](crate::Request::host).
///
/// At such a host its own patterns come first. A path that none of them has is answered by the patterns without a
/// host: static files, say. Of several hosts that fit, the one with the fewest parameters counts; two that fit the
/// same hosts with equally many keep the site from starting.
///
/// `ALLOWED_HOSTS` decides first, and has to name these hosts too: `".example.org"` for all below one.
///
/// [`Request::url`](crate::Request::url) of such a page is absolute, `https://acme.example.org/notes/7`; it takes the
/// values of the host before those of the path.
///
/// ```
/// use duck::routing::host;
/// use duck::testing::TestClient;
/// use duck::{App, Request, Result, Settings, path};
///
/// async fn home(_request: Request) -> &'static str {
///     "the shop of all shops"
/// }
///
/// async fn shop(request: Request) -> Result<String> {
///     let tenant: String = request.param("tenant")?;
///     Ok(format!("the shop of {tenant}"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App::new(Settings::default())
///     .urls([path("/", home)])
///     .urls(host("<tenant>.example.org", [path("/", shop)]));
/// let site = TestClient::start(app).await;
/// assert_eq!(site.get("/").await.text(), "the shop of all shops");
/// assert_eq!(site.at_host("Acme.example.org").get("/").await.text(), "the shop of acme");
/// # }
/// ```
pub fn host(host: &str, patterns: impl IntoIterator<Item = UrlPattern>) -> Vec<UrlPattern> {
    let within = |mut pattern: UrlPattern| {
        pattern.hosts.push(host.to_owned());
        pattern
    };
    patterns.into_iter().map(within).collect()
}

/// A path (or regular expression) with its view, name, methods and middleware.
pub struct UrlPattern {
    /// The host that it is for. Two are a mistake.
    pub(crate) hosts: Vec<String>,
    pub(crate) matcher: Matcher,
    pub(crate) name: Option<String>,
    pub(crate) methods: Vec<Method>,
    pub(crate) any_method: bool,
    pub(crate) layers: Vec<Arc<dyn ErasedMiddleware>>,
    /// Those of the layers that are rate limits.
    #[cfg(feature = "limits")]
    pub(crate) limits: Vec<Arc<Counted>>,
    pub(crate) max_body: Option<u64>,
    /// Whether requests from other sites are refused; unset, they are.
    pub(crate) csrf: Option<bool>,
    pub(crate) public: bool,
    pub(crate) inside: Surroundings,
    pub(crate) view: MakeView,
    pub(crate) view_name: &'static str,
    pub(crate) view_params: usize,
    /// Those of the blueprints it is in, the outermost first.
    #[cfg(feature = "templates")]
    pub(crate) templates: Vec<Folder>,
}

/// What of the site stands around a URL pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// All of it.
    Site,
    /// All but its middleware.
    Log,
    /// Not even tower layers and the log of all requests.
    Nothing,
}

/// Makes the view when the site starts: a static folder has to read settings first.
type MakeView = Box<dyn FnOnce(&Settings) -> Result<Arc<dyn ErasedView>> + Send + Sync>;

/// The parameter that stands for all below a prefix.
pub(crate) const REST: &str = "rest";

#[derive(Debug, Clone)]
pub(crate) enum Matcher {
    Path(String),
    /// This path and all below it.
    #[cfg_attr(
        not(feature = "tower"),
        expect(dead_code, reason = "only `mount` makes it")
    )]
    Below(String),
    #[cfg(feature = "regex")]
    Regex(String),
}

#[cfg(feature = "limits")]
impl Matcher {
    /// As it was written.
    fn text(&self) -> &str {
        match self {
            Self::Path(path) | Self::Below(path) => path,
            #[cfg(feature = "regex")]
            Self::Regex(expression) => expression,
        }
    }
}

impl UrlPattern {
    pub(super) fn new<V, Args>(
        matcher: Matcher,
        methods: Option<Vec<Method>>,
        view: impl FnOnce(&Settings) -> Result<V> + Send + Sync + 'static,
    ) -> Self
    where
        V: View<Args>,
        V::Future: AsyncAnswer<Answer: IntoResponse> + Send + 'static,
        Args: FromParams,
    {
        Self {
            hosts: Vec::new(),
            matcher,
            name: None,
            methods: methods.unwrap_or_else(|| vec![Method::GET]),
            any_method: false,
            layers: Vec::new(),
            #[cfg(feature = "limits")]
            limits: Vec::new(),
            max_body: None,
            csrf: None,
            public: false,
            inside: Surroundings::Site,
            view: Box::new(|settings| Ok(Arc::new(Shim::new(view(settings)?)))),
            view_name: std::any::type_name::<V>(),
            view_params: Args::COUNT,
            #[cfg(feature = "templates")]
            templates: Vec::new(),
        }
    }

    /// A pattern whose view is made from the settings, when the site starts.
    pub(crate) fn from_settings<V, Args>(
        path: String,
        view: impl FnOnce(&Settings) -> Result<V> + Send + Sync + 'static,
    ) -> Self
    where
        V: View<Args>,
        V::Future: AsyncAnswer<Answer: IntoResponse> + Send + 'static,
        Args: FromParams,
    {
        Self::new(Matcher::Path(path), None, view)
    }

    /// Names the page, for [`Request::url`](crate::Request::url) and
    /// [`redirect`](crate::redirect()).
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The methods the view answers, in place of `GET`: with `[POST]` a `GET` is a 405. `HEAD` comes
    /// with `GET`; `OPTIONS` is answered by the framework unless it is named; any other method gets a
    /// 405.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self.any_method = false;
        self
    }

    /// Has the view answer every method that no other view of the same path answers, `HEAD`,
    /// `OPTIONS` and unregistered ones among them. The view looks at
    /// [`Request::method`](crate::Request::method).
    ///
    /// ```
    /// use duck::{Request, path};
    ///
    /// async fn hook(request: Request) -> String {
    ///     request.method().to_string()
    /// }
    ///
    /// let pattern = path("/hook", hook).any_method();
    /// ```
    #[must_use]
    pub fn any_method(mut self) -> Self {
        self.methods.clear();
        self.any_method = true;
        self
    }

    /// Adds a middleware around this view alone.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.layers.push(Arc::new(middleware));
        self
    }

    /// Limits how often one visitor is answered by this view, by address unless the limit says otherwise: see
    /// [`RateLimit`]. Who comes too often gets a 429.
    ///
    /// ```
    /// use duck::{Request, path};
    ///
    /// async fn search(request: Request) -> &'static str {
    ///     "found"
    /// }
    ///
    /// let pattern = path("/search", search).limit("10/s").limit("1000/day");
    /// ```
    ///
    /// It is a middleware, and stands where it was added: before `.middleware(login_required)`, whoever is refused
    /// costs no look at their session.
    #[cfg(feature = "limits")]
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, limit: impl Into<RateLimit>) -> Self {
        let counted = Arc::new(Counted::new(limit.into(), Location::caller()));
        self.limits.push(counted.clone());
        self.layers.push(counted);
        self
    }

    /// Refuses limits that could not count.
    #[cfg(feature = "limits")]
    pub(crate) fn check_limits(&self, has_sessions: bool) -> Result<()> {
        let path = self.matcher.text();
        let check = |limit: &Arc<Counted>| {
            limit.check(format_args!("the URL pattern {path:?}"), has_sessions)
        };
        self.limits.iter().try_for_each(check)
    }

    /// Lets in visitors who are not logged in, where `duck::auth::login_required` stands around the
    /// blueprint or the site: a page to sign up. Without that it changes nothing.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Has the view answered outside of the middleware that stands around the whole site: without a session, a login
    /// or a limit that is asked for there. That is for what programs ask for often and what needs nothing of it: the
    /// callback of a payment service, say. Middleware of the pattern itself and of its blueprints stays, and so do
    /// the checks of hosts and of where forms come from, tower layers, and the log. The tokens of `CSRF_TOKENS`
    /// belong to sessions: they are not asked for.
    ///
    /// ```
    /// use duck::{Request, path};
    ///
    /// async fn version(request: Request) -> &'static str {
    ///     env!("CARGO_PKG_VERSION")
    /// }
    ///
    /// let pattern = path("/version", version).without_middleware();
    /// ```
    #[must_use]
    pub fn without_middleware(mut self) -> Self {
        self.inside = Surroundings::Log;
        self
    }

    /// Takes it out of the site's middleware, its tower layers, and the log of all requests.
    #[must_use]
    pub(crate) fn bare(mut self) -> Self {
        self.inside = Surroundings::Nothing;
        self
    }

    /// How many bytes a request may bring to this view, in place of `MAX_BODY_BYTES`.
    #[must_use]
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = Some(bytes);
        self
    }

    /// Whether requests that pages of other sites make are refused, as they are for every view unless you say
    /// `false`. Say so for a view that such pages may use, and that does nothing in the name of whoever
    /// is logged in: an API that takes a token in a header, say. Programs need no `false`: what comes from no
    /// browser is not refused.
    ///
    /// ```
    /// use duck::http::POST;
    /// use duck::{Request, path};
    ///
    /// async fn count(request: Request) -> &'static str {
    ///     "counted"
    /// }
    ///
    /// let pattern = path("/count", count).methods([POST]).csrf(false);
    /// ```
    #[must_use]
    pub fn csrf(mut self, protected: bool) -> Self {
        self.csrf = Some(protected);
        self
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlPattern")
            .field("hosts", &self.hosts)
            .field("matcher", &self.matcher)
            .field("name", &self.name)
            .field("methods", &self.methods)
            .field("any_method", &self.any_method)
            .field("view", &self.view_name)
            .finish_non_exhaustive()
    }
}
