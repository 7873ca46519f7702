//! What a component can do when the site starts.

use std::any::type_name;
#[cfg(feature = "cli")]
use std::ffi::OsString;
use std::fmt;
#[cfg(feature = "cli")]
use std::process::ExitCode;
use std::sync::Arc;

use crate::BoxFuture;
use crate::app::context::{Context, State};
use crate::app::lease::{LeaseSlot, Leases};
use crate::app::readiness::ReadyCheck;
use crate::error::statuses::Statuses;
use crate::error::{Error, Result};
use crate::middleware::{ErasedMiddleware, Middleware, caught};
use crate::routing::urls::UrlPattern;
use crate::settings::Settings;

/// Something to do when the site stops.
pub(crate) type Task = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Something to do beside the server.
pub(crate) type Work = Arc<dyn Fn(Arc<Context>) -> BoxFuture<'static, ()> + Send + Sync>;

/// Something that can be read anew while the site runs.
#[derive(Clone)]
pub(crate) struct Reload {
    /// What it is: a setting, a file.
    pub(crate) what: String,
    pub(crate) task: Arc<ReloadTask>,
}

type ReloadTask = dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync;

/// The site while it starts, as a [`Component`](crate::Component) sees it.
pub struct Setup<'a> {
    settings: &'a Settings,
    purpose: Purpose,
    pub(crate) hooks: Hooks,
    pub(crate) state: State,
    pub(crate) layers: Vec<Arc<dyn ErasedMiddleware>>,
    /// Whether a middleware looks at the tokens of forms.
    pub(crate) checks_tokens: bool,
    pub(crate) patterns: Vec<UrlPattern>,
    pub(crate) statuses: Statuses,
    /// Filled by the component that keeps what the site's processes share.
    pub(crate) leases: LeaseSlot,
}

/// What a site is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Requests: from visitors or tests.
    Serving,
    /// One of its commands, such as `check` or `routes`.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "commands come with the feature")
    )]
    Command,
}

/// What the parts of a site want done besides answering requests.
#[derive(Default, Clone)]
pub(crate) struct Hooks {
    pub(crate) background: Vec<Work>,
    /// Has `SHUTDOWN_TIMEOUT` to come to its end.
    pub(crate) work: Vec<Work>,
    pub(crate) stop: Vec<Task>,
    pub(crate) ready_checks: Vec<ReadyCheck>,
    pub(crate) reload: Vec<Reload>,
    pub(crate) banner: Vec<(String, String)>,
    /// What is wrong with the site though it starts, for `check`.
    pub(crate) findings: Vec<String>,
    /// What is wrong with it on the internet, for `check --deploy`.
    pub(crate) deploy_findings: Vec<String>,
    /// What is no mistake, but good to know, for `check`.
    pub(crate) check_notes: Vec<String>,
    #[cfg(feature = "cli")]
    pub(crate) commands: Vec<Command>,
    #[cfg(feature = "cli")]
    pub(crate) checks: Vec<Check>,
}

/// What a part of the site has found out about itself, for the command `check`.
#[cfg(feature = "cli")]
#[derive(Clone)]
pub(crate) struct Check {
    /// What is well, where nothing was found: `9 templates compile`.
    pub(crate) is_well: String,
    pub(crate) findings: Vec<String>,
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
type Run =
    dyn Fn(Vec<OsString>, Arc<Context>) -> BoxFuture<'static, Result<ExitCode>> + Send + Sync;

impl<'a> Setup<'a> {
    pub(crate) fn new(settings: &'a Settings, state: State, purpose: Purpose) -> Self {
        Self {
            settings,
            purpose,
            hooks: Hooks::default(),
            state,
            layers: Vec::new(),
            checks_tokens: false,
            patterns: Vec::new(),
            statuses: Statuses::default(),
            leases: LeaseSlot::default(),
        }
    }

    /// The site's settings.
    pub fn settings(&self) -> &Settings {
        self.settings
    }

    /// Whether the site will answer requests. It will not where one of its commands runs, such as
    /// `check` or `routes`: those should work while a database is down, so connect later then.
    pub fn is_serving(&self) -> bool {
        self.purpose == Purpose::Serving
    }

    /// Leaves a value for the views ([`Request::state`](crate::Request::state)) and for the components
    /// that start later ([`get`](Self::get)). There is one of each type; the last one stays.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.state.insert(value);
    }

