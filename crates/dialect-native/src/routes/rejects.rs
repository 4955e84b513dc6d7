//! Refused rows as a file that can be mended and sent again, in flat memory.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use dialect::rows::{Reject, write_rejects};
use domain::batch::Outcome;
use engine::{BatchRow, BatchView, Caller, Engine, Error};
use futures_util::stream;

use super::{Door, blocking};
use crate::decisions;
use crate::fault::Fault;

const PAGE: usize = decisions::STREAM_PAGE as usize;

/// The refused rows of a batch as CSV.
///
/// Each page is written behind the same first rows, which are cut off again: so all pages have the
/// same columns and the same delimiter, whatever stands in them.
pub async fn body(door: &Door, caller: &Caller, entry: BatchView) -> Result<Body, Fault> {
    let source = Source { engine: door.engine.clone(), caller: caller.clone(), entry };
    let first = source.page(0).await?;
    if first.len() < PAGE {
        return Ok(written(source.entry.columns, Arc::new([]), first).await?.into());
    }
    let columns = source.entry.columns.clone();
    let (head, after) = match columns.is_empty() {
        // Rows that came as JSON have the columns of all of them.
        true => (vec![source.all_members().await?], Some(0)),
        false => {
            let after = next_after(&first);
            (first, after)
        }
    };
    let head: Arc<[BatchRow]> = head.into();
    let prefix = written(columns.clone(), head.clone(), Vec::new()).await?;
    let begin = if columns.is_empty() { header_of(&prefix) } else { &prefix };
    let state = Writing { begin: Some(begin.to_owned()), source, columns, head, prefix, after };
    let pieces = stream::try_unfold(state, |mut state| async move {
        let piece = state.piece().await?;
        Ok::<_, Error>(piece.map(|piece| (Bytes::from(piece), state)))
    });
    Ok(Body::from_stream(pieces))
}

/// Where refused rows are read from.
struct Source {
    engine: Engine,
    caller: Caller,
    entry: BatchView,
}

impl Source {
    async fn page(&self, after: u64) -> Result<Vec<BatchRow>, Error> {
        self.engine.batch_rows(&self.caller, &self.entry.id, Some(Outcome::Refused), after, PAGE).await
    }

    /// A row that has every member that any row has, and no value.
    async fn all_members(&self) -> Result<BatchRow, Fault> {
        let mut members = serde_json::Map::new();
        let mut template = None;
        let mut after = Some(0);
        while let Some(from) = after {
            let page = self.page(from).await?;
            after = next_after(&page);
            template = template.or_else(|| page.first().cloned());
            let text = written(Vec::new(), Arc::new([]), page).await?;
            let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
            let names = reader.headers().map_err(|error| Fault::internal(&error.to_string()))?;
            let own = names.iter().take(names.len().saturating_sub(OURS));
            members.extend(own.map(|name| (name.to_owned(), serde_json::Value::Null)));
        }
        let template = template.ok_or_else(|| Fault::internal("the rejects of a batch are gone"))?;
        let received = Some(serde_json::Value::Object(members).to_string());
        Ok(BatchRow { received, problems: Vec::new(), ..template })
    }
}

/// Columns that files of rejects have from us.
const OURS: usize = 4;

/// Where the page behind this one begins; `None` when this is the last.
fn next_after(page: &[BatchRow]) -> Option<u64> {
    page.last().filter(|_| page.len() == PAGE).map(|row| row.row)
}

/// The file of two stretches of rows.
async fn written(columns: Vec<String>, head: Arc<[BatchRow]>, rows: Vec<BatchRow>) -> Result<String, Fault> {
    let file = move || {
        let rejects = head.iter().chain(&rows).map(|row| Reject {
            received: row.received.as_deref().unwrap_or_default(),
            outcome: row.outcome,
            problems: &row.problems,
        });
        write_rejects(&columns, rejects)
    };
    blocking(file).await
}

/// A file of one row without that row, which has no values and so no line breaks.
fn header_of(file: &str) -> &str {
    let end = file.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    &file[..end]
}

/// A file under way.
struct Writing {
    begin: Option<String>,
    source: Source,
    columns: Vec<String>,
    head: Arc<[BatchRow]>,
    prefix: String,
    after: Option<u64>,
}

impl Writing {
    async fn piece(&mut self) -> Result<Option<String>, Error> {
        if let Some(begin) = self.begin.take() {
            return Ok(Some(begin));
        }
        let Some(after) = self.after else { return Ok(None) };
        let page = self.source.page(after).await?;
        self.after = next_after(&page);
        if page.is_empty() {
            return Ok(None);
        }
        let file = written(self.columns.clone(), self.head.clone(), page).await;
        let file = file.map_err(|_| Error::internal("a page of rejects was not written"))?;
        match file.strip_prefix(&self.prefix) {
            Some(rest) => Ok(Some(rest.to_owned())),
            None => {
                tracing::error!(batch.id = %self.source.entry.id, "a page of rejects has other columns");
                Err(Error::internal("a page of rejects has other columns"))
            }
        }
    }
}
