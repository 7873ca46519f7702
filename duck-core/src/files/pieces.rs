//! A file as a body, read as it is sent.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http_body::{Frame, SizeHint};
use tokio::task::spawn_blocking;

use crate::http::body::{Body, BoxError};
use crate::server::descriptors::FileBeingSent;

/// How much is read at a time.
const PIECE: u64 = 128 * 1024;

/// The body for a part of a file. The first piece is read here and now, which is all there is of most files.
/// An error of the kind `ResourceBusy` says that too many larger ones are being sent.
pub(super) fn body(mut file: File, part: Range<u64>) -> io::Result<Body> {
    file.seek(SeekFrom::Start(part.start))?;
    let length = part.end - part.start;
    let mut rest = Rest { file, left: length };
    let first = rest.read()?;
    if rest.left == 0 {
        return Ok(first.into());
    }
    let Some(being_sent) = FileBeingSent::new() else {
        return Err(io::ErrorKind::ResourceBusy.into());
    };
    let pieces = stream::try_unfold((Some(first), rest), next);
    Ok(Body::new(Pieces {
        pieces: Box::pin(pieces),
        left: length,
        _being_sent: being_sent,
    }))
}

/// What of the file is not read yet.
struct Rest {
    file: File,
    left: u64,
}

impl Rest {
    /// The next piece. A file that became shorter is an error: the response has promised its length.
    fn read(&mut self) -> io::Result<Bytes> {
        let size = self.left.min(PIECE);
        let mut piece = BytesMut::zeroed(usize::try_from(size).map_err(io::Error::other)?);
        self.file.read_exact(&mut piece).map_err(cut_short)?;
        self.left -= size;
        Ok(piece.freeze())
    }
}

fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "the file became shorter while it was sent")
        }
        _ => error,
    }
}

type State = (Option<Bytes>, Rest);

async fn next((first, mut rest): State) -> io::Result<Option<(Bytes, State)>> {
    match first {
        Some(first) => Ok(Some((first, (None, rest)))),
        None if rest.left == 0 => Ok(None),
        None => {
            let read = move || Ok(Some((rest.read()?, (None, rest))));
            spawn_blocking(read).await?
        }
    }
}

/// Pieces whose length is known beforehand.
struct Pieces<S> {
    pieces: Pin<Box<S>>,
    left: u64,
    _being_sent: FileBeingSent,
}

impl<S: Stream<Item = io::Result<Bytes>>> http_body::Body for Pieces<S> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &piece {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece?))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body_util::BodyExt;

    use super::*;

    fn file(length: u64) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[tokio::test]
    async fn every_length_comes_whole() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7] {
            let (file, bytes) = file(length);
            let body = body(file, 0..length).unwrap();
            assert_eq!(body.len(), Some(length));
            assert_eq!(body.collect().await.unwrap().to_bytes(), bytes, "{length}");
        }
    }

    #[tokio::test]
    async fn a_part_is_that_part() {
        let (file, bytes) = file(3 * PIECE);
        let body = body(file, 5..PIECE + 9).unwrap();
        let part = body.collect().await.unwrap().to_bytes();
        assert_eq!(part, bytes[5..usize::try_from(PIECE).unwrap() + 9]);
    }

    #[tokio::test]
    async fn a_file_that_gets_shorter_breaks_the_body_off() {
        let (file, _) = file(3 * PIECE);
        let body = body(file.try_clone().unwrap(), 0..3 * PIECE).unwrap();
        file.set_len(PIECE + 1).unwrap();
        assert!(body.collect().await.is_err());
    }
}
