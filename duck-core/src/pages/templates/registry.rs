//! What the components of a site add to its templates.

use std::borrow::Cow;
use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use minijinja::Environment;
use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult};
use serde::Serialize;

use super::engine::Engine;
use super::folder::Folder;
use super::folders::Templates;
use super::lazy::LazyValue;
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::http::request::Request;
#[cfg(feature = "forms")]
use crate::pages::forms::field as forms;

/// Duck's own templates. A site may have others of the same names.
static OWN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/pages/own");

/// The templates of a site while it starts.
pub(super) struct Registry {
    folders: Vec<Folder>,
    environment: Environment<'static>,
    lazy: Vec<LazyValue>,
}

impl Default for Registry {
    fn default() -> Self {
        let mut environment = Environment::new();
        minijinja_contrib::add_to_environment(&mut environment);
        #[cfg(feature = "forms")]
        forms::add_to(&mut environment);
        let mut registry = Self {
            folders: Vec::new(),
            environment,
            lazy: Vec::new(),
        };
        registry.lazy("session", async |request: Request| {
            // What a site keeps about its visitor, by key.
            let all: BTreeMap<String, serde_json::Value> = request.session.to_struct().await?;
            Ok(all)
        });
        registry.lazy("flashes()", async |request: Request| {
            Ok(request.session.flashes().await?)
        });
        registry
    }
}

impl Registry {
    /// The site's, while it starts.
    pub(super) fn of<'a>(setup: &'a mut Setup<'_>) -> &'a mut Self {
        setup.state.get_or_default()
    }

    fn lazy<F, T>(&mut self, name: &str, load: impl Fn(Request) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Serialize,
    {
        let value = LazyValue::new(name, load);
        self.lazy.retain(|other| other.name != value.name);
        self.lazy.push(value);
    }
}

#[diagnostic::do_not_recommend]
impl Component for Templates {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        Registry::of(setup).folders.extend(self.into_folders());
        Ok(())
    }
}

/// Templates: what a component gives them.
impl Setup<'_> {
    /// Gives all templates a function: `{{ price(12) }}`.
    ///
    /// Its arguments are read as the function's types, and its result is a text, a number, a list, or a
    /// [`Value`](crate::pages::minijinja::Value). It may be called more than once for a page: it must not change
    /// anything.
    ///
    /// ```
    /// use duck::{App, Settings, Setup};
    ///
    /// let app = App::new(Settings::default()).with(async |setup: &mut Setup<'_>| {
    ///     setup.template_function("price", |cents: u64| format!("{}.{:02} €", cents / 100, cents % 100));
    ///     Ok(())
    /// });
    /// ```
    pub fn template_function<F, Rv, Args>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        function: F,
    ) where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        Registry::of(self).environment.add_function(name, function);
    }

    /// Gives all templates a filter: `{{ text|shout }}`. The function's first argument is what stands
    /// before the `|`; else as [`template_function`](Self::template_function).
    pub fn template_filter<F, Rv, Args>(&mut self, name: impl Into<Cow<'static, str>>, filter: F)
    where
        F: Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        Registry::of(self).environment.add_filter(name, filter);
    }

    /// Gives all templates a value that is fetched for a page that uses it, and for no other: once for
    /// each page. `name` is as templates write it: `cart`, or `cart()` for one that they call.
    ///
    /// The value is anything that implements [`serde::Serialize`]. If fetching it fails, so does the
    /// page. Of two values of one name the last one stays.
    ///
    /// ```
    /// use duck::{App, Request, Result, Settings, Setup};
    ///
    /// async fn cart(request: Request) -> Result<Vec<u32>> {
    ///     Ok(request.session.get_or_default("cart").await?)
    /// }
    ///
    /// let app = App::new(Settings::default()).with(async |setup: &mut Setup<'_>| {
    ///     setup.template_value("cart", cart); // {{ cart|length }}
    ///     Ok(())
    /// });
    /// ```
    pub fn template_value<F, T>(
        &mut self,
        name: &str,
        load: impl Fn(Request) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Serialize,
    {
        Registry::of(self).lazy(name, load);
    }
}

/// Compiles the templates of a site whose components have all started, those of its `blueprints` behind
/// the site's own. A site without any has no templates.
///
/// # Errors
///
/// Where one does not compile, the site serves and `debug` is off. With it the page will say so.
pub(crate) fn start(
    setup: &mut Setup<'_>,
    blueprints: impl IntoIterator<Item = Folder>,
    debug: bool,
) -> Result<()> {
    let Registry {
        mut folders,
        environment,
        lazy,
    } = setup.state.take().unwrap_or_default();
    for folder in blueprints {
        // Each pattern of a blueprint has its folders.
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    if folders.is_empty() {
        return Ok(());
    }
    folders.push(Folder::Embedded(&OWN));
    let engine = Engine::new(environment, lazy, folders, debug);
    let checked = engine.check();
    if setup.is_serving() {
        match checked.wrong.split_first() {
            Some((first, others)) if !debug => return Err(broken(first, others.len())),
            _ => {}
        }
        for finding in &checked.wrong {
            tracing::warn!(target: "duck", "{finding}");
        }
    }
    #[cfg(feature = "cli")]
    {
        let is_well = match checked.templates {
            1 => "1 template compiles".to_owned(),
            count => format!("{count} templates compile"),
        };
        setup.check(is_well, checked.wrong);
    }
    setup.insert(engine);
    Ok(())
}

fn broken(first: &str, others: usize) -> Error {
    let others = match others {
        0 => String::new(),
        count => format!(" (and {count} more: `check` lists them)"),
    };
    Error::internal(format!("{first}{others}"))
}
