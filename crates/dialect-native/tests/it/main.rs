//! Conversations with the door, over SQLite in a folder that goes with the test.

mod docs;
mod hostile;
mod streams;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use dialect::{Config, Dialect as _, scenario};
use dialect_native::{Native, Owner};
use domain::clock::{Clock, FixedClock, SequentialIds};
use engine::{ApplyOptions, Engine, ProjectFile};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// The scenarios, one file each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    scenario::run(&folder, async |project, clock| {
        let engine = engine(clock);
        apply(&engine, &project).await;
        router(&engine)
    })
    .await;
}

/// An engine over a fresh store.
fn engine(clock: Arc<dyn Clock>) -> Engine {
    let store = store_sqlite::open_temporary().expect("a temporary store opens");
    Engine::new(Arc::new(store), clock, Arc::new(SequentialIds::default()), engine::Config::default())
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(1_772_352_000_000))
}

/// The door as the server mounts it.
fn router(engine: &Engine) -> Router {
    Router::new().nest(Native.prefix(), Native.routes(engine.clone(), &Config::default()))
}

/// Makes a project what a file says, its records with it.
async fn apply(engine: &Engine, text: &str) {
    let file = ProjectFile::parse(text).expect("the project file is read");
    engine.apply(&file, ApplyOptions::default()).await.expect("the project file is applied");
    let sets = file
        .records
        .iter()
        .map(|records| serde_json::json!({ "entity": records.entity, "rows": records.rows }));
    let body = serde_json::json!({ "records": sets.collect::<Vec<_>>() }).to_string();
    let path = format!("/api/v1/{}/batches", file.project.code);
    let mut request = Request::post(path).body(Body::from(body)).expect("the request is one");
    request.extensions_mut().insert(Owner);
    let (status, answer) = send(&router(engine), request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

async fn call(router: &Router, request: Request<Body>) -> Response<Body> {
    match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let (parts, body) = call(router, request).await.into_parts();
    let bytes = body.collect().await.expect("the answer has an end").to_bytes();
    (parts.status, String::from_utf8(bytes.to_vec()).expect("the answer is UTF-8"))
}

/// A request of the login with the key `it-key`.
fn authorized(request: axum::http::request::Builder) -> axum::http::request::Builder {
    request.header("authorization", "Bearer it-key")
}