    /// A value of this type that an earlier component, or [`App::state`](crate::App::state), has left.
    ///
    /// # Errors
    ///
    /// When there is none: the component that gives it has to be added further up.
    #[track_caller]
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<&T> {
        // `ok_or_else` would name this line rather than the caller's.
        match self.state.get() {
            Some(value) => Ok(value),
            None => Err(Error::internal(format!(
                "no component before this one gives a `{}`: add it with `App::with` further up",
                type_name::<T>()
            ))),
        }
    }

    /// Whether a component before this one brings sessions.
    #[cfg(feature = "limits")]
    pub(crate) fn has_sessions(&self) -> bool {
        self.state.get::<crate::session::AuthHash>().is_some()
    }

    /// Adds a middleware around all views, inside of those that were added before.
    pub fn middleware(&mut self, middleware: impl Middleware) {
        self.layers.push(Arc::new(middleware));
    }

    /// Adds a middleware outside of all others that are there, for what has to see the response as the client does.
    pub(crate) fn outermost(&mut self, middleware: impl Middleware) {
        self.layers.insert(0, Arc::new(middleware));
    }

    /// Adds URL patterns. The site's own come before them.
    pub fn urls(&mut self, patterns: impl IntoIterator<Item = UrlPattern>) {
        self.patterns.extend(patterns);
    }

