use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{ErasedMiddleware, Middleware};
use crate::error::{Error, Result};
use crate::setup::Setup;

/// A middleware on its way into the site. The URL patterns of a blueprint share one, which is
/// started once.
#[derive(Clone)]
pub(crate) struct Layer(Arc<Mutex<State>>);

enum State {
    Waiting(Box<dyn ErasedMiddleware>),
    Started(Arc<dyn ErasedMiddleware>),
    /// Its start failed.
    Broken,
}

impl Layer {
    pub(crate) fn new(middleware: impl Middleware) -> Self {
        Self(Arc::new(Mutex::new(State::Waiting(Box::new(middleware)))))
    }

    /// The middleware, started.
    pub(crate) fn start(&self, setup: &mut Setup<'_>) -> Result<Arc<dyn ErasedMiddleware>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Broken) {
            State::Waiting(mut middleware) => {
                middleware.start(setup)?;
                let started: Arc<dyn ErasedMiddleware> = Arc::from(middleware);
                *state = State::Started(started.clone());
                Ok(started)
            }
            State::Started(middleware) => {
                *state = State::Started(middleware.clone());
                Ok(middleware)
            }
            State::Broken => Err(Error::internal("a middleware could not be started")),
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}
