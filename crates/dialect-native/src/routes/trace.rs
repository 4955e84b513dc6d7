//! Where is order 4711?

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::{Door, Subject, Visitor, asked, json, project};
use crate::fault::Fault;
use crate::translate;
use crate::wire;

/// Tells everything that touched a key: rows of batches, refused ones too, and changes of records.
///
/// The key is a code, a unique key or the caller's own id of a row.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/trace",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("key" = String, Query, description = "The key.", example = "4711"),
        ("entity" = Option<String>, Query, description = "Only records of this entity."),
    ),
    responses(
        (status = 200, description = "What touched the key, in the order of time.", body = wire::TraceAnswer),
        (status = 400, description = "No key was given.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn read(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    parts: Parts,
) -> Result<Response, Fault> {
    let asked = asked(&parts, &["key", "entity"])?;
    let key = asked.text("key").filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| {
        Fault::invalid("the parameter key is missing; send a code, a unique key or your own id of a row")
    })?;
    let entity = match asked.text("entity") {
        Some(name) => Some(Subject::find(&door, &caller, name).await?.entity.name.to_string()),
        None => None,
    };
    let zone = project(&door, caller.project()).await?.zone();
    let trace = door.engine.trace(&caller, key, entity).await?;
    let steps =
        trace.steps.iter().map(|step| translate::raw(translate::step(step, &trace.codes, &zone))).collect();
    Ok(json(StatusCode::OK, &wire::TraceAnswer { key: key.to_owned(), steps }))
}
