use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::write::GzEncoder;

use crate::http::coding::Coding;

/// Of 0 to 11. From here on, Brotli takes longer than gzip does for the same page.
const BROTLI_QUALITY: u32 = 4;

/// How far back Brotli looks, as a power of two. It keeps as much in memory.
const BROTLI_WINDOW: u32 = 18;

const BUFFER: usize = 4096;

/// Compresses what is written into it.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
        }
    }

    /// All of it in one step.
    pub(super) fn whole(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = Self::new(coding);
        encoder.write(bytes)?;
        encoder.finish()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
        }
    }

    /// Has all that was written come out.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
        }
    }

    /// What has come out so far.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
        }
    }

    /// The rest of it.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
        }
    }
}
