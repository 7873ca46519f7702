//! Building, starting and stopping the site while its author edits it.
//!
//! The listening socket stays ours throughout. A new build is started on the same socket, and only
//! when it serves is the one before asked to finish: no connection is refused in between. While there is
//! no site at all, a page of ours says why.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::build::{Build, Outcome};
use crate::failure::{Failure, Result};
use crate::https::Https;
use crate::interim_page::{InterimPage, Reason};
use crate::interim_server::InterimServer;
use crate::progress;
use crate::report;
use crate::server::Server;
use crate::site::Site;
use crate::watch::{Edit, Need};

/// How often the servers are looked after while nothing happens.
const TICK: Duration = Duration::from_millis(50);

/// What happens to a running `duck run`.
#[derive(Debug)]
pub(crate) enum Event {
    Edited(Edit),
    /// The build of that number is done.
    Built(usize, Outcome),
    /// The server with that process id accepts connections.
    Ready(u32),
    /// Ctrl-C, or a signal like it.
    Stop,
}

/// How to build, and whether again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) release: bool,
    /// Is a site that does not build or ends the end of `duck run`, or shall it wait for an edit?
    pub(crate) wait_for_edits: bool,
    pub(crate) https: Https,
}

/// The site in all its stages.
#[derive(Debug)]
pub(crate) struct Reload {
    site: Site,
    listener: TcpListener,
    options: Options,
    events: Receiver<Event>,
    sender: Sender<Event>,
    /// How many builds were begun; the outcome of an earlier one is of no interest.
    builds: usize,
    build: Option<Build>,
    binary: Option<PathBuf>,
    /// Started, and not ready yet.
    next: Option<Server>,
    /// Answers the requests.
    current: Option<Server>,
    /// Asked to stop.
    leaving: Vec<Server>,
    /// What visitors see while there is no site, neither starting nor answering.
    page: InterimPage,
    interim: Option<InterimServer>,
}

impl Reload {
    pub(crate) fn new(site: Site, listener: TcpListener, options: Options) -> Self {
        let (sender, events) = channel();
        Self {
            page: InterimPage::new(&site.name),
            interim: None,
            site,
            listener,
            options,
            events,
            sender,
            builds: 0,
            build: None,
            binary: None,
            next: None,
            current: None,
            leaving: Vec::new(),
        }
    }

    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Builds, serves and follows the edits, until it is told to stop.
    ///
    /// # Errors
    /// Without reload: when the site does not build, or ends.
    pub(crate) fn run(&mut self) -> Result {
        let outcome = self.follow();
        self.stop();
        outcome
    }

