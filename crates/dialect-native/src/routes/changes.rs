//! The feed: what changed, in order.

use std::time::Duration;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::{Door, Format, SEQ, Visitor, bytes_of, project};
use crate::decisions;
use crate::fault::Fault;
use crate::translate::{self, Asked};
use crate::wire;

/// Lists changes of records, oldest first.
///
/// `next` is what to send as `after` to go on; it grows also where changes were left out. With
/// `wait` the call stays open until there is a change. `application/x-ndjson` gives one change a
/// line, and `next` in the header `Comptoir-Seq`.
#[utoipa::path(
    get,
    path = "/api/v1/{project}/changes",
    tag = "changes",
    params(
        ("project" = String, Path, description = "Code of the project."),
        ("after" = Option<u64>, Query, description = "Only changes behind this seq; 0 where absent."),
        ("limit" = Option<u64>, Query, description = "At most so many changes: 1 to 1,000, 100 where absent."),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for a change where there is none: 0 to 60, 0 where absent."),
        ("except" = Option<String>, Query, description = "Sources left out, with commas between them; may repeat.", example = "login:erp-sync"),
        ("format" = Option<String>, Query, description = "`json` or `ndjson`, before the header Accept."),
    ),
    responses(
        (status = 200, description = "Changes.", body = wire::ChangeList, headers(("Comptoir-Seq" = u64, description = "`next` again."))),
        (status = 410, description = "Changes behind `after` are no longer kept: take a fresh export.", body = wire::ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn read(
    State(door): State<Door>,
    Visitor(caller): Visitor,
    parts: Parts,
) -> Result<Response, Fault> {
    let asked = Asked::read(parts.uri.query(), &["after", "limit", "wait", "format"], &["except"])?;
    let after = asked.number("after", 0, i64::MAX as u64)?.unwrap_or(0);
    let limit = asked.number("limit", 1, u64::from(decisions::LIST_MOST))?;
    let limit = limit.map_or(decisions::LIST_DEFAULT as usize, |limit| limit as usize);
    let wait = Duration::from_secs(asked.number("wait", 0, decisions::LONGEST_WAIT.as_secs())?.unwrap_or(0));
    let except = asked.texts("except").flat_map(|texts| texts.split(',')).map(str::trim);
    let except = except.filter(|source| !source.is_empty()).map(str::to_owned).collect();
    let format = match Format::of(&parts, &asked)? {
        Format::Csv if asked.text("format").is_some() => {
            return Err(asked.wrong("format", "csv", "json or ndjson"));
        }
        Format::Csv => Format::Json,
        format => format,
    };
    let zone = project(&door, caller.project()).await?.zone();
    let (changes, codes, next) = door.engine.changes(&caller, after, limit, wait, except).await?;
    let mut body = Vec::with_capacity(256 * changes.len() + 64);
    if format == Format::Json {
        body.extend_from_slice(b"{\"changes\":[");
    }
    for (n, change) in changes.iter().enumerate() {
        if format == Format::Json && n > 0 {
            body.push(b',');
        }
        translate::change(change, &codes, &zone, &mut body);
        if format == Format::Ndjson {
            body.push(b'\n');
        }
    }
    if format == Format::Json {
        body.extend_from_slice(format!("],\"next\":{next}}}").as_bytes());
    }
    let mut response = bytes_of(StatusCode::OK, format.media(), body);
    response.headers_mut().insert(SEQ, HeaderValue::from(next));
    Ok(response)
}
