//! Idempotency keys: a call that comes again does nothing again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::batch::{Outcome, Report, RowReport, Statistics};
use domain::names::{Company, ProjectCode};
use store::{BatchEntry, BatchState, Reader};
use tokio::sync::watch;

use crate::execute::{CUT, Cut, Idempotency, Resumed};
use crate::{Caller, Engine, Error, feed, ledger, refusals};

type Key = (ProjectCode, Arc<str>, String);

/// Keys whose first call is running in this process.
#[derive(Default, Clone)]
pub(crate) struct Claims(Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>);

/// Holds a key until the call is over, however it ends.
pub(crate) struct Claim {
    claims: Claims,
    key: Key,
    _over: watch::Sender<()>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.0.lock().unwrap_or_else(|p| p.into_inner()).remove(&self.key);
    }
}

impl Claims {
    /// Takes a key, or gives what to wait for.
    fn take(&self, key: &Key) -> Result<Claim, watch::Receiver<()>> {
        let mut claims = self.0.lock().unwrap_or_else(|p| p.into_inner());
        if let Some(running) = claims.get(key) {
            return Err(running.clone());
        }
        let (over, wait) = watch::channel(());
        claims.insert(key.clone(), wait);
        Ok(Claim { claims: self.clone(), key: key.clone(), _over: over })
    }
}

/// What a key allows.
pub(crate) enum Found {
    /// Nobody used it: the call runs, and holds the key.
    Fresh(Claim),
    /// The call was made: its answer.
    Done(Box<Report>),
    /// The call stopped in the middle: it goes on from there.
    Resume(Claim, Box<Resumed>),
}

enum Looked {
    Done(Report),
    Stopped(Resumed),
}

impl Engine {
    /// Looks a key up, waiting for a first call that is running.
    pub(crate) async fn look_up_key(&self, caller: &Caller, wanted: &Idempotency) -> Result<Found, Error> {
        let key = (caller.project().clone(), caller.login.clone(), wanted.key.clone());
        let deadline = tokio::time::Instant::now() + self.inner.config.key_timeout;
        let claim = loop {
            match self.inner.claims.take(&key) {
                Ok(claim) => break claim,
                Err(mut running) => {
                    // The sender is dropped with the claim: an error means that the call is over.
                    let over = async { while running.changed().await.is_ok() {} };
                    if tokio::time::timeout_at(deadline, over).await.is_err() {
                        return Err(Error::KeyInUse);
                    }
                }
            }
        };
        let (login, text) = (caller.login.to_string(), wanted.key.clone());
        let hash = wanted.hash;
        let found = self.read(caller.project(), move |reader| {
            let Some(entry) = reader.idempotency(&login, &text)? else { return Ok(None) };
            if entry.hash != hash {
                return Ok(Some(Err(Error::KeyConflict)));
            }
            let Some(batch) = reader.batch(&entry.batch)? else { return Ok(None) };
            if batch.state == BatchState::Done {
                return Ok(Some(Ok(Looked::Done(replayed(reader, &batch)?))));
            }
            let cut = reader.document(CUT, &batch.id.0)?;
            let cut = cut.and_then(|text| serde_json::from_str::<Cut>(&text).ok());
            Ok(Some(Ok(Looked::Stopped(Resumed { entry: batch, cut }))))
        });
        match found.await? {
            None => Ok(Found::Fresh(claim)),
            Some(Err(error)) => Err(error),
            Some(Ok(Looked::Done(report))) => Ok(Found::Done(Box::new(report))),
            Some(Ok(Looked::Stopped(resumed))) => Ok(Found::Resume(claim, Box::new(resumed))),
        }
    }
}

/// The report of a batch, rebuilt from the ledger: as far as its rows are still kept there.
pub(crate) fn replayed(reader: &mut dyn Reader, batch: &BatchEntry) -> Result<Report, store::Error> {
    let catalogue = reader.catalogue();
    let small = batch.counts.received <= Report::ROWS;
    let most = refusals::most_rows(batch.counts.received) as u64;
    let refused = reader.refused(&batch.id, 0, most as u32)?;
    let mut forgotten = (refused.len() as u64) < batch.counts.refused.min(most);
    let refusals = refused.iter().flat_map(refusals::of_ledger).collect();
    let mut rows = Vec::new();
    if small {
        let numbers = numbers_of(reader, batch)?;
        for row in ledger::rows_of(reader, &batch.id, None, 0, Report::ROWS as usize, &|_| true)? {
            let Some(entity) = catalogue.find(&row.entity) else { continue };
            rows.push(RowReport {
                row: row.row,
                id: row.id,
                entity: entity.ix,
                outcome: row.outcome,
                record: row.record,
                company: Company::SHARED,
                code: row.code,
                revision: row.revision.unwrap_or(0),
                numbers: numbers.get(&row.row).cloned().unwrap_or_default(),
            });
        }
        forgotten |= (rows.len() as u64) < batch.counts.received - batch.counts.skipped;
    }
    Ok(Report {
        batch: Some(batch.id.clone()),
        refused_whole: batch.refused_whole,
        counts: batch.counts,
        effects: batch.effects,
        refusals,
        rows,
        replayed: true,
        forgotten,
        statistics: Statistics {
            statements: batch.statements,
            store_ms: batch.store_ms,
            total_ms: batch.total_ms,
        },
        ..Report::default()
    })
}

type Numbers = HashMap<u64, Vec<(domain::catalogue::FieldIx, Box<str>)>>;

/// Numbers that the rows of a batch got, from its journal entries.
fn numbers_of(reader: &mut dyn Reader, batch: &BatchEntry) -> Result<Numbers, store::Error> {
    let catalogue = reader.catalogue();
    let mut numbers = Numbers::new();
    for page in reader.pages_of(&batch.id, 0, u32::MAX)? {
        let rows: Vec<Option<u64>> =
            feed::page_of(reader, &page)?.entries.iter().map(|entry| entry.row).collect();
        for (change, row) in feed::changes_of(reader, &page)?.into_iter().zip(rows) {
            let (Some(row), Some(entity)) = (row, catalogue.find(&change.entity)) else { continue };
            if change.operation != Outcome::Added {
                continue;
            }
            for field in change.fields {
                let Some(ix) = entity.field_ix(&field.name) else { continue };
                if entity.numbering_of(Some(ix)).is_some()
                    && let Some(text) = field.after.as_ref().and_then(|value| value.as_text())
                {
                    numbers.entry(row).or_default().push((ix, text.into()));
                }
            }
        }
    }
    Ok(numbers)
}