    /// Gives errors of one type their status: see [`App::error_status`](crate::App::error_status).
    ///
    /// ```
    /// use duck::{App, Settings, Setup, StatusCode};
    ///
    /// let database = async |setup: &mut Setup<'_>| {
    ///     setup.error_status(|error: &std::io::Error| {
    ///         (error.kind() == std::io::ErrorKind::NotFound).then_some(StatusCode::NOT_FOUND)
    ///     });
    ///     Ok(())
    /// };
    /// let app = App::new(Settings::default()).with(database);
    /// ```
    pub fn error_status<E: std::error::Error + 'static>(
        &mut self,
        status: impl Fn(&E) -> Option<http::StatusCode> + Send + Sync + 'static,
    ) {
        self.statuses.add(status);
    }

    /// Runs a future beside the server, from its start until it stops.
    pub fn background<F>(&mut self, task: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.background_in_context(move |_| task());
    }

    /// The same, for a future that needs what the site's components have left.
    pub(crate) fn background_in_context<F>(
        &mut self,
        task: impl Fn(Arc<Context>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let task: Work = Arc::new(move |context| Box::pin(task(context)));
        self.hooks.background.push(task);
    }

    /// Runs a future beside the server that ends by itself when the site was asked to stop. Its end is waited for, for
    /// `SHUTDOWN_TIMEOUT` at most.
    #[cfg(feature = "tasks")]
    pub(crate) fn work<F>(&mut self, work: impl Fn(Arc<Context>) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hooks
            .work
            .push(Arc::new(move |context| Box::pin(work(context))));
    }

    /// Runs a future when the server has answered its last request. What was added last runs first: what it has from
    /// the components before it is still open then.
    pub fn on_stop<F>(&mut self, task: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hooks.stop.push(Arc::new(move || Box::pin(task())));
    }

    /// Adds something that has to be well for the site to do its work, by a name for whoever looks after it: `/-/ready`
    /// is a 503 while it fails, or takes longer than two seconds ([`Health`](crate::Health)).
    ///
    /// It is asked at most once a second, and only if somebody asks for `/-/ready`. What is shared by all machines of a
    /// site takes all of them out of a load balancer at once when it fails: check what pages cannot do without.
    ///
    /// ```
    /// use duck::{App, Health, Settings, Setup};
    ///
    /// let mail = async |setup: &mut Setup<'_>| {
    ///     setup.ready_check("mail", async || {
    ///         tokio::net::TcpStream::connect("127.0.0.1:25").await?;
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// };
    /// let app = App::new(Settings::default()).with(Health::new()).with(mail);
    /// ```
    pub fn ready_check<F>(
        &mut self,
        name: impl Into<String>,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let check = Arc::new(check);
        self.hooks.ready_checks.push(ReadyCheck {
            name: name.into(),
            run: Arc::new(move || {
                let check = check.clone();
                Box::pin(async move { caught(|| check()).await.and_then(|answer| answer) })
            }),
        });
    }

    /// Says how the processes of this site agree on which of them does something: a session storage that they share
    /// does. Of several, the first one counts. [`Leases`] has an example.
    pub fn leases(&mut self, leases: Arc<dyn Leases>) {
        self.leases.fill(leases);
    }

    /// Runs a future when the site is to read anew what it can without a restart: at SIGHUP, where the site was not
    /// started from a terminal. Only [`App::run`](crate::App::run) hears that signal. `what` names it in the log: a setting, a file. Where the future fails, the log has
    /// its error as well, and the site goes on with what it had: so read first, and replace then.
    ///
    /// ```
    /// use std::sync::{Arc, RwLock};
    ///
    /// use duck::{App, Settings, Setup};
    ///
    /// struct Prices(Arc<RwLock<String>>);
    ///
    /// let prices = async |setup: &mut Setup<'_>| {
    ///     let prices = Arc::new(RwLock::new(std::fs::read_to_string("prices.txt")?));
    ///     setup.insert(Prices(prices.clone()));
    ///     setup.on_reload("prices.txt", move || {
    ///         let prices = prices.clone();
    ///         async move {
    ///             let new = std::fs::read_to_string("prices.txt")?;
    ///             *prices.write().unwrap() = new;
    ///             Ok(())
    ///         }
    ///     });
    ///     Ok(())
    /// };
    /// let app = App::new(Settings::default()).with(prices);
    /// ```
    pub fn on_reload<F>(
        &mut self,
        what: impl Into<String>,
        task: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.reload.push(Reload {
            what: what.into(),
            task: Arc::new(move || Box::pin(task())),
        });
    }

    /// Tells the command `check` what was looked at, and what was found to be wrong.
    #[cfg(all(feature = "cli", feature = "templates"))]
    pub(crate) fn check(&mut self, is_well: String, findings: Vec<String>) {
        self.hooks.checks.push(Check { is_well, findings });
    }

    /// Tells `check --deploy` what is wrong with a site on the internet, and no mistake elsewhere: a sentence that names
    /// the setting, as [`Settings::error`] makes it.
    pub fn deploy_finding(&mut self, finding: impl Into<String>) {
        self.hooks.deploy_findings.push(finding.into());
    }

    /// Tells `check` what a site should know of itself though it is no mistake, such as a default that does not hold
    /// for it: a sentence that names the setting, as [`Settings::error`] makes it. All is well nevertheless.
    ///
    /// ```
    /// use duck::{App, Settings, Setup};
    ///
    /// let mail = async |setup: &mut Setup<'_>| {
    ///     let settings = setup.settings();
    ///     if settings.get::<String>("MAIL_SERVER")?.is_none() {
    ///         let note = settings.error("MAIL_SERVER", "mails go to the log only").to_string();
    ///         setup.check_note(note);
    ///     }
    ///     Ok(())
    /// };
    /// let app = App::new(Settings::default()).with(mail);
    /// ```
    pub fn check_note(&mut self, note: impl Into<String>) {
        self.hooks.check_notes.push(note.into());
    }

    /// Adds a line to what the site prints when it starts: `sessions   folder  sessions/`.
    pub fn banner(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.hooks.banner.push((name.into(), text.into()));
    }

    /// Has `check` say what is wrong with the site, which starts nevertheless.
    pub(crate) fn finding(&mut self, text: String) {
        self.hooks.findings.push(text);
    }

    /// Adds a command to the site's own binary: `./mysite NAME …` starts the components and runs this,
    /// with what stands behind the name, in place of serving. `about` is its line in `--help`.
    ///
    /// The exit code is 0 where all is well, 1 where something was found or failed (as it is for an
    /// `Err`), 2 for arguments that are not understood. Of two commands of one name the first one
    /// counts, and those that every site has come before all.
    ///
    /// ```
    /// use duck::{App, ExitCode, Settings, Setup};
    ///
    /// let app = App::new(Settings::default()).with(async |setup: &mut Setup<'_>| {
    ///     setup.command("greet", "Say hello", |_arguments| async {
    ///         println!("Quack!");
    ///         Ok(ExitCode::SUCCESS)
    ///     });
    ///     Ok(())
    /// });
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
        self.command_in_context(name, about, move |arguments, _| run(arguments));
    }

    /// The same, for a command that needs what the site's components have left.
    #[cfg(feature = "cli")]
    pub(crate) fn command_in_context<F>(
        &mut self,
        name: &'static str,
        about: &'static str,
        run: impl Fn(Vec<OsString>, Arc<Context>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<ExitCode>> + Send + 'static,
    {
        self.hooks.commands.push(Command {
            name,
            about,
            run: Arc::new(move |arguments, context| Box::pin(run(arguments, context))),
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
