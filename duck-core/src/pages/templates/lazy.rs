//! Values that are fetched only for a page that uses them.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Serde};
use minijinja::{Error as EngineError, ErrorKind, State, Value};
use serde::Serialize;

use crate::BoxFuture;
use crate::error::Result;
use crate::http::request::Request;

type Load = dyn Fn(Request) -> BoxFuture<'static, Result<Value>> + Send + Sync;

/// A name of every template, and how its value is fetched.
pub(super) struct LazyValue {
    pub(super) name: String,
    /// Whether templates call it, `flashes()`, rather than read it.
    is_called: bool,
    load: Box<Load>,
}

impl LazyValue {
    /// `name` is as templates write it: `user`, or `flashes()` for what is called.
    pub(super) fn new<F, T>(name: &str, load: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Serialize,
    {
        let called = name.strip_suffix("()");
        Self {
            name: called.unwrap_or(name).to_owned(),
            is_called: called.is_some(),
            load: Box::new(move |request| {
                let value = load(request);
                Box::pin(async move { Ok(Value::from(Serde(&value.await?))) })
            }),
        }
    }

    pub(super) async fn load(&self, request: &Request) -> Result<Value> {
        (self.load)(request.clone()).await
    }

    /// What a template gets for the name. Where it has not been fetched, the rendering ends with
    /// [`NotFetched`] as soon as the template does anything with it: the engine checks a value when it is
    /// looked up, and not when a macro that names it is declared.
    pub(super) fn value(&self, place: usize, loaded: Option<&Value>) -> Value {
        match loaded {
            _ if self.is_called => Value::from_object(Call {
                name: self.name.clone(),
                place,
                loaded: loaded.cloned(),
            }),
            Some(value) => value.clone(),
            None => Value::from(NotFetched(place).error()),
        }
    }
}

/// A lazy value was used that has not been fetched: which one of the site's.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotFetched(pub(super) usize);

impl NotFetched {
    fn error(self) -> EngineError {
        EngineError::new(ErrorKind::InvalidOperation, "not fetched yet").with_source(self)
    }

    /// What a rendering ended for, if that is why it did.
    pub(super) fn of(error: &EngineError) -> Option<Self> {
        let first = error as &(dyn StdError + 'static);
        std::iter::successors(Some(first), |&error| error.source())
            .find_map(|cause| cause.downcast_ref().copied())
    }
}

impl fmt::Display for NotFetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value has to be fetched first")
    }
}

impl StdError for NotFetched {}

/// A lazy value that templates call.
#[derive(Debug)]
struct Call {
    name: String,
    place: usize,
    loaded: Option<Value>,
}

impl Object for Call {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        arguments: &[Value],
    ) -> Result<Value, EngineError> {
        if !arguments.is_empty() {
            return Err(EngineError::new(
                ErrorKind::TooManyArguments,
                format!("{}() takes no values", self.name),
            ));
        }
        self.loaded
            .clone()
            .ok_or_else(|| NotFetched(self.place).error())
    }

    /// `{{ flashes }}` for `{{ flashes() }}`.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}()", self.name)
    }
}
