//! One handler per operation, and what they share.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, OriginalUri, Path, RawPathParams, Request};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dialect::{BodyFault, Config, Media, Received};
use domain::catalogue::{Catalogue, Entity};
use domain::names::ProjectCode;
use engine::{Call, Caller, Engine, Project};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::caller;
use crate::fault::Fault;
use crate::translate::{Asked, shortened};

pub mod batches;
pub mod catalogue;
pub mod changes;
pub mod docs;
pub mod import;
pub mod list;
pub mod record;
pub mod rejects;
pub mod stream;
pub mod token;
pub mod trace;

/// Names the journal position from which the feed goes on where an answer ends.
pub const SEQ: HeaderName = HeaderName::from_static("comptoir-seq");
/// Says that an answer repeats an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What every handler has.
#[derive(Clone)]
pub struct Door {
    /// The engine.
    pub engine: Engine,
    /// Settings that doors share.
    pub config: Arc<Config>,
    /// The OpenAPI document.
    pub description: Bytes,
}

/// The routes below `/api`.
pub fn router(engine: Engine, config: &Config) -> Router {
    let door = Door { engine, config: Arc::new(config.clone()), description: docs::described().into() };
    let of_project = Router::new()
        .route("/batches", get(batches::list).post(batches::create))
        .route("/batches/{id}", get(batches::read))
        .route("/batches/{id}/rows", get(batches::rows))
        .route("/batches/{id}/rejects.csv", get(batches::rejects))
        .route("/changes", get(changes::read))
        .route("/catalogue", get(catalogue::read))
        .route("/catalogue/{entity}", get(catalogue::read_entity))
        .route("/trace", get(trace::read))
        .route("/{entity}", get(list::read).post(record::create))
        .route(
            "/{entity}/{code}",
            get(record::read)
                .patch(record::update)
                .put(record::replace)
                .delete(record::delete)
                // A record may have the code `import`: only POST is ours there.
                .post(import::create),
        );
    Router::new()
        .route("/v1/token", post(token::create))
        .nest("/v1/{project}", of_project)
        .route("/openapi.json", get(docs::document))
        .route("/docs", get(docs::page))
        .route("/docs/", get(docs::index))
        .route("/docs/{*file}", get(docs::file))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(door)
}

async fn no_such_path() -> Fault {
    Fault::not_found("there is no such path; /api/docs lists the paths")
}

async fn no_such_method() -> Fault {
    Fault::method_not_allowed()
}

/// Somebody who proved to belong to the project of the path.
pub struct Visitor(pub Caller);

impl FromRequestParts<Door> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Fault> {
        let params = RawPathParams::from_request_parts(parts, door).await.map_err(|_| bad_path())?;
        let project =
            params.iter().find(|(name, _)| *name == "project").map(|(_, project)| project.to_owned());
        let project = project.ok_or_else(|| Fault::internal("a route has no project"))?;
        caller::identify(&door.engine, parts, &project).await.map(Visitor)
    }
}

/// The variable parts of the path.
pub struct Place<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Door> for Place<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Fault> {
        let Path(place) = Path::<T>::from_request_parts(parts, door).await.map_err(|_| bad_path())?;
        Ok(Place(place))
    }
}

fn bad_path() -> Fault {
    Fault::not_found("the path cannot be decoded; send it in UTF-8 with % and two hex digits for other bytes")
}

/// A project with its catalogue, and one of its entities.
pub struct Subject {
    /// The project.
    pub project: Arc<Project>,
    /// Its catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The entity.
    pub entity: Arc<Entity>,
}

impl Subject {
    /// The entity of a name in singular or plural.
    pub async fn find(door: &Door, caller: &Caller, name: &str) -> Result<Self, Fault> {
        let project = project(door, caller.project()).await?;
        let catalogue = project.catalogue();
        match catalogue.find_either(name).cloned() {
            Some(entity) => Ok(Subject { project, catalogue, entity }),
            None => Err(engine::Error::NoEntity(unknown(&catalogue, name)).into()),
        }
    }
}

/// The name of an entity that is not there, with what was probably meant.
pub fn unknown(catalogue: &Catalogue, name: &str) -> String {
    let names = catalogue.entities().flat_map(|entity| [&*entity.name, &*entity.plural]);
    match dialect::near(name, names) {
        Some(near) => format!("{} (did you mean {near}?)", shortened(name)),
        None => shortened(name),
    }
}

