//! Bodies: received whole, decoded and counted before anything is read from them.
//!
//! A slow sender holds no thread: frames are gathered by the runtime, and handed in batches to the
//! threads that may block, where decoders and files are.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use domain::Kind;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use sha2::{Digest, Sha256};
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use crate::Config;

/// Encoded bytes gathered before they are decoded.
const BATCH: usize = 256 << 10;

/// A decoded body, whole. Clones share what it holds.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file that has no name and goes with its last user.
    File(SpooledFile),
}

impl Body {
    /// Number of bytes.
    pub fn length(&self) -> u64 {
        match self {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::File(file) => file.length,
        }
    }

    /// All of it, in memory. Blocks when it lies in a file.
    pub fn bytes(&self) -> Result<Bytes, BodyFault> {
        match self {
            Body::Memory(bytes) => Ok(bytes.clone()),
            Body::File(file) => {
                let mut bytes = vec![0; file.length as usize];
                file.file.read_exact_at(&mut bytes, 0).map_err(BodyFault::Spool)?;
                Ok(bytes.into())
            }
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::Memory(bytes.into())
    }
}

/// A file without a name.
#[derive(Debug, Clone)]
pub struct SpooledFile {
    file: Arc<File>,
    length: u64,
    folder: Arc<Path>,
}

impl SpooledFile {
    /// Keeps what a reader gives in a file of `folder`. Blocks.
    pub fn keep(folder: &Path, reader: &mut impl Read) -> io::Result<Self> {
        let mut file = tempfile::tempfile_in(folder)?;
        let length = io::copy(reader, &mut file)?;
        Ok(SpooledFile { file: Arc::new(file), length, folder: folder.into() })
    }

    /// Reads at a place; 0 at the end.
    pub(crate) fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(into, at)
    }

    /// Fills a buffer from a place.
    pub(crate) fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }

    /// Number of bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The folder where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A body as [`receive`] gives it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The decoded body.
    pub body: Body,
    /// SHA-256 of the decoded body; only where the call brings an idempotency key.
    pub hash: Option<[u8; 32]>,
    /// Bytes of the decoded body.
    pub length: u64,
    /// What the content type says it is.
    pub media: Media,
    /// The charset that the content type names, in small letters.
    pub charset: Option<String>,
}

/// What a content type says, as far as doors tell bodies apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// `application/json`, anything ending in `+json`, or none given.
    Json,
    /// `application/x-ndjson` and its other names.
    Ndjson,
    /// `text/csv` and its other names.
    Csv,
    /// Anything else, in small letters without parameters.
    Other(String),
}

