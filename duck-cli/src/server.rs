//! The site's binary while it serves.

use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Context, Failure, Result};
use crate::report;
use crate::site::Site;

/// What a site says on standard error when it accepts connections.
const READY: &str = "Serving";

/// A site that has not said it is ready by then is taken to be.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a site may take to answer its last requests.
const DRAIN: Duration = Duration::from_secs(10);

/// A running site.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    started: Instant,
    ready: bool,
    stopping: Option<Instant>,
}

impl Server {
    /// Starts `binary run` with the listening socket as descriptor 3, by the protocol of systemd's
    /// socket activation. It is in a process group of its own: Ctrl-C comes to us, and we ask it to stop.
    /// `on_ready` is called on another thread.
    pub(crate) fn start(
        site: &Site,
        binary: &Path,
        listener: &TcpListener,
        on_ready: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let cannot = || format!("cannot run {}", binary.display());
        let mut child = command(site, binary, listener)
            .context(cannot)?
            .spawn()
            .context(cannot)?;
        let lines = child.stderr.take().ok_or_else(|| Failure::new(cannot()))?;
        thread::spawn(move || pass_on(lines, on_ready));
        Ok(Self {
            child,
            started: Instant::now(),
            ready: false,
            stopping: None,
        })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// It has said that it serves.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// May the one before it go?
    pub(crate) fn is_ready(&self) -> bool {
        self.ready || self.started.elapsed() > PATIENCE
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to answer what it has begun, and to end.
    pub(crate) fn stop(&mut self) {
        // It may have ended by itself; its id is ours until we have waited for it.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.stopping.get_or_insert_with(Instant::now);
    }

    /// Has it gone? One that was asked to and takes too long is ended.
    pub(crate) fn is_gone(&mut self) -> bool {
        if self.stopping.is_some_and(|since| since.elapsed() > DRAIN) {
            self.kill();
        }
        self.ended().is_some()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    /// However `duck run` ends, no site goes on without it.
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(site: &Site, binary: &Path, listener: &TcpListener) -> io::Result<Command> {
    let socket = FdMapping {
        parent_fd: OwnedFd::from(listener.try_clone()?),
        child_fd: 3,
    };
    let mut command = Command::new(binary);
    command.arg("run").current_dir(&site.root);
    command
        .env("LISTEN_FDS", "1")
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDNAMES");
    command.env("DUCK_ADDRESS", listener.local_addr()?.to_string());
    if report::in_colour() {
        command.env("CLICOLOR_FORCE", "1"); // its standard error is a pipe to us
    }
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    command
        .fd_mappings(vec![socket])
        .map_err(io::Error::other)?;
    Ok(command)
}

/// Shows what the site says, but for the line that says it is ready: `duck run` has one of its own.
fn pass_on(lines: ChildStderr, on_ready: impl FnOnce()) {
    let mut on_ready = Some(on_ready);
    let mut lines = BufReader::new(lines);
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .is_ok_and(|length| length > 0)
    {
        let text = String::from_utf8_lossy(&line);
        match on_ready.take_if(|_| text.contains(READY)) {
            Some(ready) => ready(),
            None => report::line(text.trim_end()),
        }
        line.clear();
    }
}
