//! Blueprints: parts of a site.

use std::fmt;
#[cfg(feature = "limits")]
use std::panic::Location;
use std::sync::Arc;

#[cfg(feature = "limits")]
use crate::middleware::rate_limit::{Counted, RateLimit};
use crate::middleware::{ErasedMiddleware, Middleware};
#[cfg(feature = "templates")]
use crate::pages::templates::{folder::Folder, folders::Templates};
use crate::routing::urls::{Matcher, UrlPattern};

/// A part of a site: URL patterns under one prefix, with names and middleware of their own.
///
/// ```
/// use duck::{App, Blueprint, Request, Settings, path};
///
/// async fn item(request: Request, id: u32) -> String {
///     format!("item {id}")
/// }
///
/// let shop = Blueprint::new("shop").prefix("/shop").urls([path("/<id>", item).name("item")]);
/// let app = App::new(Settings::default()).urls(shop); // "/shop/7", by name "shop.item"
/// ```
pub struct Blueprint {
    name: String,
    prefix: String,
    patterns: Vec<UrlPattern>,
    layers: Vec<Arc<dyn ErasedMiddleware>>,
    #[cfg(feature = "limits")]
    limits: Vec<Arc<Counted>>,
    csrf: Option<bool>,
    #[cfg(feature = "templates")]
    templates: Vec<Folder>,
}

impl Blueprint {
    /// A blueprint whose pages are named `name.page`. Its prefix is `/name` unless you say otherwise.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            prefix: format!("/{name}"),
            name,
            patterns: Vec::new(),
            layers: Vec::new(),
            #[cfg(feature = "limits")]
            limits: Vec::new(),
            csrf: None,
            #[cfg(feature = "templates")]
            templates: Vec::new(),
        }
    }

    /// What its paths begin with: `/shop`, or `/` for nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Adds URL patterns, or another blueprint.
    #[must_use]
    pub fn urls(mut self, patterns: impl IntoIterator<Item = UrlPattern>) -> Self {
        self.patterns.extend(patterns);
        self
    }

    /// Adds a middleware around all its views.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.layers.push(Arc::new(middleware));
        self
    }

    /// Limits how often one visitor is answered by all its views together: see [`UrlPattern::limit`].
    ///
    /// ```
    /// use duck::Blueprint;
    ///
    /// let api = Blueprint::new("api").limit("100/min");
    /// ```
    #[cfg(feature = "limits")]
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, limit: impl Into<RateLimit>) -> Self {
        let counted = Arc::new(Counted::new(limit.into(), Location::caller()));
        self.limits.push(counted.clone());
        self.layers.push(counted);
        self
    }

    /// Whether its views refuse requests of other sites, where their own URL patterns say nothing: see
    /// [`UrlPattern::csrf`].
    #[must_use]
    pub fn csrf(mut self, protected: bool) -> Self {
        self.csrf = Some(protected);
        self
    }

    /// Adds a folder of templates. The site's own stand before it, those of the blueprints in it behind
    /// it. They come with the blueprint's URL patterns: without any, there are no templates either.
    ///
    /// ```
    /// use duck::Blueprint;
    ///
    /// let shop = Blueprint::new("shop").templates(duck::templates!("$CARGO_MANIFEST_DIR/src/shop/templates"));
    /// ```
    #[cfg(feature = "templates")]
    #[must_use]
    pub fn templates(mut self, templates: Templates) -> Self {
        self.templates.extend(templates.into_folders());
        self
    }

    fn adopt(&self, mut pattern: UrlPattern) -> UrlPattern {
        let prefix = self.prefix.trim_end_matches('/');
        match &mut pattern.matcher {
            Matcher::Path(path) | Matcher::Below(path) => path.insert_str(0, prefix),
            #[cfg(feature = "regex")]
            Matcher::Regex(expression) => {
                // `^` is where the expression begins: behind the prefix.
                let own = expression.strip_prefix('^').unwrap_or(expression);
                *expression = format!("{}(?:{own})", regex::escape(prefix));
            }
        }
        pattern.csrf = pattern.csrf.or(self.csrf);
        pattern.name = pattern.name.map(|name| format!("{}.{name}", self.name));
        pattern.layers.splice(0..0, self.layers.iter().cloned());
        #[cfg(feature = "limits")]
        pattern.limits.extend(self.limits.iter().cloned());
        #[cfg(feature = "templates")]
        pattern
            .templates
            .splice(0..0, self.templates.iter().cloned());
        pattern
    }
}

impl IntoIterator for Blueprint {
    type Item = UrlPattern;
    type IntoIter = std::vec::IntoIter<UrlPattern>;

    fn into_iter(mut self) -> Self::IntoIter {
        let patterns = std::mem::take(&mut self.patterns);
        patterns
            .into_iter()
            .map(|pattern| self.adopt(pattern))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("urls", &self.patterns)
            .finish_non_exhaustive()
    }
}
