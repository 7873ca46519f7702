//! A second look at the heads of requests, for what hyper passes over.
//!
//! Two servers that disagree about where a request ends can be made to answer a request that nobody
//! sent. hyper drops a `Content-Length` that comes with a `Transfer-Encoding` and takes a lone line
//! feed for the end of a line, without a word to the service. So the bytes are looked at as they
//! come in: just closely enough to know heads from bodies.

use memchr::memchr;

/// So many bytes of a line tell which header it is, and hold a length.
const ENOUGH: usize = 64;

/// Reads along with hyper.
#[derive(Default)]
pub(super) struct Heads {
    place: Place,
    /// What came of a line whose end did not come yet: its first bytes, and the last.
    begun: Vec<u8>,
    /// How long that is.
    begun_length: usize,
    /// How many heads have begun.
    count: u32,
    /// One that comes piece by piece.
    head: Head,
}

/// What the lines of a head say of where the request ends.
#[derive(Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    /// It could be read in two ways, or not to its end.
    doubtful: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    RequestLine,
    Header,
    /// So many bytes of a body.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// HTTP/2 or a WebSocket, or nobody knows where: each head from here on is suspect.
    Elsewhere,
}

impl Heads {
    /// Takes in what was read from the socket. The number of a head that could be read in two
    /// ways, from 1 on, is given to `suspect`.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut suspect: impl FnMut(u32)) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Elsewhere => return,
                Place::Body(left) => {
                    let (left, bytes) = skip(left, bytes);
                    self.place = if left == 0 {
                        Place::RequestLine
                    } else {
                        Place::Body(left)
                    };
                    bytes
                }
                Place::Chunk(left) => {
                    let (left, bytes) = skip(left, bytes);
                    self.place = if left == 0 {
                        Place::ChunkEnd
                    } else {
                        Place::Chunk(left)
                    };
                    bytes
                }
                Place::RequestLine if self.begun.is_empty() => {
                    match self.read_head(bytes, &mut suspect) {
                        Some(rest) => rest,
                        None => self.read_line(bytes, &mut suspect),
                    }
                }
                _ => self.read_line(bytes, &mut suspect),
            }
        }
    }

    /// The connection is HTTP/2 or a WebSocket: what comes is no head.
    #[cfg(any(feature = "http2", feature = "websocket"))]
    pub(super) fn leave_alone(&mut self) {
        self.place = Place::Elsewhere;
    }

    /// Whether what was read ends with the end of a request, or nothing was read.
    pub(super) fn is_between_requests(&self) -> bool {
        self.place == Place::RequestLine && self.begun.is_empty()
    }

    /// Takes in a head that came whole, as nearly all do, and gives back what comes after.
    fn read_head<'a>(
        &mut self,
        bytes: &'a [u8],
        suspect: &mut impl FnMut(u32),
    ) -> Option<&'a [u8]> {
        let mut head = Head::default();
        let (line, mut rest) = head.next_line(bytes)?;
        if line.is_empty() {
            return None;
        }
        loop {
            let (line, after) = head.next_line(rest)?;
            rest = after;
            if line.is_empty() {
                self.count += 1;
                self.end_head(&head, suspect);
                return Some(rest);
            }
            head.header(line, false);
        }
    }

    fn end_head(&mut self, head: &Head, suspect: &mut impl FnMut(u32)) {
        if head.is_suspect() {
            suspect(self.count);
        }
        self.place = head.body();
    }

    /// Takes in the next line, or its beginning, and gives back what comes after.
    fn read_line<'a>(&mut self, bytes: &'a [u8], suspect: &mut impl FnMut(u32)) -> &'a [u8] {
        let Some(end) = memchr(b'\n', bytes) else {
            self.begin(bytes);
            return &[];
        };
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        if self.begun.is_empty() {
            self.line(line, false, suspect);
        } else {
            self.begin(line);
            let is_cut = self.begun_length > self.begun.len();
            let line = std::mem::take(&mut self.begun);
            self.begun_length = 0;
            self.line(&line, is_cut, suspect);
        }
        rest
    }

    /// Keeps the beginning of a line, and its last byte.
    fn begin(&mut self, piece: &[u8]) {
        let Some((last, most)) = piece.split_last() else {
            return;
        };
        self.begun_length += piece.len();
        self.begun.truncate(ENOUGH);
        let room = ENOUGH - self.begun.len();
        self.begun.extend_from_slice(&most[..most.len().min(room)]);
        self.begun.push(*last);
    }

    /// Of a line that `is_cut` there are the first bytes and the last.
    fn line(&mut self, line: &[u8], is_cut: bool, suspect: &mut impl FnMut(u32)) {
        let (line, bare) = match line.strip_suffix(b"\r") {
            Some(line) => (line, false),
            None => (line, true),
        };
        match self.place {
            // Empty lines before a request are passed over: RFC 9112, 2.2.
            Place::RequestLine if line.is_empty() => {}
            Place::RequestLine => {
                self.count += 1;
                self.head = Head::default();
                self.head.doubtful = bare;
                self.place = Place::Header;
            }
            Place::Header => {
                self.head.doubtful |= bare;
                if line.is_empty() {
                    let head = std::mem::take(&mut self.head);
                    self.end_head(&head, suspect);
                } else {
                    self.head.header(line, is_cut);
                }
            }
            Place::ChunkSize if !bare => self.place = chunk(line, is_cut),
            Place::ChunkEnd if !bare && line.is_empty() => self.place = Place::ChunkSize,
            Place::Trailer if !bare && line.is_empty() => self.place = Place::RequestLine,
            Place::Trailer if !bare => {}
            // Among chunks a lone line feed is no line's end to hyper.
            Place::ChunkSize | Place::ChunkEnd | Place::Trailer => self.place = Place::Elsewhere,
            Place::Body(_) | Place::Chunk(_) | Place::Elsewhere => {}
        }
        if self.place == Place::Elsewhere {
            suspect(self.count + 1);
        }
    }
}

