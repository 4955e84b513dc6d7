//! One handler per operation, and how requests come in and answers go out.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use domain::catalogue::Catalogue;
use engine::{Caller, Engine, Idempotency, Project};
use serde::Serialize;

use crate::decisions::MOST_BODY_BYTES;
use crate::fault::{Code, Fault};
use crate::names::{Bound, Kind, Names};
use crate::resolve::Resolver;
use crate::tries::Tries;
use crate::wire::{Envelope, Status};

mod accounts;
mod events;
mod logins;

/// What every handler needs.
pub(crate) struct Door {
    pub engine: Engine,
    pub names: Names,
    pub config: dialect::Config,
    pub tries: Tries,
}

/// The routes, each with and without a slash at its end.
///
/// Source: crmcom §1.
pub(crate) fn router(door: Arc<Door>) -> Router {
    let mut routes: Vec<(String, MethodRouter)> = vec![
        ("authentication/token".to_owned(), post(handler(&door, logins::token))),
        ("authentication/token/release".to_owned(), post(handler(&door, logins::release))),
        ("authentication/web_api_key/token".to_owned(), post(handler(&door, logins::web_api_key))),
        (
            "customer_events/configuration/classifications/list".to_owned(),
            get(handler(&door, accounts::classifications)),
        ),
        (
            "accounts_receivable/show".to_owned(),
            get(handler(&door, accounts::show)).post(handler(&door, accounts::show)),
        ),
    ];
    for (n, kind) in door.names.kinds.iter().enumerate().filter(|(_, kind)| kind.spoken) {
        let path = &kind.path;
        let bulk = kind_handler(&door, n, events::create_bulk);
        routes.push((format!("customer_events/bulk/{path}/create"), post(bulk)));
        routes.push((format!("customer_events/{path}/create"), post(kind_handler(&door, n, events::create))));
        routes.push((format!("customer_events/{path}/show"), get(kind_handler(&door, n, events::show))));
        routes.push((format!("customer_events/{path}/list"), post(kind_handler(&door, n, events::list))));
        routes.push((format!("customer_events/{path}/cancel"), post(kind_handler(&door, n, events::cancel))));
    }
    let mut router = Router::new();
    for (path, methods) in routes {
        let methods = methods.fallback(wrong_method);
        router = router.route(&format!("/{path}"), methods.clone()).route(&format!("/{path}/"), methods);
    }
    router.fallback(no_such_path)
}

type Answer = Result<Response, Fault>;

/// A handler of one operation.
fn handler<F>(
    door: &Arc<Door>,
    operation: fn(Arc<Door>, Request) -> F,
) -> impl Fn(Request) -> AnswerFuture + Clone + Send + Sync + 'static
where
    F: Future<Output = Answer> + Send + 'static,
{
    let door = door.clone();
    move |request| Box::pin(operation(door.clone(), request))
}

/// A handler of one operation on one kind of event.
fn kind_handler<F>(
    door: &Arc<Door>,
    kind: usize,
    operation: fn(Arc<Door>, usize, Request) -> F,
) -> impl Fn(Request) -> AnswerFuture + Clone + Send + Sync + 'static
where
    F: Future<Output = Answer> + Send + 'static,
{
    let door = door.clone();
    move |request| Box::pin(operation(door.clone(), kind, request))
}

type AnswerFuture = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

async fn no_such_path() -> Fault {
    Fault::new(Code::InvalidRequest, "There is no such method.").with_status(404)
}

async fn wrong_method() -> Fault {
    Fault::new(Code::InvalidRequest, "The method is not called this way: use the other of GET and POST.")
        .with_status(405)
}

/// An answer that went well.
fn ok<T: Serialize>(data: T) -> Response {
    json(200, &Envelope { data, status: Status::OK })
}

/// An envelope as a response.
pub(crate) fn json<T: Serialize>(status: u16, envelope: &Envelope<'_, T>) -> Response {
    let body = match serde_json::to_vec(envelope) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an answer cannot be printed");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    let json = HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert("content-type", json);
    response
}

