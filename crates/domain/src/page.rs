//! Pages: journal and ledger of one chunk, together in one compressed piece.
//!
//! A page describes itself: it names the entities and fields it speaks of, so that it can be read
//! under any later catalogue. It is headed by its seq range and by the sorted hashes of its keys,
//! which stand beside it in the database, so that a search opens only pages that can hold the key.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::batch::Outcome;
use crate::catalogue::{Entity, EntityIx, FieldIx};
use crate::field::FieldType;
use crate::keys::page_hash;
use crate::names::{Company, InternalId};
use crate::value::Value;

mod read;
mod wire;

pub use read::{BlobSource, Page, PageEntity, PageEntry, PageFate, PageFault, PageField, PageValue};

/// A value longer than this many bytes lies in the blob table; the page names it by its hash.
pub const LONG_VALUE: usize = 1024;

/// One change, as the journal keeps it.
pub struct Entry<'a> {
    /// Its seq, which is the record's revision from then on.
    pub seq: u64,
    /// Row of the batch; `None` for an effect.
    pub row: Option<u64>,
    /// Company of the record.
    pub company: Company,
    /// The record.
    pub id: InternalId,
    /// Its code afterwards.
    pub code: &'a str,
    /// What happened.
    pub operation: Operation<'a>,
}

/// What happened to a record.
pub enum Operation<'a> {
    /// It was added with these values.
    Added(&'a [(FieldIx, Value)]),
    /// It changed: fields with their values before and after, and its code before if that changed.
    Updated {
        /// The fields.
        fields: &'a [(FieldIx, Value, Value)],
        /// The code before.
        code_before: Option<&'a str>,
    },
    /// It was deleted while it had these values.
    Deleted(&'a [(FieldIx, Value)]),
}

/// What became of an accepted row, as the ledger keeps it.
pub struct RowFate<'a> {
    /// Position in the batch, from 1.
    pub row: u64,
    /// The caller's own id.
    pub id: Option<&'a str>,
    /// The record.
    pub record: Option<InternalId>,
    /// What became of it.
    pub outcome: Outcome,
    /// The record's revision afterwards.
    pub revision: u64,
    /// The record's code.
    pub code: Option<&'a str>,
}

/// Collects a page.
#[derive(Debug, Default)]
pub struct PageBuilder {
    /// Seq of the first entry, or of the next one when there is none.
    pub first_seq: u64,
    /// Number of entries.
    pub entries: u32,
    /// Number of row fates.
    pub fates: u32,
    /// Instant of the commit.
    pub instant: i64,
    /// Long values, to be stored beside the page.
    pub blobs: Vec<([u8; 32], Vec<u8>)>,
    hashes: Vec<u32>,
    entities: Vec<(EntityIx, Vec<u8>)>,
    journal: Vec<u8>,
    ledger: Vec<u8>,
    last_id: i64,
    last_row: u64,
    kept: HashMap<[u8; 32], ()>,
}

/// A finished page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Seq of the first entry; meaningless when there is none.
    pub first_seq: u64,
    /// Number of entries.
    pub entries: u32,
    /// Number of row fates.
    pub fates: u32,
    /// Instant of the commit.
    pub instant: i64,
    /// Sorted distinct hashes of codes, callers' ids and unique keys, 4 bytes each, little endian.
    pub hashes: Vec<u8>,
    /// The compressed page.
    pub body: Vec<u8>,
}

impl PageBuilder {
    /// Adds a journal entry. Entries come in the order of their seq, without gaps.
    pub fn change(&mut self, entity: &Entity, entry: Entry<'_>) {
        let place = self.place_of(entity);
        self.entries += 1;
        self.hashes.push(page_hash(entry.code));
        let (operation, code_before): (u8, _) = match &entry.operation {
            Operation::Added(_) => (0, None),
            Operation::Updated { code_before: None, .. } => (1, None),
            Operation::Updated { code_before, .. } => (2, *code_before),
            Operation::Deleted(_) => (3, None),
        };
        self.journal.push(operation);
        wire::put(&mut self.journal, place as u64);
        wire::put(&mut self.journal, u64::from(entry.company.0));
        wire::put_signed(&mut self.journal, entry.id.0.wrapping_sub(self.last_id));
        self.last_id = entry.id.0;
        wire::put(&mut self.journal, entry.row.unwrap_or(0));
        wire::put_text(&mut self.journal, entry.code);
        if let Some(code) = code_before {
            self.hashes.push(page_hash(code));
            wire::put_text(&mut self.journal, code);
        }
        match entry.operation {
            Operation::Added(values) | Operation::Deleted(values) => {
                wire::put(&mut self.journal, values.len() as u64);
                for (field, value) in values {
                    wire::put(&mut self.journal, u64::from(field.0));
                    self.value(entity, *field, value);
                }
            }
            Operation::Updated { fields, .. } => {
                wire::put(&mut self.journal, fields.len() as u64);
                for (field, before, after) in fields {
                    wire::put(&mut self.journal, u64::from(field.0));
                    self.value(entity, *field, before);
                    self.value(entity, *field, after);
                }
            }
        }
    }

