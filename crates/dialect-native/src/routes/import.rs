//! Rows of one entity, many of them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use dialect::rows::{CsvRows, Detected, Form, JsonRows, MapFile, NdjsonRows, RowShape};
use dialect::{Media, Received};
use domain::batch::{Commit, Report};
use domain::catalogue::{Catalogue, EntityIx};
use domain::find::{Find, Wanted};
use domain::names::{Company, InternalId};
use engine::{Call, Caller, Error, Project, Rows};

use super::{
    Door, Place, Subject, Visitor, blocking, execute, json, mark_replayed, other_media, path, receive,
};
use crate::caller::DOOR;
use crate::fault::Fault;
use crate::translate;
use crate::translate::records::Codes;
use crate::wire;

/// Parameters of every call that brings a batch.
pub const KNOWN: [&str; 4] = ["mode", "commit", "match", "dry_run"];

/// Parameters of an import, which a file may need to have its columns explained.
const KNOWN_HERE: [&str; 5] = ["mode", "commit", "match", "dry_run", "map"];

/// Takes rows of one entity: a JSON array, NDJSON or CSV.
///
/// The answer tells what became of every row: `counts` add up, `refusals` name position, field,
/// rule and value of what was refused. `alone`, which is the default, always answers 200;
/// `together` answers 422 when one row is refused, and nothing is stored.
#[utoipa::path(
    post,
    path = "/api/v1/{project}/{entity}/import",
    tag = "batches",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
        ("mode" = Option<String>, Query, description = "`create`, `update`, `upsert`, `replace` or `delete`; `upsert` where absent."),
        ("commit" = Option<String>, Query, description = "`together` or `alone`; `alone` where absent."),
        ("match" = Option<String>, Query, description = "Unique keys that find the record of a row, tried in order; `code` where absent.", example = "number,code"),
        ("dry_run" = Option<bool>, Query, description = "Answer as if, with `differences`; store nothing."),
        ("map" = Option<String>, Query, description = "For CSV: a map file, in TOML, that says what the columns are."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the call answer as the first did."),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip` or `zstd`."),
    ),
    request_body(content((serde_json::Value = "application/json"), (String = "application/x-ndjson"), (String = "text/csv")), description = "The rows."),
    responses(
        (status = 200, description = "What became of the rows.", body = wire::BatchAnswer),
        (status = 422, description = "Under `together` a row was refused; nothing is stored.", body = wire::BatchAnswer),
        (status = 400, description = "The body cannot be read.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The idempotency key was used with another request, or is in use.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "The body is of another kind.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity, word)): Place<(String, String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    if word != "import" {
        let mut response = Fault::method_not_allowed().into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD,PATCH,PUT,DELETE"));
        return Ok(response);
    }
    let subject = Subject::find(&door, &caller, &entity).await?;
    let asked = translate::Asked::read(request.uri().query(), &KNOWN_HERE, &[])?;
    let parameters = translate::parameters(&asked, &subject.catalogue, &[subject.entity.ix], Commit::Alone)?;
    let map_text = asked.text("map").unwrap_or_default();
    let map = asked.text("map").map(MapFile::parse).transpose()?;
    let (parts, received) = receive(&door, request, u64::MAX).await?;
    let text = translate::parameters_text(&parameters, media_name(&received.media)?) + map_text;
    if map.is_some() && received.media != Media::Csv {
        return Err(asked.wrong("map", "a map file", "left out: only CSV has columns to explain"));
    }
    let idempotency =
        dialect::idempotency(&parts.headers, &parts.method, path(&parts), &text, received.hash.as_ref())?;
    let lenient = received.media == Media::Csv;
    let shape = shape(&subject.project, &subject.catalogue, subject.entity.ix, lenient);
    let Opened { rows, columns, csv } = blocking(move || open(received, shape, map.as_ref())).await??;
    let commit = parameters.commit;
    let operation = format!("import {}", subject.entity.name);
    let memo = String::new();
    let call = Call { door: DOOR, operation, parameters, rows, idempotency, columns, memo, progress: None };
    let report = execute(&door, &caller, call).await?;
    answer(&door, &caller, &subject.catalogue, report, commit, csv.as_ref()).await
}

