//! Batches: several entities in one call, and what the ledger knows of batches.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use dialect::Media;
use dialect::rows::JsonSets;
use domain::batch::{Commit, Outcome};
use domain::catalogue::Catalogue;
use domain::names::BatchId;
use engine::{BatchView, Call, Caller, Error, Project, Rows};

use super::rejects;
use super::{
    Door, Place, Visitor, asked, blocking, bytes_of, execute, import, json, other_media, path, project,
    receive,
};
use crate::caller::DOOR;
use crate::decisions;
use crate::fault::Fault;
use crate::translate::{self, shortened};
use crate::wire;

/// Takes rows of several entities in one batch.
///
/// Rows are numbered through all sets, and may refer to one another in any order. `together`,
/// which is the default, stores all or nothing.
#[utoipa::path(
    post,
    path = "/api/v1/{project}/batches",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("mode" = Option<String>, Query, description = "`create`, `update`, `upsert`, `replace` or `delete`; `upsert` where absent."),
        ("commit" = Option<String>, Query, description = "`together` or `alone`; `together` where absent."),
        ("match" = Option<String>, Query, description = "Unique keys that find the record of a row; entities without such a key go by code."),
        ("dry_run" = Option<bool>, Query, description = "Answer as if, with `differences`; store nothing."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the call answer as the first did."),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`."),
    ),
    request_body = wire::BatchRequest,
    responses(
        (status = 200, description = "What became of the rows.", body = wire::BatchAnswer),
        (status = 422, description = "Under `together` a row was refused; nothing is stored.", body = wire::BatchAnswer),
        (status = 400, description = "The body cannot be read.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The idempotency key was used with another request, or is in use.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, Fault> {
    let project = project(&door, caller.project()).await?;
    let catalogue = project.catalogue();
    let asked = import::asked_of(&request)?;
    let (parts, received) = receive(&door, request, u64::MAX).await?;
    if received.media != Media::Json {
        return Err(other_media(&received.media, "application/json"));
    }
    let (body, hash) = (received.body, received.hash);
    let rows = {
        let (project, catalogue) = (project.clone(), catalogue.clone());
        blocking(move || JsonSets::open(body, |name| shape(&project, &catalogue, name))).await??
    };
    let parameters = translate::parameters(&asked, &catalogue, &rows.entities(), Commit::Together)?;
    let text = translate::parameters_text(&parameters, "sets");
    let idempotency =
        dialect::idempotency(&parts.headers, &parts.method, path(&parts), &text, hash.as_ref())?;
    let commit = parameters.commit;
    let (operation, columns, memo) = ("batch".to_owned(), Vec::new(), String::new());
    let rows: Box<dyn Rows> = Box::new(rows);
    let call = Call { door: DOOR, operation, parameters, rows, idempotency, columns, memo, progress: None };
    let report = execute(&door, &caller, call).await?;
    import::answer(&door, &caller, &catalogue, report, commit, None).await
}

fn shape(
    project: &Project,
    catalogue: &Arc<Catalogue>,
    name: &str,
) -> Result<dialect::rows::RowShape, Error> {
    match catalogue.find_either(name) {
        Some(entity) => Ok(import::shape(project, catalogue, entity.ix, false)),
        None => {
            let name = super::unknown(catalogue, name);
            Err(Error::Invalid(format!("there is no entity {name}; GET catalogue lists them")))
        }
    }
}

/// Lists batches, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/batches",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("after" = Option<String>, Query, description = "`next` of the answer before."),
        ("limit" = Option<u64>, Query, description = "At most so many batches: 1 to 1,000, 100 where absent."),
    ),
    responses((status = 200, description = "Batches of the ledger.", body = wire::BatchList))
)]
pub async fn list(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    parts: Parts,
) -> Result<Response, Fault> {
    let asked = asked(&parts, &["after", "limit"])?;
    let limit = limit(&asked)?;
    let before = asked.text("after").map(|id| BatchId(id.into()));
    let mut found = door.engine.batches(&caller, before, limit as u32 + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let zone = project(&door, caller.project()).await?.zone();
    let batches = found.iter().map(|entry| translate::batch_summary(entry, &zone)).collect();
    Ok(json(StatusCode::OK, &wire::BatchList { batches, next }))
}

fn limit(asked: &translate::Asked) -> Result<usize, Fault> {
    let limit = asked.number("limit", 1, u64::from(decisions::LIST_MOST))?;
    Ok(limit.map_or(decisions::LIST_DEFAULT as usize, |limit| limit as usize))
}

/// Reads a batch.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/batches/{id}",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("id" = String, Path, description = "Id of the batch."),
    ),
    responses(
        (status = 200, description = "The batch.", body = wire::BatchSummary),
        (status = 404, description = "There is no such batch.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn read(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, id)): Place<(String, String)>,
    parts: Parts,
) -> Result<Response, Fault> {
    asked(&parts, &[])?;
    let entry = find(&door, &caller, &id).await?;
    let zone = project(&door, caller.project()).await?.zone();
    Ok(json(StatusCode::OK, &translate::batch_summary(&entry, &zone)))
}

async fn find(door: &Door, caller: &Caller, id: &str) -> Result<BatchView, Fault> {
    // Ids are what we made: anything else names no batch.
    let good = id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let found = match good {
        true => door.engine.batch(caller, &BatchId(id.into())).await?,
        false => None,
    };
    found.ok_or_else(|| Fault::not_found(format!("there is no batch {}", shortened(id))))
}

/// Lists rows of a batch in order.
///
/// Rows that were skipped have no entry of their own. Refused rows come as they were received.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/batches/{id}/rows",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("id" = String, Path, description = "Id of the batch."),
        ("outcome" = Option<String>, Query, description = "Only rows with this outcome.", example = "refused"),
        ("after" = Option<u64>, Query, description = "Only rows behind this one: `next` of the answer before."),
        ("limit" = Option<u64>, Query, description = "At most so many rows: 1 to 1,000, 100 where absent."),
    ),
    responses(
        (status = 200, description = "Rows of the batch.", body = wire::BatchRowList),
        (status = 404, description = "There is no such batch.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn rows(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, id)): Place<(String, String)>,
    parts: Parts,
) -> Result<Response, Fault> {
    let asked = asked(&parts, &["outcome", "after", "limit"])?;
    let outcome = match asked.text("outcome") {
        None => None,
        Some(name) => {
            let outcome = Outcome::named(name);
            let names = || Outcome::ALL.map(Outcome::name).join(", ");
            Some(outcome.ok_or_else(|| asked.wrong("outcome", name, &format!("one of {}", names())))?)
        }
    };
    let after = asked.number("after", 0, u64::from(u32::MAX))?.unwrap_or(0);
    let limit = limit(&asked)?;
    let entry = find(&door, &caller, &id).await?;
    let mut found = door.engine.batch_rows(&caller, &entry.id, outcome, after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.row);
    let rows = found.into_iter().map(translate::batch_row).collect();
    Ok(json(StatusCode::OK, &wire::BatchRowList { rows, next }))
}

/// Gives the refused rows of a batch as CSV.
///
/// The columns are the caller's own, then `comptoir_outcome`, `comptoir_rule`, `comptoir_message`
/// and `comptoir_hint`, which imports ignore: a mended file is sent as it is.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/batches/{id}/rejects.csv",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("id" = String, Path, description = "Id of the batch."),
    ),
    responses(
        (status = 200, description = "The refused rows.", body = String, content_type = "text/csv"),
        (status = 404, description = "There is no such batch.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn rejects(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, id)): Place<(String, String)>,
    parts: Parts,
) -> Result<Response, Fault> {
    asked(&parts, &[])?;
    let entry = find(&door, &caller, &id).await?;
    let name = format!("attachment; filename=\"rejects-{}.csv\"", entry.id);
    let body = rejects::body(&door, &caller, entry).await?;
    let mut response = bytes_of(StatusCode::OK, "text/csv; charset=utf-8", body);
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
