//! Our own REST API: every capability of the engine, described by OpenAPI.
//!
//! This crate promises that every answer says what became of each row, that what it does not know
//! is refused by name, and that every error is a problem document. It refuses to know the store,
//! SQL and other vendors.

use axum::response::{IntoResponse as _, Response};
use dialect::{Config, Dialect};
use domain::Kind;
use engine::Engine;

mod caller;
mod decisions;
mod fault;
mod routes;
mod translate;
mod wire;

/// The native door.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

/// Request extension of calls by the owner of the data folder, on a socket that nobody else can
/// open: they need no token.
#[derive(Debug, Clone, Copy)]
pub struct Owner;

impl Dialect for Native {
    fn name(&self) -> &'static str {
        caller::DOOR
    }

    fn prefix(&self) -> &'static str {
        "/api"
    }

    fn routes(&self, engine: Engine, config: &Config) -> axum::Router {
        routes::router(engine, config)
    }

    fn fault(&self, kind: Kind, detail: &str) -> Response {
        fault::Fault::new(kind, detail).into_response()
    }
}
