//! The small reader of pages.

use super::wire::Cursor;
use crate::batch::Outcome;
use crate::names::{Company, InternalId};
use crate::value::Value;

/// Where long values lie, by their hash.
pub type BlobSource<'a> = dyn FnMut(&[u8; 32]) -> Option<Vec<u8>> + 'a;

/// A page, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Entities that the page speaks of.
    pub entities: Vec<PageEntity>,
    /// Journal entries in the order of their seq.
    pub entries: Vec<PageEntry>,
    /// What became of accepted rows.
    pub fates: Vec<PageFate>,
}

/// An entity as it was when the page was written.
#[derive(Debug, Clone, PartialEq)]
pub struct PageEntity {
    /// Its name.
    pub name: Box<str>,
    /// Its fields.
    pub fields: Vec<PageField>,
}

/// A field as it was when the page was written.
#[derive(Debug, Clone, PartialEq)]
pub struct PageField {
    /// Its name.
    pub name: Box<str>,
    /// For decimals: digits behind the point.
    pub scale: u8,
}

/// A value in the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum PageValue {
    /// The value.
    Known(Value),
    /// A secret: only that it was written is known.
    Secret,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq)]
pub struct PageEntry {
    /// Its seq.
    pub seq: u64,
    /// Place of the entity in [`Page::entities`].
    pub entity: usize,
    /// Company of the record.
    pub company: Company,
    /// The record.
    pub id: InternalId,
    /// Row of the batch; `None` for an effect.
    pub row: Option<u64>,
    /// Code afterwards.
    pub code: Box<str>,
    /// Code before, where it changed.
    pub code_before: Option<Box<str>>,
    /// `Added`, `Updated` or `Deleted`.
    pub operation: Outcome,
    /// Fields by their place in the entity: before and after. Added ones have null before, deleted
    /// ones null after.
    pub fields: Vec<(usize, PageValue, PageValue)>,
}

/// What became of an accepted row.
#[derive(Debug, Clone, PartialEq)]
pub struct PageFate {
    /// Position in the batch, from 1.
    pub row: u64,
    /// The caller's own id.
    pub id: Option<Box<str>>,
    /// Place of the entity in [`Page::entities`].
    pub entity: usize,
    /// The record.
    pub record: Option<InternalId>,
    /// The record's code.
    pub code: Option<Box<str>>,
    /// What became of it.
    pub outcome: Outcome,
    /// The record's revision afterwards.
    pub revision: u64,
}

/// A page cannot be read: the database is damaged, or newer than this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a page of the journal cannot be read")]
pub struct PageFault;

impl Page {
    /// Reads a packed page.
    pub fn unpack(body: &[u8], long: &mut BlobSource<'_>) -> Result<Page, PageFault> {
        let plain = zstd::stream::decode_all(body).map_err(|_| PageFault)?;
        read(&plain, long).ok_or(PageFault)
    }
}

fn read(plain: &[u8], long: &mut BlobSource<'_>) -> Option<Page> {
    let mut cursor = Cursor(plain);
    if cursor.byte()? != 1 {
        return None;
    }
    let entities: Vec<PageEntity> =
        (0..cursor.number()?).map(|_| entity(&mut cursor)).collect::<Option<_>>()?;
    let first_seq = cursor.number()?;
    let count = cursor.number()?;
    let length = cursor.number()?;
    let mut journal = Cursor(cursor.bytes(length)?);
    let mut last_id = 0;
    let mut entries = Vec::with_capacity(count.min(100_000) as usize);
    for n in 0..count {
        let entry = entry(&mut journal, first_seq.checked_add(n)?, &mut last_id, long)?;
        // What is read may be looked up without a second thought.
        let described = entities.get(entry.entity)?;
        if entry.fields.iter().any(|(field, _, _)| *field >= described.fields.len()) {
            return None;
        }
        entries.push(entry);
    }
    let count = cursor.number()?;
    let mut last_row = 0;
    let mut fates = Vec::with_capacity(count.min(100_000) as usize);
    for _ in 0..count {
        let fate = fate(&mut cursor, &mut last_row, &mut last_id)?;
        entities.get(fate.entity)?;
        fates.push(fate);
    }
    Some(Page { entities, entries, fates })
}

fn entity(cursor: &mut Cursor<'_>) -> Option<PageEntity> {
    let name = cursor.text()?.into();
    let fields = (0..cursor.number()?)
        .map(|_| Some(PageField { name: cursor.text()?.into(), scale: cursor.byte()? }))
        .collect::<Option<_>>()?;
    Some(PageEntity { name, fields })
}

fn entry(
    cursor: &mut Cursor<'_>,
    seq: u64,
    last_id: &mut i64,
    long: &mut BlobSource<'_>,
) -> Option<PageEntry> {
    let operation = cursor.byte()?;
    let entity = usize::try_from(cursor.number()?).ok()?;
    let company = Company(u16::try_from(cursor.number()?).ok()?);
    *last_id = last_id.wrapping_add(cursor.signed()?);
    let id = InternalId(*last_id);
    let row = Some(cursor.number()?).filter(|row| *row > 0);
    let code = cursor.text()?.into();
    let code_before = if operation == 2 { Some(cursor.text()?.into()) } else { None };
    let mut fields = Vec::new();
    for _ in 0..cursor.number()? {
        let field = usize::try_from(cursor.number()?).ok()?;
        let mut value =
            || -> Option<PageValue> { Some(cursor.value(long)?.map_or(PageValue::Secret, PageValue::Known)) };
        let null = PageValue::Known(Value::Null);
        fields.push(match operation {
            0 => (field, null, value()?),
            3 => (field, value()?, null),
            _ => (field, value()?, value()?),
        });
    }
    let operation = match operation {
        0 => Outcome::Added,
        1 | 2 => Outcome::Updated,
        3 => Outcome::Deleted,
        _ => return None,
    };
    Some(PageEntry { seq, entity, company, id, row, code, code_before, operation, fields })
}

fn fate(cursor: &mut Cursor<'_>, last_row: &mut u64, last_id: &mut i64) -> Option<PageFate> {
    *last_row = last_row.checked_add_signed(cursor.signed()?)?;
    let outcome = *Outcome::ALL.get(usize::from(cursor.byte()?))?;
    let entity = usize::try_from(cursor.number()?).ok()?;
    *last_id = last_id.wrapping_add(cursor.signed()?);
    let record = Some(InternalId(*last_id)).filter(|id| id.0 != 0);
    let revision = cursor.number()?;
    let id = cursor.optional()?.map(Into::into);
    let code = cursor.optional()?.map(Into::into);
    Some(PageFate { row: *last_row, id, entity, record, code, outcome, revision })
}