/// The query of a call that brings a batch, known to be right before its body is received.
pub fn asked_of(request: &Request) -> Result<translate::Asked, Fault> {
    translate::Asked::read(request.uri().query(), &KNOWN, &[])
}

fn media_name(media: &Media) -> Result<&'static str, Fault> {
    match media {
        Media::Json => Ok("json"),
        Media::Ndjson => Ok("ndjson"),
        Media::Csv => Ok("csv"),
        Media::Other(_) => Err(other_media(media, "application/json, application/x-ndjson or text/csv")),
    }
}

/// Rows of a body, with what is known of its columns.
struct Opened {
    rows: Box<dyn Rows>,
    columns: Vec<String>,
    csv: Option<Detected>,
}

fn open(received: Received, shape: RowShape, map: Option<&MapFile>) -> Result<Opened, Error> {
    let Received { body, media, charset, .. } = received;
    let rows: Box<dyn Rows> = match media {
        Media::Csv => {
            let rows = CsvRows::open(body, shape, map, charset.as_deref())?;
            let (columns, csv) = (rows.columns().to_vec(), Some(rows.detected().clone()));
            return Ok(Opened { rows: Box::new(rows), columns, csv });
        }
        Media::Ndjson => Box::new(NdjsonRows::new(body, shape)),
        Media::Json | Media::Other(_) => Box::new(JsonRows::new(body, shape, Form::Array)),
    };
    Ok(Opened { rows, columns: Vec::new(), csv: None })
}

/// How rows of an entity are read. `lenient` is for formats that know text alone.
pub fn shape(project: &Project, catalogue: &Arc<Catalogue>, entity: EntityIx, lenient: bool) -> RowShape {
    // A project without companies is one itself.
    let count = project.settings().companies.len().max(1) as u16;
    let codes = (1..=count).map(|n| project.company_code(Company(n)));
    RowShape::native(catalogue.clone(), entity, project.reading(lenient)).with_companies(codes)
}

/// The answer about a batch: 422 when it was refused as a whole, else 200.
pub async fn answer(
    door: &Door,
    caller: &Caller,
    catalogue: &Arc<Catalogue>,
    report: Report,
    commit: Commit,
    csv: Option<&Detected>,
) -> Result<Response, Fault> {
    let status = if report.refused_whole { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let replayed = report.replayed;
    let codes = codes(door, caller, catalogue, translate::referred(&report.differences)).await?;
    let zone = super::project(door, caller.project()).await?.zone();
    let answer = translate::batch_answer(report, commit, catalogue, &codes, &zone, csv);
    let mut response = json(status, &answer);
    mark_replayed(&mut response, replayed);
    Ok(response)
}

/// Codes of records. Where the caller may not read them they stay internal ids.
async fn codes(
    door: &Door,
    caller: &Caller,
    catalogue: &Catalogue,
    ids: Vec<InternalId>,
) -> Result<Codes, Fault> {
    let mut codes = Codes::new();
    for part in ids.chunk_by(|a, b| a.prefix() == b.prefix()) {
        let Some(entity) = catalogue.of_prefix(part[0].prefix()) else { continue };
        if !entity.access.read || !caller.rights.has("read", &entity.name) {
            continue;
        }
        for ids in part.chunks(1_000) {
            let wanted = Wanted::Ids(ids.to_vec());
            let find = Find { entity: entity.ix, company: Company::SHARED, wanted, fields: Vec::new() };
            let found = door.engine.find(caller, vec![find]).await?;
            codes.extend(found.into_iter().flatten().map(|hit| (hit.record.id, hit.record.code)));
        }
    }
    Ok(codes)
}
