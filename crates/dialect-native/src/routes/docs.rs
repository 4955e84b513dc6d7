//! The description of this API, and a page to read it in.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{Door, bytes_of};
use super::{batches, catalogue, changes, import, list, record, token, trace};
use crate::fault::Fault;
use crate::wire;

/// The OpenAPI document, made from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Comptoir",
        description = "The native API: records in and out, what became of every row, what changed. \
                       Send a token or an API key as `Authorization: Bearer …`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        token::create,
        list::read,
        record::create,
        record::read,
        record::update,
        record::replace,
        record::delete,
        import::create,
        batches::create,
        batches::list,
        batches::read,
        batches::rows,
        batches::rejects,
        changes::read,
        catalogue::read,
        catalogue::read_entity,
        trace::read
    ),
    components(schemas(wire::FieldChangeAnswer, wire::DifferenceAnswer)),
    tags(
        (name = "token", description = "Who is calling"),
        (name = "records", description = "Records, one or many"),
        (name = "batches", description = "Batches, and what became of their rows"),
        (name = "changes", description = "What changed"),
        (name = "catalogue", description = "What kinds of records there are")
    ),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document as it is sent.
pub fn described() -> Vec<u8> {
    let mut document = Description::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.to_json().unwrap_or_default().into_bytes()
}

/// Gives the OpenAPI document.
pub async fn document(State(door): State<Door>) -> Response {
    bytes_of(StatusCode::OK, "application/json", door.description.clone())
}

/// Leads to the page: its files are found beside it only with the slash.
pub async fn page() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, HeaderValue::from_static("docs/"))]).into_response()
}

/// Gives the page.
pub async fn index() -> Result<Response, Fault> {
    serve("index.html")
}

/// Gives a file of the page.
pub async fn file(Path(file): Path<String>) -> Result<Response, Fault> {
    serve(&file)
}

fn serve(file: &str) -> Result<Response, Fault> {
    let config = Arc::new(utoipa_swagger_ui::Config::from("../openapi.json"));
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => {
            let mut response = (StatusCode::OK, found.bytes.into_owned()).into_response();
            let headers = response.headers_mut();
            if let Ok(media) = HeaderValue::from_str(&found.content_type) {
                headers.insert(axum::http::header::CONTENT_TYPE, media);
            }
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
            Ok(response)
        }
        Ok(None) => Err(Fault::not_found("the documentation has no such file")),
        Err(error) => Err(Fault::internal(&error.to_string())),
    }
}