    fn follow(&mut self) -> Result {
        if let Ok(address) = self.listener.local_addr() {
            let until = match self.options.https {
                Https::Off => "until the site is built, it says how far the build is",
                _ => "until the site is built, visitors wait",
            };
            let scheme = self.options.https.scheme();
            report::note("Address", format_args!("{scheme}://{address}  ({until})"));
        }
        self.rebuild()?;
        loop {
            self.answer_without_a_site()?;
            match self.events.recv_timeout(TICK) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Event::Edited(edit)) => self.edited(&edit)?,
                Ok(Event::Built(number, outcome)) if number == self.builds => {
                    self.built(&outcome)?;
                }
                Ok(Event::Ready(id)) => self.ready(id),
                Ok(Event::Built(..)) | Err(RecvTimeoutError::Timeout) => {}
            }
            self.look_after_servers()?;
        }
    }

    fn edited(&mut self, edit: &Edit) -> Result {
        let path = edit.path.display();
        match edit.need {
            Need::Nothing => report::note("Changed", format_args!("{path} (no build)")),
            // A build under way ends with a start of its own.
            Need::Restart if self.build.is_some() => {}
            Need::Restart => {
                report::note("Changed", path);
                self.start_next()?;
            }
            Need::Build => {
                report::note("Changed", path);
                self.rebuild()?;
            }
        }
        Ok(())
    }

    fn rebuild(&mut self) -> Result {
        if let Some(build) = self.build.take() {
            build.cancel();
        }
        self.builds += 1;
        let (number, sender) = (self.builds, self.sender());
        // Nobody listens once `duck run` is over.
        let done = move |outcome| drop(sender.send(Event::Built(number, outcome)));
        let build = Build::start(&self.site, self.options.release, done)?;
        self.page.show(Reason::Building(build.progress()));
        self.build = Some(build);
        Ok(())
    }

    /// Somebody answers at all times, but to who speaks HTTPS: the page is not worth an implementation of TLS. Such
    /// visitors wait at the socket for the site.
    fn answer_without_a_site(&mut self) -> Result {
        let has_site = self.next.is_some() || self.current.is_some();
        if !has_site && self.interim.is_none() && self.options.https == Https::Off {
            self.interim = Some(InterimServer::start(&self.listener, &self.page)?);
        }
        Ok(())
    }

    fn built(&mut self, outcome: &Outcome) -> Result {
        if let Some(build) = self.build.take() {
            build.finish();
        }
        match outcome.binary(&self.site) {
            Ok(binary) => {
                outcome.show_diagnostics();
                report::done(
                    "Compiled",
                    format_args!("in {}", progress::told(outcome.time)),
                );
                self.binary = Some(binary);
                self.start_next()
            }
            Err(failure) => self.wait(failure, outcome.diagnostics()),
        }
    }

    /// Starts the newest binary. One that is still starting is out of date.
    fn start_next(&mut self) -> Result {
        let Some(binary) = &self.binary else {
            return self.rebuild();
        };
        let https = self.options.https;
        if let Err(failure) = https.prepare(&self.site, binary) {
            return self.wait(failure, String::new());
        }
        if let Some(interim) = self.interim.take() {
            interim.stop()?;
        }
        let sender = self.sender();
        let (tell_id, id) = channel();
        let on_ready = move || drop(id.recv().map(|id| sender.send(Event::Ready(id))));
        let server = Server::start(
            &self.site,
            binary,
            &self.listener,
            https.environment(&self.site),
            on_ready,
        )?;
        let _ = tell_id.send(server.id());
        let outdated = self.next.replace(server);
        self.leave(outdated);
        Ok(())
    }

    fn ready(&mut self, id: u32) {
        if let Some(server) = self.next.as_mut().filter(|server| server.id() == id) {
            server.set_ready();
        }
    }

    fn look_after_servers(&mut self) -> Result {
        self.leaving.retain_mut(|server| !server.is_gone());
        if let Some(status) = self.next.as_mut().and_then(Server::ended) {
            let sentence = format!("{} ended at its start, with {status}", self.site.name);
            let said = self.next.take().map(|server| server.last_lines());
            self.wait(Failure::new(sentence), said.unwrap_or_default())?;
        }
        if let Some(status) = self.current.as_mut().and_then(Server::ended) {
            let sentence = format!("{} has ended, with {status}", self.site.name);
            let said = self.current.take().map(|server| server.last_lines());
            self.wait(Failure::new(sentence), said.unwrap_or_default())?;
        }
        if self.next.as_ref().is_some_and(Server::is_ready) {
            self.promote();
        }
        Ok(())
    }

    fn promote(&mut self) {
        let before = std::mem::replace(&mut self.current, self.next.take());
        let reloaded = before.is_some();
        self.leave(before);
        if reloaded {
            report::done("Reloaded", "no request was refused");
        } else {
            self.tell_address();
        }
    }

    fn tell_address(&self) {
        if let Ok(address) = self.listener.local_addr() {
            report::done(
                "Serving",
                format_args!(
                    "{}://{address}        Ctrl-C stops",
                    self.options.https.scheme()
                ),
            );
        }
    }

    fn leave(&mut self, server: Option<Server>) {
        if let Some(mut server) = server {
            server.stop();
            self.leaving.push(server);
        }
    }

    /// Something is wrong with the site: its author will mend it, if anybody is there.
    fn wait(&self, failure: Failure, said: String) -> Result {
        if !self.options.wait_for_edits {
            return Err(failure);
        }
        report::error(&failure);
        // A build under way has a page of its own.
        if self.build.is_none() {
            let sentence = failure.to_string();
            self.page.show(Reason::Failed { sentence, said });
        }
        report::trouble(
            "Waiting",
            match self.current {
                Some(_) => "the last good build still answers",
                None => "for an edit",
            },
        );
        Ok(())
    }

    fn stop(&mut self) {
        self.interim = None;
        if let Some(build) = self.build.take() {
            build.cancel();
        }
        for server in [self.next.take(), self.current.take()] {
            self.leave(server);
        }
        while !self.leaving.is_empty() {
            thread::sleep(TICK);
            self.leaving.retain_mut(|server| !server.is_gone());
        }
    }
}