/// The project of a caller.
pub async fn project(door: &Door, code: &ProjectCode) -> Result<Arc<Project>, Fault> {
    Ok(door.engine.project(code.as_str()).await?)
}

/// The path that the client sees.
pub fn path(parts: &Parts) -> &str {
    parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.path(), |original| original.path())
}

/// The query of a call that may have these parameters, each once.
pub fn asked(parts: &Parts, known: &[&str]) -> Result<Asked, Fault> {
    Asked::read(parts.uri.query(), known, &[])
}

/// A body, whole, with the rest of its request.
pub async fn receive(door: &Door, request: Request, most: u64) -> Result<(Parts, Received), Fault> {
    let (parts, body) = request.into_parts();
    let limit = most.min(door.config.max_body);
    let received = dialect::receive(&parts.headers, body, limit, &door.config).await;
    Ok((parts, received?))
}

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::UnknownEncoding(_) | BodyFault::UnknownCharset(_) => {
                Fault::unsupported_media_type(fault.to_string())
            }
            BodyFault::TooLarge { .. }
            | BodyFault::Truncated
            | BodyFault::Unreadable(_)
            | BodyFault::Spool(_) => engine::Error::from(fault).into(),
        }
    }
}

impl From<dialect::BadKey> for Fault {
    fn from(key: dialect::BadKey) -> Self {
        Fault::invalid(key.to_string())
    }
}

/// The fault of a body whose media type the path does not take.
pub fn other_media(media: &Media, expected: &str) -> Fault {
    let sent = match media {
        Media::Json => "application/json",
        Media::Ndjson => "application/x-ndjson",
        Media::Csv => "text/csv",
        Media::Other(other) => other,
    };
    Fault::unsupported_media_type(format!("this path takes {expected}, not {}", shortened(sent)))
}

/// Does a batch to its end, also when its caller goes away meanwhile.
pub async fn execute(door: &Door, caller: &Caller, call: Call) -> Result<domain::batch::Report, Fault> {
    let (engine, caller) = (door.engine.clone(), caller.clone());
    let done = tokio::spawn(async move { engine.execute(&caller, call).await }).await;
    match done {
        Ok(report) => Ok(report?),
        Err(gone) => Err(Fault::internal(&gone.to_string())),
    }
}

/// Something that may block, on a thread that may.
pub async fn blocking<R: Send + 'static>(job: impl FnOnce() -> R + Send + 'static) -> Result<R, Fault> {
    tokio::task::spawn_blocking(job).await.map_err(|gone| Fault::internal(&gone.to_string()))
}

/// An answer in JSON.
pub fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    match serde_json::to_vec(answer) {
        Ok(bytes) => bytes_of(status, "application/json", bytes),
        Err(error) => Fault::internal(&error.to_string()).into_response(),
    }
}

/// An answer of bytes.
pub fn bytes_of(status: StatusCode, media: &'static str, bytes: impl Into<axum::body::Body>) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static(media))], bytes.into()).into_response()
}

/// Says in an answer that it repeats an earlier one, where it does.
pub fn mark_replayed(response: &mut Response, replayed: bool) {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// Names the revision of the record in an answer.
pub fn mark_revision(response: &mut Response, revision: u64) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}

/// The format of an answer with many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON document with a page.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// CSV with a header.
    Csv,
}

impl Format {
    /// What `format` says, else the header `Accept`, else JSON. Of several formats that a caller
    /// accepts the best liked one counts, then the first.
    pub fn of(parts: &Parts, asked: &Asked) -> Result<Self, Fault> {
        match asked.text("format") {
            Some("json") => return Ok(Format::Json),
            Some("ndjson") => return Ok(Format::Ndjson),
            Some("csv") => return Ok(Format::Csv),
            Some(other) => return Err(asked.wrong("format", other, "json, ndjson or csv")),
            None => {}
        }
        let accept =
            parts.headers.get_all(axum::http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (0.0, Format::Json);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut words = range.split(';').map(str::trim);
            let format = match words.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Format::Ndjson,
                "text/csv" => Format::Csv,
                "application/json" | "application/*" | "*/*" => Format::Json,
                _ => continue,
            };
            let liked = words.find_map(|word| word.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok());
            let liked = liked.unwrap_or(1.0);
            if liked > best.0 {
                best = (liked, format);
            }
        }
        Ok(best.1)
    }

    /// Its media type.
    pub fn media(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8",
        }
    }
}
