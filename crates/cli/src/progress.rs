//! How far long work is: a bar on a terminal, plain lines elsewhere.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use indicatif::{ProgressBar, ProgressStyle};

/// Plain lines come no more often than this.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// Bytes read at once.
const PIECE: usize = 128 << 10;

/// How far long work is. Clones are the same work.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    lines: Option<Arc<Mutex<Lines>>>,
}

struct Lines {
    what: &'static str,
    done: u64,
    total: Option<u64>,
    told: Instant,
}

impl Progress {
    /// Work on so many bytes.
    fn of_bytes(total: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} sent, {elapsed} {msg}");
        Self::new("MiB sent", Some(total), style.ok())
    }

    /// Work whose end is not known; silent unless `shown`.
    pub(crate) fn counting(what: &'static str, shown: bool) -> Self {
        if !shown {
            return Progress { bar: None, lines: None };
        }
        let style = ProgressStyle::with_template("{spinner} {human_pos} {msg}, {elapsed}");
        let progress = Self::new(what, None, style.ok());
        if let Some(bar) = &progress.bar {
            bar.set_message(what);
        }
        progress
    }

    fn new(what: &'static str, total: Option<u64>, style: Option<ProgressStyle>) -> Self {
        if !std::io::stderr().is_terminal() {
            let lines = Lines { what, done: 0, total, told: Instant::now() };
            return Progress { bar: None, lines: Some(Arc::new(Mutex::new(lines))) };
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Some(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar: Some(bar), lines: None }
    }

    /// So much more is done.
    pub(crate) fn add(&self, more: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(more);
            if bar.length().is_some_and(|length| bar.position() >= length) {
                bar.set_message("and being checked");
            }
        }
        if let Some(lines) = &self.lines {
            let mut lines = lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            lines.done += more;
            if lines.told.elapsed() >= LINES_EVERY {
                lines.told = Instant::now();
                match lines.total {
                    Some(total) => eprintln!("{} of {} {}", lines.done >> 20, total >> 20, lines.what),
                    None => eprintln!("{} {}", lines.done, lines.what),
                }
            }
        }
    }

    /// It is over.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A file as the body of a call, which tells how much of it is gone.
pub(crate) struct FileBody {
    file: File,
    left: u64,
    progress: Progress,
}

impl FileBody {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let left = about.len();
        Ok(FileBody { file, left, progress: Progress::of_bytes(left) })
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    // Reading blocks: this thread has nothing else to do meanwhile.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(self.left).unwrap_or(PIECE))];
        match self.file.read(&mut piece) {
            Ok(0) => Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into()))),
            Ok(read) => {
                piece.truncate(read);
                self.left -= read as u64;
                self.progress.add(read as u64);
                Poll::Ready(Some(Ok(Frame::data(piece.into()))))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
