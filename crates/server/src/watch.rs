//! What happens to every request: it is counted, told to the log, and turned away while stopping.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use dialect::Dialect;
use domain::Kind;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

use crate::compose::problem;
use crate::metrics::Metrics;

/// When those turned away may come again, in seconds.
const RETRY_AFTER_S: u16 = 5;

/// What is no door, in logs and counters.
const HOUSE: &str = "house";

/// What all requests of a process share.
pub(crate) struct Watch {
    pub(crate) metrics: Metrics,
    doors: Arc<[Box<dyn Dialect>]>,
    stopping: AtomicBool,
    idle: Notify,
}

/// A request that is being answered, until the last byte of its answer is gone.
struct InProgress(Arc<Watch>);

impl Watch {
    pub(crate) fn new(doors: Arc<[Box<dyn Dialect>]>) -> Self {
        let names: Vec<&'static str> = doors.iter().map(|door| door.name()).chain([HOUSE]).collect();
        Watch { metrics: Metrics::new(names), doors, stopping: AtomicBool::new(false), idle: Notify::new() }
    }

    /// From now on new requests are turned away.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn in_progress(&self) -> i64 {
        self.metrics.in_progress.load(Ordering::SeqCst)
    }

    /// Waits until no request is being answered.
    pub(crate) async fn idle(&self) {
        loop {
            let told = self.idle.notified();
            if self.in_progress() == 0 {
                return;
            }
            told.await;
        }
    }

    /// The door that a path leads to; `None` for the house itself.
    fn door_of(&self, path: &str) -> Option<&dyn Dialect> {
        let is_below = |door: &dyn Dialect| {
            path.strip_prefix(door.prefix()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.doors.iter().map(|door| &**door).find(|door| is_below(*door))
    }

    /// What a caller is told in the place of an answer, in the words of the door.
    fn fault(&self, path: &str, kind: Kind, title: &str, detail: &str) -> Response {
        let status = match kind {
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match self.door_of(path) {
            Some(door) => door.fault(kind, detail),
            None => problem(status, title, detail),
        }
    }

    fn turned_away(&self, path: &str) -> Response {
        self.metrics.turned_away.fetch_add(1, Ordering::Relaxed);
        let detail = "the server is shutting down; repeat the call in a few seconds";
        let mut response = self.fault(path, Kind::Unavailable, "The server is shutting down", detail);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        response
    }

    fn panicked(&self, path: &str) -> Response {
        let detail = "an internal error occurred; the log of the server says more";
        self.fault(path, Kind::Internal, "We are at fault", detail)
    }
}

impl InProgress {
    fn begin(watch: &Arc<Watch>) -> Self {
        watch.metrics.in_progress.fetch_add(1, Ordering::SeqCst);
        InProgress(watch.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if self.0.metrics.in_progress.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Marks an answer that ended in a panic; [`watch`] puts the door's words in its place.
#[derive(Clone, Copy)]
pub(crate) struct Panicked;

/// Goes around every request.
pub(crate) async fn watch(State(watch): State<Arc<Watch>>, request: Request, next: Next) -> Response {
    let held = InProgress::begin(&watch);
    // The query may hold a token, so it is left out.
    let path = request.uri().path().to_owned();
    if watch.is_stopping() {
        return watch.turned_away(&path);
    }
    let started = Instant::now();
    let method = request.method().clone();
    let door = watch.door_of(&path).map_or(HOUSE, |door| door.name());
    let mut response = next.run(request).await;
    if response.extensions().get::<Panicked>().is_some() {
        response = watch.panicked(&path);
    }
    let (status, took) = (response.status(), started.elapsed());
    watch.metrics.count(door, status.as_u16(), took);
    let ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
    if door == HOUSE && status.is_success() {
        tracing::debug!(http.method = %method, http.path = path, http.status = status.as_u16(), ms, "request");
    } else {
        tracing::info!(http.method = %method, http.path = path, http.status = status.as_u16(), ms, door, "request");
    }
    response.map(|body| Body::new(HeldBody { body, _held: held }))
}

/// An answer whose request is in progress until it is written, or given up.
struct HeldBody {
    body: Body,
    _held: InProgress,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