/// Says that an answer repeats an earlier one, where it does.
fn replayed(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// A body as it came. Clones share it.
#[derive(Clone)]
struct Body {
    headers: HeaderMap,
    bytes: Bytes,
}

impl Body {
    /// The whole body.
    async fn receive(door: &Door, request: Request) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let most = MOST_BODY_BYTES.min(door.config.max_body);
        let received = dialect::receive(&parts.headers, body, most, &door.config).await?;
        Ok(Body { headers: parts.headers, bytes: received.body.bytes()? })
    }

    /// The body as text, without a byte order mark.
    fn text(&self) -> Result<&str, Fault> {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| Fault::unreadable())?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// SHA-256 of the body without the token, where the call has an idempotency key: a call repeated
    /// after a new login is still the same.
    fn hash(&self, token: Option<&str>) -> Result<Option<[u8; 32]>, Fault> {
        match self.headers.contains_key("idempotency-key") {
            true => Ok(Some(hash_without(self.text()?, token))),
            false => Ok(None),
        }
    }

    /// The idempotency key of the call.
    fn idempotency(&self, operation: &str, hash: Option<[u8; 32]>) -> Result<Option<Idempotency>, Fault> {
        let Some(hash) = hash else { return Ok(None) };
        Ok(dialect::idempotency(&self.headers, &Method::POST, operation, "", Some(&hash))?)
    }
}

/// Bytes that are read, or printed, in less time than a change of threads takes.
const QUICK: usize = 64 << 10;

/// Does work on so many bytes: what takes long, on a thread that may be kept busy.
async fn work<R: Send + 'static>(bytes: usize, job: impl FnOnce() -> R + Send + 'static) -> Result<R, Fault> {
    if bytes <= QUICK {
        return Ok(job());
    }
    tokio::task::spawn_blocking(job).await.map_err(|error| engine::Error::Internal(error.into()).into())
}

/// SHA-256 of a body without one part of it.
fn hash_without(body: &str, part: Option<&str>) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    match part {
        Some(part) => {
            // `part` is a piece of `body`: its place is the distance of their beginnings.
            let start = (part.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize).min(body.len());
            let end = (start + part.len()).min(body.len());
            hash.update(&body.as_bytes()[..start]);
            hash.update([0]);
            hash.update(&body.as_bytes()[end..]);
        }
        None => hash.update(body.as_bytes()),
    }
    hash.finalize().into()
}

/// What a call works with once its caller is known.
#[derive(Clone)]
struct Work {
    door: Arc<Door>,
    caller: Caller,
    project: Arc<Project>,
    catalogue: Arc<Catalogue>,
}

impl Work {
    async fn of(door: Arc<Door>, caller: Caller) -> Result<Self, Fault> {
        let project = door.engine.project(caller.project().as_str()).await?;
        let catalogue = project.catalogue();
        Ok(Work { door, caller, project, catalogue })
    }

    fn kind(&self, kind: usize) -> &Kind {
        &self.door.names.kinds[kind]
    }

    fn bound(&self, kind: usize) -> Result<Bound<'_>, Fault> {
        Ok(Bound::new(&self.door.names, self.kind(kind), &self.catalogue)?)
    }

    fn resolver(&self) -> Resolver<'_> {
        Resolver {
            engine: &self.door.engine,
            caller: &self.caller,
            catalogue: &self.catalogue,
            tries: &self.door.tries,
            written: None,
        }
    }
}

/// The parameters of a query as the body of the same call by POST: an identifier `field=value`
/// becomes an object.
///
/// Source: crmcom §1.
fn query_as_body(query: &str) -> String {
    let mut body = serde_json::Map::new();
    for (name, value) in pairs(query) {
        let value = match name.strip_suffix("_identifier").and(value.split_once('=')) {
            Some((field, value)) => serde_json::json!({ field: value }),
            None => value.into(),
        };
        body.insert(name, value);
    }
    serde_json::Value::Object(body).to_string()
}

/// Names and values of a query, decoded; each is split at its first `=`.
fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    })
}

/// Undoes `%41` and `+`; what is no such sign stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_split_at_its_first_equals_sign() {
        let body =
            query_as_body("token=T&customer_event_identifier=number=4=5&x=%C3%A9+a&fields_set=id%2Cnumber");
        let expected = r#"{"token":"T","customer_event_identifier":{"number":"4=5"},"x":"é a","fields_set":"id,number"}"#;
        assert_eq!(body, expected);
        assert_eq!(
            query_as_body("a_identifier=name%3DAnn%20Ray&&b"),
            r#"{"a_identifier":{"name":"Ann Ray"},"b":""}"#
        );
        assert_eq!(decoded("100%&%zz"), "100%&%zz");
    }

    #[test]
    fn the_token_is_no_part_of_the_hash() {
        let (a, b) = (r#"{"token":"T1","x":1}"#, r#"{"token":"T2-longer","x":1}"#);
        let hash = |text: &str, token: &str| {
            let at = text.find(token).unwrap();
            hash_without(text, Some(&text[at..at + token.len()]))
        };
        assert_eq!(hash(a, "\"T1\""), hash(b, "\"T2-longer\""));
        assert_ne!(hash(a, "\"T1\""), hash(&b.replace(":1", ":2"), "\"T2-longer\""));
    }
}
