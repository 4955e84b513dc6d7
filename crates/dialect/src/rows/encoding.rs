//! Texts in other encodings than UTF-8.

use std::io::{self, Read};

use domain::row::Span;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use engine::Error;

use super::csv::SAMPLE;
use super::walker::Walker;
use crate::body::{Body, SpooledFile};

/// A body in UTF-8, with the encoding in which it came.
pub(super) fn in_utf8(
    body: Body,
    fixed: Option<&'static Encoding>,
) -> Result<(Body, &'static Encoding), Error> {
    let walker = Walker::new(body.clone());
    let length = walker.length();
    let first = walker.read(Span { start: 0, length: length.min(4) as u32 })?;
    // The sample begins where the first byte beyond ASCII stands.
    let sample = || {
        let mut at = 0;
        while at < length {
            let part = walker.read(Span { start: at, length: (length - at).min(SAMPLE as u64) as u32 })?;
            if let Some(place) = part.iter().position(|b| !b.is_ascii()) {
                let start = at + place as u64;
                let span = Span { start, length: (length - start).min(SAMPLE as u64) as u32 };
                return Ok(Sample {
                    bytes: walker.read(span)?.into_owned(),
                    cut: length - start > SAMPLE as u64,
                });
            }
            at += part.len() as u64;
        }
        Ok(Sample { bytes: Vec::new(), cut: false })
    };
    let (encoding, mark) = encoding_of(&first, fixed, sample)?;
    if encoding == UTF_8 {
        return Ok((body, encoding));
    }
    let utf8 = match &body {
        Body::Memory(bytes) => {
            let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
            Body::from(text.into_owned().into_bytes())
        }
        Body::File(file) => {
            let mut reader = Transcoder::new(file.clone(), mark as u64, encoding);
            let kept = SpooledFile::keep(file.folder(), &mut reader);
            Body::File(kept.map_err(|error| Error::Internal(error.into()))?)
        }
    };
    Ok((utf8, encoding))
}

/// Reads a file of another encoding as UTF-8.
struct Transcoder {
    file: SpooledFile,
    at: u64,
    decoder: encoding_rs::Decoder,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Transcoder {
    fn new(file: SpooledFile, at: u64, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Transcoder { file, at, decoder, text: Vec::new(), given: 0, ended: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; 64 << 10];
        let read = self.file.read_at(&mut bytes, self.at)?;
        self.at += read as u64;
        self.ended = read == 0;
        let most = self.decoder.max_utf8_buffer_length(read).unwrap_or(read * 4 + 16);
        self.text.resize(most, 0);
        self.given = 0;
        let (_, _, written, _) = self.decoder.decode_to_utf8(&bytes[..read], &mut self.text, self.ended);
        self.text.truncate(written);
        Ok(())
    }
}

impl Read for Transcoder {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.refill()?;
        }
        let count = into.len().min(self.text.len() - self.given);
        into[..count].copy_from_slice(&self.text[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

/// A part of a text, from its first byte beyond ASCII on.
struct Sample {
    bytes: Vec<u8>,
    /// The text goes on behind it.
    cut: bool,
}

/// The encoding of a text by its first bytes, or by what a sample of it shows: what is not UTF-8 is
/// Windows-1252. With the length of its byte order mark.
fn encoding_of(
    first: &[u8],
    fixed: Option<&'static Encoding>,
    sample: impl FnOnce() -> Result<Sample, engine::Error>,
) -> Result<(&'static Encoding, usize), engine::Error> {
    if let Some((marked, length)) = Encoding::for_bom(first) {
        return Ok((marked, length));
    }
    if let Some(fixed) = fixed {
        return Ok((fixed, 0));
    }
    let sample = sample()?;
    let (mut good, mut bad) = (0, 0);
    for chunk in sample.bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        let broken = std::str::from_utf8(chunk.invalid())
            .is_err_and(|fault| !sample.cut || fault.error_len().is_some());
        bad += usize::from(broken);
    }
    // In a file of the other encoding letters hardly ever look like UTF-8; in a UTF-8 file a few
    // broken bytes are the fault of their rows.
    Ok((if bad <= good { UTF_8 } else { WINDOWS_1252 }, 0))
}
