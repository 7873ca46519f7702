//! A site that is this program, started once more, and its visitors.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that the program is given the settings of the site in.
pub(crate) const SITE: &str = "SITE_OF_THIS_PROGRAM";

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// What nobody answers in this time waits.
pub(crate) const A_WHILE: Duration = Duration::from_millis(500);

/// Ends the site, and so the waiting for its log, where a test waits for what never comes.
pub(crate) fn end_some_day() {
    thread::spawn(|| {
        thread::sleep(2 * PATIENCE);
        std::process::exit(3);
    });
}

/// The running site.
pub(crate) struct Server {
    pub(crate) process: Child,
    log: BufReader<Box<dyn Read>>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_with(settings, &[])
    }

    /// The same, with more variables.
    pub(crate) fn start_with(settings: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::current_exe().expect("a test knows its program"));
        command.arg("run").env(SITE, settings);
        let command = command.envs(variables.iter().copied());
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = process.stderr.take().expect("its log is piped");
        let mut server = Self {
            process,
            log: BufReader::new(Box::new(log)),
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        let line = server.line_with("http://");
        let address = line.split("http://").nth(1).expect("the banner has it");
        let address = address.split(' ').next().expect("a word");
        server.address = address.trim().parse().expect("an address");
        server
    }

    pub(crate) fn line_with(&mut self, text: &str) -> String {
        let mut lines = self.log.by_ref().lines();
        lines
            .find_map(|line| line.ok().filter(|line| line.contains(text)))
            .expect("the log has such a line")
    }

    pub(crate) fn visitor(&self) -> Visitor {
        let stream = TcpStream::connect(self.address).expect("it listens");
        Visitor {
            stream,
            cookie: String::new(),
        }
    }

    /// Two visitors on two threads, which the page `/thread` names.
    pub(crate) fn two_visitors(&self) -> (Visitor, Visitor) {
        let (mut one, mut other) = (self.visitor(), self.visitor());
        assert_ne!(one.get("/thread"), other.get("/thread"));
        (one, other)
    }

    pub(crate) fn stop(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("it runs");
    }

    pub(crate) fn ends_well(&mut self) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                assert_eq!(status.code(), Some(0));
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("it goes on");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection that stays open, and the cookie that came over it.
pub(crate) struct Visitor {
    pub(crate) stream: TcpStream,
    cookie: String,
}

impl Visitor {
    pub(crate) fn ask(&mut self, path: &str) {
        let cookie = &self.cookie;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{cookie}\r\n");
        self.stream.write_all(request.as_bytes()).expect("it reads");
    }

    /// The next answer: its status and what it says.
    pub(crate) fn answer_within(&mut self, time: Duration) -> io::Result<(u16, String)> {
        self.stream.set_read_timeout(Some(time))?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let mut body = Vec::new();
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                body.resize(value.parse().expect("a number"), 0);
            } else if name.eq_ignore_ascii_case("set-cookie") {
                let value = value.split(';').next().unwrap_or_default();
                self.cookie = format!("cookie: {value}\r\n");
            }
        }
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok((status.expect("a status"), body))
    }

    pub(crate) fn answer(&mut self) -> (u16, String) {
        self.answer_within(PATIENCE).expect("an answer")
    }

    pub(crate) fn get(&mut self, path: &str) -> String {
        self.ask(path);
        let (status, body) = self.answer();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Whether its request has no answer yet.
    pub(crate) fn waits(&mut self) -> bool {
        let error = self.answer_within(A_WHILE).err();
        error.is_some_and(|it| matches!(it.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}