impl Head {
    /// The next line without its end, and what comes after it.
    fn next_line<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let end = memchr(b'\n', bytes)?;
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        let whole = line.strip_suffix(b"\r");
        self.doubtful |= whole.is_none();
        Some((whole.unwrap_or(line), rest))
    }

    fn header(&mut self, line: &[u8], is_cut: bool) {
        if value_of(b"transfer-encoding", line).is_some() {
            self.chunked = true;
        } else if let Some(value) = value_of(b"content-length", line) {
            let length = number(value);
            self.doubtful |= is_cut || length.is_none();
            self.length = Some(length.unwrap_or(0));
        }
    }

    fn is_suspect(&self) -> bool {
        self.doubtful || (self.chunked && self.length.is_some())
    }

    /// What comes after the head.
    fn body(&self) -> Place {
        match self.length {
            _ if self.chunked => Place::ChunkSize,
            Some(length) if length > 0 => Place::Body(length),
            _ => Place::RequestLine,
        }
    }
}

/// What stands behind the colon, if this is a header of that name. The colon is looked for where it would be: that
/// tells nearly all lines apart.
fn value_of<'a>(name: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = match rest {
        [] => rest,
        [b':', value @ ..] => value,
        _ => return None,
    };
    start.eq_ignore_ascii_case(name).then_some(value)
}

fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    (left - here as u64, &bytes[here..])
}

/// A number in digits, perhaps with spaces around it.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    let append = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    digits
        .iter()
        .try_fold(0, append)
        .filter(|_| !digits.is_empty())
}

