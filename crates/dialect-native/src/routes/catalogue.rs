//! What kinds of records there are.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use super::{Door, Place, Subject, Visitor, asked, json, project};
use crate::fault::Fault;
use crate::translate::catalogue as described;
use crate::wire;

/// Describes all entities: fields, types, keys, references, labels.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/catalogue",
    tag = "catalogue",
    params(("project" = String, Path, description = "Code of the project.")),
    responses((status = 200, description = "The catalogue.", body = wire::CatalogueAnswer))
)]
pub async fn read(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    parts: Parts,
) -> Result<Response, Fault> {
    asked(&parts, &[])?;
    let project = project(&door, caller.project()).await?;
    Ok(json(StatusCode::OK, &described::catalogue(&project, &project.catalogue())))
}

/// Describes one entity.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/catalogue/{entity}",
    tag = "catalogue",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
    ),
    responses(
        (status = 200, description = "The entity.", body = wire::EntityAnswer),
        (status = 404, description = "There is no such entity.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn read_entity(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity)): Place<(String, String)>,
    parts: Parts,
) -> Result<Response, Fault> {
    asked(&parts, &[])?;
    let Subject { project, catalogue, entity } = Subject::find(&door, &caller, &entity).await?;
    let languages = &project.settings().languages;
    Ok(json(StatusCode::OK, &described::entity(&catalogue, &entity, languages, &project.zone())))
}
