//! What a middleware can do when the site is built.

use std::fmt;
use std::sync::Arc;

use crate::BoxFuture;
use crate::error::Result;
use crate::settings::Settings;

/// Something to do when the site stops, or while it runs.
pub(crate) type Task = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The site being built, as [`Middleware::start`](crate::Middleware::start) sees it.
pub struct Setup<'a> {
    settings: &'a Settings,
    pub(crate) hooks: Hooks,
}

/// What the parts of a site want done besides answering requests.
#[derive(Default, Clone)]
pub(crate) struct Hooks {
    pub(crate) background: Vec<Arc<Task>>,
    pub(crate) stop: Vec<Arc<Task>>,
    pub(crate) banner: Vec<(String, String)>,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            hooks: Hooks::default(),
        }
    }

    /// The site's settings.
    pub fn settings(&self) -> &Settings {
        self.settings
    }

    /// Runs a future beside the server, from its start until it stops.
    pub fn background<F>(&mut self, task: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hooks
            .background
            .push(Arc::new(Box::new(move || Box::pin(task()))));
    }

    /// Runs a future when the server has answered its last request.
    pub fn on_stop<F>(&mut self, task: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hooks
            .stop
            .push(Arc::new(Box::new(move || Box::pin(task()))));
    }

    /// Adds a line to what the site prints when it starts: `sessions   folder  sessions/`.
    pub fn banner(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.hooks.banner.push((name.into(), text.into()));
    }

    /// Reads a part of the settings, as [`Settings::part`] does.
    ///
    /// # Errors
    ///
    /// As [`Settings::part`].
    pub fn part<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        Ok(self.settings.part()?)
    }
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("settings", self.settings)
            .finish_non_exhaustive()
    }
}
