//! Records, many of them.

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use dialect::print;
use domain::query::Column;
use engine::Caller;

use super::stream::{Page, Pages};
use super::{Door, Format, Place, SEQ, Subject, Visitor, asked, blocking, bytes_of};
use crate::decisions;
use crate::fault::Fault;
use crate::translate::{self, Asked, cursor, wanted};
use crate::wire;

const KNOWN: [&str; 7] = ["filter", "select", "expand", "order", "limit", "after", "format"];

/// Lists records of an entity.
///
/// `application/json` gives a page with a cursor. `application/x-ndjson` and `text/csv` give all
/// records that the filter leaves, page after page without an end of our own; the header
/// `Comptoir-Seq` names the journal position from which `changes` goes on without a gap. Streams
/// without `order` come in the order of internal ids, lists in the order of codes.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/{entity}",
    tag = "records",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("entity" = String, Path, description = "Name of the entity, in singular or plural.", example = "customer"),
        ("filter" = Option<String>, Query, description = "Only records for which this holds.", example = "city eq 'Brest' and changed_at ge 2026-01-01"),
        ("select" = Option<String>, Query, description = "Only these members, with commas between them; the code always.", example = "name,city"),
        ("expand" = Option<String>, Query, description = "References printed as objects.", example = "salesman"),
        ("order" = Option<String>, Query, description = "Columns, each with `desc` or not; ties by code.", example = "changed_at desc"),
        ("limit" = Option<u64>, Query, description = "At most so many records: 1 to 1,000, 100 where absent; in streams any number, no limit where absent."),
        ("after" = Option<String>, Query, description = "Cursor: `next` of the answer before."),
        ("format" = Option<String>, Query, description = "`json`, `ndjson` or `csv`, before the header Accept."),
    ),
    responses(
        (status = 200, description = "`{\"<plural>\": […], \"next\": cursor or null}`, or a stream.", content(
            (serde_json::Value = "application/json"), (String = "application/x-ndjson"), (String = "text/csv")
        ), headers(("Comptoir-Seq" = u64, description = "In streams: the journal position before the first record."))),
        (status = 400, description = "The question makes no sense.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "Nobody, or somebody unknown, is calling.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not read this.", body = wire::ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such entity.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn read(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    Place((_, entity)): Place<(String, String)>,
    parts: Parts,
) -> Result<Response, Fault> {
    let subject = Subject::find(&door, &caller, &entity).await?;
    let asked = asked(&parts, &KNOWN)?;
    match Format::of(&parts, &asked)? {
        Format::Json => page(&door, caller, &subject, &asked).await,
        streamed => stream(&door, caller, &subject, &asked, streamed).await,
    }
}

/// One page with a cursor.
async fn page(door: &Door, caller: Caller, subject: &Subject, asked: &Asked) -> Result<Response, Fault> {
    let wanted = wanted(&subject.entity, asked)?;
    let order = translate::order(&subject.entity, asked)?;
    let place = place(&caller, subject, asked, &order);
    let mut question = translate::question(&subject.entity, &wanted, order.clone(), asked);
    question.after = after(&place, asked)?;
    let limit = asked.number("limit", 1, u64::from(decisions::LIST_MOST))?;
    question.limit = limit.map_or(decisions::LIST_DEFAULT, |limit| limit as u32);
    let pages = Pages::new(door, caller.clone(), subject, &wanted, question);
    let page = pages.first().await?;
    let next = page.records.next.as_deref().map(|values| place.print(values));
    let plural = subject.entity.plural.clone();
    let body = match page.records.records.len() > decisions::STREAM_PIECE {
        true => blocking(move || printed(&plural, &pages, &page, next.as_deref())).await?,
        false => printed(&plural, &pages, &page, next.as_deref()),
    };
    Ok(bytes_of(StatusCode::OK, Format::Json.media(), body))
}

fn printed(plural: &str, pages: &Pages, Page { records, objects }: &Page, next: Option<&str>) -> Vec<u8> {
    let mut body = Vec::with_capacity(1024 * records.records.len() + 64);
    body.push(b'{');
    print::text_json(plural, &mut body);
    body.extend_from_slice(b":[");
    for (n, record) in records.records.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        pages.printer().json(record, &records.codes, objects, &mut body);
    }
    body.extend_from_slice(b"],\"next\":");
    match next {
        Some(next) => print::text_json(next, &mut body),
        None => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    body
}

/// All records, page after page.
async fn stream(
    door: &Door,
    caller: Caller,
    subject: &Subject,
    asked: &Asked,
    format: Format,
) -> Result<Response, Fault> {
    let wanted = wanted(&subject.entity, asked)?;
    if format == Format::Csv && !wanted.expanded.is_empty() {
        return Err(Fault::invalid(
            "expand: a cell of CSV holds no record; ask for NDJSON or leave expand out",
        ));
    }
    // The order of internal ids costs nothing; another one only where it is asked for.
    let order = match asked.text("order") {
        Some(_) => translate::order(&subject.entity, asked)?,
        None => Vec::new(),
    };
    let place = place(&caller, subject, asked, &order);
    let mut question = translate::question(&subject.entity, &wanted, order.clone(), asked);
    question.after = after(&place, asked)?;
    let most = asked.number("limit", 1, u64::MAX)?.unwrap_or(u64::MAX);
    let pages = Pages::new(door, caller.clone(), subject, &wanted, question);
    let (seq, body) = pages.stream(format, most).await?;
    let mut response = bytes_of(StatusCode::OK, format.media(), body);
    response.headers_mut().insert(SEQ, HeaderValue::from(seq));
    Ok(response)
}

fn place<'q>(
    caller: &'q Caller,
    subject: &'q Subject,
    asked: &'q Asked,
    order: &'q [(Column, bool)],
) -> cursor::Question<'q> {
    cursor::Question {
        project: caller.project().as_str(),
        company: caller.company.0,
        entity: &subject.entity,
        filter: asked.text("filter").unwrap_or_default(),
        order,
    }
}

fn after(place: &cursor::Question<'_>, asked: &Asked) -> Result<Option<Vec<domain::value::Value>>, Fault> {
    let Some(text) = asked.text("after") else { return Ok(None) };
    match place.read(text) {
        Some(values) => Ok(Some(values)),
        None => Err(Fault::invalid(
            "after is no cursor of this question; begin again without it, or repeat the question it came from",
        )),
    }
}
