//! The ledger, read: what became of batches and of their rows.

use std::collections::HashMap;

use domain::batch::Outcome;
use domain::names::{BatchId, InternalId};
use domain::rule::Problem;
use store::{BatchEntry, BatchState, Reader, RefusedRow};

use crate::feed::{self, Change};
use crate::project::Project;
use crate::{Caller, Engine, Error};

/// One batch.
pub type BatchView = BatchEntry;

/// One row of a batch, as the ledger knows it.
#[derive(Debug, Clone)]
pub struct BatchRow {
    /// Position in the batch, from 1.
    pub row: u64,
    /// Line of the file; refused rows alone know it.
    pub line: Option<u64>,
    /// Name of the entity.
    pub entity: Box<str>,
    /// The caller's own id.
    pub id: Option<Box<str>>,
    /// What became of it.
    pub outcome: Outcome,
    /// The record.
    pub record: Option<InternalId>,
    /// The record's code.
    pub code: Option<Box<str>>,
    /// The record's revision afterwards.
    pub revision: Option<u64>,
    /// What is wrong with it; refused rows alone have any.
    pub problems: Vec<Problem>,
    /// The row as received; refused rows alone have it.
    pub received: Option<String>,
}

/// Everything that touched a key.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Steps in the order of time.
    pub steps: Vec<TraceStep>,
    /// Codes of records that the changes name.
    pub codes: HashMap<InternalId, Box<str>>,
}

/// One thing that touched a key.
#[derive(Debug, Clone)]
pub enum TraceStep {
    /// A row of a batch, with the batch and its instant.
    Row(BatchId, i64, BatchRow),
    /// A change of a record.
    Changed(Change),
}

impl Engine {
    /// Batches, newest first, older than `before` where that is given.
    pub async fn batches(
        &self,
        caller: &Caller,
        before: Option<BatchId>,
        limit: u32,
    ) -> Result<Vec<BatchView>, Error> {
        caller.require("read", "batches")?;
        self.read(caller.project(), move |reader| reader.batches(before.as_ref(), limit)).await
    }

    /// One batch.
    pub async fn batch(&self, caller: &Caller, id: &BatchId) -> Result<Option<BatchView>, Error> {
        caller.require("read", "batches")?;
        let id = id.clone();
        self.read(caller.project(), move |reader| reader.batch(&id)).await
    }

    /// Rows of a batch behind a row, in order, at most `limit`; only those of one outcome where
    /// that is given. Rows that are `skipped` have no entry of their own.
    pub async fn batch_rows(
        &self,
        caller: &Caller,
        id: &BatchId,
        outcome: Option<Outcome>,
        after_row: u64,
        limit: usize,
    ) -> Result<Vec<BatchRow>, Error> {
        caller.require("read", "batches")?;
        let id = id.clone();
        self.read(caller.project(), move |reader| rows_of(reader, &id, outcome, after_row, limit)).await
    }

    /// Every row and change that touched a key: a code, a unique key, a caller's id. Only of one
    /// entity where that is given.
    pub async fn trace(&self, caller: &Caller, key: &str, entity: Option<String>) -> Result<Trace, Error> {
        caller.require("read", "batches")?;
        let key = key.to_owned();
        let rights = caller.rights.clone();
        self.read(caller.project(), move |reader| {
            let wanted = |name: &str| {
                entity.as_deref().is_none_or(|entity| entity == name) && rights.has("read", name)
            };
            trace(reader, &key, &wanted)
        })
        .await
    }

    /// What a server left in the middle is said to be interrupted, with the rest `skipped`.
    pub(crate) async fn settle_interrupted(&self, project: &Project) -> Result<(), Error> {
        self.load_revoked(&project.code).await?;
        let running = self.read(&project.code, |reader| reader.running()).await?;
        if running.is_empty() {
            return Ok(());
        }
        let now = self.now_ms();
        self.write(&project.code, move |writer| {
            for entry in &running {
                let mut entry = entry.clone();
                entry.state = BatchState::Interrupted;
                entry.finished_at = Some(now);
                let mut counts = entry.counts;
                counts.skipped = 0;
                let mut done = counts;
                done.received = 0;
                let seen: u64 = Outcome::ALL.iter().map(|outcome| *done.of(*outcome)).sum();
                counts.skipped = counts.received.saturating_sub(seen);
                entry.counts = counts;
                writer.put_batch(&entry)?;
            }
            Ok(())
        })
        .await
    }
}

