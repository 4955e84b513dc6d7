//! One record.

use axum::extract::{Request, State};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use dialect::Media;
use dialect::rows::{Form, JsonRows};
use domain::Kind;
use domain::batch::{Commit, Outcome, Parameters, Report};
use domain::catalogue::EntityIx;
use domain::query::{Column, Comparison, Condition};
use domain::row::{Mode, Row, Span};
use domain::rule::{Problem, Rule};
use domain::value::Value;
use engine::{Call, Caller, Error, Filter, Question, Rows, RowsInMemory};

use super::stream::Pages;
use super::{
    Door, Place, Subject, Visitor, asked, bytes_of, execute, import, json, mark_replayed, mark_revision,
};
use super::{other_media, path, receive};
use crate::caller::DOOR;
use crate::decisions;
use crate::fault::Fault;
use crate::translate::asked::encoded;
use crate::translate::{self, Asked, shortened, wanted};
use crate::wire;

/// Reads one record.
///
/// The ETag is the record's revision; with `If-None-Match` an unchanged record is answered by 304.
/// An answer with expanded references has no ETag: it changes with other records too.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/{entity}/{code}",
    tag = "records",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
        ("code" = String, Path, description = "Code of the record.", example = "C0001"),
        ("select" = Option<String>, Query, description = "Only these members, with commas between them; the code always."),
        ("expand" = Option<String>, Query, description = "References printed as objects."),
        ("If-None-Match" = Option<String>, Header, description = "Revision in quotes that the caller has."),
    ),
    responses(
        (status = 200, description = "The record.", body = serde_json::Value, headers(("ETag" = String, description = "The revision in quotes."))),
        (status = 304, description = "The caller has this revision."),
        (status = 404, description = "There is no such record.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn read(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity, code)): Place<(String, String, String)>,
    parts: Parts,
) -> Result<Response, Fault> {
    let subject = Subject::find(&door, &caller, &entity).await?;
    let asked = asked(&parts, &["select", "expand"])?;
    let expands = asked.text("expand").is_some();
    let found = printed(&door, &caller, &subject, &code, &asked).await?;
    let Some((revision, body)) = found else { return Err(absent(&subject, &code)) };
    if !expands && tags(&parts.headers, IF_NONE_MATCH)?.is_some_and(|tags| tags.any(revision)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        mark_revision(&mut response, revision);
        return Ok(response);
    }
    let mut response = bytes_of(StatusCode::OK, "application/json", body);
    if !expands {
        mark_revision(&mut response, revision);
    }
    Ok(response)
}

fn absent(subject: &Subject, code: &str) -> Fault {
    Fault::not_found(format!("there is no {} with the code {}", subject.entity.name, shortened(code)))
}

/// A record as JSON, with its revision.
async fn printed(
    door: &Door,
    caller: &Caller,
    subject: &Subject,
    code: &str,
    asked: &Asked,
) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    let wanted = wanted(&subject.entity, asked)?;
    let mut question = of_code(subject.entity.ix, code);
    question.fields = translate::fields_to_read(&wanted);
    let pages = Pages::new(door, caller.clone(), subject, &wanted, question);
    let page = pages.first().await?;
    Ok(page.records.records.first().map(|record| {
        let mut body = Vec::new();
        pages.printer().json(record, &page.records.codes, &page.objects, &mut body);
        (record.revision, body)
    }))
}

fn of_code(entity: EntityIx, code: &str) -> Question {
    // No record has such a code, and no database need be asked.
    let condition = match code.contains('\0') {
        true => Condition::Never,
        false => Condition::Compare(Column::Code, Comparison::Eq, Value::text(code)),
    };
    Question { filter: Some(Filter::Condition(condition)), ..Question::all(entity, 1) }
}