impl Media {
    fn named(name: &str) -> Self {
        match name {
            "" | "application/json" | "text/json" => Media::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines" => Media::Ndjson,
            "text/csv" | "application/csv" | "text/tab-separated-values" => Media::Csv,
            other if other.ends_with("+json") => Media::Json,
            other => Media::Other(other.to_owned()),
        }
    }
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// It is larger than allowed.
    #[error("the body is larger than {limit} bytes after decompression; send it in several calls")]
    TooLarge {
        /// Most bytes allowed.
        limit: u64,
    },
    /// It ends before its end.
    #[error("the body ends before its end; send the call again")]
    Truncated,
    /// Its encoding is none we know.
    #[error("the content encoding {0} is not known; use gzip, zstd or none")]
    UnknownEncoding(String),
    /// Its charset is none we know.
    #[error("the charset {0} is not known here; send the text in UTF-8")]
    UnknownCharset(String),
    /// It is not what its encoding says.
    #[error("the body cannot be decoded as {0}; compress it again, or send it as it is")]
    Unreadable(&'static str),
    /// We could not keep it.
    #[error("the body cannot be kept; the log of the server says why")]
    Spool(#[source] io::Error),
}

impl BodyFault {
    /// How bad it is.
    pub fn kind(&self) -> Kind {
        match self {
            BodyFault::TooLarge { .. } => Kind::TooLarge,
            BodyFault::Spool(_) => Kind::Internal,
            BodyFault::Truncated
            | BodyFault::UnknownEncoding(_)
            | BodyFault::UnknownCharset(_)
            | BodyFault::Unreadable(_) => Kind::Invalid,
        }
    }
}

impl From<BodyFault> for engine::Error {
    fn from(fault: BodyFault) -> Self {
        match fault.kind() {
            Kind::TooLarge => engine::Error::TooLarge(fault.to_string()),
            Kind::Internal => engine::Error::Internal(fault.into()),
            _ => engine::Error::Invalid(fault.to_string()),
        }
    }
}

/// Receives a body whole: decodes it, counts and hashes what comes out, and keeps it in memory or,
/// where it is long, in a file without name. `limit` counts decoded bytes.
///
/// Of a body that is refused nothing remains.
pub async fn receive(
    headers: &HeaderMap,
    mut body: axum::body::Body,
    limit: u64,
    config: &Config,
) -> Result<Received, BodyFault> {
    let (media, charset) = content_type(headers)?;
    let coding = Coding::of(headers)?;
    if coding == Coding::Identity && announced(headers).is_some_and(|length| length > limit) {
        return Err(BodyFault::TooLarge { limit });
    }
    let expected = announced(headers).filter(|_| coding == Coding::Identity).unwrap_or(0);
    let sink = Sink {
        kept: Vec::with_capacity(expected.min(config.memory_body as u64) as usize),
        file: None,
        length: 0,
        hash: headers.contains_key(crate::idempotency::HEADER).then(Sha256::new),
        limit,
        in_memory: config.memory_body,
        folder: config.spool.clone(),
    };
    let mut decoder = Decoder::new(coding, sink)?;
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyFault::Truncated)?;
        let Ok(data) = frame.into_data() else { continue };
        if decoder.is_quick(data.len()) {
            decoder.push(&data)?;
            continue;
        }
        gathered.extend_from_slice(&data);
        if gathered.len() >= BATCH {
            decoder = blocking(decoder, gathered.split().freeze(), Decoder::push_all).await?;
        }
    }
    let sink = match decoder.is_quick(gathered.len()) {
        true => {
            decoder.push(&gathered)?;
            decoder.end()?
        }
        false => blocking(decoder, gathered.freeze(), Decoder::finish).await?,
    };
    let length = sink.length;
    let hash = sink.hash.clone().map(|hash| hash.finalize().into());
    Ok(Received { body: sink.into_body(), hash, length, media, charset })
}

async fn blocking<R: Send + 'static>(
    decoder: Decoder,
    bytes: Bytes,
    job: fn(Decoder, Bytes) -> Result<R, BodyFault>,
) -> Result<R, BodyFault> {
    let done = tokio::task::spawn_blocking(move || job(decoder, bytes)).await;
    done.unwrap_or_else(|gone| Err(BodyFault::Spool(io::Error::other(gone))))
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// What the content type says; only CSV may be in another charset than UTF-8.
fn content_type(headers: &HeaderMap) -> Result<(Media, Option<String>), BodyFault> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok((Media::Json, None)) };
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media = Media::named(parts.next().unwrap_or_default());
    let charset = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim() == "charset")
        .map(|(_, value)| value.trim().trim_matches('"').to_owned());
    let known = match (&media, charset.as_deref()) {
        (_, None | Some("utf-8" | "utf8" | "us-ascii")) => true,
        (Media::Csv, Some(other)) => encoding_rs::Encoding::for_label(other.as_bytes()).is_some(),
        (Media::Json | Media::Ndjson, Some(_)) => false,
        (Media::Other(_), Some(_)) => true,
    };
    match charset {
        Some(charset) if !known => Err(BodyFault::UnknownCharset(charset)),
        charset => Ok((media, charset)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Self, BodyFault> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Coding::Identity) };
        let text = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
        let coding = match text.as_str() {
            "" | "identity" => Some(Coding::Identity),
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        };
        match coding {
            Some(coding) if values.next().is_none() => Ok(coding),
            _ => Err(BodyFault::UnknownEncoding(text.chars().take(60).collect())),
        }
    }
}