    /// Adds what became of an accepted row.
    pub fn fate(&mut self, entity: &Entity, fate: RowFate<'_>) {
        let place = self.place_of(entity);
        self.fates += 1;
        let out = &mut self.ledger;
        wire::put_signed(out, fate.row as i64 - self.last_row as i64);
        self.last_row = fate.row;
        out.push(Outcome::ALL.iter().position(|outcome| *outcome == fate.outcome).unwrap_or(0) as u8);
        wire::put(out, place as u64);
        wire::put_signed(out, fate.record.map_or(0, |id| id.0).wrapping_sub(self.last_id));
        self.last_id = fate.record.map_or(0, |id| id.0);
        wire::put(out, fate.revision);
        for text in [fate.id, fate.code] {
            wire::put_optional(out, text);
            if let Some(text) = text {
                self.hashes.push(page_hash(text));
            }
        }
    }

    /// True when there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries == 0 && self.fates == 0
    }

    /// Compresses the page.
    pub fn pack(mut self) -> Packed {
        let mut plain = Vec::with_capacity(64 + self.journal.len() + self.ledger.len());
        plain.push(1);
        wire::put(&mut plain, self.entities.len() as u64);
        for (_, described) in &self.entities {
            plain.extend_from_slice(described);
        }
        wire::put(&mut plain, self.first_seq);
        wire::put(&mut plain, u64::from(self.entries));
        wire::put(&mut plain, self.journal.len() as u64);
        plain.extend_from_slice(&self.journal);
        wire::put(&mut plain, u64::from(self.fates));
        plain.extend_from_slice(&self.ledger);
        self.hashes.sort_unstable();
        self.hashes.dedup();
        Packed {
            first_seq: self.first_seq,
            entries: self.entries,
            fates: self.fates,
            instant: self.instant,
            hashes: self.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect(),
            body: wire::compress(&plain),
        }
    }

    fn place_of(&mut self, entity: &Entity) -> usize {
        if let Some(place) = self.entities.iter().position(|(ix, _)| *ix == entity.ix) {
            return place;
        }
        let mut described = Vec::with_capacity(16 * entity.fields.len());
        wire::put_text(&mut described, &entity.name);
        wire::put(&mut described, entity.fields.len() as u64);
        for field in &entity.fields {
            wire::put_text(&mut described, &field.name);
            described.push(match field.kind {
                FieldType::Decimal { scale, .. } => scale,
                _ => 0,
            });
        }
        self.entities.push((entity.ix, described));
        self.entities.len() - 1
    }

    fn value(&mut self, entity: &Entity, field: FieldIx, value: &Value) {
        let described = entity.field(field);
        if described.secret {
            self.journal.push(wire::SECRET);
            return;
        }
        if let Value::Text(text) = value
            && entity.keys.iter().any(|key| key.fields.iter().any(|(ix, _)| *ix == field))
        {
            self.hashes.push(page_hash(text));
        }
        let long = match value {
            Value::Text(text) | Value::Json(text) if text.len() > LONG_VALUE => Some(text.as_bytes()),
            Value::Binary(bytes) if bytes.len() > LONG_VALUE => Some(&**bytes),
            _ => None,
        };
        let Some(bytes) = long else {
            wire::put_value(&mut self.journal, value);
            return;
        };
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        wire::put_long(&mut self.journal, value, &hash);
        if self.kept.insert(hash, ()).is_none() {
            self.blobs.push((hash, bytes.to_vec()));
        }
    }
}

/// True when a page with these sorted hashes can hold a key.
pub fn may_hold(hashes: &[u8], key: &str) -> bool {
    let wanted = page_hash(key);
    let (chunks, _) = hashes.as_chunks::<4>();
    chunks.binary_search_by_key(&wanted, |bytes| u32::from_le_bytes(*bytes)).is_ok()
}

#[cfg(test)]
mod tests;