/// Adds a record.
///
/// A record without code gets one from the entity's numbering rule, or its internal id.
#[utoipa::path(
    post,
    path = "/api/v1/{project}/{entity}",
    tag = "records",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the call answer as the first did."),
    ),
    request_body(content = serde_json::Value, description = "The record: fields by name, references by code.", example = json!({"code": "C0001", "name": "Quai Sud", "city": "Brest"})),
    responses(
        (status = 201, description = "The record as it is stored.", body = serde_json::Value, headers(("Location" = String, description = "Its path."), ("ETag" = String, description = "Its revision in quotes."))),
        (status = 409, description = "There is a record with this code or unique key.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The record breaks rules; `errors` has all of them.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity)): Place<(String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let subject = Subject::find(&door, &caller, &entity).await?;
    let (parts, report) = write(&door, &caller, &subject, request, None, Mode::Create).await?;
    answer(&door, &caller, &subject, &parts, report, Where::Below).await
}

/// Changes a record: fields that the body names, and no other.
#[utoipa::path(
    patch,
    path = "/api/v1/{project}/{entity}/{code}",
    tag = "records",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
        ("code" = String, Path, description = "Code of the record.", example = "C0001"),
        ("If-Match" = Option<String>, Header, description = "Revision in quotes that the record must have."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the call answer as the first did."),
    ),
    request_body(content = serde_json::Value, description = "Fields to change; null empties a field.", example = json!({"city": "Quimper"})),
    responses(
        (status = 200, description = "The record as it is stored.", body = serde_json::Value),
        (status = 404, description = "There is no such record.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 412, description = "The record has another revision.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The record breaks rules; `errors` has all of them.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn update(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity, code)): Place<(String, String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let subject = Subject::find(&door, &caller, &entity).await?;
    let (parts, report) = write(&door, &caller, &subject, request, Some(code), Mode::Update).await?;
    answer(&door, &caller, &subject, &parts, report, Where::Here).await
}

/// Adds a record or replaces it: fields that the body does not name become empty.
#[utoipa::path(
    put,
    path = "/api/v1/{project}/{entity}/{code}",
    tag = "records",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
        ("code" = String, Path, description = "Code of the record.", example = "C0001"),
        ("If-Match" = Option<String>, Header, description = "Revision in quotes that the record must have."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is no such record."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the call answer as the first did."),
    ),
    request_body(content = serde_json::Value, description = "The record."),
    responses(
        (status = 200, description = "The record as it is stored.", body = serde_json::Value),
        (status = 201, description = "The record was added.", body = serde_json::Value),
        (status = 412, description = "A condition of the headers does not hold.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The record breaks rules; `errors` has all of them.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn replace(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity, code)): Place<(String, String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let subject = Subject::find(&door, &caller, &entity).await?;
    let only_new = tags(request.headers(), IF_NONE_MATCH)?.is_some_and(|tags| tags.all);
    let mode = if only_new { Mode::Create } else { Mode::Replace };
    let (parts, report) = write(&door, &caller, &subject, request, Some(code), mode).await?;
    if only_new && report.refusals.iter().any(|refusal| refusal.problem.rule == Rule::AlreadyExists) {
        let detail = "there is such a record, and If-None-Match wants that there is none";
        return Err(Fault::precondition_failed(Rule::AlreadyExists, detail));
    }
    answer(&door, &caller, &subject, &parts, report, Where::Here).await
}

/// Deletes a record. Its code stays taken, and references to it stay; adding it again revives it
/// emptied.
#[utoipa::path(
    delete,
    path = "/api/v1/{project}/{entity}/{code}",
    tag = "records",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity.", example = "customer"),
        ("code" = String, Path, description = "Code of the record.", example = "C0001"),
        ("If-Match" = Option<String>, Header, description = "Revision in quotes that the record must have."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the call answer as the first did."),
    ),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 404, description = "There is no such record.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 412, description = "The record has another revision.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn delete(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity, code)): Place<(String, String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    let subject = Subject::find(&door, &caller, &entity).await?;
    let (_, report) = write(&door, &caller, &subject, request, Some(code), Mode::Delete).await?;
    let replayed = report.replayed;
    accepted(report)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    mark_replayed(&mut response, replayed);
    Ok(response)
}

/// Does a batch of one row. The row and its code are those of the call.
async fn write(
    door: &Door,
    caller: &Caller,
    subject: &Subject,
    request: Request,
    code: Option<String>,
    mode: Mode,
) -> Result<(Parts, Report), Fault> {
    let (parts, received) = receive(door, request, decisions::SMALL_BODY).await?;
    asked(&parts, &[])?;
    let revision = expected(door, caller, subject, code.as_deref(), &parts.headers).await?;
    let code = code.map(String::into_boxed_str);
    // A refused record stores nothing, so that the same key may come again with the same body.
    let parameters = Parameters::new(mode, Commit::Together);
    let text = format!("{} {revision:?}", translate::parameters_text(&parameters, "one"));
    let idempotency =
        dialect::idempotency(&parts.headers, &parts.method, path(&parts), &text, received.hash.as_ref())?;
    let rows: Box<dyn Rows> = match mode {
        Mode::Delete => {
            let mut row = Row::new(1, subject.entity.ix);
            let shown = serde_json::json!({ "code": &code }).to_string();
            (row.code, row.revision) = (code, revision);
            Box::new(RowsInMemory::new(vec![row], vec![shown.into()]))
        }
        Mode::Create | Mode::Update | Mode::Upsert | Mode::Replace => {
            if received.media != Media::Json {
                return Err(other_media(&received.media, "application/json"));
            }
            let shape = import::shape(&subject.project, &subject.catalogue, subject.entity.ix, false);
            Box::new(OneRow { rows: JsonRows::new(received.body, shape, Form::One), code, revision })
        }
    };
    let verb = match mode {
        Mode::Create => "create",
        Mode::Update => "update",
        Mode::Upsert => "upsert",
        Mode::Replace => "replace",
        Mode::Delete => "delete",
    };
    let operation = format!("{verb} {}", subject.entity.name);
    let (columns, memo) = (Vec::new(), String::new());
    let call = Call { door: DOOR, operation, parameters, rows, idempotency, columns, memo, progress: None };
    let report = execute(door, caller, call).await?;
    Ok((parts, report))
}

/// The one row of a body, with what path and headers say about it.
struct OneRow {
    rows: JsonRows,
    code: Option<Box<str>>,
    revision: Option<u64>,
}

impl OneRow {
    fn placed(&self, mut row: Row) -> Row {
        if let Some(code) = &self.code {
            if row.code.as_ref().is_some_and(|other| other != code) {
                let problem =
                    Problem::new("code", Rule::InvalidValue, "the code is another one than that of the path");
                row.problems.push(problem.with_hint("leave the code out of the body, or send the path's"));
            }
            row.code = Some(code.clone());
        }
        if self.revision.is_some() {
            row.revision = self.revision;
        }
        row
    }
}

impl Rows for OneRow {
    fn entities(&self) -> Vec<EntityIx> {
        self.rows.entities()
    }

    fn next(&mut self) -> Result<Option<Row>, Error> {
        Ok(self.rows.next()?.map(|row| self.placed(row)))
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.rows.rewind()
    }

    fn again(&mut self, row: &Row) -> Result<Row, Error> {
        Ok(self.rows.again(row)?).map(|row| self.placed(row))
    }

    fn received(&mut self, entity: EntityIx, span: Span) -> Result<String, Error> {
        self.rows.received(entity, span)
    }
}

/// Where the record of an answer is found.
#[derive(Clone, Copy)]
enum Where {
    /// At the path of the call.
    Here,
    /// Below it.
    Below,
}

/// The record as it is after the call.
async fn answer(
    door: &Door,
    caller: &Caller,
    subject: &Subject,
    parts: &Parts,
    report: Report,
    place: Where,
) -> Result<Response, Fault> {
    let replayed = report.replayed;
    let row = accepted(report)?;
    let code = row.code.as_deref().unwrap_or_default();
    let status = if row.outcome == Outcome::Added { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = match stored(door, caller, subject, code).await? {
        Some((revision, body)) => {
            let mut response = bytes_of(status, "application/json", body);
            mark_revision(&mut response, revision);
            response
        }
        // Somebody who may write and not read, or a record that is gone again.
        None => {
            let known = serde_json::json!({ "code": code, "id": row.record.map(|id| id.0), "revision": row.revision });
            json(status, &known)
        }
    };
    if status == StatusCode::CREATED {
        let location = match place {
            Where::Here => path(parts).to_owned(),
            Where::Below => format!("{}/{}", path(parts).trim_end_matches('/'), encoded(code)),
        };
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(LOCATION, location);
        }
    }
    mark_replayed(&mut response, replayed);
    Ok(response)
}

async fn stored(
    door: &Door,
    caller: &Caller,
    subject: &Subject,
    code: &str,
) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    if !caller.rights.has("read", &subject.entity.name) || !subject.entity.access.read {
        return Ok(None);
    }
    printed(door, caller, subject, code, &Asked::default()).await
}