/// What comes after a chunk's first line: its size in hexadecimal, then perhaps extensions.
fn chunk(line: &[u8], is_cut: bool) -> Place {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let size = std::str::from_utf8(&line[..digits])
        .ok()
        .filter(|digits| !is_cut || digits.len() < ENOUGH)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match size {
        None => Place::Elsewhere,
        Some(0) => Place::Trailer,
        Some(size) => Place::Chunk(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the suspects among the heads in `text`, read whole and byte by byte.
    fn suspects(text: &str) -> Vec<u32> {
        let (mut whole, mut bytewise) = (Vec::new(), Vec::new());
        Heads::default().read(text.as_bytes(), |number| whole.push(number));
        let mut heads = Heads::default();
        for byte in text.as_bytes() {
            heads.read(&[*byte], |number| bytewise.push(number));
        }
        assert_eq!(whole, bytewise, "{text:?}");
        whole
    }

    const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn a_body_with_two_lengths_is_found_in_either_order() {
        assert_eq!(suspects(BOTH), [1]);
        assert_eq!(
            suspects("POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\nCONTENT-LENGTH:5\r\n\r\n"),
            [1]
        );
    }

    #[test]
    fn a_lone_line_feed_is_found() {
        for text in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
        ] {
            assert_eq!(suspects(text), [1], "{text:?}");
        }
    }

    #[test]
    fn bodies_are_no_heads() {
        let first = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let sized = format!(
            "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BOTH}",
            BOTH.len()
        );
        let chunked = format!(
            "\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:X};a=b\r\n{BOTH}\r\n1\r\n\n\r\n0\r\nContent-Length: 1\r\n\r\n",
            BOTH.len()
        );
        assert!(suspects(&format!("{first}{sized}{chunked}{sized}")).is_empty());
        assert_eq!(
            suspects(&format!("{first}{sized}{chunked}{sized}{BOTH}")),
            [5]
        );
    }

    #[test]
    fn long_lines_are_not_kept() {
        let mut heads = Heads::default();
        heads.read(b"GET / HTTP/1.1\r\nCookie: ", |_| panic!("fine so far"));
        for _ in 0..1000 {
            heads.read(&[b'x'; 100], |_| panic!("fine so far"));
        }
        assert!(heads.begun.len() <= ENOUGH + 1);
        heads.read(b"\r\n\r\n", |_| panic!("fine so far"));
        assert_eq!((heads.place, heads.count), (Place::RequestLine, 1));
    }

    #[test]
    fn what_cannot_be_followed_to_its_end_is_suspect_from_there_on() {
        let (zeros, spaces, long) = ("0".repeat(70), " ".repeat(70), "x".repeat(70));
        let length =
            |value: &str| format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\nhello");
        // Read whole, the length is plain; read byte by byte, only its beginning is kept.
        for value in [format!("{zeros}5"), format!("{spaces}5")] {
            let mut heads = Heads::default();
            heads.read(length(&value).as_bytes(), |_| panic!("{value} is a length"));
            let (mut heads, mut found) = (Heads::default(), Vec::new());
            for byte in length(&value).as_bytes() {
                heads.read(&[*byte], |number| found.push(number));
            }
            assert_eq!(found, [1], "{value}");
        }
        for value in ["five", "+5", "5, 5", "", "18446744073709551616"] {
            assert_eq!(suspects(&length(value)), [1], "{value}");
        }
        let chunked =
            |body: &str| format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let next = "GET / HTTP/1.1\r\n\r\n";
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloo\r\n0\r\n\r\n",
            "0\r\n\n",
            "0\r\nx: y\n\r\n",
            "x\r\n",
        ] {
            let found = suspects(&format!("{}{next}", chunked(body)));
            assert_eq!(found.first(), Some(&2), "{body:?}");
        }
        let mut heads = Heads::default();
        let mut found = Vec::new();
        for byte in chunked(&format!("{zeros}5\r\nhello\r\n0\r\n\r\n")).as_bytes() {
            heads.read(&[*byte], |number| found.push(number));
        }
        assert_eq!(found.first(), Some(&2), "a size that is cut");
        let long = chunked(&format!(
            "5;{long}\r\nhello\r\n0\r\nx: {long}\r\n\r\n{BOTH}"
        ));
        assert_eq!(suspects(&long), [2], "an extension may be cut");
    }

    #[test]
    fn the_preface_of_http_2_within_http_1_hides_nothing() {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        assert_eq!(suspects(&format!("{preface}{BOTH}")), [3]);
        let body = format!("POST / HTTP/1.1\r\nContent-Length: 24\r\n\r\n{preface}{BOTH}");
        assert_eq!(suspects(&body), [2]);
    }

    #[test]
    #[cfg(feature = "http2")]
    fn http_2_is_left_alone() {
        let mut heads = Heads::default();
        heads.leave_alone();
        heads.read(BOTH.as_bytes(), |_| panic!("it is no head"));
        assert!(!heads.is_between_requests());
    }
}
