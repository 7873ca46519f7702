//! The log of all requests: a line each, on standard error or in a file, as text or as JSON.
//!
//! A line is put together in memory that its thread keeps, and copied into the queue of the thread that writes:
//! no request waits for it, and none allocates for it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use serde::Deserialize;

use super::log_file::LogFile;
use super::log_text::{put_display, put_json, put_plain};
use super::setup::Setup;
use super::stderr;
use crate::error::Result;
use crate::http::body::{Body, BoxError};
use crate::http::request::Request;
use crate::http::response::{GONE_BEFORE_ANSWER, Response};

/// Bytes of a path that a line has.
const PATH: usize = 512;

/// Bytes of a user's id, and of a method.
const WORD: usize = 128;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(crate) struct AccessLog {
    format: Format,
    /// In place of standard error.
    file: Option<LogFile>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct AccessLogSettings {
    access_log: Option<bool>,
    #[serde(default)]
    access_log_format: Format,
    access_log_file: Option<PathBuf>,
}

impl AccessLog {
    /// `None` where the settings want none. A command of the site has no requests, and opens no file.
    pub(crate) fn start(setup: &mut Setup<'_>, debug: bool) -> Result<Option<Arc<Self>>> {
        const FILE: &str = "ACCESS_LOG_FILE";
        let own: AccessLogSettings = setup.part()?;
        let settings = setup.settings();
        if let Some(path) = &own.access_log_file {
            settings.keep_private(FILE, path)?;
        }
        let is_wanted = own
            .access_log
            .unwrap_or(debug || own.access_log_file.is_some());
        if !is_wanted || !setup.is_serving() {
            return Ok(None);
        }
        let format = own.access_log_format;
        let dropped = match format {
            Format::Text => dropped_as_text,
            Format::Json => dropped_as_json,
        };
        let open = |path: PathBuf| {
            LogFile::open(settings.resolve(path), dropped)
                .map_err(|error| settings.error(FILE, format_args!("cannot be opened: {error}")))
        };
        let file = own.access_log_file.map(open).transpose()?;
        let log = Arc::new(Self { format, file });
        if log.file.is_some() {
            // Not kept alive by what is to reload it: its last lines are written when the site is gone.
            let log = Arc::downgrade(&log);
            setup.on_reload(FILE, move || {
                let log = log.upgrade();
                let file = log.as_ref().and_then(|log| log.file.as_ref());
                let reopened = file.map_or(Ok(()), LogFile::reopen);
                async { Ok(reopened?) }
            });
        }
        Ok(Some(log))
    }

    fn write(&self, entry: &Entry) {
        // A thread that is ending has no line to keep.
        let _ = LINE.try_with(|line| {
            let line = &mut *line.borrow_mut();
            line.clear();
            match self.format {
                Format::Text => entry.put_text(line),
                Format::Json => entry.put_json(line),
            }
            match &self.file {
                Some(file) => file.add(line),
                None => stderr::offer(line),
            }
        });
    }
}

fn dropped_as_text(lines: u64) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now());
    format!("{time}  WARN {lines} lines were dropped: ACCESS_LOG_FILE could not be written")
}

fn dropped_as_json(lines: u64) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now());
    format!("{{\"time\":\"{time}\",\"dropped\":{lines}}}")
}

/// One request: a line is written when this is dropped, with the status 499 where that is before the answer.
pub(crate) struct Entry {
    log: Arc<AccessLog>,
    request: Request,
    start: Instant,
    status: u16,
    /// Of the body.
    bytes: u64,
}

impl Entry {
    pub(crate) fn begin(log: &Arc<AccessLog>, request: &Request) -> Self {
        Self {
            log: log.clone(),
            request: request.clone(),
            start: Instant::now(),
            status: GONE_BEFORE_ANSWER,
            bytes: 0,
        }
    }

    /// The response to send. A body that is made while it is sent is a line when it ends.
    pub(crate) fn finish(mut self, mut response: Response) -> Response {
        self.status = response.status().as_u16();
        let body = response.body();
        if body.is_made_while_sent() {
            let body = response.take_body();
            return response.with_body(Body::new(Counted { body, entry: self }));
        }
        self.bytes = body.len().unwrap_or_default();
        response
    }

    fn put_text(&self, line: &mut Vec<u8>) {
        let took: Duration = self.start.elapsed();
        put_display(line, humantime::format_rfc3339_micros(SystemTime::now()));
        line.extend_from_slice(b"  INFO ");
        put_plain(line, self.request.method().as_str(), WORD);
        line.push(b' ');
        put_plain(line, self.request.path(), PATH);
        let (status, bytes) = (self.status, self.bytes);
        put_display(line, format_args!(" {status} {bytes} {took:.1?}"));
        match self.request.client_ip() {
            Some(address) => put_display(line, format_args!(" {address}")),
            None => line.extend_from_slice(b" -"),
        }
        if let Some(user) = self.request.user_in_log() {
            line.extend_from_slice(b" user=\"");
            put_plain(line, &user, WORD);
            line.push(b'"');
        }
        if let Some(id) = self.request.id_if_there() {
            line.extend_from_slice(b" id=");
            put_plain(line, id, WORD);
        }
        line.push(b'\n');
    }

    fn put_json(&self, line: &mut Vec<u8>) {
        let took = self.start.elapsed();
        let time = humantime::format_rfc3339_micros(SystemTime::now());
        put_display(line, format_args!("{{\"time\":\"{time}\",\"id\":"));
        put_string(line, self.request.id_if_there(), WORD);
        line.extend_from_slice(b",\"address\":");
        match self.request.client_ip() {
            Some(address) => put_display(line, format_args!("\"{address}\"")),
            None => line.extend_from_slice(b"null"),
        }
        line.extend_from_slice(b",\"user\":");
        put_string(line, self.request.user_in_log().as_deref(), WORD);
        line.extend_from_slice(b",\"method\":");
        put_string(line, Some(self.request.method().as_str()), WORD);
        line.extend_from_slice(b",\"path\":");
        put_string(line, Some(self.request.path()), PATH);
        let (status, bytes) = (self.status, self.bytes);
        let (seconds, micros) = (took.as_secs(), took.subsec_micros());
        put_display(
            line,
            format_args!(
                ",\"status\":{status},\"bytes\":{bytes},\"seconds\":{seconds}.{micros:06}}}\n"
            ),
        );
    }
}

fn put_string(line: &mut Vec<u8>, text: Option<&str>, most: usize) {
    let Some(text) = text else {
        line.extend_from_slice(b"null");
        return;
    };
    line.push(b'"');
    put_json(line, text, most);
    line.push(b'"');
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.log.write(self);
    }
}

/// A body that is made while it is sent. When it is dropped, it has been sent, or broken off.
struct Counted {
    body: Body,
    entry: Entry,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(piece) = frame.data_ref()
        {
            self.entry.bytes += piece.len() as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
