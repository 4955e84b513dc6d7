//! Listening, answering, and coming to an orderly end.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::Engine;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch as signal};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutBody;

use crate::compose::{no_such_method, nothing_here, problem};
use crate::config::Limits;
use crate::local::Socket;
use crate::watch::{Panicked, Watch};
use crate::{Failure, Opened};

/// How long connections have to send their last bytes once every answer is made.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// How long a client that was answered may go on sending what nobody reads.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);

/// When a server first removes what is past its time: not while everybody comes back.
const FIRST_HOUSEKEEPING: Duration = Duration::from_secs(600);

/// How often it does so.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Tells a server to stop. The sender may be used once or never.
pub type Stop = signal::Receiver<bool>;

/// A stop that comes with SIGTERM or Ctrl-C. Must be called on a runtime. A second signal ends the
/// process at once.
pub fn stop_on_signals() -> Result<Stop, Failure> {
    use tokio::signal::unix::{SignalKind, signal as on};
    let failed = |error: std::io::Error| Failure::internal(format!("signals cannot be listened to: {error}"));
    let mut terminate = on(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = on(SignalKind::interrupt()).map_err(failed)?;
    let (sender, stop) = signal::channel(false);
    tokio::spawn(async move {
        for nth in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if nth > 0 {
                tracing::warn!("told twice to stop: stopping at once; what was answered is safe");
                std::process::exit(130);
            }
            let _ = sender.send(true);
        }
    });
    Ok(stop)
}

/// Takes the address that a server is to listen on. To be done before anything else is, so that
/// nothing was made or opened where the port is taken; who calls meanwhile waits.
pub async fn listen(asked: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(asked).await.map_err(|error| {
        let (ip, port) = (asked.ip(), asked.port());
        let text = match error.kind() {
            ErrorKind::AddrInUse => format!(
                "port {port} of {ip} is taken by another process; choose another with --listen, \
                 or let `--listen {}` find a free one",
                SocketAddr::new(ip, 0)
            ),
            _ => format!("cannot listen on {asked}: {error}; choose another address with --listen"),
        };
        Failure::unreachable(text)
    })
}

/// Serves until told to stop; then finishes what is being answered, turns away what is new, closes
/// the store and returns. `ready` is told the address once calls are answered.
pub async fn serve(
    opened: Opened,
    listener: TcpListener,
    mut stop: Stop,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let limits = opened.config.limits.clone();
    let address = listener.local_addr().map_err(Failure::internal)?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond this machine without TLS: put a proxy with TLS before it");
    }
    let watch = Arc::new(Watch::new(opened.dialects()));
    let socket = Socket::open(&opened.config.data)?;
    let strangers = guarded(house(&opened.engine, &watch, opened.doors()), &watch);
    let owner = guarded(socket.guard(opened.owner()), &watch);
    let (end, ending) = signal::channel(false);
    let room = Arc::new(Semaphore::new(limits.connections));
    let shared = Shared { limits: limits.clone(), ending, room: room.clone() };
    let tcp = tokio::spawn(accept_tcp(listener, strangers, shared.clone()));
    let local = tokio::spawn(accept_local(socket.listener()?, owner, shared));
    let keeping = tokio::spawn(keep_house(opened.engine.clone()));
    tracing::info!(%address, data = %opened.config.data.display(), "listening");
    ready(address);

    // An error means that nobody can stop us any more: then nobody wants us either.
    let _ = stop.wait_for(|stop| *stop).await;
    watch.stop();
    tracing::info!(requests = watch.in_progress(), "stopping");
    if tokio::time::timeout(limits.stop_timeout, watch.idle()).await.is_err() {
        tracing::warn!(requests = watch.in_progress(), "requests took too long and are given up");
    }
    keeping.abort();
    let _ = end.send(true);
    let _ = tokio::join!(tcp, local);
    let connections = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(LAST_BYTES, room.acquire_many(connections)).await;
    drop(socket);
    let engine = opened.engine.clone();
    tokio::task::spawn_blocking(move || engine.close()).await.map_err(Failure::internal)?;
    tracing::info!("stopped");
    Ok(())
}

/// Forgets, now and then, what is past its time.
async fn keep_house(engine: Engine) {
    tokio::time::sleep(FIRST_HOUSEKEEPING).await;
    loop {
        if let Err(error) = engine.forget_old().await {
            tracing::warn!(%error, "what is past its time could not be removed; it will be tried again");
        }
        tokio::time::sleep(HOUSEKEEPING_EVERY).await;
    }
}