/// Rows of a batch, accepted and refused ones merged by position.
pub(crate) fn rows_of(
    reader: &mut dyn Reader,
    id: &BatchId,
    outcome: Option<Outcome>,
    after_row: u64,
    limit: usize,
) -> Result<Vec<BatchRow>, store::Error> {
    let mut rows: Vec<BatchRow> = Vec::new();
    if outcome.is_none_or(|outcome| outcome == Outcome::Refused) {
        let refused = reader.refused(id, after_row, limit as u32)?;
        rows.extend(refused.into_iter().map(refused_row));
    }
    if outcome != Some(Outcome::Refused) {
        let mut chunk = 0;
        let mut kept = 0;
        'pages: loop {
            let pages = reader.pages_of(id, chunk, 4)?;
            if pages.is_empty() {
                break;
            }
            for row in &pages {
                chunk = row.chunk + 1;
                let page = feed::page_of(reader, row)?;
                for fate in page.fates {
                    if fate.row <= after_row || outcome.is_some_and(|outcome| outcome != fate.outcome) {
                        continue;
                    }
                    kept += 1;
                    rows.push(BatchRow {
                        row: fate.row,
                        line: None,
                        entity: page.entities[fate.entity].name.clone(),
                        id: fate.id,
                        outcome: fate.outcome,
                        record: fate.record,
                        code: fate.code,
                        revision: Some(fate.revision).filter(|revision| *revision > 0),
                        problems: Vec::new(),
                        received: None,
                    });
                }
                // Rows that waited for later ones stand out of order, never by more than a chunk.
                if kept > limit + 4_000 {
                    break 'pages;
                }
            }
        }
    }
    rows.sort_by_key(|row| row.row);
    rows.truncate(limit);
    Ok(rows)
}

pub(crate) fn refused_row(row: RefusedRow) -> BatchRow {
    BatchRow {
        row: row.row,
        line: row.line,
        entity: row.entity.into(),
        id: row.id.map(Into::into),
        outcome: Outcome::Refused,
        record: None,
        code: None,
        revision: None,
        problems: serde_json::from_str(&row.problems).unwrap_or_default(),
        received: Some(row.received),
    }
}

fn trace(reader: &mut dyn Reader, key: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Trace, store::Error> {
    let mut steps: Vec<(i64, TraceStep)> = Vec::new();
    let pages = reader.pages_holding(key)?;
    for row in &pages {
        let page = feed::page_of(reader, row)?;
        for fate in &page.fates {
            let named = fate.code.as_deref() == Some(key) || fate.id.as_deref() == Some(key);
            let entity = &page.entities[fate.entity].name;
            if named && wanted(entity) {
                let found = BatchRow {
                    row: fate.row,
                    line: None,
                    entity: entity.clone(),
                    id: fate.id.clone(),
                    outcome: fate.outcome,
                    record: fate.record,
                    code: fate.code.clone(),
                    revision: Some(fate.revision).filter(|revision| *revision > 0),
                    problems: Vec::new(),
                    received: None,
                };
                steps.push((row.instant, TraceStep::Row(row.batch.clone(), row.instant, found)));
            }
        }
        for change in feed::changes_of(reader, row)? {
            if wanted(&change.entity) && names(&change, key, reader) {
                steps.push((row.instant, TraceStep::Changed(change)));
            }
        }
    }
    for row in reader.refused_holding(key)? {
        let (batch, instant) = (row.batch.clone(), row.instant);
        if wanted(&row.entity) && holds(&row, key) {
            steps.push((instant, TraceStep::Row(batch, instant, refused_row(row))));
        }
    }
    steps.sort_by_key(|(instant, _)| *instant);
    let steps: Vec<TraceStep> = steps.into_iter().map(|(_, step)| step).collect();
    let changes: Vec<Change> = steps
        .iter()
        .filter_map(|step| match step {
            TraceStep::Changed(change) => Some(change.clone()),
            TraceStep::Row(..) => None,
        })
        .collect();
    let codes = feed::codes_of(reader, &changes)?;
    Ok(Trace { steps, codes })
}

/// True when a change is of the record that a key names: by its code, or by a unique key that it
/// had or got.
fn names(change: &Change, key: &str, reader: &dyn Reader) -> bool {
    if *change.code == *key {
        return true;
    }
    let catalogue = reader.catalogue();
    let Some(entity) = catalogue.find(&change.entity) else { return false };
    change.fields.iter().any(|field| {
        let held = [&field.before, &field.after];
        let is_key = entity
            .field_ix(&field.name)
            .is_some_and(|ix| entity.keys.iter().any(|key| key.fields.iter().any(|(of, _)| *of == ix)));
        is_key && held.iter().any(|value| value.as_ref().and_then(|value| value.as_text()) == Some(key))
    })
}

/// True when a refused row names a key: as its id, or as a text in it.
fn holds(row: &RefusedRow, key: &str) -> bool {
    row.id.as_deref() == Some(key) || row.received.contains(key)
}
