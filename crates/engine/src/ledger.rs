//! The ledger, read: what became of batches and of their rows.

use std::collections::{BTreeSet, HashMap};

use domain::batch::{Counts, Outcome};
use domain::names::{BatchId, Company, InternalId};
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
    ///
    /// Of batches of others only rows of entities that the caller may read are told.
    pub async fn batch_rows(
        &self,
        caller: &Caller,
        id: &BatchId,
        outcome: Option<Outcome>,
        after_row: u64,
        limit: usize,
    ) -> Result<Vec<BatchRow>, Error> {
        caller.require("read", "batches")?;
        let (id, caller_of_rows) = (id.clone(), caller.clone());
        self.read(caller.project(), move |reader| {
            let own = reader.batch(&id)?.is_some_and(|batch| *batch.login == *caller_of_rows.login);
            let may = |entity: &str| own || caller_of_rows.may_read(entity);
            rows_of(reader, &id, outcome, after_row, limit, &may)
        })
        .await
    }

    /// Every row and change that touched a key: a code, a unique key, a caller's id. Only of one
    /// entity where that is given.
    pub async fn trace(&self, caller: &Caller, key: &str, entity: Option<String>) -> Result<Trace, Error> {
        caller.require("read", "batches")?;
        let key = key.to_owned();
        let reading = caller.clone();
        self.read(caller.project(), move |reader| {
            let wanted =
                |name: &str| entity.as_deref().is_none_or(|entity| entity == name) && reading.may_read(name);
            trace(reader, &key, reading.company, &wanted)
        })
        .await
    }

    /// What a server left in the middle is said to be interrupted, with the rest `skipped`.
    pub(crate) async fn settle_interrupted(&self, project: &Project) -> Result<(), Error> {
        self.load_revoked(&project.code).await?;
        if self.read(&project.code, |reader| reader.running()).await?.is_empty() {
            return Ok(());
        }
        let now = self.now_ms();
        self.write(&project.code, move |writer| {
            for mut entry in writer.running()? {
                interrupt(&mut entry, now);
                writer.put_batch(&entry)?;
            }
            Ok(())
        })
        .await
    }
}

/// How many rows have an outcome other than `skipped`.
pub(crate) fn with_outcome(counts: &Counts) -> u64 {
    let mut counts = *counts;
    let told = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Skipped);
    told.map(|outcome| *counts.of(outcome)).sum()
}

/// Says of a batch that it stopped: rows without an outcome are `skipped`.
pub(crate) fn interrupt(entry: &mut BatchEntry, now: i64) {
    entry.state = BatchState::Interrupted;
    entry.finished_at = Some(now);
    entry.counts.skipped = entry.counts.received.saturating_sub(with_outcome(&entry.counts));
}

/// Rows of a batch, accepted and refused ones merged by position; only those of entities that `may`
/// allows.
pub(crate) fn rows_of(
    reader: &mut dyn Reader,
    id: &BatchId,
    outcome: Option<Outcome>,
    after_row: u64,
    limit: usize,
    may: &dyn Fn(&str) -> bool,
) -> Result<Vec<BatchRow>, store::Error> {
    let mut rows: Vec<BatchRow> = Vec::new();
    if outcome.is_none_or(|outcome| outcome == Outcome::Refused) {
        rows = refused_of(reader, id, after_row, limit, may)?;
    }
    if outcome != Some(Outcome::Refused) {
        accepted_of(reader, id, outcome, after_row, limit, may, &mut rows)?;
    }
    rows.sort_by_key(|row| row.row);
    rows.truncate(limit);
    Ok(rows)
}

fn refused_of(
    reader: &mut dyn Reader,
    id: &BatchId,
    after_row: u64,
    limit: usize,
    may: &dyn Fn(&str) -> bool,
) -> Result<Vec<BatchRow>, store::Error> {
    let portion = u32::try_from(limit).unwrap_or(u32::MAX);
    let (mut rows, mut after) = (Vec::new(), after_row);
    loop {
        let refused = reader.refused(id, after, portion)?;
        let last = refused.last().map(|row| row.row).filter(|_| refused.len() == portion as usize);
        rows.extend(refused.into_iter().filter(|row| may(&row.entity)).map(refused_row));
        match last {
            Some(last) if rows.len() < limit => after = last,
            _ => return Ok(rows),
        }
    }
}

/// Reads pages until no later one can hold a row that belongs among the first `limit`.
fn accepted_of(
    reader: &mut dyn Reader,
    id: &BatchId,
    outcome: Option<Outcome>,
    after_row: u64,
    limit: usize,
    may: &dyn Fn(&str) -> bool,
    rows: &mut Vec<BatchRow>,
) -> Result<(), store::Error> {
    let mut seen = BTreeSet::new();
    let mut chunk = 0;
    loop {
        let pages = reader.pages_of(id, chunk, 4)?;
        if pages.is_empty() {
            return Ok(());
        }
        for row in &pages {
            chunk = row.chunk + 1;
            let page = feed::page_of(reader, row)?;
            for fate in page.fates.into_iter().filter(|fate| fate.row > after_row) {
                seen.insert(fate.row);
                let entity = &page.entities[fate.entity].name;
                if outcome.is_some_and(|outcome| outcome != fate.outcome) || !may(entity) {
                    continue;
                }
                rows.push(BatchRow {
                    row: fate.row,
                    line: None,
                    entity: entity.clone(),
                    id: fate.id,
                    outcome: fate.outcome,
                    record: fate.record,
                    code: fate.code,
                    revision: Some(fate.revision).filter(|revision| *revision > 0),
                    problems: Vec::new(),
                    received: None,
                });
            }
        }
        rows.sort_by_key(|row| row.row);
        if let Some(last) = limit.checked_sub(1).and_then(|at| rows.get(at))
            && is_complete(reader, id, &seen, after_row, last.row)?
        {
            return Ok(());
        }
        rows.truncate(limit);
    }
}

/// True when every row in a range has its outcome in the pages read, or was refused. Another one
/// waited for a later row and stands in a later page.
fn is_complete(
    reader: &mut dyn Reader,
    id: &BatchId,
    seen: &BTreeSet<u64>,
    after: u64,
    last: u64,
) -> Result<bool, store::Error> {
    let missing = (last - after).saturating_sub(seen.range(..=last).count() as u64);
    if missing == 0 {
        return Ok(true);
    }
    let refused = reader.refused(id, after, u32::try_from(missing).unwrap_or(u32::MAX))?;
    Ok(refused.iter().filter(|row| row.row <= last).count() as u64 == missing)
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

fn trace(
    reader: &mut dyn Reader,
    key: &str,
    company: Company,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Trace, store::Error> {
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
            let in_company = change.company == Company::SHARED || change.company == company;
            if in_company && wanted(&change.entity) && names(&change, key, reader) {
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
