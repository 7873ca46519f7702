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
    /// What came of a line whose end did not come yet.
    begun: Vec<u8>,
    /// How many heads have begun.
    count: u32,
    length: Option<u64>,
    chunked: bool,
    bare_line_feed: bool,
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
    /// HTTP/2, or something that hyper will refuse.
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
                _ => self.read_line(bytes, &mut suspect),
            }
        }
    }

    /// Whether what was read ends with the end of a request, or nothing was read.
    pub(super) fn is_between_requests(&self) -> bool {
        self.place == Place::RequestLine && self.begun.is_empty()
    }

    /// Takes in the next line, or its beginning, and gives back what comes after.
    fn read_line<'a>(&mut self, bytes: &'a [u8], suspect: &mut impl FnMut(u32)) -> &'a [u8] {
        let Some(end) = memchr(b'\n', bytes) else {
            self.begin(bytes);
            return &[];
        };
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        if self.begun.is_empty() {
            self.line(line, suspect);
        } else {
            self.begin(line);
            let line = std::mem::take(&mut self.begun);
            self.line(&line, suspect);
        }
        rest
    }

    /// Keeps the beginning of a line, and its last byte.
    fn begin(&mut self, piece: &[u8]) {
        let Some((last, most)) = piece.split_last() else {
            return;
        };
        self.begun.truncate(ENOUGH);
        let room = ENOUGH - self.begun.len();
        self.begun.extend_from_slice(&most[..most.len().min(room)]);
        self.begun.push(*last);
    }

    fn line(&mut self, line: &[u8], suspect: &mut impl FnMut(u32)) {
        let (line, bare) = match line.strip_suffix(b"\r") {
            Some(line) => (line, false),
            None => (line, true),
        };
        match self.place {
            // Empty lines before a request are passed over: RFC 9112, 2.2.
            Place::RequestLine if line.is_empty() => {}
            Place::RequestLine if line.starts_with(b"PRI * HTTP/2") => {
                self.place = Place::Elsewhere;
            }
            Place::RequestLine => {
                self.count += 1;
                (self.length, self.chunked, self.bare_line_feed) = (None, false, bare);
                self.place = Place::Header;
            }
            Place::Header if line.is_empty() => {
                if self.bare_line_feed || bare || (self.chunked && self.length.is_some()) {
                    suspect(self.count);
                }
                self.place = self.body();
            }
            Place::Header => {
                self.bare_line_feed |= bare;
                self.header(line);
            }
            Place::ChunkSize => self.place = chunk(line),
            Place::ChunkEnd => {
                self.place = if line.is_empty() {
                    Place::ChunkSize
                } else {
                    Place::Elsewhere
                };
            }
            Place::Trailer if line.is_empty() => self.place = Place::RequestLine,
            Place::Trailer | Place::Body(_) | Place::Chunk(_) | Place::Elsewhere => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        let colon = memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).unwrap_or_default();
            // What is no number hyper refuses.
            self.length = Some(length.trim_start_matches(':').trim().parse().unwrap_or(0));
        }
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

fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    (left - here as u64, &bytes[here..])
}

/// What comes after a chunk's first line: its size in hexadecimal, then perhaps extensions.
fn chunk(line: &[u8]) -> Place {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let size = std::str::from_utf8(&line[..digits])
        .ok()
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
    fn http_2_is_left_alone() {
        assert!(suspects(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{BOTH}")).is_empty());
    }
}
