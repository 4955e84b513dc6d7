//! CRM.COM's Web API, release 16: customer events in bulk and one by one.
//!
//! This crate promises that clients of that API find here what they expect: its paths, envelopes,
//! identifiers, error codes and texts. What is regular in it is data, in `names.toml`, read by one
//! path. It refuses to know the store, SQL and every other vendor.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use dialect::{Config, Dialect};
use domain::Kind;
use engine::Engine;

mod caller;
mod decisions;
mod fault;
mod names;
mod resolve;
mod routes;
mod spend;
mod translate;
mod tries;
mod wire;

/// Name of the door.
pub(crate) const NAME: &str = "crmcom";

/// The face of CRM.COM.
#[derive(Debug, Default)]
pub struct Crmcom;

impl Dialect for Crmcom {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Source: crmcom §1.
    fn prefix(&self) -> &'static str {
        "/crmcom/crmapi/rest/v2"
    }

    fn routes(&self, engine: Engine, config: &Config) -> axum::Router {
        match names::Names::read() {
            Ok(names) => routes::router(Arc::new(routes::Door {
                engine,
                names,
                config: config.clone(),
                tries: tries::Tries::default(),
            })),
            // The file is compiled in and a test reads it.
            Err(error) => unreachable!("{error}"),
        }
    }

    fn fault(&self, kind: Kind, detail: &str) -> Response {
        fault::Fault::of_the_house(kind, detail).into_response()
    }
}
