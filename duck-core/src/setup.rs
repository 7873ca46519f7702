//! What a middleware can do when the site is built.

#[cfg(feature = "cli")]
use std::ffi::OsString;
use std::fmt;
#[cfg(feature = "cli")]
use std::process::ExitCode;
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
    #[cfg(feature = "cli")]
    pub(crate) commands: Vec<Command>,
}

/// A command that a part of the site adds to its binary.
#[cfg(feature = "cli")]
#[derive(Clone)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: Arc<Run>,
}

/// What a command does with the arguments behind its name.
#[cfg(feature = "cli")]
type Run = dyn Fn(Vec<OsString>) -> BoxFuture<'static, Result<ExitCode>> + Send + Sync;

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

    /// Adds a command to the site's own binary: `./mysite NAME …` builds the site and runs this,
    /// with what stands behind the name, in place of serving. `about` is its line in `--help`.
    ///
    /// The exit code is 0 where all is well, 1 where something was found or failed (as it is for an
    /// `Err`), 2 for arguments that are not understood. Of two commands of one name the first one
    /// counts, and those that every site has come before all.
    ///
    /// ```
    /// use duck_core::{ExitCode, Middleware, Next, Request, Response, Result, Setup};
    ///
    /// struct Greeter;
    ///
    /// impl Middleware for Greeter {
    ///     fn start(&mut self, setup: &mut Setup<'_>) -> Result<()> {
    ///         setup.command("greet", "Say hello", |_arguments| async {
    ///             println!("Quack!");
    ///             Ok(ExitCode::SUCCESS)
    ///         });
    ///         Ok(())
    ///     }
    /// #     async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
    /// #         Ok(next.run(request).await)
    /// #     }
    /// }
    /// ```
    #[cfg(feature = "cli")]
    pub fn command<F>(
        &mut self,
        name: &'static str,
        about: &'static str,
        run: impl Fn(Vec<OsString>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<ExitCode>> + Send + 'static,
    {
        self.hooks.commands.push(Command {
            name,
            about,
            run: Arc::new(move |arguments| Box::pin(run(arguments))),
        });
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
