//! The site's binary while it serves.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Context, Failure, Result};
use crate::group::Group;
use crate::report;
use crate::site::Site;

/// What a site says on standard error when it accepts connections.
const READY: &str = "Serving";

/// How the lines of its greeting begin. Those of its log begin with the time.
const INDENT: &str = "  ";

/// A site that has not said it is ready by then is taken to be.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a site may take to answer its last requests.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the last words of a site that has ended are waited for. They are there at once, but for a
/// process that it left behind and that holds its standard error.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How many of a site's last lines are kept.
const KEPT_LINES: usize = 100;

type LastLines = Arc<Mutex<VecDeque<String>>>;

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    _group: Group,
    last_lines: LastLines,
    reader: JoinHandle<()>,
    started: Instant,
    ready: bool,
    stopping: Option<Instant>,
}

impl Server {
    /// Starts `binary run` with the listening socket as descriptor 3, by the protocol of systemd's
    /// socket activation. It is in a process group of its own: Ctrl-C comes to us, and we ask it to stop.
    /// `environment` is added to ours. `on_ready` is called on another thread.
    pub(crate) fn start(
        site: &Site,
        binary: &Path,
        listener: &TcpListener,
        environment: Vec<(&'static str, OsString)>,
        on_ready: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let cannot = || format!("cannot run {}", binary.display());
        let mut child = command(site, binary, listener)
            .context(cannot)?
            .envs(environment)
            .spawn()
            .context(cannot)?;
        let group = Group::of(&child);
        let lines = child.stderr.take().ok_or_else(|| Failure::new(cannot()))?;
        let last_lines = LastLines::default();
        let kept = Arc::clone(&last_lines);
        let reader = thread::spawn(move || pass_on(lines, on_ready, |line| tell(line, &kept)));
        Ok(Self {
            child,
            _group: group,
            last_lines,
            reader,
            started: Instant::now(),
            ready: false,
            stopping: None,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// May the one before it go?
    pub(crate) fn is_ready(&self) -> bool {
        self.ready || self.started.elapsed() > PATIENCE
    }

    /// How it ended, if it has. What it said is on the screen then.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        let since = Instant::now();
        while !self.reader.is_finished() && since.elapsed() < LAST_WORDS {
            thread::sleep(Duration::from_millis(1));
        }
        Some(status)
    }

    pub(crate) fn last_lines(&self) -> String {
        let lines = self
            .last_lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("{line}\n")).collect()
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

/// Shows what the site says, but for its own greeting: `duck run` has one, and need not repeat it
/// at each edit. A site that ends before it serves is quoted in full.
fn pass_on(lines: ChildStderr, on_ready: impl FnOnce(), tell: impl Fn(String)) {
    let mut lines = lines_of(lines);
    let mut greeting = Vec::new();
    for line in lines.by_ref() {
        if line.contains(READY) {
            greeting.clear();
            on_ready();
            break;
        }
        if line.starts_with(INDENT) {
            greeting.push(line);
        } else {
            tell(line);
        }
    }
    greeting.into_iter().chain(lines).for_each(tell);
}

/// Shows a line, and keeps it.
fn tell(line: String, kept: &LastLines) {
    report::line(&line);
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() == KEPT_LINES {
        kept.pop_front();
    }
    kept.push_back(line);
}

/// Lines, whether or not they are valid UTF-8.
fn lines_of(err: ChildStderr) -> impl Iterator<Item = String> {
    let lines = BufReader::new(err).split(b'\n').map_while(io::Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
}
