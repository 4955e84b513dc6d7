//! Somebody who takes calls: a server, the process that owns a data folder, or this one.

use std::path::PathBuf;

use axum::Router;
use axum::body::{Body, Bytes};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use server::{Config, Exit, Failure, OpenFault, Opened, local};
use tower::ServiceExt as _;

use crate::client;

/// Somebody who takes calls of the native API.
pub(crate) enum Counter {
    /// This process owns the data folder.
    Own { router: Router, opened: Box<Opened> },
    /// Another process does, and takes the owner's calls.
    Local { data: PathBuf, pid: u32 },
    /// A server.
    Server { url: client::Url, token: HeaderValue },
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Counter {
    /// The data folder: opened here, or reached through the process that owns it.
    pub(crate) async fn at_folder(config: Config) -> Result<Self, Failure> {
        let data = config.data.clone();
        let opening = tokio::task::spawn_blocking(move || server::open(config));
        match opening.await.map_err(Failure::internal)? {
            Ok(opened) => Ok(Counter::Own { router: opened.owner(), opened: Box::new(opened) }),
            Err(OpenFault::InUse { pid }) => Ok(Counter::Local { data, pid }),
            Err(OpenFault::Failed(failure)) => Err(failure),
        }
    }

    /// A server at an address.
    pub(crate) fn at_server(url: &str, token: &str) -> Result<Self, Failure> {
        let url = client::Url::parse(url)?;
        let token = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::usage("the token holds characters that no token has; check --token"))?;
        Ok(Counter::Server { url, token })
    }

    /// Sends a call and gives its answer, whatever its status.
    pub(crate) async fn send(&self, call: Request<Body>) -> Result<Answer, Failure> {
        let response = self.respond(call).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| {
            Failure::unreachable(format!(
                "the answer broke off ({error}); GET batches says what became of the call"
            ))
        })?;
        Ok(Answer { status, body: body.to_bytes() })
    }

    /// Sends a call that must succeed.
    pub(crate) async fn call(&self, call: Request<Body>) -> Result<Answer, Failure> {
        let answer = self.send(call).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.failure()) }
    }

    /// Sends a call that must succeed, and gives its answer as it comes.
    pub(crate) async fn open(&self, call: Request<Body>) -> Result<Body, Failure> {
        let response = self.respond(call).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Err(Answer { status, body }.failure())
    }

    async fn respond(&self, mut call: Request<Body>) -> Result<Response<Body>, Failure> {
        match self {
            Counter::Own { router, .. } => router.clone().oneshot(call).await.map_err(|never| match never {}),
            Counter::Local { data, pid } => {
                let (stream, token) = local::connect(data, *pid).await?;
                let token = HeaderValue::from_str(token.trim()).map_err(Failure::internal)?;
                call.headers_mut().insert(local::TOKEN_HEADER, token);
                call.headers_mut().insert(HOST, HeaderValue::from_static("local"));
                client::send(stream, call).await
            }
            Counter::Server { url, token } => {
                call.headers_mut().insert(AUTHORIZATION, token.clone());
                url.send(call).await
            }
        }
    }

    /// Lets go of the data folder, if it is ours.
    pub(crate) async fn close(self) {
        if let Counter::Own { opened, router } = self {
            drop(router);
            let engine = opened.engine.clone();
            let _ = tokio::task::spawn_blocking(move || engine.close()).await;
        }
    }
}

impl Answer {
    /// Reads the answer as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::internal(format!(
                "the answer is not what this program knows ({error}); use the server's release"
            ))
        })
    }

    /// What an answer that is no success says.
    pub(crate) fn failure(&self) -> Failure {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let member = |name: &str| body.get(name).and_then(serde_json::Value::as_str);
        let text = match member("detail").or_else(|| member("title")) {
            // Only here somebody is told who has a command line.
            Some(text) if text.starts_with("there is no project ") => {
                format!("{text}; `comptoir apply` makes one")
            }
            Some(text) => text.to_owned(),
            None => format!("the server answered {}; is it a Comptoir server?", self.status),
        };
        let exit = match self.status.as_u16() {
            408 | 429 | 502..=504 => Exit::Unreachable,
            500..=599 => Exit::Internal,
            _ => Exit::Usage,
        };
        Failure { exit, ..Failure::usage(text) }
    }
}

/// A text as part of a path or query.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte))
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