/// Takes encoded bytes as they come.
enum Decoder {
    Identity(Sink),
    Gzip { decoder: Box<flate2::write::MultiGzDecoder<Sink>>, any: bool },
    Zstd { decoder: zstd::stream::raw::Decoder<'static>, sink: Sink, out: Vec<u8>, in_frame: bool },
}

impl Decoder {
    fn new(coding: Coding, sink: Sink) -> Result<Self, BodyFault> {
        Ok(match coding {
            Coding::Identity => Decoder::Identity(sink),
            Coding::Gzip => {
                Decoder::Gzip { decoder: Box::new(flate2::write::MultiGzDecoder::new(sink)), any: false }
            }
            Coding::Zstd => {
                let decoder = zstd::stream::raw::Decoder::new().map_err(BodyFault::Spool)?;
                // An empty body is no frame at all.
                Decoder::Zstd { decoder, sink, out: vec![0; 128 << 10], in_frame: true }
            }
        })
    }

    /// True when so many bytes can be taken at once, without anything that blocks.
    fn is_quick(&self, length: usize) -> bool {
        match self {
            Decoder::Identity(sink) => {
                length <= BATCH && sink.file.is_none() && sink.kept.len() + length <= sink.in_memory
            }
            _ => false,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), BodyFault> {
        match self {
            Decoder::Identity(sink) => sink.take(bytes),
            Decoder::Gzip { decoder, any } => {
                *any |= !bytes.is_empty();
                match decoder.write_all(bytes) {
                    Ok(()) => Ok(()),
                    Err(error) => Err(decoder_fault(error, "gzip")),
                }
            }
            Decoder::Zstd { decoder, sink, out, in_frame } => {
                let mut input = InBuffer::around(bytes);
                loop {
                    let mut output = OutBuffer::around(&mut out[..]);
                    let hint =
                        decoder.run(&mut input, &mut output).map_err(|_| BodyFault::Unreadable("zstd"))?;
                    let written = output.pos();
                    let full = written == output.capacity();
                    sink.take(&out[..written])?;
                    if input.pos == bytes.len() && !full {
                        // A call without input at a frame's end would announce the next one.
                        if !bytes.is_empty() {
                            *in_frame = hint != 0;
                        }
                        return Ok(());
                    }
                }
            }
        }
    }

    fn push_all(mut self, bytes: Bytes) -> Result<Self, BodyFault> {
        self.push(&bytes)?;
        Ok(self)
    }

    fn finish(mut self, bytes: Bytes) -> Result<Sink, BodyFault> {
        self.push(&bytes)?;
        self.end()
    }

    fn end(self) -> Result<Sink, BodyFault> {
        match self {
            Decoder::Identity(sink) => Ok(sink),
            Decoder::Gzip { any: false, .. } | Decoder::Zstd { in_frame: true, .. } => {
                Err(BodyFault::Truncated)
            }
            Decoder::Gzip { decoder, .. } => decoder.finish().map_err(|error| match fault_inside(&error) {
                true => decoder_fault(error, "gzip"),
                false => BodyFault::Truncated,
            }),
            Decoder::Zstd { sink, .. } => Ok(sink),
        }
    }
}

/// Faults of the sink travel through decoders inside an I/O error.
fn fault_inside(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<BodyFault>())
}

fn decoder_fault(error: io::Error, coding: &'static str) -> BodyFault {
    match error.downcast::<BodyFault>() {
        Ok(fault) => fault,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => BodyFault::Truncated,
        Err(_) => BodyFault::Unreadable(coding),
    }
}

/// Where decoded bytes are counted, hashed and kept.
struct Sink {
    kept: Vec<u8>,
    file: Option<File>,
    length: u64,
    hash: Option<Sha256>,
    limit: u64,
    in_memory: usize,
    folder: PathBuf,
}

impl Sink {
    fn take(&mut self, bytes: &[u8]) -> Result<(), BodyFault> {
        self.length += bytes.len() as u64;
        if self.length > self.limit {
            return Err(BodyFault::TooLarge { limit: self.limit });
        }
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        if self.file.is_none() && self.kept.len() + bytes.len() > self.in_memory {
            let mut file = tempfile::tempfile_in(&self.folder).map_err(BodyFault::Spool)?;
            file.write_all(&self.kept).map_err(BodyFault::Spool)?;
            self.kept = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(BodyFault::Spool),
            None => {
                self.kept.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn into_body(self) -> Body {
        match self.file {
            Some(file) => {
                let folder = self.folder.into();
                Body::File(SpooledFile { file: Arc::new(file), length: self.length, folder })
            }
            None => Body::Memory(self.kept.into()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
