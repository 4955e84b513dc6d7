//! The journal, read by those who follow it.

use std::collections::HashMap;
use std::time::Duration;

use domain::batch::Outcome;
use domain::find::{Find, Wanted};
use domain::names::{BatchId, Company, InternalId};
use domain::page::{Page, PageEntry, PageValue};
use domain::value::Value;
use store::{PageRow, Reader};

use crate::{Caller, Engine, Error};

/// One change of one record, as readers of the journal see it.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its seq.
    pub seq: u64,
    /// When it was committed, milliseconds since 1970.
    pub instant: i64,
    /// The batch.
    pub batch: BatchId,
    /// Who changed it, such as `login:erp-sync`.
    pub source: String,
    /// Name of the entity.
    pub entity: Box<str>,
    /// The record.
    pub id: InternalId,
    /// Its company.
    pub company: Company,
    /// Its code afterwards.
    pub code: Box<str>,
    /// Its code before, where that changed.
    pub code_before: Option<Box<str>>,
    /// `Added`, `Updated` or `Deleted`.
    pub operation: Outcome,
    /// Fields with their values before and after.
    pub fields: Vec<FieldChange>,
}

/// What happened to one field.
#[derive(Debug, Clone)]
pub struct FieldChange {
    /// Name of the field.
    pub name: Box<str>,
    /// For decimals: digits behind the point.
    pub scale: u8,
    /// Value before; `None` for a secret.
    pub before: Option<Value>,
    /// Value afterwards; `None` for a secret.
    pub after: Option<Value>,
}

impl Engine {
    /// Changes behind a seq that the caller may read, at most `limit`, oldest first, with the codes
    /// of records they name and the seq to go on from. Waits up to `wait` when there are none.
    ///
    /// Sources in `except` are left out. Fails with [`Error::Forgotten`] when changes behind `after` are no
    /// longer kept.
    pub async fn changes(
        &self,
        caller: &Caller,
        after: u64,
        limit: usize,
        wait: Duration,
        except: Vec<String>,
    ) -> Result<(Vec<Change>, HashMap<InternalId, Box<str>>, u64), Error> {
        let mut seqs = caller.project.last_seq.subscribe();
        let deadline = tokio::time::Instant::now() + wait;
        let mut after = after;
        loop {
            let (changes, codes, seen) = self.changes_now(caller, after, limit, except.clone()).await?;
            if !changes.is_empty() {
                return Ok((changes, codes, seen));
            }
            after = after.max(seen);
            let newer = seqs.wait_for(|seq| *seq > after);
            if !matches!(tokio::time::timeout_at(deadline, newer).await, Ok(Ok(_))) {
                return Ok((changes, codes, after));
            }
        }
    }

    async fn changes_now(
        &self,
        caller: &Caller,
        after: u64,
        limit: usize,
        except: Vec<String>,
    ) -> Result<(Vec<Change>, HashMap<InternalId, Box<str>>, u64), Error> {
        let reading = caller.clone();
        let found = self.read(caller.project(), move |reader| {
            if let Some(first) = first_behind(reader, after)? {
                return Ok(Err(Error::Forgotten { first }));
            }
            let mut changes = Vec::new();
            let mut seen = after;
            while changes.len() < limit {
                let pages = reader.pages_after(seen, 8)?;
                if pages.is_empty() {
                    break;
                }
                for row in &pages {
                    let last = row.first_seq + u64::from(row.entries) - 1;
                    if except.contains(&row.source) {
                        seen = last;
                        continue;
                    }
                    for change in changes_of(reader, row)? {
                        if change.seq <= seen {
                            continue;
                        }
                        if changes.len() == limit {
                            break;
                        }
                        seen = change.seq;
                        let shared = change.company == Company::SHARED;
                        if (shared || change.company == reading.company) && reading.may_read(&change.entity) {
                            changes.push(change);
                        }
                    }
                    if changes.len() == limit {
                        break;
                    }
                }
            }
            let codes = codes_of(reader, &changes)?;
            Ok(Ok((changes, codes, seen)))
        });
        found.await?
    }

    /// Seq of the last journal entry.
    pub async fn last_seq(&self, caller: &Caller) -> Result<u64, Error> {
        self.read(caller.project(), |reader| Ok(reader.head()?.seq)).await
    }
}

/// The oldest seq that is kept, where changes between it and `after` are gone.
fn first_behind(reader: &mut dyn Reader, after: u64) -> Result<Option<u64>, store::Error> {
    let head = reader.head()?.seq;
    let first = reader.first_seq()?.unwrap_or(head + 1);
    Ok(Some(first).filter(|first| after < head && after + 1 < *first))
}

/// Reads a page with its long values.
pub(crate) fn page_of(reader: &mut dyn Reader, row: &PageRow) -> Result<Page, store::Error> {
    let mut failed = None;
    let page = Page::unpack(&row.body, &mut |hash| match reader.blob(hash) {
        Ok(blob) => blob,
        Err(error) => {
            failed = Some(error);
            None
        }
    });
    match failed {
        Some(error) => Err(error),
        None => page.map_err(|fault| store::Error::Damaged(fault.into())),
    }
}

/// The changes of a page.
pub(crate) fn changes_of(reader: &mut dyn Reader, row: &PageRow) -> Result<Vec<Change>, store::Error> {
    let page = page_of(reader, row)?;
    let Page { entities, entries, .. } = page;
    let change = |entry: PageEntry| {
        let entity = &entities[entry.entity];
        let known = |value: PageValue| match value {
            PageValue::Known(value) => Some(value),
            PageValue::Secret => None,
        };
        let fields = entry.fields.into_iter().map(|(field, before, after)| {
            let described = &entity.fields[field];
            let (before, after) = (known(before), known(after));
            FieldChange { name: described.name.clone(), scale: described.scale, before, after }
        });
        Change {
            seq: entry.seq,
            instant: row.instant,
            batch: row.batch.clone(),
            source: row.source.clone(),
            entity: entity.name.clone(),
            id: entry.id,
            company: entry.company,
            code: entry.code,
            code_before: entry.code_before,
            operation: entry.operation,
            fields: fields.collect(),
        }
    };
    Ok(entries.into_iter().map(change).collect())
}

/// Codes of the records that changes name.
pub(crate) fn codes_of(
    reader: &mut dyn Reader,
    changes: &[Change],
) -> Result<HashMap<InternalId, Box<str>>, store::Error> {
    let mut ids: Vec<InternalId> = Vec::new();
    for field in changes.iter().flat_map(|change| &change.fields) {
        for value in [&field.before, &field.after].into_iter().flatten() {
            match value {
                Value::Reference(id) => ids.push(*id),
                Value::References(many) => ids.extend(many.iter()),
                _ => {}
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let catalogue = reader.catalogue();
    let mut codes = HashMap::with_capacity(ids.len());
    for part in ids.chunk_by(|a, b| a.prefix() == b.prefix()) {
        let Some(entity) = catalogue.of_prefix(part[0].prefix()) else { continue };
        let wanted = Wanted::Ids(part.to_vec());
        let find = Find { entity: entity.ix, company: Company::SHARED, wanted, fields: Vec::new() };
        codes.extend(reader.find(&find)?.into_iter().map(|hit| (hit.record.id, hit.record.code)));
    }
    Ok(codes)
}
