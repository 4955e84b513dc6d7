//! A body walked from its beginning, from memory or from a file, with flat memory.

use std::borrow::Cow;

use bytes::Bytes;
use domain::row::Span;
use engine::Error;

use crate::body::{Body, SpooledFile};

/// Bytes read from a file at once.
const STEP: usize = 256 << 10;
/// Most bytes of one row.
pub(crate) const LARGEST: usize = 64 << 20;

/// A place in a body that moves forward.
pub(crate) struct Walker {
    source: Source,
    /// Place of the next byte in the body.
    place: u64,
}

enum Source {
    Memory(Bytes),
    /// The window holds the bytes from `base` on.
    File {
        file: SpooledFile,
        window: Vec<u8>,
        base: u64,
    },
}

/// What [`Walker::take`] took.
pub(crate) struct Taken<'w> {
    /// Where it begins.
    pub start: u64,
    /// The bytes.
    pub bytes: &'w [u8],
    /// False when the body ended first.
    pub ended: bool,
}

impl Taken<'_> {
    pub fn span(&self) -> Span {
        Span { start: self.start, length: self.bytes.len() as u32 }
    }
}

impl Walker {
    pub fn new(body: Body) -> Self {
        let source = match body {
            Body::Memory(bytes) => Source::Memory(bytes),
            Body::File(file) => Source::File { file, window: Vec::new(), base: 0 },
        };
        Walker { source, place: 0 }
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        match &self.source {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::File { file, .. } => file.length(),
        }
    }

    /// Place of the next byte.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// Goes to a place.
    pub fn go(&mut self, place: u64) {
        self.place = place;
    }

    /// Passes over bytes.
    pub fn pass(&mut self, count: u64) {
        self.place += count;
    }

    /// The next byte, which stays.
    pub fn peek(&mut self) -> Result<Option<u8>, Error> {
        if self.ahead().is_empty() && !self.grow()? {
            return Ok(None);
        }
        Ok(self.ahead().first().copied())
    }

    /// Passes over a byte order mark.
    pub fn pass_mark(&mut self) -> Result<(), Error> {
        while self.ahead().len() < 3 && self.grow()? {}
        if self.ahead().starts_with(b"\xef\xbb\xbf") {
            self.pass(3);
        }
        Ok(())
    }

    /// Takes bytes until `end` says how many of those it is shown still belong. It is shown every
    /// byte once.
    pub fn take(&mut self, mut end: impl FnMut(&[u8]) -> Option<usize>) -> Result<Taken<'_>, Error> {
        let start = self.place;
        let mut shown = 0;
        let length = loop {
            let ahead = self.ahead();
            match end(&ahead[shown..]) {
                Some(more) => break Some(shown + more),
                None => shown = ahead.len(),
            }
            if shown > LARGEST {
                break Some(shown);
            }
            if !self.grow()? {
                break None;
            }
        };
        let ended = length.is_some();
        let length = length.unwrap_or(shown);
        if length > LARGEST {
            return Err(Error::TooLarge(format!("the row at byte {start} is longer than {LARGEST} bytes")));
        }
        // The window is ahead of the place until the next call.
        let bytes = match &self.source {
            Source::Memory(bytes) => &bytes[start as usize..][..length],
            Source::File { window, base, .. } => &window[(start - base) as usize..][..length],
        };
        self.place = start + length as u64;
        Ok(Taken { start, bytes, ended })
    }

    /// Reads a stretch again.
    pub fn read(&self, span: Span) -> Result<Cow<'_, [u8]>, Error> {
        let gone = || Error::internal("a row lies outside its body");
        match &self.source {
            Source::Memory(bytes) => {
                let from = bytes.get(span.start as usize..).ok_or_else(gone)?;
                Ok(Cow::Borrowed(from.get(..span.length as usize).ok_or_else(gone)?))
            }
            Source::File { file, .. } => {
                let mut bytes = vec![0; span.length as usize];
                file.read_exact_at(&mut bytes, span.start).map_err(|error| Error::Internal(error.into()))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// What is at hand from the place on.
    fn ahead(&self) -> &[u8] {
        match &self.source {
            Source::Memory(bytes) => bytes.get(self.place as usize..).unwrap_or_default(),
            Source::File { window, base, .. } => match self.place.checked_sub(*base) {
                Some(at) => window.get(at as usize..).unwrap_or_default(),
                None => &[],
            },
        }
    }

    /// Gets more at hand; false at the end of the body.
    fn grow(&mut self) -> Result<bool, Error> {
        let place = self.place;
        let Source::File { file, window, base } = &mut self.source else { return Ok(false) };
        let within = place >= *base && place - *base <= window.len() as u64;
        if within {
            window.drain(..(place - *base) as usize);
        } else {
            window.clear();
        }
        *base = place;
        let held = window.len();
        // Long rows are read in long steps, so that what is held is not moved too often.
        window.resize(held + STEP.max(held), 0);
        let read = file.read_at(&mut window[held..], place + held as u64);
        let read = read.map_err(|error| Error::Internal(error.into()))?;
        window.truncate(held + read);
        Ok(read > 0)
    }
}