/// The doors with what belongs to the house itself.
fn house(engine: &Engine, watch: &Arc<Watch>, doors: Router) -> Router {
    let state = House { engine: engine.clone(), watch: watch.clone(), started_ms: engine.now_ms() };
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(no_such_method)
        .with_state(state)
        .merge(doors)
        .fallback(nothing_here)
}

#[derive(Clone)]
struct House {
    engine: Engine,
    watch: Arc<Watch>,
    started_ms: i64,
}

/// Ready when the store answers; migrations are done before anything is answered.
async fn readyz(State(house): State<House>) -> Response {
    match house.engine.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            problem(StatusCode::SERVICE_UNAVAILABLE, "The server is not ready", &error.to_string())
        }
    }
}

async fn metrics(State(house): State<House>) -> Response {
    let text = house.watch.metrics.print(house.started_ms);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Puts around a router what every request goes through.
fn guarded(router: Router, watch: &Arc<Watch>) -> Router {
    let counting = watch.clone();
    let caught = move |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        tracing::error!(panic = text, "an answer ended in a panic");
        counting.metrics.panics.fetch_add(1, Ordering::Relaxed);
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Panicked);
        response
    };
    router
        .layer(CatchPanicLayer::custom(caught))
        .layer(axum::middleware::from_fn_with_state(watch.clone(), crate::watch::watch))
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    limits: Limits,
    ending: signal::Receiver<bool>,
    room: Arc<Semaphore>,
}

async fn accept_tcp(listener: TcpListener, app: Router, mut shared: Shared) {
    while let Ok(place) = shared.room.clone().acquire_owned().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ended(&mut shared.ending) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                let (app, shared) = (app.clone(), shared.clone());
                tokio::spawn(async move {
                    connection(stream, Some(peer), app, shared).await;
                    drop(place);
                });
            }
            Err(error) => not_accepted(&error).await,
        }
    }
}

async fn accept_local(listener: tokio::net::UnixListener, app: Router, mut shared: Shared) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ended(&mut shared.ending) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, None, app.clone(), shared.clone()));
            }
            Err(error) => not_accepted(&error).await,
        }
    }
}

/// Waits for the end. Nothing is held meanwhile.
async fn ended(ending: &mut signal::Receiver<bool>) {
    let _ = ending.wait_for(|end| *end).await;
}

/// Out of file handles, mostly: others have to go first.
async fn not_accepted(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Answers one connection's requests until it ends, or the server does.
async fn connection<S>(stream: S, peer: Option<SocketAddr>, app: Router, mut shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let body_timeout = shared.limits.body_timeout;
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(|body| Body::new(TimeoutBody::new(body_timeout, Box::pin(body))));
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        Box::pin(app.clone().oneshot(request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.header_timeout)
        // Who has said all there is to say may hang up, or wait for the answer: a call that was
        // received whole is done whole.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let result = tokio::select! {
        result = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(result),
        () = ended(&mut shared.ending) => None,
    };
    let result = match result {
        Some(result) => result,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(error) = result {
        // A client that went away, or was too slow: its affair.
        tracing::debug!(%error, "a connection ended early");
    }
    let stream = connection.into_parts().io.into_inner();
    tokio::select! {
        _ = tokio::time::timeout(LONGEST_FAREWELL, take_leave(stream)) => {}
        () = ended(&mut shared.ending) => {}
    }
}

/// Says that nothing more will come, and lets the client say the rest: an answer that was given
/// before all was sent, as to a body that is too large, is lost on its way if the connection is
/// closed over bytes that nobody read.
async fn take_leave<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = vec![0; 16 << 10];
    while let Ok(Ok(1..)) = tokio::time::timeout(LAST_BYTES, stream.read(&mut unread)).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(router: &Router, path: &str) -> Response {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_one_answer_and_no_more() {
        let watch = Arc::new(Watch::new(Arc::new([])));
        let broken = async || -> &'static str { panic!("a bug") };
        let router = Router::new().route("/broken", get(broken)).route("/good", get(async || "good"));
        let router = guarded(router, &watch);
        let answer = ask(&router, "/broken").await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        drop(answer);
        assert_eq!(ask(&router, "/good").await.status(), StatusCode::OK);
        assert_eq!(watch.in_progress(), 0);
        assert_eq!(watch.metrics.panics.load(Ordering::Relaxed), 1);
    }
}