/// The row of a report, or why it was refused.
fn accepted(report: Report) -> Result<domain::batch::RowReport, Fault> {
    if !report.refusals.is_empty() {
        return Err(Fault::refused(report.refusals.into_iter().map(|refusal| refusal.problem).collect()));
    }
    report.rows.into_iter().next().ok_or_else(|| Fault::internal("a batch of one row has no row"))
}

/// The revision that the record must have, from the header `If-Match`.
async fn expected(
    door: &Door,
    caller: &Caller,
    subject: &Subject,
    code: Option<&str>,
    headers: &HeaderMap,
) -> Result<Option<u64>, Fault> {
    let (Some(tags), Some(code)) = (tags(headers, IF_MATCH)?, code) else { return Ok(None) };
    if let (false, [revision]) = (tags.all, &tags.revisions[..]) {
        return Ok(Some(*revision));
    }
    let records = door.engine.records(caller, of_code(subject.entity.ix, code)).await;
    let current = match records {
        Ok(records) => records.records.first().map(|record| record.revision),
        Err(error) if error.kind() == Kind::Forbidden && tags.all => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match current.filter(|revision| tags.any(*revision)) {
        Some(revision) => Ok(Some(revision)),
        None => Err(Fault::precondition_failed(
            Rule::StaleRevision,
            "the record has none of the revisions that If-Match names",
        )),
    }
}

/// What a header with entity tags names.
struct Tags {
    /// `*`
    all: bool,
    /// Revisions; what is none can match nothing.
    revisions: Vec<u64>,
}

impl Tags {
    fn any(&self, revision: u64) -> bool {
        self.all || self.revisions.contains(&revision)
    }
}

/// Reads a header with entity tags; `None` when it is absent. Weak tags are as good as others
/// where a copy is to be validated, and match nothing where a record is to be changed.
fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Fault> {
    let weak = name == IF_NONE_MATCH;
    let mut found: Option<Tags> = None;
    for value in headers.get_all(&name) {
        let bad = || {
            Fault::invalid(format!("the header {name} must be a revision in quotes, such as \"42\", or *"))
        };
        let text = value.to_str().map_err(|_| bad())?;
        let tags = found.get_or_insert(Tags { all: false, revisions: Vec::new() });
        for part in text.split(',').map(str::trim) {
            if part == "*" {
                tags.all = true;
                continue;
            }
            let (is_weak, part) = part.strip_prefix("W/").map_or((false, part), |part| (true, part));
            let inner = part.strip_prefix('"').and_then(|part| part.strip_suffix('"')).ok_or_else(bad)?;
            if let Ok(revision) = inner.parse()
                && (weak || !is_weak)
            {
                tags.revisions.push(revision);
            }
        }
    }
    Ok(found)
}
